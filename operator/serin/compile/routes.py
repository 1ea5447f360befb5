"""The ordered table of a host's routes, as ingress-nginx orders its locations.

Longest path first, of equal length in reverse order of text, exact before prefix. In regex mode every path is a
regular expression.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from serin.compile.annotations.balancing import Balancing
from serin.compile.beside import Besides
from serin.compile.canaries import Canary, CheckPattern, canary_ident, cookie_rule, header_rule, main_ident, shares
from serin.compile.canaryroute_users import shadow, split_by, warn_of_affinity
from serin.compile.canaryroutes import CanaryRouteReading, home_version, other_version
from serin.compile.findings import Findings
from serin.compile.options import Key
from serin.compile.policies import answers_all
from serin.compile.pools import FIRST_PORT, make_spec
from serin.compile.rules import ROOT, PathKey, Rule, asks_for_regex
from serin.refs import Ref, Source
from serin.routing.identity import split_id
from serin.routing.plan import (
    Closed,
    PathKind,
    PathMatch,
    Policy,
    PoolSpec,
    Route,
    RuleId,
    Share,
    Split,
    VersionRoute,
)

_REGEX_CHARACTERS = frozenset("*()[]|^$\\{}")
MAIN = main_ident()
_NO_POLICY = Policy()


@dataclass(slots=True)
class RouteTable:
    """Collects a host's routes with the splits and pools that they name. `shadows`: who gets copies of requests."""

    findings: Findings
    check: CheckPattern
    shadows: Besides = field(default_factory=Besides)
    routes: list[Route] = field(default_factory=list)
    splits: list[Split] = field(default_factory=list)
    pools: dict[PoolSpec, list[Source]] = field(default_factory=dict)

    def add(
        self,
        rule: Rule,
        match: PathMatch,
        policy: Policy,
        canaries: Sequence[Canary],
        canary_route: CanaryRouteReading | None = None,
    ) -> None:
        """A rule's route. One whose policy answers everything has no versions: nothing is ever sent on."""
        ref, source = rule.reading.ref, rule.path.source
        if answers_all(policy):
            route = Route(match, rule.id, ref, None, (), policy, source=source)
        elif canary_route is None:
            versions, split = self._with_canaries(rule, canaries)
            self.splits.append(split)
            route = Route(match, rule.id, ref, split.id, versions, policy, source=source)
        else:
            versions, split = self._with_canary_route(rule, canary_route)
            user = split_by(canary_route, rule, policy, self.findings)
            warn_of_affinity(canary_route, rule, policy, self.findings)
            self.splits.append(split if user is not None else replace(split, salts=None))
            route = Route(
                match,
                rule.id,
                ref,
                split.id,
                versions,
                policy,
                source=source,
                match_rules=canary_route.rules,
                canary_route=canary_route.ref,
                split_by=user,
                shadow=shadow(canary_route, versions, self.pools, policy, self.shadows),
            )
        self.routes.append(route)

    def _with_canaries(self, rule: Rule, canaries: Sequence[Canary]) -> tuple[tuple[VersionRoute, ...], Split]:
        versions = (self._main(rule), *(self._canary(canary) for canary in canaries))
        weights, total = shares(canaries, self.findings)
        parts = zip(versions, [max(total - sum(weights), 0), *weights], strict=True)
        named = tuple(Share(version.ident, version.pool, weight) for version, weight in parts)
        return versions, Split(split_id(rule.id), rule.id, named, total)

    def _with_canary_route(self, rule: Rule, route: CanaryRouteReading) -> tuple[tuple[VersionRoute, ...], Split]:
        """Weights stand as they are written, or as its rollout has them; there is at least one."""
        named_by = [Source(route.ref, f"{version.source.field}.service") for version in route.view.versions]
        versions = [home_version(route, self._main(rule, named_by[0]))]
        for version, source in zip(route.view.versions[1:], named_by[1:], strict=True):
            made, spec = other_version(route, version, rule)
            self._use(spec, source)
            versions.append(made)
        force = route.weights
        named = tuple(Share(v.ident, v.pool, weight) for v, weight in zip(versions, force.parts, strict=True))
        first = versions[force.candidate].ident if force.candidate >= 0 else ""
        split = Split(
            split_id(rule.id),
            rule.id,
            named,
            force.total,
            rest=False,
            first=first,
            suspended=(first,) if force.suspended else (),
            salts=force.salts,
            trial=force.trial,
        )
        return tuple(versions), split

    def add_path_itself(self, rule: Rule) -> None:
        """The path of a rule that rewrites what lies below it, and whatever else begins like it."""
        last = self.routes[-1]
        policy = replace(last.policy, rewrite=None, forwarded_prefix="")
        self.routes.append(replace(last, match=PathMatch(PathKind.REGEX, rule.id.path), policy=policy))

    def add_slash_redirect(self, rule: Rule, policy: Policy) -> None:
        """`/foo` is sent to `/foo/`, where only the latter is served: nginx does so for all that it passes on.

        Of the path's policy counts what shapes the answer.
        """
        match = PathMatch(PathKind.EXACT, rule.id.path[:-1])
        shape = Policy(
            answer_headers=policy.answer_headers,
            relative_redirects=policy.relative_redirects,
            port_in_redirects=policy.port_in_redirects,
            access_log=policy.access_log,
        )
        shape = _NO_POLICY if shape == _NO_POLICY else shape
        route = Route(match, rule.id, rule.reading.ref, None, (), shape, True, rule.path.source)
        self.routes.append(route)

    def add_fallback(self, host: str, match: PathMatch, policy: Policy, ref: Ref, service: Key | None) -> None:
        """What is done with requests that no rule takes: the policy's answer, then `service`, else 404."""
        rule = RuleId(host, *ROOT)
        versions: tuple[VersionRoute, ...] = ()
        split = None
        if service is not None and not answers_all(policy):
            spec = make_spec(*service, FIRST_PORT, Balancing())
            self._use(spec, Source(Ref("Service", *service)))
            versions = (VersionRoute(MAIN, service[1], ref, service[1], "", spec.id),)
            self.splits.append(Split(split_id(rule), rule, (Share(MAIN, spec.id, 100),)))
            split = self.splits[-1].id
        self.routes.append(Route(match, rule, ref, split, versions, policy))

    def _main(self, rule: Rule, *named_by: Source) -> VersionRoute:
        """`named_by`: fields beside the rule's own that name its Service."""
        backend, reading = rule.path.backend, rule.reading
        assert backend is not None
        spec = make_spec(reading.ref.namespace, backend.service, backend.port, reading.balancing)
        for source in (rule.path.source, *named_by):
            self._use(spec, source)
        return VersionRoute(
            MAIN,
            reading.ref.name,
            reading.ref,
            backend.service,
            str(backend.port),
            spec.id,
            hash_by=reading.balancing.hash_by,
            source=rule.path.source,
        )

    def _canary(self, canary: Canary) -> VersionRoute:
        backend, reading = canary.path.backend, canary.reading
        assert backend is not None
        spec = make_spec(reading.ref.namespace, backend.service, backend.port, reading.balancing)
        self._use(spec, canary.path.source)
        return VersionRoute(
            canary_ident(canary),
            reading.ref.name,
            reading.ref,
            backend.service,
            str(backend.port),
            spec.id,
            header_rule(canary.rules, self.check, self.findings),
            cookie_rule(canary.rules),
            reading.sticky,
            reading.balancing.hash_by,
            canary.path.source,
        )

    def _use(self, spec: PoolSpec, source: Source) -> None:
        sources = self.pools.setdefault(spec, [])
        if source not in sources:
            sources.append(source)


def ordered(rules: Iterable[Rule], *, regex: bool) -> list[Rule]:
    """In regex mode rules of the same path stay in the order of age, but Prefix `/` is there before all others.

    ingress-nginx makes every host with that one.
    """
    found = list(rules)
    if regex:
        found.sort(key=lambda rule: rule.is_exact and rule.id.path == "/")
    else:
        found.sort(key=lambda rule: not rule.is_exact)
    found.sort(key=lambda rule: rule.id.path.encode(), reverse=True)
    found.sort(key=lambda rule: len(rule.id.path.encode()), reverse=True)
    return found


def plain_match(rule: Rule) -> PathMatch:
    return PathMatch(PathKind.EXACT if rule.is_exact else PathKind.PREFIX, rule.id.path)


def regex_match(
    rule: Rule, rules: Mapping[PathKey, Rule], check: CheckPattern, findings: Findings
) -> tuple[PathMatch, Closed | None]:
    """A path that is no regular expression is taken as it is written, and closed.

    A Prefix path that is one only because of others leaves the path itself to an Exact rule, as ingress-nginx does.
    An Exact `/` stays exact: open at its end it would take what no other rule takes.
    """
    path = rule.id.path
    if rule.is_exact and path == "/":
        if ROOT in rules:
            text = "this host's paths are regular expressions, and / with Prefix takes every path before this one"
            findings.warning(rule.path.source, "path-never-served", text)
        return PathMatch(PathKind.EXACT, path), None
    error = check(path, True)
    if error is None:
        beside_exact = not rule.is_exact and (path, "Exact") in rules and not asks_for_regex(rule)
        if beside_exact or rule.rewrites_below:
            path = path.removesuffix("/") + "/"
        return PathMatch(PathKind.REGEX, path), None
    text = f"this host's paths are regular expressions, and this one does not compile ({error}); its requests get 503"
    findings.error(rule.path.source, "path-regex-bad", text)
    return PathMatch(PathKind.PREFIX, rule.id.path), Closed(503, "path-regex-bad", rule.path.source)


def warn_of_regex(rule: Rule, findings: Findings) -> None:
    """A path that another Ingress of the host, or another path, makes a regular expression."""
    if rule.id.path == "/" or asks_for_regex(rule):
        return
    text = (
        "use-regex or rewrite-target elsewhere on this host makes this path a regular expression, too: "
        f"without regard to case, and open at its end ({rule.id.path} takes {rule.id.path}x as well)"
    )
    findings.warning(rule.path.source, "path-becomes-regex", text)


def wants_slash_redirect(rule: Rule, rules: Mapping[PathKey, Rule]) -> bool:
    """A path that ends in `/`, where nothing serves the path without it."""
    path = rule.id.path
    return (
        path.endswith("/") and path != "/" and (path[:-1], "Exact") not in rules and (path[:-1], "Prefix") not in rules
    )


def warn_of_literal(rule: Rule, findings: Findings) -> None:
    """A path that looks like a regular expression on a host whose paths are none."""
    if _REGEX_CHARACTERS.isdisjoint(rule.id.path):
        return
    text = f'{rule.id.path} is taken as it is written; set use-regex: "true" to make the host\'s paths patterns'
    findings.warning(rule.path.source, "path-taken-literally", text)
