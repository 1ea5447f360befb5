"""All CanaryRoutes, by the Service that is their home, as edited by one compile; and what is told of each.

Whether one has an effect is known only when the hosts are compiled: problems about that come last.
"""

from collections.abc import Iterable

from serin.compile.canaries import CheckPattern
from serin.compile.canaryroutes import Attachment, CanaryRouteReading, failed_canary_route, read_canary_route, selects
from serin.compile.draft import Draft, Uses
from serin.compile.findings import Findings
from serin.compile.ingress_set import IngressSet
from serin.compile.memo import Memo, Problems
from serin.compile.options import Key
from serin.objects.fields import shorten
from serin.objects.store import Snapshot
from serin.objects.views import CanaryRoute, CanaryTarget, IngressPath, ServicePortRef
from serin.refs import Source


class CanaryRouteSet:
    """`homes`: the Services that are or were home of a CanaryRoute that changed; `targeted` goes from Ingresses."""

    def __init__(self, memo: Memo, check: CheckPattern, ingresses: IngressSet, problems: Problems) -> None:
        self._check = check
        self._ingresses = ingresses
        self._problems = problems
        self.readings = Draft(memo.canary_routes)
        self.by_home = Draft(memo.canary_routes_at)
        self.targeted: Uses[Key, bool] = Uses(memo.targeted)
        self.homes: set[Key] = set()
        self._changed: set[Key] = set()

    def at_home(self, service: Key) -> tuple[CanaryRouteReading, ...]:
        """Those with this Service as their home, oldest first."""
        return self.by_home.get(service) or ()

    @property
    def hosts(self) -> set[str]:
        """The hosts whose requests are shared out otherwise than before, or may be."""
        return {host for home in self.homes for hosts in self._ingresses.by_service.of(home).values() for host in hosts}

    def update(self, keys: Iterable[Key], snapshot: Snapshot, *, again: bool) -> None:
        """Reads the CanaryRoutes with these keys; `again`: also those whose object is the same as before."""
        for key in keys:
            old, view = self.readings.get(key), snapshot.canary_routes.get(key)
            if again or old is None or old.view is not view:
                self._replace(key, old, view)

    def report(self, attached: Uses[Key, tuple[Attachment, ...]]) -> None:
        """`attached`: by CanaryRoute and host the rules that it was asked to share out."""
        for key in self._changed | set(attached.touched) | self._concerned():
            reading = self.readings.get(key)
            if reading is None:
                self._problems.put(("canaryroute", *key), None)
                continue
            rules = [rule for rules in attached.of(key).values() for rule in rules]
            findings = Findings()
            findings.problems += reading.problems
            self._effect(reading.view, rules, findings)
            self._problems.put(("canaryroute", *key), tuple(findings.problems) or None)

    def _replace(self, key: Key, old: CanaryRouteReading | None, view: CanaryRoute | None) -> None:
        new = None if view is None else self._read(view)
        self.readings.put(key, new)
        self._changed.add(key)
        for reading in (old, new):
            if reading is not None and reading.home is not None:
                self.homes.add(reading.home)
                others = [other for other in self.at_home(reading.home) if other.ref != reading.ref]
                if reading is new:
                    others = sorted([*others, new], key=lambda route: route.view.meta.age)
                self.by_home.put(reading.home, tuple(others) or None)
        self.targeted.move("/".join(key), _targets(old), _targets(new))

    def _read(self, view: CanaryRoute) -> CanaryRouteReading:
        try:
            return read_canary_route(view, self._check)
        except Exception as e:  # our own fault, and this object's alone
            return failed_canary_route(view, shorten(f"{type(e).__name__}: {e}"))

    # --- whether it has an effect ---

    def _concerned(self) -> set[Key]:
        """Those whose home or target is an Ingress that changed."""
        found = {reading.ref for service in self._ingresses.services_touched for reading in self.at_home(service)}
        keys = {(ref.namespace, ref.name) for ref in found}
        for ingress in self._ingresses.changed:
            for user in self.targeted.of(ingress):
                namespace, _, name = user.partition("/")
                keys.add((namespace, name))
        return keys

    def _effect(self, view: CanaryRoute, rules: list[Attachment], findings: Findings) -> None:
        home = view.home
        if home is None:
            return
        wanted = home.service if home.port is None else f"{home.service}:{home.port}"
        for target in view.targets or ():
            if not any(selects(target, rule.ingress, rule.host, rule.path) for rule in rules):
                text = f"{self._why_not(view, target, wanted)}; this target has no effect"
                findings.error(target.source, "canaryroute-target-not-found", text)
        if view.targets is None and not rules:
            text = f"no Ingress that Serin serves in this namespace has {wanted} as backend{self._but(view)}"
            source = Source(view.meta.ref, f"{home.source.field}.service")
            findings.error(source, "canaryroute-without-ingress", f"{text}; it has no effect until one does")

    def _why_not(self, view: CanaryRoute, target: CanaryTarget, wanted: str) -> str:
        reading = self._ingresses.readings.get((view.meta.ref.namespace, target.name))
        if reading is None or not reading.served or reading.is_canary:
            return f"there is no Ingress {target.name} in this namespace that Serin serves (canaries do not count)"
        hosts = {host: paths for host, paths in reading.paths.items() if target.host in ("", host)}
        if not hosts:
            return f"Ingress {target.name} has no host {target.host}"
        default = reading.ingress.default_backend
        own = [path for paths in hosts.values() for path in paths]
        if default is not None:
            own.append(IngressPath("/", "Prefix", default, reading.ingress.meta.at("spec.defaultBackend")))
        found = {path.backend for path in own if target.path in ("", path.path or "/")}
        if not found:
            return f"Ingress {target.name} has no path {target.path}" + (f" on {target.host}" if target.host else "")
        named = ", ".join(sorted({_shown(backend) for backend in found if backend is not None})) or "none"
        return f"Ingress {target.name} serves nothing there with {wanted} as backend (its backends are: {named})"

    def _but(self, view: CanaryRoute) -> str:
        """Of the Ingresses that do name the Service, what they name."""
        home = view.home
        assert home is not None
        keys = sorted(self._ingresses.by_service.of((view.meta.ref.namespace, home.service)))
        found = []
        for name in (key.partition("/")[2] for key in keys[:3]):
            reading = self._ingresses.readings.get((view.meta.ref.namespace, name))
            assert reading is not None
            backends = [path.backend for paths in reading.paths.values() for path in paths]
            named = {b for b in (*backends, reading.ingress.default_backend) if b and b.service == home.service}
            found.append(f"{name} has {', '.join(sorted(_shown(backend) for backend in named))}")
        return f" ({'; '.join(found)})" if found else ""


def _targets(reading: CanaryRouteReading | None) -> dict[Key, bool]:
    if reading is None:
        return {}
    return {(reading.ref.namespace, target.name): True for target in reading.view.targets or ()}


def _shown(backend: ServicePortRef) -> str:
    return f"{backend.service}:{backend.port}"
