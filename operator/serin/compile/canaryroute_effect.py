"""What is told of a CanaryRoute, or of a target of it, that shares out nothing.

Told to the user whose object it is: what was looked for, and what is there instead. Nothing is told where an Ingress of
another controller fits, which knows more about it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from serin.compile.canaryroutes import Attachment, CanaryRouteReading, selects
from serin.compile.classes import is_anothers
from serin.compile.findings import Findings
from serin.compile.ingress_set import IngressSet
from serin.compile.ingresses import IngressReading
from serin.compile.options import Key
from serin.objects.views import CanaryTarget, Ingress, IngressPath, ServicePortRef
from serin.refs import Source

_NAMED = 3
"""How many Ingresses a text names."""


def tell_effect(
    route: CanaryRouteReading,
    rules: Sequence[Attachment],
    ingresses: IngressSet,
    all_ingresses: Mapping[Key, Ingress],
    findings: Findings,
) -> None:
    """`rules`: those that it was asked to share out; `all_ingresses`: also those that are not ours."""
    view, home = route.view, route.view.home
    if home is None:
        return
    namespace = route.ref.namespace
    wanted = home.service if home.port is None else f"{home.service}:{home.port}"
    for target in view.targets or ():
        if any(selects(target, rule.ingress, rule.host, rule.path) for rule in rules):
            continue
        key = (namespace, target.name)
        reading, there = ingresses.readings.get(key), all_ingresses.get(key)
        if reading is None and there is not None and is_anothers(there, ingresses.classes):
            continue
        text = f"{_why_not(route, target, reading, wanted)}; this target has no effect"
        findings.error(target.source, "canaryroute-target-not-found", text)
    if view.targets is None and not rules and not ingresses.anothers.of((namespace, home.service)):
        text = f"no Ingress that Serin serves in this namespace has {wanted} as backend{_but(route, ingresses)}"
        source = Source(route.ref, f"{home.source.field}.service")
        findings.error(source, "canaryroute-without-ingress", f"{text}; it has no effect until one does")


def _why_not(route: CanaryRouteReading, target: CanaryTarget, reading: IngressReading | None, wanted: str) -> str:
    if reading is None or not reading.served or reading.is_canary:
        return f"there is no Ingress {target.name} in this namespace that Serin serves (canaries do not count)"
    hosts = {host: paths for host, paths in reading.paths.items() if target.host in ("", host)}
    if not hosts:
        return f"Ingress {target.name} has no host {target.host}"
    paths = (*(path for paths in hosts.values() for path in paths), *_default(reading))
    found = {path.backend for path in paths if target.path in ("", path.path or "/")}
    if not found:
        return f"Ingress {target.name} has no path {target.path}" + (f" on {target.host}" if target.host else "")
    if any(route.is_home(backend) for backend in found):
        return f"Ingress {target.name} has {wanted} there, but another rule has its requests"
    return f"Ingress {target.name} serves nothing there with {wanted} as backend (its backends are: {_listed(found)})"


def _but(route: CanaryRouteReading, ingresses: IngressSet) -> str:
    """Of the Ingresses that do name the Service, what they name."""
    home = route.view.home
    assert home is not None
    users = sorted(ingresses.by_service.of((route.ref.namespace, home.service)))
    found = []
    for name in (user.partition("/")[2] for user in users[:_NAMED]):
        reading = ingresses.readings.get((route.ref.namespace, name))
        assert reading is not None
        named = {backend for backend in _backends(reading) if backend.service == home.service}
        lost = ", but another rule has its requests" if any(route.is_home(backend) for backend in named) else ""
        found.append(f"{name} has {_listed(named)}{lost}")
    return f" ({'; '.join(found)})" if found else ""


def _backends(reading: IngressReading) -> Iterator[ServicePortRef]:
    for path in (*(path for paths in reading.paths.values() for path in paths), *_default(reading)):
        if path.backend is not None:
            yield path.backend


def _default(reading: IngressReading) -> tuple[IngressPath, ...]:
    default = reading.ingress.default_backend
    return () if default is None else (IngressPath("/", "Prefix", default, reading.ingress.meta.at("spec")),)


def _listed(backends: Iterable[ServicePortRef | None]) -> str:
    return ", ".join(sorted({f"{found.service}:{found.port}" for found in backends if found is not None})) or "none"
