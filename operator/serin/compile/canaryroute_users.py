"""What a CanaryRoute puts on a route beside its rules: who a user is (splitBy), and who gets copies of requests."""

from collections.abc import Iterable
from dataclasses import replace

from serin.compile.beside import Besides
from serin.compile.canaryroutes import CanaryRouteReading
from serin.compile.findings import Findings
from serin.compile.rules import Rule
from serin.routing.identity import digest64
from serin.routing.plan import Policy, PoolSpec, Shadow, SplitBy, SplitKind, Upstream, VersionRoute

_KINDS = {"Cookie": SplitKind.COOKIE, "Header": SplitKind.HEADER, "ClientIP": SplitKind.CLIENT}
LONGEST_COPY = 10.0
"""Seconds that the answer to a copy is waited for at most: nobody gets it."""


def split_by(route: CanaryRouteReading, rule: Rule, policy: Policy, findings: Findings) -> SplitBy | None:
    """None: each request that no rule and no affinity cookie decides is drawn by itself."""
    asked = route.view.split_by
    if asked is None or asked.type not in _KINDS:
        return None
    kind, affinity = _KINDS[asked.type], policy.affinity
    if kind is SplitKind.COOKIE and affinity is not None and affinity.name == asked.name:
        text = (
            f"{_where(rule)} has an affinity cookie of the same name, {asked.name}; expected another name. "
            "The affinity cookie counts there, and requests without it are drawn one by one"
        )
        findings.error(replace(asked.source, field=f"{asked.source.field}.name"), "canaryroute-split-by-affinity", text)
        return None
    return SplitBy(kind, asked.name, int(asked.ttl), asked.source)


def warn_of_affinity(route: CanaryRouteReading, rule: Rule, policy: Policy, findings: Findings) -> None:
    """An affinity cookie comes before keys and weights, as it does among canary Ingresses."""
    rollout = route.view.rollout
    if rollout is None or policy.affinity is None:
        return
    text = (
        f"{_where(rule)} has an affinity cookie ({policy.affinity.name}), which keeps users on the version they have: "
        "a step's share is one of new users alone, until the version is taken back; expected splitBy instead"
    )
    findings.warning(rollout.source, "canaryroute-rollout-affinity", text)


def _where(rule: Rule) -> str:
    return f"{rule.id.host or 'any host'} {rule.id.path} of {rule.reading.ref}"


def shadow(
    route: CanaryRouteReading,
    versions: tuple[VersionRoute, ...],
    pools: Iterable[PoolSpec],
    policy: Policy,
    besides: Besides,
) -> Shadow | None:
    """`pools`: those of the versions at least. A copy is tried once, and not waited for longer than LONGEST_COPY."""
    weights, rollout = route.weights, route.view.rollout
    if not weights.mirror or weights.trial is None or rollout is None:
        return None
    version = versions[weights.candidate]
    spec = next(spec for spec in pools if spec.id == version.pool)
    ident = digest64(("shadow", route.ref.namespace, route.ref.name, version.name, version.pool))
    trial = replace(weights.trial, place=weights.candidate)
    source = route.view.versions[weights.candidate].source
    named_by = replace(source, field=f"{source.field}.service")
    to = besides.shadow(ident, spec, version.service, version.port, _hurried(policy.upstream), trial, named_by)
    return Shadow(to, weights.mirror, rollout.source)


def _hurried(upstream: Upstream) -> Upstream:
    return replace(
        upstream,
        connect_timeout=min(upstream.connect_timeout, LONGEST_COPY),
        send_timeout=min(upstream.send_timeout, LONGEST_COPY),
        read_timeout=min(upstream.read_timeout, LONGEST_COPY),
        tries=1,
    )
