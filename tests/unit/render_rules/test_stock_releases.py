"""A rollout without Lua, as blocks: users by split_clients, what is taken back, the share that is copied."""

from collections import Counter
from dataclasses import replace

import pytest
from harness.nginx_maps import Request, Variables, reached
from harness.rule_cases import CANARY, SPLIT, route_of, version

from serin.render.nginx.blocks import Blocks, MapBlock, SplitBlock
from serin.render.nginx.environment import environment
from serin.render.nginx.shadows import is_copied, taken
from serin.render.nginx.stock import StockRoute, losses, route_stock
from serin.render.nginx.upstreams import upstream_name
from serin.render.nginx.weights import Weights
from serin.routing.beside import Beside
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule
from serin.routing.plan import (
    Affinity,
    Endpoint,
    Host,
    Policy,
    Pool,
    PoolSpec,
    Protocol,
    Route,
    Shadow,
    Share,
    Split,
    SplitBy,
    SplitKind,
    Upstream,
)

SALTS = (0xA1, 0xB2)
HEADER = SplitBy(SplitKind.HEADER, "X-User", 60, CANARY)
COOKIE = SplitBy(SplitKind.COOKIE, "u.id", 60, CANARY)
CLIENT = SplitBy(SplitKind.CLIENT, "", 60, CANARY)
NEW = version(1).ident
TO = Beside("e" * 16, "1" * 16, "p9", "shop-preview-80")


def in_rollout(by: SplitBy | None, count: int = 3) -> Route:
    rules = (MatchRule(1, (Match(headers=(FieldMatch("X-Try", MatchKind.EXACT, "new"),)),)),)
    return replace(route_of(*(version(i) for i in range(count)), rules=rules), split_by=by)


def weights_of(weights: tuple[int, ...], *, there: tuple[bool, ...] = (True,) * 3, **more: object) -> Weights:
    shares = tuple(Share(version(i).ident, f"p{i}", weight) for i, weight in enumerate(weights))
    split = Split(SPLIT, route_of(version(0)).rule, shares, sum(weights), False, NEW, salts=SALTS)
    pools = {
        f"p{i}": Pool(PoolSpec(f"p{i}", "shop", "web", 80), (Endpoint("10.0.0.1", 80),) if up else ())
        for i, up in enumerate(there)
    }
    return Weights({SPLIT: replace(split, **more)}, pools)  # type: ignore[arg-type]


def block(made: StockRoute, what: str) -> MapBlock | SplitBlock:
    found, *_ = [b for b in made.blocks if b.variable.name.startswith(f"serin_{what}_{SPLIT}")]
    assert isinstance(found, MapBlock | SplitBlock)
    return found


def hashed(made: StockRoute, what: str, request: Request) -> bytes:
    found = block(made, what)
    assert isinstance(found, SplitBlock)
    return Variables(made.blocks, request).text(found.source)


def parts(made: StockRoute, what: str) -> dict[str, int]:
    found = Variables(made.blocks, Request()).shares(block(made, what).variable.name)
    assert found is not None
    return {name.decode(): part for name, part in found.items()}


def test_the_candidate_is_drawn_by_a_hash_of_its_own() -> None:
    """So that a raise moves users to it alone: the others' shares among themselves stay what they are."""
    request = Request(headers=[("x-user", b"anna")])
    low, high = (route_stock(in_rollout(HEADER), weights_of(w)) for w in ((60, 20, 20), (30, 60, 10)))
    assert (parts(low, "candidate"), parts(high, "candidate")) == ({"1": 2000, "0": 8000}, {"1": 6000, "0": 4000})
    others = {upstream_name(SPLIT, 0): 7500, upstream_name(SPLIT, 2): 2500}
    assert parts(low, "users") == parts(high, "users") == others
    assert hashed(low, "candidate", request) == b"anna 00000000000000a1"
    assert hashed(low, "users", request) == b"anna 00000000000000b2"
    for drawn, wanted in ((b"1", {upstream_name(SPLIT, 1): 10000}), (b"0", others)):
        chosen = reached_when(low, "candidate", drawn, request)
        assert chosen == wanted


def reached_when(made: StockRoute, what: str, drawn: bytes, request: Request) -> dict[str, int]:
    """Where a user goes when the first draw says so."""
    by_user = block(made, "by_user")
    assert isinstance(by_user, MapBlock)
    variables = Variables(made.blocks, request)
    variables.assume(block(made, what).variable.name, drawn)
    return reached(made.blocks, variables.choose(by_user), request)


@pytest.mark.parametrize(
    ("by", "request_", "key"),
    [
        (HEADER, Request(headers=[("x-user", b"a")]), b"a"),
        (HEADER, Request(headers=[("x-user", b"")]), b"request-id"),
        (HEADER, Request(), b"request-id"),
        (COOKIE, Request(cookies=[b"U.ID=b; u.id=a; u.id=c"]), b"a"),
        (COOKIE, Request(cookies=[b"u.id=; x=1"]), b"request-id"),
        (COOKIE, Request(), b"request-id"),
        (CLIENT, Request(client="fd00::1"), b"fd00::1"),
    ],
)
def test_who_a_user_is(by: SplitBy, request_: Request, key: bytes) -> None:
    made = route_stock(in_rollout(by), weights_of((60, 20, 20)))
    assert hashed(made, "candidate", request_) == key + b" 00000000000000a1"


def test_the_cookie_of_a_client_that_has_none() -> None:
    made = route_stock(in_rollout(COOKIE), weights_of((60, 20, 20)))
    (given,) = made.set_cookies
    told = Counter[bytes]()
    for cookies, status, https in (
        ([], b"200", b""),
        ([], b"502, 200", b"on"),
        ([], b"", b""),
        ([b"u.id=x"], b"200", b""),
    ):
        variables = Variables(made.blocks, Request(cookies=cookies))
        variables.assume("upstream_status", status)
        variables.assume("https", https)
        told[variables.value(given.name)] += 1
    line = b"u.id=request-id; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
    assert told == {line: 1, line + b"; Secure": 1, b"": 2}
    assert route_stock(in_rollout(HEADER), weights_of((60, 20, 20))).set_cookies == ()
    both = replace(in_rollout(COOKIE), policy=Policy(affinity=Affinity("stick", "/")))
    assert len(route_stock(both, weights_of((60, 20, 20))).set_cookies) == 2


def test_a_version_that_is_gone_leaves_its_users_to_the_others() -> None:
    gone = route_stock(in_rollout(HEADER), weights_of((60, 20, 20), there=(True, False, True)))
    assert parts(gone, "users") == {upstream_name(SPLIT, 0): 7500, upstream_name(SPLIT, 2): 2500}
    other = route_stock(in_rollout(HEADER), weights_of((60, 20, 20), there=(True, True, False)))
    assert parts(other, "candidate") == {"1": 2000, "0": 8000}
    assert reached_when(other, "candidate", b"0", Request()) == {upstream_name(SPLIT, 0): 10000}


@pytest.mark.parametrize("by", [None, HEADER])
def test_nobody_gets_503_while_some_version_is_able(by: SplitBy | None) -> None:
    made = route_stock(in_rollout(by), weights_of((0, 1, 0), there=(False, False, True)))
    assert reached(made.blocks, made.target, Request()) == {upstream_name(SPLIT, 2): 10000}
    assert (made.nobody, made.maybe_nobody) == (False, False)


@pytest.mark.parametrize("by", [None, HEADER])
def test_what_is_taken_back_is_reached_by_nothing(by: SplitBy | None) -> None:
    forced = Request(headers=[("x-try", b"new"), ("x-user", b"a")])
    weights = weights_of((3, 0, 1))
    assert reached(
        route_stock(in_rollout(by), weights).blocks, route_stock(in_rollout(by), weights).target, forced
    ) == {upstream_name(SPLIT, 1): 10000}
    back = weights_of((3, 0, 1), suspended=(NEW,))
    made = route_stock(in_rollout(by), back)
    wanted = {upstream_name(SPLIT, 0): 7500, upstream_name(SPLIT, 2): 2500}
    assert reached(made.blocks, made.target, forced) == wanted
    assert all(upstream.name != upstream_name(SPLIT, 1) for upstream in made.upstreams)
    text = str(environment().get_template("stock.j2").module.weights(made.weights))  # type: ignore[attr-defined]
    assert (
        "# shop-web1-80: 0 % of what no rule decides; endpoints: 1; in rollout; taken back, no request reaches it\n"
        in text
    )


def test_without_salts_each_request_is_drawn() -> None:
    made = route_stock(in_rollout(HEADER), weights_of((60, 20, 20), salts=None))
    assert hashed(made, "draw", Request(headers=[("x-user", b"a")])) == b"request-id"


# --- copies ---


@pytest.mark.parametrize(
    ("parts_", "coarse", "fine"),
    [
        (50_000, {b"y": 5000, b"n": 5000}, None),
        (12_345, {b"y": 1234, b"m": 1, b"n": 8765}, {b"y": 5000, b"n": 5000}),
        (3, {b"m": 1, b"n": 9999}, {b"y": 3000, b"n": 7000}),
    ],
)
def test_the_share_that_is_copied(parts_: int, coarse: dict[bytes, int], fine: dict[bytes, int] | None) -> None:
    """Exact in parts of 100,000: a second draw for what is less than a hundredth of a per cent."""
    blocks = Blocks(SPLIT)
    taken(blocks, Shadow(TO, parts_, CANARY))
    variables = Variables(blocks.made.values(), Request())
    assert variables.shares(f"serin_copy_{SPLIT}") == coarse
    assert variables.shares(f"serin_copy_fine_{SPLIT}") == fine


def test_which_requests_are_copied() -> None:
    blocks = Blocks(SPLIT)
    name = taken(blocks, Shadow(TO, 100_000, CANARY)).name
    no, yes = b"", b"1"
    for method, more, wanted in (
        ("GET", {}, yes),
        ("HEAD", {}, yes),
        ("OPTIONS", {}, yes),
        ("GET", {"content-length": b"0"}, yes),
        ("GET", {"content-length": b"10"}, no),
        ("GET", {"transfer-encoding": b"chunked"}, no),
        ("POST", {}, no),
        ("GETX", {}, no),
        ("get", {}, no),
    ):
        variables = Variables(blocks.made.values(), Request(headers=list(more.items()), method=method))
        variables.assume("serin_upgrade", b"")
        assert variables.value(name) == wanted, (method, more)
    upgraded = Variables(blocks.made.values(), Request())
    upgraded.assume("serin_upgrade", b"websocket")
    assert upgraded.value(name) == no


def test_what_is_never_copied() -> None:
    assert not is_copied(None)
    assert not is_copied(Shadow(TO, 0, CANARY))
    for protocol in (Protocol.GRPC, Protocol.FCGI):
        shadow = Shadow(replace(TO, upstream=Upstream(protocol=protocol)), 5, CANARY)
        assert not is_copied(shadow)
        assert any("copied" in loss for loss in losses(Host("h", (replace(in_rollout(None), shadow=shadow),))))


def test_what_is_lost_is_said() -> None:
    route = replace(in_rollout(COOKIE), canary_route=CANARY.ref)
    said = losses(Host("h", (route,)), weights_of((60, 20, 20)))
    assert any("users keep their version" in text for text in said)
    assert any("wait for data" in text for text in said)
    assert not any("wait for data" in text for text in losses(Host("h", (route,)), weights_of((60, 20, 20), first="")))
