"""Without Lua: where requests go, by nginx's rules, is where the proxy sends them."""

from dataclasses import replace

import pytest
from harness.nginx_maps import Request, reached
from harness.rule_cases import INGRESS, SPLIT, canaries, match_rules, requests, route_of, version
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.native.pattern import Pattern
from serin.render.nginx.environment import environment
from serin.render.nginx.rules import route_rules
from serin.render.nginx.stock import StockRoute, losses, route_stock
from serin.render.nginx.upstreams import upstream_name
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


@settings(max_examples=200, deadline=None)
@given(few, rows_of_weights, st.sampled_from((100, 1000, 12345)), requests)
def test_canary_ingresses(versions: tuple[VersionRoute, ...], rows: list[Row], total: int, request: Request) -> None:
    request = once(request)
    route = route_of(*versions)
    weights = weights_of(route, rows, total=total)
    verdict = CompiledRules(versions, Pattern).judge(request.joined, request.cookie)
    there = tuple(there for _, there in rows[: len(versions)])
    found = went(route_stock(route, weights), request)
    agree(found, expected(weights.splits[SPLIT], there, verdict.forced, verdict.excluded))


@settings(max_examples=200, deadline=None)
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


@settings(max_examples=200, deadline=None)
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


@settings(max_examples=200, deadline=None)
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


def test_what_is_lost_is_listed_with_its_object() -> None:
    match = Match(query=(FieldMatch("v", MatchKind.REGULAR_EXPRESSION, "1+"),))
    unbounded = HeaderRule("X", pattern="(a|a)*b")
    routes = (
        replace(route_of(version(0)), match=PathMatch(PathKind.REGEX, "/(a+)+b")),
        replace(route_of(version(0)), policy=Policy(affinity=Affinity("c", "/"))),
        route_of(version(0), version(1, unbounded)),
        route_of(version(0), version(1), rules=(MatchRule(1, (match,)),)),
        route_of(version(0), version(1, HeaderRule("X"), CookieRule("c"))),
    )
    found = [text.removeprefix(f"{INGRESS} /: ") for text in losses(Host("a", routes))]
    assert found == [
        "the work of its pattern is not bounded; the route is not there",
        "cookie affinity is not kept",
        "header X: the work of its pattern is not bounded; requests with it get no such canary",
        "query parameter v: its pattern cannot be run here; no value is a match",
    ]
