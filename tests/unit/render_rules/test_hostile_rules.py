"""Whatever a plan holds, its rules have a text in nginx.conf, whose tokens nginx takes and whose lines stay ours."""

import re

import pytest
from harness.rule_cases import INGRESS, SPLIT, route_of
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.refs import Ref, Source
from serin.render.nginx.environment import MAX_TOKEN, environment
from serin.render.nginx.rules import route_rules
from serin.render.nginx.spec import read_spec, spec_text
from serin.render.nginx.stock import losses, route_stock
from serin.render.nginx.weights import Weights
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule
from serin.routing.plan import (
    Affinity,
    Algorithm,
    CookieRule,
    Endpoint,
    HashBy,
    HeaderRule,
    Host,
    Policy,
    Pool,
    PoolSpec,
    Route,
    Share,
    Split,
    VersionRoute,
)

EVIL = '"; } server { listen 1; } # ${x} $http_a \\ \n\r\t\x00'
SHORT = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from(
        (EVIL, "a", "é", "\\", '"', "$", "${request_id}", "%", "(?<serin>.*)", "~*x", "default", "include")
    ),
)
texts = st.builds(lambda text, times: text * times, SHORT, st.sampled_from((1, 1, 1, 40, 4000)))
sources = st.none() | st.builds(lambda kind, name, field: Source(Ref(kind, name, name), field), texts, texts, texts)
header_rules = st.builds(HeaderRule, texts, st.none() | texts, st.none() | texts, st.booleans(), sources)
hash_bys = st.builds(lambda parts: HashBy(tuple(parts)), st.lists(texts, max_size=3))
versions = st.lists(
    st.builds(
        lambda header, cookie, by, name: VersionRoute(
            "0" * 16, "v", INGRESS, name, name, "p", header, cookie, hash_by=by
        ),
        st.none() | header_rules,
        st.none() | st.builds(CookieRule, texts, sources),
        st.none() | hash_bys,
        texts,
    ),
    min_size=1,
    max_size=5,
).map(tuple)
fields = st.lists(st.builds(FieldMatch, texts, st.sampled_from(MatchKind), texts, st.booleans()), max_size=2).map(tuple)
rules = st.lists(
    st.builds(
        lambda *match: MatchRule(0, (Match(*match),)), fields, fields, fields, texts, st.just(("10.0.0.0/8",)), sources
    ),
    max_size=2,
).map(tuple)
affinities = st.none() | st.builds(
    Affinity, texts, texts, texts, st.integers(0, 9), st.integers(0, 9), texts, secure=st.none() | st.booleans()
)


def check(text: str) -> None:
    """Read as nginx reads: tokens in quotes, ours alone outside of them."""
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "Q", text, flags=re.DOTALL)
    for token in re.findall(r'"((?:[^"\\]|\\.)*)"', text, flags=re.DOTALL):
        assert len(token.encode()) <= MAX_TOKEN
        assert "\0" not in token
    for line in outside.split("\n"):
        assert _LINE(line), line


_LINE = re.compile(
    r"| *#[ -~]*"
    r"|map Q \$[a-z0-9_]+ \{|geo \$[a-z0-9_]+ \{|split_clients Q \$[a-z0-9_]+ \{|upstream [a-z0-9_]+ \{|\}"
    r"|    (?:default|Q|\*|[0-9.]+%) Q;|    default 0;|    [0-9a-f.:]+/[0-9]+ 1;"
    r"|    (?:hash Q consistent|least_conn|random|keepalive 32);"
    r"|    server [0-9a-f.:\[\]]+ max_fails=3 fail_timeout=10s;",
).fullmatch


def rendered(route: Route) -> None:
    assert route.split is not None
    maps = environment().get_template("maps.j2").module
    stock = environment().get_template("stock.j2").module
    made = route_rules(route, lua=True)
    check(str(maps.blocks(made.blocks)))  # type: ignore[attr-defined]
    assert read_spec(spec_text(route, made.spec)).headers == made.spec.headers
    pool = Pool(PoolSpec("p", "n", "s", 80, Algorithm.HASH), (Endpoint("10.0.0.1", 80), Endpoint("::1", 80)))
    shares = tuple(Share(v.ident, v.pool, 1) for v in route.versions)
    weights = Weights({route.split: Split(route.split, route.rule, shares)}, {"p": pool})
    without = route_stock(route, weights)
    check(str(maps.blocks(without.blocks)))  # type: ignore[attr-defined]
    check(str(stock.upstreams(without.upstreams)))  # type: ignore[attr-defined]
    check(str(stock.weights(without.weights)))  # type: ignore[attr-defined]
    assert all(isinstance(text, str) for text in losses(Host("a", (route,)), weights))


def policy_of(affinity: Affinity | None) -> Policy:
    return Policy(affinity=affinity)


@settings(max_examples=40, deadline=None)
@given(versions, rules, affinities)
def test_any_plan_has_a_text(
    found: tuple[VersionRoute, ...], match_rules: tuple[MatchRule, ...], affinity: Affinity | None
) -> None:
    base = route_of(*found, rules=match_rules)
    rendered(Route(base.match, base.rule, base.ingress, SPLIT, found, policy_of(affinity), match_rules=match_rules))


@pytest.mark.parametrize("times", [1, 40, 400])
def test_texts_made_to_break_out(times: int) -> None:
    evil = EVIL * times
    by = HashBy((evil, "$request_uri"))
    found = tuple(
        VersionRoute(
            f"{i:016x}",
            evil,
            INGRESS,
            evil,
            evil,
            "p",
            HeaderRule(evil, evil),
            CookieRule(evil),
            hash_by=by,
        )
        for i in range(3)
    )
    rendered(route_of(*found))


def test_very_many_conditions() -> None:
    matches = tuple(Match(headers=(FieldMatch(f"x{i}", value="1"),)) for i in range(300))
    version = VersionRoute("0" * 16, "v", INGRESS, "web", "80", "p")
    rendered(route_of(version, version, rules=(MatchRule(1, matches),)))
