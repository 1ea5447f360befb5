"""The controller's figures under ingress-nginx's names: certificates' ends, leadership, Ingresses without endpoints.

Made from the plan, some seconds apart. What costs is remembered: certificates are read once, some at each time, since a
thousand of them at once would hold the loop up.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cryptography import x509

from serin.objects.store import Snapshot
from serin.routing.plan import Certificate, Plan
from serin.telemetry.exposition import label_text
from serin.telemetry.figure import Figure
from serin.telemetry.told import Told

PREFIX = "nginx_ingress_controller_"
ADMISSION = {
    "admission_tested_ingresses": ("admission_last_ingresses", "Ingresses of the plan of the last review"),
    "admission_render_ingresses": ("admission_last_ingresses", "The same: a plan is made of all of them"),
    "admission_tested_duration": ("admission_last_testing_seconds", "Seconds for the last review, Secrets fetched"),
    "admission_render_duration": ("admission_last_judging_seconds", "Seconds for the plan of the last review"),
    "admission_roundtrip_duration": ("admission_last_review_seconds", "Seconds from the last review to its answer"),
    "admission_config_size": ("admission_last_review_bytes", "Bytes of the last review: no text is made of a plan"),
}
"""Gauges of ingress-nginx's: what the admission server calls them."""
AT_ONCE = 200
"""Certificates read at one time."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is read of a certificate; `expires` in seconds since 1970."""

    expires: float
    serial: str
    issuer: str
    subject: str


@dataclass(slots=True)
class IngressFigures:
    """`text` is to be called each time that figures are written. `election` is the Lease's name."""

    told: Told
    election: str = ""
    _certificates: dict[str, Shown | None] = field(default_factory=dict)
    _plan: Plan | None = None
    _orphans: tuple[tuple[str, str, str], ...] = ()

    def text(self, plan: Plan | None, snapshot: Snapshot, others: Iterable[Figure], checks: tuple[int, int]) -> str:
        """`checks`: compiles that succeeded and that failed."""
        lines = [
            *_family("check_success", "counter", "Compiles that succeeded", [({**self.told.labels}, checks[0])]),
            *_family("check_errors", "counter", "Compiles that failed", [({**self.told.labels}, checks[1])]),
        ]
        values = {figure.name: figure.value for figure in others if not figure.labels}
        leader = values.get("leader")
        if leader is not None:
            samples = [({**self.told.labels, "name": self.election}, leader)]
            lines += _family("leader_election_status", "gauge", "1 while this replica is the one that writes", samples)
        for name, (own, about) in ADMISSION.items():
            if own in values:
                lines += _family(name, "gauge", about, [(self.told.labels, values[own])])
        if plan is not None:
            lines += self._of_plan(plan, snapshot)
        return "".join(line + "\n" for line in lines)

    def _of_plan(self, plan: Plan, snapshot: Snapshot) -> list[str]:
        if plan is not self._plan:
            self._plan, self._orphans = plan, tuple(sorted(set(orphans(plan, snapshot))))
        told = self.told.labels
        about = "Ingresses of which a Service is not there, or has no endpoint"
        lines = _family(
            "orphan_ingress",
            "gauge",
            about,
            [({**told, "namespace": ns, "ingress": name, "type": kind}, 1) for ns, name, kind in self._orphans],
        )
        used = {host.certificate for host in plan.hosts.values() if host.certificate is not None}
        self._read({digest: plan.certificates[digest] for digest in used & plan.certificates.keys()})
        ends, facts = [], []
        for host in plan.hosts.values():
            shown = self._certificates.get(host.certificate or "")
            if shown is None:
                continue
            ref = host.routes[0].ingress if host.routes else None
            namespace = ref.namespace if ref is not None else ""
            secret = _secret(snapshot, namespace, ref.name if ref is not None else "", host.name)
            whose = {
                **told,
                "class": self.told.controller_class,
                "host": host.name or "_",
                "identifier": f"{shown.issuer}-{shown.serial}",
                "namespace": namespace,
                "secret_name": secret,
            }
            ends.append((whose, shown.expires))
            more = {"issuer_common_name": shown.issuer, "serial_number": shown.serial, "issuer_organization": ""}
            facts.append(({**whose, **more, "public_key_algorithm": ""}, 1.0))
        lines += _family("ssl_expire_time_seconds", "gauge", "When a host's certificate ends, since 1970", ends)
        return lines + _family("ssl_certificate_info", "gauge", "A host's certificate; always 1", facts)

    def _read(self, certificates: Mapping[str, Certificate]) -> None:
        for digest in self._certificates.keys() - certificates.keys():
            del self._certificates[digest]
        unread = [digest for digest in certificates if digest not in self._certificates]
        for digest in unread[:AT_ONCE]:
            self._certificates[digest] = read_certificate(certificates[digest].pem)


def orphans(plan: Plan, snapshot: Snapshot) -> Iterator[tuple[str, str, str]]:
    """(namespace, name, type) of each object whose backend has nobody; types are ingress-nginx's."""
    for host in plan.hosts.values():
        for route in host.routes:
            for version in route.versions:
                pool = plan.pools.get(version.pool)
                if pool is None or pool.endpoints or pool.external:
                    continue
                there = (pool.spec.namespace, pool.spec.service) in snapshot.services
                yield version.ingress.namespace, version.ingress.name, "no-endpoint" if there else "no-service"


def read_certificate(pem: bytes) -> Shown | None:
    """Of the first certificate; None where there is none that can be read."""
    try:
        found = x509.load_pem_x509_certificate(pem)
        return Shown(
            found.not_valid_after_utc.timestamp(),
            str(found.serial_number),
            _common_name(found.issuer),
            _common_name(found.subject),
        )
    except (ValueError, x509.InvalidVersion):
        return None


def _common_name(name: x509.Name) -> str:
    values = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(values[0].value) if values else ""


def _secret(snapshot: Snapshot, namespace: str, ingress: str, host: str) -> str:
    view = snapshot.ingresses.get((namespace, ingress))
    if view is None:
        return ""
    return next((tls.secret for tls in view.tls if host in tls.hosts), "")


def _family(name: str, kind: str, text: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> list[str]:
    lines = [f"# HELP {PREFIX}{name} {text}", f"# TYPE {PREFIX}{name} {kind}"]
    return [*lines, *(f"{PREFIX}{name}{{{label_text(labels)}}} {value:.15g}" for labels, value in samples)]
