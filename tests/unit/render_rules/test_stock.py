"""Without Lua: where requests go, by nginx's rules, is where the proxy sends them."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from harness.nginx_maps import Request, Variables, reached
from harness.rule_cases import INGRESS, SPLIT, canaries, match_rules, requests, route_of, version
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.dataplane.proxy.picking import RulesAndKeys
from serin.dataplane.proxy.sticky import RulesBeforeSticky, StickyPicker
from serin.native.hashing import hash64
from serin.native.pattern import Pattern
from serin.native.worker import NO_ENDPOINT, VERSION_ONLY
from serin.render.nginx.blocks import SplitBlock
from serin.render.nginx.environment import environment
from serin.render.nginx.rules import route_rules
from serin.render.nginx.stock import StockRoute, closed, losses, route_stock
from serin.render.nginx.upstreams import upstream_name
from serin.render.nginx.values import Variable
from serin.render.nginx.verdicts import letter_rows, of_letters, possible_letters
from serin.render.nginx.weights import Weights
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule, Subject
from serin.routing.plan import (
    Affinity,
    Algorithm,
    CookieRule,
    Endpoint,
    HashBy,
    HeaderRule,
    Host,
    PathKind,
    PathMatch,
    Policy,
    Pool,
    PoolSpec,
    Protocol,
    Route,
    Share,
    Split,
    Upstream,
    VersionRoute,
)
from serin.routing.rules import CompiledMatches, CompiledRules
from serin.routing.shares import shares

Row = tuple[int, bool]
"""Weight of a version, and whether it has endpoints."""


def pool(name: str, endpoints: int = 1, algorithm: Algorithm = Algorithm.ROUND_ROBIN, affinity: int = 0) -> Pool:
    spec = PoolSpec(name, "shop", "web", 80, algorithm)
    return Pool(spec, tuple(Endpoint(f"10.0.0.{i}", 8080) for i in range(endpoints)), client_affinity=affinity)


def weights_of(route: Route, rows: list[Row], *, total: int = 100, rest: bool = True) -> Weights:
    found = tuple(Share(v.ident, v.pool, weight) for v, (weight, _) in zip(route.versions, rows, strict=False))
    pools = {v.pool: pool(v.pool, int(there)) for v, (_, there) in zip(route.versions, rows, strict=False)}
    return Weights({SPLIT: Split(SPLIT, route.rule, found, total, rest)}, pools)


def went(made: StockRoute, request: Request) -> dict[str, int]:
    return reached(made.blocks, made.target, request)


def expected(split: Split, there: tuple[bool, ...], forced: int, excluded: int) -> dict[str, float]:
    """As picking.decide and the draw have it."""
    if forced >= 0 and there[forced]:
        return {upstream_name(SPLIT, forced): 10000}
    if forced >= 0:
        excluded |= 1 << forced
    found = shares(split, excluded, there)
    return {upstream_name(SPLIT, i): 10000 * found.weights[i] / found.total for i in found.possible}


def agree(found: dict[str, int], wanted: dict[str, float]) -> None:
    assert set(found) == set(wanted)
    if found:
        assert sum(found.values()) == 10000
    for name, part in found.items():
        assert abs(part - wanted[name]) <= len(wanted)


plain_headers = st.sampled_from(
    (
        None,
        HeaderRule("X-Canary"),
        HeaderRule("X-Canary", value="v1"),
        HeaderRule("X-Other", pattern="v[0-9]+"),
        HeaderRule("X-Canary", pattern="(", broken=True),
    )
)
plain_cookies = st.sampled_from((None, CookieRule("canary"), CookieRule("a.b")))
few = st.lists(st.tuples(plain_headers, plain_cookies), max_size=3).map(
    lambda found: (version(0), *(version(i, *rules) for i, rules in enumerate(found, 1)))
)
many = st.lists(st.tuples(plain_headers, plain_cookies), min_size=4, max_size=6).map(
    lambda found: (version(0), *(version(i, *rules) for i, rules in enumerate(found, 1)))
)
rows_of_weights = st.lists(
    st.tuples(st.sampled_from((0, 0, 1, 10, 33, 100)), st.sampled_from((True, True, False))), min_size=7, max_size=7
)


def once(request: Request) -> Request:
    """Without what nginx before 1.23 reads in another way: repeated and empty headers."""
    found: dict[str, bytes] = {}
    for name, value in request.headers:
        if value:
            found.setdefault(name, value)
    return replace(request, headers=list(found.items()))


@settings(max_examples=100, deadline=None)
@given(few, rows_of_weights, st.sampled_from((100, 1000, 12345)), requests)
def test_canary_ingresses(versions: tuple[VersionRoute, ...], rows: list[Row], total: int, request: Request) -> None:
    request = once(request)
    route = route_of(*versions)
    weights = weights_of(route, rows, total=total)
    verdict = CompiledRules(versions, Pattern).judge(request.joined, request.cookie)
    there = tuple(there for _, there in rows[: len(versions)])
    found = went(route_stock(route, weights), request)
    agree(found, expected(weights.splits[SPLIT], there, verdict.forced, verdict.excluded))


@settings(max_examples=100, deadline=None)
@given(many, rows_of_weights, requests)
def test_of_many_canaries_whoever_is_out_of_one_goes_to_main(
    versions: tuple[VersionRoute, ...], rows: list[Row], request: Request
) -> None:
    request = once(request)
    route = route_of(*versions)
    weights = weights_of(route, [(weight, True) for weight, _ in rows])
    made = route_stock(route, weights)
    ruled = sum(v.header is not None or v.cookie is not None for v in versions)
    verdict = CompiledRules(versions, Pattern).judge(request.joined, request.cookie)
    if verdict.excluded == 0:
        there = (True,) * len(versions)
        agree(went(made, request), expected(weights.splits[SPLIT], there, verdict.forced, 0))
    elif ruled > 3 and verdict.forced < 0:
        assert went(made, request) == {upstream_name(SPLIT, 0): 10000}
        assert any("goes to main" in note for note in made.notes)


def is_sayable(rules: tuple[MatchRule, ...]) -> bool:
    return not route_rules(route_of(version(0), version(1), version(2), rules=rules), lua=False).notes


@settings(max_examples=100, deadline=None)
@given(match_rules.filter(is_sayable), rows_of_weights, requests)
def test_canaryroutes(rules: tuple[MatchRule, ...], rows: list[Row], request: Request) -> None:
    request = once(request)
    if b"=;" in (request.cookie or b"") + b";" or b"= ;" in (request.cookie or b"") + b";":
        return  # an empty cookie counts as none
    versions = (version(0), version(1), version(2))
    route = route_of(*versions, rules=rules)
    weights = weights_of(route, rows, rest=False, total=max(1, sum(weight for weight, _ in rows[:3])))
    subject = Subject(request.joined, request.cookie, request.target, request.method, request.client)
    verdict = CompiledMatches(rules, versions, Pattern).judge(subject)
    there = tuple(there for _, there in rows[:3])
    agree(went(route_stock(route, weights), request), expected(weights.splits[SPLIT], there, verdict.forced, 0))


@settings(max_examples=100, deadline=None)
@given(canaries, st.data())
def test_rows_over_letters_say_what_the_letters_mean(versions: tuple[VersionRoute, ...], data: st.DataObject) -> None:
    letters = "".join(data.draw(st.sampled_from(sorted(set(some)))) for some in possible_letters(versions))
    if sum(v.header is not None or bool(v.cookie and v.cookie.name) for v in versions) > 3:
        return
    rows = letter_rows(versions, lambda outcome: outcome)
    fitting = [found for pattern, found in rows if Pattern(pattern).search(letters.encode())]
    assert fitting in ([], [of_letters(letters)])
    assert fitting or of_letters(letters) == of_letters("P" * len(letters))


# --- by name ---


def test_nobody_is_there() -> None:
    route = route_of(version(0), version(1))
    made = route_stock(route, weights_of(route, [(0, False), (10, False)]))
    assert (made.nobody, made.target.parts, made.upstreams) == (True, (), ())


def test_nobody_may_be_there() -> None:
    route = route_of(version(0), version(1, HeaderRule("x")))
    made = route_stock(route, weights_of(route, [(0, False), (100, True)]))
    assert (made.nobody, made.maybe_nobody) == (False, True)
    assert went(made, Request([("x", b"never")])) == {}
    assert went(made, Request()) == {upstream_name(SPLIT, 1): 10000}


def test_weights_that_are_not_known_are_mains() -> None:
    route = route_of(version(0), version(1))
    weights = Weights({}, {"p0": pool("p0"), "p1": pool("p1")})
    assert went(route_stock(route, weights), Request()) == {upstream_name(SPLIT, 0): 10000}


def test_small_weights_are_not_lost_and_rounding_is_said() -> None:
    route = route_of(version(0), version(1))
    made = route_stock(route, weights_of(route, [(0, True), (1, True)], total=100000))
    assert went(made, Request()) == {upstream_name(SPLIT, 1): 1, upstream_name(SPLIT, 0): 9999}
    assert made.notes == ("weights out of 100000 are rounded to 0.01 %",)


def test_hundredths_are_never_more_than_a_hundred_per_cent() -> None:
    """nginx refuses the whole file for more."""
    route = route_of(version(0), version(1))
    made = route_stock(route, weights_of(route, [(0, True), (99_999, True)], total=100_000))
    (drawn,) = [block for block in made.blocks if isinstance(block, SplitBlock)]
    assert [share.hundredths for share in drawn.shares] == [9999, None]


def test_an_endpoint_a_line() -> None:
    versions = (version(0), replace(version(1), hash_by=HashBy(("$request_uri",))))
    route = route_of(*versions)
    found = pool("p1", 2, Algorithm.HASH)
    six = replace(pool("p0"), endpoints=(Endpoint("fd00::1", 80),))
    weights = Weights(weights_of(route, [(0, True), (10, True)]).splits, {"p0": six, "p1": found})
    made = route_stock(route, weights)
    written = environment().get_template("stock.j2").module.upstreams(made.upstreams)  # type: ignore[attr-defined]
    assert written == (
        f"upstream serin_{SPLIT}_0 {{\n"
        "    server [fd00::1]:80 max_fails=3 fail_timeout=10s;\n"
        "    keepalive 32;\n"
        "}\n"
        f"upstream serin_{SPLIT}_1 {{\n"
        f'    hash "${{serin_key_{SPLIT}_0}}" consistent;\n'
        "    server 10.0.0.0:8080 max_fails=3 fail_timeout=10s;\n"
        "    server 10.0.0.1:8080 max_fails=3 fail_timeout=10s;\n"
        "    keepalive 32;\n"
        "}\n"
    )
    weights_text = environment().get_template("stock.j2").module.weights(made.weights)  # type: ignore[attr-defined]
    assert "# shop-web0-80: 90 % of what no rule decides; endpoints: 1\n" in weights_text


@pytest.mark.parametrize(
    ("algorithm", "method"),
    [
        (Algorithm.ROUND_ROBIN, ""),
        (Algorithm.RANDOM, "random"),
        (Algorithm.EWMA, "least_conn"),
        (Algorithm.HASH_SUBSET, "hash"),
    ],
)
def test_algorithms(algorithm: Algorithm, method: str) -> None:
    route = route_of(version(0))
    weights = Weights({}, {"p0": pool("p0", 1, algorithm)})
    assert [u.method for u in route_stock(route, weights).upstreams] == [method]
    assert [u.method for u in route_stock(route, Weights({}, {"p0": pool("p0", affinity=60)})).upstreams] == ["hash"]
    lost = losses(Host("a", (route,)), weights)
    assert bool(lost) == (algorithm in (Algorithm.EWMA, Algorithm.HASH_SUBSET))


def test_upstreams_of_both_schemes_are_apart() -> None:
    route = replace(route_of(version(0)), policy=Policy(upstream=Upstream(protocol=Protocol.AUTO_HTTP)))
    made = route_stock(route, Weights({}, {"p0": pool("p0")}))
    assert made.schemes
    assert [u.name for u in made.upstreams] == [f"serin_{SPLIT}_0_http", f"serin_{SPLIT}_0_https"]


ABSENT = "the route is not there; others of its Ingress on this host (of a guarded one: all after it) answer 503"


def test_what_is_lost_is_listed_with_its_object() -> None:
    match = Match(query=(FieldMatch("v", MatchKind.REGULAR_EXPRESSION, "1+"),))
    unbounded = HeaderRule("X", pattern="(a|a)*b")
    routes = (
        replace(route_of(version(0)), match=PathMatch(PathKind.REGEX, "/(a+)+b")),
        replace(route_of(version(0)), policy=Policy(affinity=Affinity("c", "/", persistent=True))),
        route_of(version(0), version(1, unbounded)),
        route_of(version(0), version(1), rules=(MatchRule(1, (match,)),)),
        route_of(version(0), version(1, HeaderRule("X"), CookieRule("c"))),
    )
    found = [text.removeprefix(f"{INGRESS} /: ") for text in losses(Host("a", routes))]
    assert closed(Host("a", routes)) == (f"{INGRESS} /: the work of its pattern is not bounded; {ABSENT}",)
    assert found == [
        "the work of its pattern is not bounded; " + ABSENT,
        "cookie affinity is by hash (balanced): more endpoints move some users",
        "header X: the work of its pattern is not bounded; requests with it get no such canary",
        "query parameter v: its pattern cannot be run here; no value is a match",
    ]


# --- cookie affinity ---

NAME = "INGRESSCOOKIE"
idents = st.sampled_from([f"{i:016x}" for i in range(4)])
sticky_texts = st.one_of(
    st.none(),
    st.builds(lambda key, ident: f"{key}.{ident}", st.sampled_from(("k", "a.b", "0" * 32)), idents),
    st.sampled_from(("", "foreign", ".0000000000000001", "k.000000000000000X")),
)


class Told:
    """A split that says what it was asked, with endpoints for some versions (dataplane.proxy.picking.Split)."""

    def __init__(self, split: Split, there: tuple[bool, ...]) -> None:
        self.split = split
        self.there = there
        self.asked: tuple[int, int] = (0, 0)
        self.key = 0
        self._settled = False

    def decide(self, forced: int = -1, excluded: int = 0, key: int = 0, flags: int = 0, user: int = 0) -> object:
        if forced >= 0 and not self.there[forced]:
            return NO_ENDPOINT
        if not self._settled:
            self.asked = (forced, excluded)
        self._settled = bool(flags & VERSION_ONLY)  # the next call is for an endpoint of this version
        self.key = key
        possible = shares(self.split, excluded, self.there).possible if forced < 0 else (forced,)
        return SimpleNamespace(version=possible[0], reason=0, endpoint=0, follow=lambda: 0) if possible else NO_ENDPOINT


@settings(max_examples=150, deadline=None)
@given(few, rows_of_weights, sticky_texts, requests, st.integers(0, 3), st.booleans())
def test_a_cookie_names_version_and_key(
    versions: tuple[VersionRoute, ...],
    rows: list[Row],
    text: str | None,
    request: Request,
    legacy: int,
    by_rules: bool,
) -> None:
    """Against the proxy's own pickers, over a split that answers what it was asked."""
    request = once(request)
    request.cookies = [b"; ".join([*request.cookies, *([f"{NAME}={text}".encode()] if text is not None else [])])]
    rules: tuple[MatchRule, ...] = ()
    if by_rules:
        versions = (version(0), version(1))
        rules = (MatchRule(1, (Match(headers=(FieldMatch("X-Canary", value="v1"),)),)),)
    versions = tuple(replace(v, sticky=i != legacy) for i, v in enumerate(versions))
    affinity = Affinity(NAME, "/a", max_age=60)
    route = replace(route_of(*versions, rules=rules), policy=Policy(affinity=affinity))
    weights = weights_of(route, rows, rest=not by_rules)
    there = tuple(there for _, there in rows[: len(versions)])
    split = Told(weights.splits[SPLIT], there)
    compiled = CompiledMatches(rules, versions, Pattern) if by_rules else CompiledRules(versions, Pattern)
    made_of = RulesBeforeSticky if by_rules else StickyPicker
    free = RulesAndKeys(split, compiled, (None,) * len(versions), hash64)
    picker = made_of(split, compiled, versions, affinity, free, hash64, lambda: 0.0)
    head = SimpleNamespace(
        get=request.joined,
        lower=[*(name.encode() for name, _ in request.headers), b"cookie"],
        headers=[*((name.encode(), value) for name, value in request.headers), (b"cookie", request.cookie)],
        target=request.target,
        method=request.method,
    )
    client = SimpleNamespace(address=request.client, key=0, tls=False)
    picked = picker(head, client, b"/")  # type: ignore[arg-type]

    made = route_stock(route, weights)
    found = went(made, request)
    agree(found, expected(weights.splits[SPLIT], there, *split.asked))
    if not found or (by_rules and text and split.asked[0] >= 0):
        return  # a rule took who has a cookie: the proxy leaves it as it is; here one that names nobody is replaced
    _key_agrees(made, request, split, text)
    _cookie_agrees(made, request, versions, text, given=not isinstance(picked, int) and bool(picked.answer))


def _key_agrees(made: StockRoute, request: Request, split: Told, text: str | None) -> None:
    """The hash key is what the proxy hashes: the cookie's; of newcomers a new one."""
    key = Variables(made.blocks, request).value(f"serin_stick_{SPLIT}")
    if text:
        assert split.key in (hash64(key), hash64(request.client.encode()), 0)
    else:
        assert key == b"request-id"


def _cookie_agrees(
    made: StockRoute, request: Request, versions: tuple[VersionRoute, ...], text: str | None, *, given: bool
) -> None:
    """For each version that may be drawn: a cookie where the proxy gives one and the version is sticky."""
    for name in went(made, request):
        index = int(name.rsplit("_", 1)[1])
        variables = Variables(made.blocks, request)
        variables.assume("upstream_status", b"200")
        for part in made.target.parts:
            if isinstance(part, Variable):
                variables.assume(part.name, name.encode())
        (given_cookie,) = made.set_cookies
        cookie = variables.value(given_cookie.name)
        assert not cookie or versions[index].sticky
        if cookie:
            key = variables.value(f"serin_stick_{SPLIT}")
            assert cookie == b"%s=%s.%s; Max-Age=60; Path=/a; HttpOnly" % (
                NAME.encode(),
                key,
                versions[index].ident.encode(),
            )
        if len(went(made, request)) == 1 and versions[index].sticky:
            assert bool(cookie) == given
        unsent = Variables(made.blocks, request)
        unsent.assume("upstream_status", b"")
        for part in made.target.parts:
            if isinstance(part, Variable):
                unsent.assume(part.name, name.encode())
        assert unsent.value(given_cookie.name) == b""


def test_the_attributes_of_a_cookie() -> None:
    affinity = Affinity("c$x", "/p", "a.example", expires=5, same_site="Lax")
    route = replace(route_of(version(0)), policy=Policy(affinity=affinity))
    made = route_stock(route, Weights({}, {"p0": pool("p0")}))
    (given,) = made.set_cookies
    for https, secure in ((b"on", b"; Secure"), (b"", b"")):
        variables = Variables(made.blocks, Request())
        variables.assume("upstream_status", b"502, 200")
        variables.assume("https", https)
        assert variables.value(given.name) == (
            b"c$x=request-id.0000000000000000; Max-Age=5; Domain=a.example; Path=/p"
            + secure
            + b"; HttpOnly; SameSite=Lax"
        )
