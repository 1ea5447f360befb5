"""A plan of one path whose CanaryRoute shares requests out to three versions, v1 to v3, for what is explained of it."""

from dataclasses import replace

from serin.refs import Ref, Source
from serin.routing.conditions import MatchRule
from serin.routing.plan import (
    Endpoint,
    Host,
    PathKind,
    PathMatch,
    Plan,
    Policy,
    Pool,
    PoolSpec,
    Route,
    RuleId,
    Share,
    Split,
    SplitBy,
    VersionRoute,
)

HOST = "shop.example"
MAIN, SHOP = Ref("Ingress", "demo", "main"), Ref("CanaryRoute", "demo", "shop")
RULE = RuleId(HOST, "/", "Prefix")
VERSIONS = tuple(
    VersionRoute(
        str(n) * 16, f"v{n + 1}", SHOP if n else MAIN, f"s{n + 1}", "80", "abc"[n] * 16, source=Source(SHOP, f"v[{n}]")
    )
    for n in range(3)
)
_SPLIT = "5" * 16


def canary_plan(
    rules: tuple[MatchRule, ...],
    weights: tuple[int, ...],
    *,
    policy: Policy | None = None,
    split_by: SplitBy | None = None,
    salts: tuple[int, int] | None = None,
    empty: int = -1,
    suspended: bool = False,
) -> Plan:
    """`empty`: the index of a version without endpoints. v2 is the version in rollout; `suspended`: it was taken back.
    `salts`: of users who keep their version.
    """
    route = Route(PathMatch(PathKind.PREFIX, "/"), RULE, MAIN, _SPLIT, VERSIONS, policy or Policy())
    route = replace(route, match_rules=rules, canary_route=SHOP, split_by=split_by)
    shares = tuple(Share(v.ident, v.pool, weight) for v, weight in zip(VERSIONS, weights, strict=True))
    candidate = VERSIONS[1].ident
    split = Split(_SPLIT, RULE, shares, sum(weights), False, candidate, salts=salts)
    split = replace(split, suspended=(candidate,) if suspended else ())
    there = (Endpoint("127.0.0.1", 1),)
    pools = {
        v.pool: Pool(PoolSpec(v.pool, "demo", v.service, 80), () if n == empty else there)
        for n, v in enumerate(VERSIONS)
    }
    return Plan({HOST: Host(HOST, (route,))}, {_SPLIT: split}, pools, {}, {})
