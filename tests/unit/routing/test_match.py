"""Hosts and paths: the oracle by hand-written cases, the fast table by comparison with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.errors import SerinError
from serin.refs import Ref
from serin.routing.match import HostTable, find_host, find_route
from serin.routing.plan import Host, PathKind, PathMatch, Policy, Route, RuleId
from serin.routing.search import PatternMaker
from serin.routing.table import RouteTable

INGRESS = Ref("Ingress", "default", "main")


def route(kind: str, path: str) -> Route:
    match = PathMatch(PathKind(kind), path)
    return Route(match, RuleId("h.example", path, kind), INGRESS, "0" * 16, (), Policy())


def host(*routes: Route, name: str = "h.example") -> Host:
    return Host(name, routes)


HOSTS = {
    h.name: h
    for h in (
        Host("a.example.org"),
        Host("*.example.org", aliases=("*.wild.example", "alias.example", "a.example.org")),
        Host("other.example", aliases=("alias.example", "**.deep.example", "**.in.deep.example", "*.in.deep.example")),
        Host("*.deep.example"),
        Host("y.in.deep.example"),
        Host(""),
    )
}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.example.org", "a.example.org"),
        ("b.example.org", "*.example.org"),
        ("b-1_x.example.org", "*.example.org"),
        ("a.b.example.org", ""),
        (".example.org", ""),
        ("example.org", ""),
        ("*.example.org", ""),
        ("b\xe9.example.org", ""),
        ("x.wild.example", "*.example.org"),
        ("x.deep.example", "other.example"),
        ("x.y.deep.example", "other.example"),
        ("x.in.deep.example", "other.example"),
        ("y.in.deep.example", "y.in.deep.example"),
        ("deep.example", ""),
        (".deep.example", ""),
        ("alias.example", "*.example.org"),
        ("nobody", ""),
        ("", ""),
    ],
)
def test_host_is_exact_then_one_label_then_everything(name: str, found: str) -> None:
    hit = find_host(HOSTS, name)
    assert hit is not None
    assert hit.name == found


def test_without_a_catch_all_an_unknown_host_has_no_table() -> None:
    assert HostTable({"a.example": 1}).find("b.example") is None


@pytest.mark.parametrize(
    ("kind", "pattern", "taken", "left"),
    [
        ("exact", "/foo", ["/foo"], ["/foo/", "/foobar", "/FOO", "/"]),
        ("prefix", "/foo", ["/foo", "/foo/", "/foo/bar"], ["/foobar", "/", "/FOO"]),
        ("prefix", "/foo/", ["/foo/", "/foo/bar"], ["/foo", "/foobar"]),
        ("prefix", "/", ["/", "/a", "/a/b"], []),
        ("prefix", "/a.c", ["/a.c"], ["/abc"]),
        ("regex", "/u/[0-9]+", ["/u/12", "/U/1", "/u/1x"], ["/u/x", "/x/u/1"]),
        ("regex", "/abc", ["/abc", "/ABC", "/abcd", "/abc/d"], ["/ab"]),
        ("regex", "/foo|/bar", ["/foo", "/bar", "/x/bar"], ["/x/foo"]),
    ],
)
def test_a_route_takes_paths(
    patterns: PatternMaker, kind: str, pattern: str, taken: list[str], left: list[str]
) -> None:
    one = host(route(kind, pattern))
    table = RouteTable(one, patterns, lambda r: r)
    for path in taken:
        assert find_route(one, path.encode(), patterns) is one.routes[0], path
        assert table.find(path.encode()) is one.routes[0], path
    for path in left:
        assert find_route(one, path.encode(), patterns) is None, path
        assert table.find(path.encode()) is None, path


def test_the_first_route_wins(patterns: PatternMaker) -> None:
    routes = [route("prefix", "/a/b"), route("exact", "/a"), route("prefix", "/a"), route("prefix", "/")]
    table = RouteTable(host(*routes), patterns, lambda r: r)
    hits = {"/a/b/c": 0, "/a": 1, "/a/bc": 2, "/a/": 2, "/ab": 3, "/": 3}
    assert {path: table.find(path.encode()) for path in hits} == {path: routes[i] for path, i in hits.items()}


def test_a_pattern_that_fails_is_no_mismatch(patterns: PatternMaker) -> None:
    """The route behind it may be open while this one is closed: the request must not fall through."""
    for first in (route("regex", "/b"), route("regex", "/(")):
        both = host(first, route("prefix", "/"))
        with pytest.raises(SerinError):
            find_route(both, b"/boom", patterns)
        with pytest.raises(SerinError):
            RouteTable(both, patterns, lambda r: r).find(b"/boom")


def test_many_slashes_cost_no_more_than_the_longest_prefix(patterns: PatternMaker) -> None:
    table = RouteTable(host(route("prefix", "/a/b"), route("prefix", "/a")), patterns, lambda r: r.match.path)
    assert table.find(b"/a/b" + b"/a" * 4000) == "/a/b"
    assert table.find(b"/a/a" + b"/a" * 4000) == "/a"
    assert table.find(b"/b" * 4000) is None


SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab", "A", "a.b"]), max_size=4).map(lambda s: "/" + "/".join(s))
PATHS = st.builds(lambda path, slash: path + slash if path != "/" else path, SEGMENTS, st.sampled_from(["", "/"]))
ROUTES = st.lists(
    st.one_of(
        st.builds(route, st.sampled_from(["exact", "prefix"]), PATHS),
        st.builds(route, st.just("regex"), st.one_of(PATHS, st.sampled_from(["/(a|b)", "/a.b", "/[ab]$", "/b/.*a"]))),
    ),
    max_size=8,
)


@given(ROUTES, st.lists(PATHS, min_size=1, max_size=8))
def test_the_fast_table_answers_as_the_oracle(patterns: PatternMaker, routes: list[Route], paths: list[str]) -> None:
    one = host(*routes)
    table = RouteTable(one, patterns, lambda r: r)
    for path in paths + [r.match.path for r in routes if r.match.kind is not PathKind.REGEX]:
        assert table.find(path.encode()) is find_route(one, path.encode(), patterns)
