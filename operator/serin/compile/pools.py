"""Which endpoints a pool holds. The only part of compile that looks at Services and their endpoints.

Hosts name pools and never look inside, so that a pod's coming and going compiles nothing.
"""

import ipaddress
from collections.abc import Iterable

from serin.compile.annotations.balancing import Balancing
from serin.compile.findings import Findings
from serin.compile.options import Options
from serin.objects.fields import shorten
from serin.objects.store import Snapshot
from serin.objects.views import EndpointSlice, Service, ServicePort, SlicePort
from serin.problems import Problem
from serin.refs import Ref, Source
from serin.routing.addresses import is_address, refusal
from serin.routing.identity import digest64
from serin.routing.plan import Endpoint, Pool, PoolSpec

FIRST_PORT = 0
"""As a PoolSpec's port: the Service's first one (the default backend is named without a port)."""

_DEFAULTS = Options()
_NOBODY = "its requests get 503 where no other version can answer"
_CLOSED = {"TCP": "its connections are closed", "UDP": "its datagrams are dropped"}
"""What happens at ports that are passed on unread."""


def make_spec(namespace: str, service: str, port: int | str, balancing: Balancing, protocol: str = "") -> PoolSpec:
    """`protocol`: TCP or UDP where only ports of that one count; empty for any."""
    size = balancing.subset_size
    kind = "number" if isinstance(port, int) else "name"
    told = ((protocol,) if protocol else ()) + (("cluster-ip",) if balancing.cluster_ip else ())
    ident = digest64((namespace, service, kind, str(port), balancing.algorithm.value, str(size), *told))
    return PoolSpec(ident, namespace, service, port, balancing.algorithm, size, protocol, balancing.cluster_ip)


def _fate(spec: PoolSpec) -> str:
    """Of those who come to a pool without endpoints."""
    return _CLOSED.get(spec.protocol, _NOBODY)


def fill_pool(snapshot: Snapshot, spec: PoolSpec, options: Options = _DEFAULTS) -> tuple[Pool, tuple[Problem, ...]]:
    """The pool's endpoints now. Problems have the Service as their source.

    Ready endpoints only: one that is terminating is left out even while it still serves, as ingress-nginx does. The
    order is that of the addresses, whatever the order of the slices.
    """
    findings = Findings()
    if spec.namespace == "":
        return _outside(spec, options, findings), tuple(findings.problems)
    ref = Ref("Service", spec.namespace, spec.service)
    service = snapshot.services.get((spec.namespace, spec.service))
    if service is None:
        findings.error(Source(ref), "service-not-found", f"there is no {ref}; {_fate(spec)}")
        return Pool(spec, ()), tuple(findings.problems)
    port = find_port(service, spec.port, spec.protocol)
    if service.type == "ExternalName":
        return _external(spec, service, port, options, findings), tuple(findings.problems)
    if port is None:
        _no_port(service, spec, findings)
        return Pool(spec, (), client_affinity=service.affinity_timeout), tuple(findings.problems)
    if spec.cluster_ip and is_address(service.cluster_ip):
        refused = refusal(service.cluster_ip, standalone=options.standalone)
        if refused:
            findings.error(service.meta.at("spec.clusterIP"), "address-refused", f"is {refused}; {_fate(spec)}")
            return Pool(spec, ()), tuple(findings.problems)
        return Pool(spec, (Endpoint(service.cluster_ip, port.port),)), tuple(findings.problems)
    endpoints = tuple(sorted(set(_ready(_slices(snapshot, spec), port)), key=lambda e: (e.address, e.port)))
    if not endpoints:
        others = _other_ports(_slices(snapshot, spec), port)
        named = f" (those that are ready have other ports: {others})" if others else ""
        text = f"{ref} has no ready endpoint on port {_shown(spec)}{named}; {_fate(spec)}"
        findings.warning(Source(ref), "no-ready-endpoints", text)
    return Pool(spec, endpoints, client_affinity=service.affinity_timeout), tuple(findings.problems)


def fill_or_close(snapshot: Snapshot, spec: PoolSpec, options: Options) -> tuple[Pool, tuple[Problem, ...]]:
    """`fill_pool`, and an empty pool with a problem where Serin itself fails."""
    try:
        return fill_pool(snapshot, spec, options)
    except Exception as e:  # our own fault, and this pool's alone
        findings = Findings()
        text = f"Serin failed on this Service ({shorten(f'{type(e).__name__}: {e}')}); {_fate(spec)}"
        findings.error(Source(Ref("Service", spec.namespace, spec.service)), "internal-error", text)
        return Pool(spec, ()), tuple(findings.problems)


def find_port(service: Service, wanted: int | str, protocol: str = "") -> ServicePort | None:
    """By number or name; else, as ingress-nginx does, by what the port targets. Of any protocol, or of this one."""
    ports = tuple(port for port in service.ports if protocol in ("", port.protocol))
    if wanted == FIRST_PORT:
        return ports[0] if ports else None
    for port in ports:
        if wanted in (port.port, port.name):
            return port
    return next((port for port in ports if port.target == wanted), None)


def _slices(snapshot: Snapshot, spec: PoolSpec) -> tuple[EndpointSlice, ...]:
    """EndpointSlices; the Service's Endpoints only when it has not a single slice."""
    key = (spec.namespace, spec.service)
    slices = snapshot.slices_of.get(key)
    if slices:
        return slices
    older = snapshot.endpoints.get(key)
    return older.subsets if older is not None else ()


def _ready(slices: Iterable[EndpointSlice], port: ServicePort) -> Iterable[Endpoint]:
    for piece in slices:
        numbers = [p.port for p in _slice_ports(piece.ports, port)]
        for endpoint in piece.endpoints if numbers else ():
            if endpoint.ready and not endpoint.terminating:
                for address in endpoint.addresses:
                    for number in numbers:
                        yield Endpoint(address, number)


def _other_ports(slices: Iterable[EndpointSlice], port: ServicePort) -> str:
    """Ports under which endpoints are ready, when none of them is the Service's: a name is then likely mistyped."""
    ready = (s for s in slices if any(e.ready and not e.terminating and e.addresses for e in s.endpoints))
    found = {p for piece in ready for p in piece.ports if not _slice_ports(piece.ports, port)}
    return ", ".join(sorted(f"{p.port} ({p.name or 'without name'})" for p in found))


def _slice_ports(ports: tuple[SlicePort, ...], port: ServicePort) -> list[SlicePort]:
    """Those of the Service's port: by its name; in slices written by hand also by its target, or the only one."""
    ours = [p for p in ports if p.protocol == port.protocol]
    named = [p for p in ours if p.name == port.name]
    if named:
        return named
    targeted = [p for p in ours if port.target is not None and port.target in (p.name, p.port)]
    if targeted:
        return targeted
    return ours if len(ours) == 1 and (not port.name or not ours[0].name) else []


def _no_port(service: Service, spec: PoolSpec, findings: Findings) -> None:
    listed = ", ".join(f"{p.port} ({p.name})" if p.name else str(p.port) for p in service.ports) or "none"
    wanted = f"named {shorten(spec.port)!r}" if isinstance(spec.port, str) else _shown(spec)
    text = f"{service.meta.ref} has no port {wanted}, its ports are: {listed}; {_fate(spec)}"
    findings.error(service.meta.at("spec.ports"), "service-port-not-found", text)


def _shown(spec: PoolSpec) -> str:
    return "(any)" if spec.port == FIRST_PORT else f"{spec.port} {spec.protocol}".strip()


def _external(spec: PoolSpec, service: Service, port: ServicePort | None, options: Options, findings: Findings) -> Pool:
    """The name is resolved, and its addresses are checked, by the data plane."""
    refused = _refusal(service.external_name, options)
    if refused:
        findings.error(service.meta.at("spec.externalName"), "external-name-refused", f"{refused}; {_fate(spec)}")
        return Pool(spec, ())
    number = _external_port(service, port, spec.port)
    if number is None:
        _no_port(service, spec, findings)
        return Pool(spec, ())
    return Pool(spec, (), service.external_name, number, service.affinity_timeout)


def _outside(spec: PoolSpec, options: Options, findings: Findings) -> Pool:
    """A host that an annotation names. A name's addresses are checked by the data plane, when it has resolved it."""
    host, port = spec.service, spec.port
    assert isinstance(port, int)
    literal = is_address(host)
    refused = refusal(host, standalone=options.standalone) if literal else ""
    if not refused and not options.standalone and _is_loopback(host):
        refused = "this pod itself"
    if refused:
        text = (
            f"{shorten(host)} is {refused}, which nobody may name; it is not asked, and what needs its answer gets 500"
        )
        findings.error(Source(Ref("Address", "", host)), "address-refused", text)
        return Pool(spec, ())
    return Pool(spec, (Endpoint(host, port),)) if literal else Pool(spec, (), host, port)


def _external_port(service: Service, port: ServicePort | None, wanted: int | str) -> int | None:
    """The Service's port, where it targets another number that; without ports the number that the Ingress names."""
    if port is not None:
        return port.target if isinstance(port.target, int) else port.port
    return wanted if not service.ports and isinstance(wanted, int) and wanted != FIRST_PORT else None


def _refusal(name: str, options: Options) -> str:
    if options.disable_svc_external_name:
        return "Services of type ExternalName are disabled (--disable-svc-external-name)"
    if not name:
        return "expected a DNS name"
    if not options.standalone and _is_loopback(name):
        return f"{name} is this pod itself"
    return ""


def _is_loopback(name: str) -> bool:
    if name in ("localhost", "localhost.localdomain") or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified or address.is_link_local
