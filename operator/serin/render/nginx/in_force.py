"""The weights in force, as a comment beside a split: who has which part, and which object says so."""

from dataclasses import dataclass, replace

from serin.render.nginx.blocks import About, about
from serin.render.nginx.spec import version_name
from serin.render.nginx.values import Name
from serin.render.nginx.weights import Weights
from serin.routing.plan import Pool, Route, Share, Split
from serin.routing.shares import answers, percent, shares


@dataclass(frozen=True, slots=True)
class WeightLine:
    """`percent` of the requests that no rule decides, without the sign. `endpoints`: how many, -1: not known yet.

    `in_rollout`: the version that a run is about; `taken_back`: no request reaches it, whatever its rules say.
    """

    name: Name
    percent: str
    endpoints: int
    about: About | None
    in_rollout: bool = False
    taken_back: bool = False


def split_of(route: Route, weights: Weights) -> Split:
    """The split of a route that proxies, its shares in the order of the route's versions.

    Weights may be newer or older than the route: a version that they do not know has weight 0.
    """
    assert route.split is not None
    found = weights.splits.get(route.split)
    known = {} if found is None else {share.ident: share for share in found.shares}
    order = tuple(known.get(v.ident, Share(v.ident, v.pool, 0)) for v in route.versions)
    if found is None:
        return Split(route.split, route.rule, order)
    return replace(found, shares=order)


def weight_lines(route: Route, weights: Weights) -> tuple[WeightLine, ...]:
    """A line for each version, in order."""
    split = split_of(route, weights)
    pools = [weights.pools.get(share.pool) for share in split.shares]
    there = shares(split, 0, tuple(answers(pool) for pool in pools))
    return tuple(
        WeightLine(
            Name(version_name(version)),
            percent(weight, there.total).removesuffix(" %") if there.total else "0",
            _endpoints(pool),
            about(version.source),
            version.ident == split.first,
            version.ident in split.suspended,
        )
        for version, weight, pool in zip(route.versions, there.weights, pools, strict=True)
    )


def _endpoints(pool: Pool | None) -> int:
    if pool is None:
        return 0
    return len(pool.endpoints) if pool.endpoints or not pool.external else -1
