"""The spec of a route is read as it was written, whatever its texts hold, and needs no quoting in nginx.conf."""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from serin.refs import Ref, Source
from serin.render.nginx.spec import (
    ByLua,
    ByVariable,
    HeaderLine,
    Row,
    Spec,
    SpecRules,
    SpecUser,
    SpecVersion,
    read_spec,
    spec_of,
    spec_text,
)
from serin.routing.decision import Reason
from serin.routing.plan import (
    Affinity,
    PathKind,
    PathMatch,
    Policy,
    Route,
    RuleId,
    SplitBy,
    SplitKind,
    Upstream,
    VersionRoute,
)

SPLIT = "0123456789abcdef"
ALLOWED = re.compile(r"[A-Za-z0-9._~/=:,+*@%-]+( [A-Za-z0-9._~/=:,+*@%-]+)*")

texts = st.text(st.characters(codec="utf-8"), max_size=20)
names = texts.filter(bool)
variables = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
idents = st.from_regex(r"[0-9a-f]{16}", fullmatch=True)
conditions = st.one_of(
    st.builds(ByVariable, variables),
    st.builds(ByLua, st.sampled_from("ex"), st.sampled_from("HCQ"), names, texts),
    st.builds(ByLua, st.sampled_from("sb"), st.sampled_from("HCQ"), names),
)
specs = st.builds(
    Spec,
    idents,
    st.lists(st.builds(SpecVersion, idents, names, st.booleans(), st.just("") | variables), min_size=1, max_size=4).map(
        tuple
    ),
    st.integers(0, 9),
    st.just("") | variables,
    st.lists(st.builds(HeaderLine, st.integers(1, 15), variables, st.sampled_from("vxab"), texts), max_size=3).map(
        tuple
    ),
    st.lists(
        st.builds(
            Row,
            st.integers(0, 15),
            st.sampled_from((Reason.HEADER, Reason.COOKIE, Reason.RULE)),
            st.lists(conditions, min_size=1, max_size=3).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    st.none()
    | st.builds(
        Affinity,
        names,
        texts,
        texts,
        st.integers(0, 10**9),
        st.integers(0, 10**9),
        st.sampled_from(("", "None", "Lax", "Strict")),
        st.booleans(),
        st.none() | st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    st.none() | st.builds(SpecUser, st.sampled_from("ch"), texts) | st.just(SpecUser("a")),
)


@given(specs)
def test_a_spec_is_read_as_it_was_written(spec: Spec) -> None:
    assert read_spec(spec.text()) == spec


@given(specs)
def test_no_text_of_a_user_leaves_its_field(spec: Spec) -> None:
    text = spec.text()
    assert ALLOWED.fullmatch(text)
    for percent in re.findall(r"%.{0,2}", text):
        assert re.fullmatch(r"%[0-9A-F]{2}", percent)


def test_the_form_that_lua_reads() -> None:
    ingress = Ref("Ingress", "shop", "web")
    affinity = Affinity("INGRESSCOOKIE", "/", max_age=60, secure=False, source=Source(ingress))
    route = Route(
        PathMatch(PathKind.PREFIX, "/"),
        RuleId("a.example", "/", "Prefix"),
        ingress,
        SPLIT,
        (
            VersionRoute("1111111111111111", "main", ingress, "web", "80", "p1"),
            VersionRoute("2222222222222222", "v2", ingress, "web-v2", "http", "p2", sticky=False),
        ),
        Policy(affinity=affinity, upstream=Upstream(tries=0)),
    )
    rules = SpecRules(
        letters="serin_r_1",
        headers=(HeaderLine(1, "x_a", "x", "^(a|b.c)$"),),
        rows=(
            Row(
                1,
                Reason.HEADER,
                (ByVariable("serin_m_1"), ByLua("e", "Q", "a.b", "x=1")),
            ),
        ),
        keys=("", "serin_key_1"),
    )
    assert spec_text(route, rules) == (
        "0123456789abcdef v=1111111111111111:shop-web-80:1:,2222222222222222:shop-web-v2-http:0:serin_key_1 t=0 "
        "r=serin_r_1 h=1:x_a:x:%5E%28a%7Cb.c%29%24 m=1:h:v.serin_m_1+e.Q.a%2Eb.x%3D1 "
        "a=INGRESSCOOKIE ap=/ am=60 ax=0"
    )
    assert spec_of(route, SpecRules()).text().endswith("ap=/ am=60 ax=0")
    for by, text in (
        (SplitBy(SplitKind.COOKIE, "a b", 60, Source(ingress)), "u=c:a%20b"),
        (SplitBy(SplitKind.HEADER, "X-User", 60, Source(ingress)), "u=h:X-User"),
        (SplitBy(SplitKind.CLIENT, "", 60, Source(ingress)), "u=a:"),
    ):
        assert spec_text(replace(route, split_by=by), rules).endswith(f" {text}")
