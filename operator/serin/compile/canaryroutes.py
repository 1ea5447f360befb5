"""CanaryRoutes read by themselves, and attached to the rules that they share out.

One belongs to the rules of its namespace's Ingresses whose backend is its home, narrowed by its targets, and to nothing
else. It says which version a request gets; everything else about the request stays the Ingress's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from serin.compile.canaries import Canary, CheckPattern, main_ident
from serin.compile.canaryroute_weights import NO_WEIGHTS, Weights, weights_of
from serin.compile.findings import Findings
from serin.compile.options import Key
from serin.compile.pools import find_port, make_spec
from serin.compile.rules import PathKey, Rule
from serin.objects.views import (
    CanaryFieldMatch,
    CanaryMatch,
    CanaryRoute,
    CanaryTarget,
    CanaryVersion,
    MatchType,
    Service,
    ServicePortRef,
)
from serin.problems import Problem
from serin.refs import Ref, Source
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule
from serin.routing.identity import digest64
from serin.routing.plan import PoolSpec, VersionRoute


@dataclass(frozen=True, slots=True)
class CanaryRouteReading:
    """`rules` name versions by their place in the view. Without versions the view has no effect.

    `weights`: those in force. `ports`: what Ingresses may call home's port; None: it is whichever they name.
    """

    view: CanaryRoute
    rules: tuple[MatchRule, ...] = ()
    weights: Weights = NO_WEIGHTS
    problems: tuple[Problem, ...] = ()
    ports: frozenset[int | str] | None = None

    @property
    def ref(self) -> Ref:
        return self.view.meta.ref

    @property
    def home(self) -> Key | None:
        """Namespace and name of the Service that Ingresses name."""
        return None if self.view.home is None else (self.ref.namespace, self.view.home.service)

    def is_home(self, backend: ServicePortRef | None) -> bool:
        """Whether an Ingress of the same namespace that names this backend names home."""
        home = self.view.home
        if home is None or backend is None or backend.service != home.service:
            return False
        return self.ports is None or backend.port in self.ports

    def asks_for(self, ingress: str, host: str) -> bool:
        """Whether rules of this Ingress and host can be asked for, whatever their backends and paths."""
        targets = self.view.targets
        return targets is None or any(t.name == ingress and t.host in ("", host) for t in targets)

    def takes(self, rule: Rule) -> bool:
        """Whether a rule of the same namespace is one of those asked for."""
        targets = self.view.targets
        if not self.is_home(rule.path.backend):
            return False
        if targets is None:
            return True
        return any(selects(target, rule.reading.ref.name, rule.id.host, rule.id.path) for target in targets)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A rule that a CanaryRoute was asked to share out, whether it does or an older one."""

    ingress: str
    host: str
    path: str


Attached = Mapping[Key, tuple[Attachment, ...]]
"""By CanaryRoute."""


def selects(target: CanaryTarget, ingress: str, host: str, path: str) -> bool:
    return target.name == ingress and target.host in ("", host) and target.path in ("", path)


# --- reading one ---


def home_ports(view: CanaryRoute, services: Mapping[Key, Service]) -> frozenset[int | str] | None:
    """What Ingresses may call the port that home names: by number or by name, as its Service has them now."""
    home = view.home
    if home is None or home.port is None:
        return None
    service = services.get((view.meta.ref.namespace, home.service))
    port = None if service is None else find_port(service, home.port)
    if service is None or port is None:
        return frozenset((home.port,))
    names = (port.port, port.name, port.target)
    return frozenset((home.port, *(name for name in names if name and find_port(service, name) is port)))


def read_canary_route(view: CanaryRoute, check: CheckPattern, ports: frozenset[int | str] | None) -> CanaryRouteReading:
    findings = Findings()
    places = {version.name: place for place, version in enumerate(view.versions)}
    rules = tuple(
        MatchRule(
            places[rule.version], tuple(_match(m, places[rule.version] == 0, check, findings) for m in rule.matches)
        )
        for rule in view.rules
    )
    sourced = tuple(replace(made, source=rule.source) for made, rule in zip(rules, view.rules, strict=True))
    weights = weights_of(view) if view.versions else NO_WEIGHTS
    return CanaryRouteReading(view, sourced, weights, tuple(findings.problems), ports)


def failed_canary_route(view: CanaryRoute, text: str) -> CanaryRouteReading:
    """What stands for a CanaryRoute on which Serin itself failed: it has no effect."""
    findings = Findings()
    note = f"Serin failed on this CanaryRoute ({text}); it has no effect"
    findings.error(Source(view.meta.ref), "internal-error", note)
    return CanaryRouteReading(replace(view, versions=(), rules=()), problems=tuple(findings.problems))


def _match(match: CanaryMatch, home: bool, check: CheckPattern, findings: Findings) -> Match:
    def fields(found: tuple[CanaryFieldMatch, ...]) -> tuple[FieldMatch, ...]:
        return tuple(_field(field, home, check, findings) for field in found)

    headers, cookies, query = fields(match.headers), fields(match.cookies), fields(match.query)
    return Match(headers, cookies, query, match.method, match.clients, match.source)


def _field(field: CanaryFieldMatch, home: bool, check: CheckPattern, findings: Findings) -> FieldMatch:
    """A pattern must compile by itself, too: `a)|(b` would else only do so in the group that it is put into."""
    made = FieldMatch(field.name, MatchKind(field.type.value), field.value)
    if field.type is not MatchType.REGULAR_EXPRESSION:
        return made
    error = check(field.value, False) or check(made.pattern, False)
    if error is None:
        return made
    outcome = f"requests that have {field.name} stay home" if home else "it matches no request"
    text = f"the regular expression does not compile ({error}); {outcome}"
    findings.error(replace(field.source, field=f"{field.source.field}.value"), "canaryroute-pattern-broken", text)
    return replace(made, broken=True)


# --- attaching ---


def attach(
    rules: Mapping[PathKey, Rule], at_home: Callable[[Key], Sequence[CanaryRouteReading]], findings: Findings
) -> tuple[dict[PathKey, CanaryRouteReading], Attached]:
    """The CanaryRoute of each rule of a host, and what each of them was attached to.

    `at_home` gives those with a Service as home, oldest first; the oldest that takes a rule has it.
    """
    holders: dict[PathKey, CanaryRouteReading] = {}
    attached: dict[Key, list[Attachment]] = {}
    for key, rule in rules.items():
        backend, namespace = rule.path.backend, rule.reading.ref.namespace
        for route in at_home((namespace, backend.service)) if backend is not None else ():
            if not route.takes(rule):
                continue
            at = Attachment(rule.reading.ref.name, rule.id.host, rule.id.path)
            attached.setdefault((namespace, route.ref.name), []).append(at)
            holder = holders.setdefault(key, route)
            if holder is not route:
                _conflict(route, holder, rule, findings)
    return holders, {key: tuple(found) for key, found in attached.items()}


def _conflict(route: CanaryRouteReading, holder: CanaryRouteReading, rule: Rule, findings: Findings) -> None:
    text = f"{holder.ref} is older than {route.ref} and shares out {_where(rule)}; this one has no part in it"
    findings.error(_asks_for(route.view, rule), "canaryroute-conflict", text)


def _asks_for(view: CanaryRoute, rule: Rule) -> Source:
    """The field by which a CanaryRoute takes a rule."""
    named = [t for t in view.targets or () if selects(t, rule.reading.ref.name, rule.id.host, rule.id.path)]
    return (
        named[0].source if named else replace(view.versions[0].source, field=f"{view.versions[0].source.field}.service")
    )


def _where(rule: Rule) -> str:
    return f"{rule.id.host or 'any host'} {rule.id.path} of {rule.reading.ref}"


def override(route: CanaryRouteReading, rule: Rule, canaries: Sequence[Canary], findings: Findings) -> None:
    """Canary Ingresses of a rule that has a CanaryRoute are left out; both sides are told."""
    for canary in canaries:
        text = f"{route.ref} shares out {_where(rule)}; a canary beside it gets no requests"
        findings.error(canary.path.source, "canary-overridden", text)
    if canaries:
        named = ", ".join(canary.reading.ref.name for canary in canaries)
        text = f"{_where(rule)} has canary Ingresses, too ({named}); they get no requests"
        findings.warning(_asks_for(route.view, rule), "canaryroute-overrides", text)


# --- versions ---


def version_ident(route: Ref, version: str) -> str:
    """The ident of a version that is not home: for ever the same for this name in this CanaryRoute."""
    return digest64(("canaryroute", route.namespace, route.name, version))


def home_version(route: CanaryRouteReading, main: VersionRoute) -> VersionRoute:
    """Main under the name that the CanaryRoute gives it."""
    home = route.view.versions[0]
    assert main.ident == main_ident()
    return replace(main, name=home.name, source=home.source)


def other_version(route: CanaryRouteReading, version: CanaryVersion, rule: Rule) -> tuple[VersionRoute, PoolSpec]:
    """A version behind a rule: balanced as the Ingress says, on the Ingress's port where it names none itself."""
    backend, reading = rule.path.backend, rule.reading
    assert backend is not None
    port = backend.port if version.port is None else version.port
    spec = make_spec(reading.ref.namespace, version.service, port, reading.balancing)
    ident = version_ident(route.ref, version.name)
    made = VersionRoute(ident, version.name, route.ref, version.service, str(port), spec.id)
    return replace(made, hash_by=reading.balancing.hash_by, source=version.source), spec
