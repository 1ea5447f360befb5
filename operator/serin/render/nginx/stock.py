"""nginx without Lua: weights as `split_clients`, endpoints as upstream blocks, rules as maps alone.

A change of either is then a new file and a reload. What is drawn is drawn for each request by itself, in steps of
0.01 %. `notes` and `losses` say what such an nginx cannot do; what it does is the same as elsewhere
(routing.shares, dataplane.proxy.picking).
"""

from dataclasses import dataclass, replace
from itertools import pairwise

from serin.render.nginx.blocks import EMPTY, Block, Blocks, MapBlock, MapRow, SplitBlock, of_variable, plain
from serin.render.nginx.blocks import Share as BlockShare
from serin.render.nginx.bounds import Cost, cost, path_cost
from serin.render.nginx.canary_maps import canary_maps
from serin.render.nginx.in_force import WeightLine, split_of, weight_lines
from serin.render.nginx.locations import fits
from serin.render.nginx.match_maps import MatchMaps, bits
from serin.render.nginx.rules import RouteRules, route_rules
from serin.render.nginx.shadows import NOT_COPIED, is_copied
from serin.render.nginx.sticky_maps import StickyMaps, sticky_notes
from serin.render.nginx.upstreams import (
    UpstreamBlock,
    replaced_algorithm,
    suffixes,
    upstream_blocks,
    upstream_name,
)
from serin.render.nginx.values import Pattern, Template, Text, Variable
from serin.render.nginx.verdicts import MAX_CANARIES, OPEN, Outcome, bit_rows, is_small, letter_rows
from serin.render.nginx.weights import Weights
from serin.routing.plan import Host, PathKind, Pool, Route, Split
from serin.routing.shares import present, shares

_FIRST = 1000
"""Names here begin where those of the rules have ended."""
STEPS = 10000
"""split_clients knows hundredths of a per cent."""
DRAWN = of_variable("request_id")
"""Each request by itself."""
_ROUNDED = "weights out of {} are rounded to 0.01 %"

GENERAL = (
    "a new weight or endpoint is a reload, at most once a second",
    "each request is drawn by itself: 10 % is 10 % in the long run only",
    "workers do not share what they know of endpoints (turns, requests in flight, failures)",
    "an empty header counts as none, and of a repeated header some versions of nginx see the first only",
    "requests are not counted by version",
)
"""What holds for every host."""


@dataclass(frozen=True, slots=True)
class StockRoute:
    """`target`: the name of the upstream that gets a request, as a text of nginx; empty (503) where nobody is there.

    `nobody`: always empty; `maybe_nobody`: the variable in `target` can be. `schemes`: upstreams come in pairs,
    `_$scheme` is to be added to the name (AUTO_HTTP). `set_cookies`: values of Set-Cookie, empty for none.
    """

    blocks: tuple[Block, ...]
    upstreams: tuple[UpstreamBlock, ...]
    target: Template
    weights: tuple[WeightLine, ...]
    nobody: bool = False
    maybe_nobody: bool = False
    schemes: bool = False
    set_cookies: tuple[Variable, ...] = ()
    page_cookie: Variable | None = None
    copied: Variable | None = None
    notes: tuple[str, ...] = ()


def route_stock(route: Route, weights: Weights) -> StockRoute:
    """For a route that proxies. `blocks` and `upstreams` are for the http level, once for each split."""
    if route.split is None:
        raise ValueError("a route without a split is never proxied")
    rules = route_rules(route, lua=False)
    made = _Stock(route, route.split, rules, weights)
    target = made.target()
    cookie = made.sticky.set_cookie(target) if made.sticky is not None else None
    upstreams = made.upstreams()
    constant = not any(isinstance(part, Variable) for part in target.parts)
    return StockRoute(
        (*rules.blocks, *made.blocks.made.values()),
        upstreams,
        target,
        weight_lines(route, weights),
        nobody=constant and not target.parts,
        maybe_nobody=not constant and made.nobody,
        schemes=suffixes(route) != ("",),
        set_cookies=tuple(one for one in (cookie, rules.user_cookie) if one is not None),
        page_cookie=rules.page_cookie,
        copied=rules.copied,
        notes=(*rules.notes, *made.notes),
    )


class _Stock:
    """One route while its blocks are made."""

    def __init__(self, route: Route, split_id: str, rules: RouteRules, weights: Weights) -> None:
        self.route = route
        self.id = split_id
        self.rules = rules
        self.blocks = Blocks(split_id, first=_FIRST)
        self.split: Split = split_of(route, weights)
        self.pools: tuple[Pool | None, ...] = tuple(weights.pools.get(share.pool) for share in self.split.shares)
        self.there = present(self.split, tuple(pool is not None and bool(pool.endpoints) for pool in self.pools))
        affinity = route.policy.affinity
        self.sticky = None if affinity is None else StickyMaps(self.blocks, affinity, route.versions, self.there)
        self.nobody = False
        self.notes: list[str] = []

    def upstreams(self) -> tuple[UpstreamBlock, ...]:
        keys, versions = self.rules.spec.keys, self.route.versions
        stick = "" if self.sticky is None else self.sticky.key()
        return tuple(
            block
            for i, pool in enumerate(self.pools)
            if pool is not None and self.there[i]
            for block in upstream_blocks(self.route, self.id, i, pool, keys[i], stick if versions[i].sticky else "")
        )

    def target(self) -> Template:
        """The cookie comes before the rules of canary Ingresses, and after those of a CanaryRoute."""
        if self.sticky is None:
            return self._by_rules(self._follow(OPEN))
        if self.route.match_rules:
            return self._by_rules(self.sticky.pinned(self._follow(OPEN)))
        return self.sticky.pinned(self._by_rules(self._follow(OPEN)))

    def _by_rules(self, default: Template) -> Template:
        rows = self._rows()
        if all(found == default for _, found in rows):
            return default
        name = self.blocks.name("to")
        source, made = self._source(), tuple(MapRow(Pattern(p, "~"), found) for p, found in rows)
        self.blocks.add(MapBlock("verdict", source, Variable(name), default, made))
        return of_variable(name)

    def _rows(self) -> list[tuple[str, Template]]:
        if self.rules.spec.rows:
            _, places = bits(self.blocks, self.rules.spec.rows)
            return [(p, self._follow(outcome)) for p, outcome in bit_rows(self.rules.spec.rows, places)]
        if not self.rules.spec.letters:
            return []
        if not is_small(self.route.versions):
            self.notes.append(f"more than {MAX_CANARIES} canaries: a request that is out of one of them goes to main")
        return letter_rows(self.route.versions, self._follow)

    def _source(self) -> Template:
        return of_variable(self.rules.spec.letters or self.blocks.name("bits"))

    def _follow(self, outcome: Outcome) -> Template:
        """The upstream for an outcome. A forced version without endpoints is as if absent."""
        if outcome.forced < 0:
            return self._drawn(outcome.excluded)
        if self.there[outcome.forced]:
            return plain(upstream_name(self.id, outcome.forced))
        return self._drawn(outcome.excluded | 1 << outcome.forced)

    def _drawn(self, excluded: int) -> Template:
        found = shares(self.split, excluded, self.there)
        if not found.total:
            self.nobody = True
            return EMPTY
        if self.rules.user and self.split.salts is not None:
            return self._by_user(excluded, found.possible, self.split.salts)
        return self._shared("draw", excluded, {i: found.weights[i] for i in found.possible}, DRAWN)

    def _by_user(self, excluded: int, possible: tuple[int, ...], salts: tuple[int, int]) -> Template:
        """By the user's key: first whether it is the candidate's, then which of the others (routing.user_split).

        Without the routine's bits; users move with the candidate's weight in one direction all the same.
        """
        weights = {i: share.weight for i, share in enumerate(self.split.shares)}
        first = next((i for i in possible if self.split.shares[i].ident == self.split.first), None)
        others = {i: weights[i] for i in possible if i != first}
        if first is None or not others:
            return self._shared("users", excluded, others or {possible[0]: 1}, self._salted(salts[1]))
        rest = self._shared("users", excluded, others, self._salted(salts[1]))
        part, total = weights[first], sum(weights.values())
        hundredths = _cut([part, total - part], total)[0]
        if part * STEPS % total:
            self._say(_ROUNDED.format(total))
        drawn = Variable(self.blocks.name("candidate"))
        shares_ = (BlockShare(hundredths, plain("1")), BlockShare(None, plain("0")))
        self.blocks.add(SplitBlock(drawn, shares_, self._salted(salts[0])))
        name = Variable(self.blocks.name("by_user", excluded))
        row = MapRow(Text("1"), plain(upstream_name(self.id, first)))
        return of_variable(self.blocks.add(MapBlock("by-user", Template((drawn,)), name, rest, (row,))))

    def _salted(self, salt: int) -> Template:
        return Template((Variable(self.rules.user), f" {salt:016x}"))

    def _shared(self, what: str, excluded: int, weights: dict[int, int], source: Template) -> Template:
        """The upstream of a version by weight; main's part is what the others leave."""
        if len(weights) == 1:
            return plain(upstream_name(self.id, next(iter(weights))))
        total = sum(weights.values())
        wanted = sorted(weights.items(), key=lambda one: one[0] or len(self.split.shares))
        cut = _cut([weight for _, weight in wanted], total)
        if any(weight * STEPS % total for _, weight in wanted):
            self._say(_ROUNDED.format(total))
        lines = [
            BlockShare(hundredths, plain(upstream_name(self.id, i)))
            for (i, _), hundredths in zip(wanted, cut, strict=True)
        ]
        lines[-1] = replace(lines[-1], hundredths=None)
        name = self.blocks.name(what, excluded)
        self.blocks.add(SplitBlock(Variable(name), tuple(lines), source))
        return of_variable(name)

    def _say(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def _cut(weights: list[int], total: int) -> list[int]:
    """Hundredths of a per cent, rounded so that they are 100 % together; a weight keeps 0.01 % at least."""
    ends, seen = [0], 0
    for weight in weights:
        seen += weight
        ends.append(round(STEPS * seen / total))
    cut = [max(1, end - start) for start, end in pairwise(ends)]
    cut[cut.index(max(cut))] -= sum(cut) - STEPS
    return cut


# --- what is lost ---

_ABSENT = "the route is not there; others of its Ingress on this host (of a guarded one: all after it) answer 503"


def losses(host: Host, weights: Weights | None = None) -> tuple[str, ...]:
    """What a host asks for and nginx without Lua does not do, each with the object that asked; beside `GENERAL`."""
    found: dict[str, None] = {}
    for route in host.routes:
        for text in _lost(route, weights):
            found[f"{route.canary_route or route.ingress} {route.rule.path}: {text}"] = None
    return tuple(found)


def closed(host: Host) -> tuple[str, ...]:
    """Of `losses` those by which requests are not answered as their object asks."""
    return tuple(
        dict.fromkeys(f"{r.canary_route or r.ingress} {r.rule.path}: {t}" for r in host.routes for t in _shut(r))
    )


def _shut(route: Route) -> list[str]:
    texts: list[str] = []
    if not fits(route):
        texts.append("its path is too long for nginx; " + _ABSENT)
    elif route.match.kind is PathKind.REGEX and path_cost(route.match.path) is Cost.UNBOUNDED:
        texts.append("the work of its pattern is not bounded; " + _ABSENT)
    rewrite = route.policy.rewrite
    if rewrite is not None and cost(rewrite.pattern, anchored=False, ignore_case=True) is Cost.UNBOUNDED:
        texts.append("the work of its rewrite's pattern is not bounded; the route answers 503")
    return texts


def _lost(route: Route, weights: Weights | None) -> list[str]:
    texts = _shut(route)
    asked = route.policy.external_auth
    if asked is not None and asked.signin:
        texts.append("of the address asked for only `&` is escaped for signing in, eight times; the rest is cut off")
    if asked is not None and asked.cache_key:
        texts.append("kept answers of its authentication server are named by the text of their key, on disk")
    if route.split is None:
        return texts
    if route.policy.affinity is not None:
        texts += sticky_notes(route.policy.affinity)
    blocks = Blocks(route.split)
    texts += canary_maps(blocks, route.versions, lua=False).notes
    matches = MatchMaps(blocks, lua=False)
    for rule in route.match_rules:
        matches.add(rule)
    texts += matches.notes
    texts += _lost_by_rollout(route)
    if weights is not None:
        texts += _lost_by_weights(route, weights)
    elif not is_small(route.versions):
        texts.append(f"more than {MAX_CANARIES} canaries: a request that is out of one of them goes to main")
    return texts


def _lost_by_rollout(route: Route) -> list[str]:
    texts = []
    if route.split_by is not None:
        texts.append("users keep their version, but other users than elsewhere have the version in rollout")
    if route.shadow is not None and not is_copied(route.shadow):
        texts.append(NOT_COPIED)
    return texts


_NOT_JUDGED = "its rollout has no counts of requests: checks of errors and latency wait for data"


def _lost_by_weights(route: Route, weights: Weights) -> list[str]:
    rules = route_rules(route, lua=False)
    made = _Stock(route, route.split or "", rules, weights)
    made.target()
    texts = [_NOT_JUDGED] if made.split.first else []
    return [
        *texts,
        *made.notes,
        *(text for pool in made.pools if pool is not None and (text := replaced_algorithm(pool))),
    ]
