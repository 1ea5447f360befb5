"""The locations of a host, read by nginx's own rules, serve what the first matching route of the plan serves."""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from serin.native.pattern import Pattern
from serin.refs import Ref
from serin.render.nginx.locations import Kind, Layout, Place, layout
from serin.routing.match import find_route
from serin.routing.plan import Host, PathKind, PathMatch, Policy, Route, RuleId

PATTERNS = ("/a", "/a/", "/a(/|$)(.*)", "/[ab]+", "/b$", "/a|/b", "/", "/B/x", "/a.b")
TEXTS = ("", "/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/b", "/B", "/a.b", "/a b", "/a\n", "/a$", "/a/b/c", "a", "/c/")


def route(kind: PathKind, path: str, number: int = 0) -> Route:
    ref = Ref("Ingress", "shop", f"i{number}")
    return Route(PathMatch(kind, path), RuleId("h", path, kind), ref, None, (), Policy())


def routes_of(matches: list[tuple[PathKind, str]]) -> tuple[Route, ...]:
    return tuple(route(kind, path, number) for number, (kind, path) in enumerate(matches))


def served(found: Layout, path: str) -> Route | None:
    """What nginx does: `=`, else the longest prefix unless a pattern fits; a prefix `/x/` redirects `/x`."""
    exact = [p for p in found.places if p.kind is Kind.EXACT and p.text == path]
    if exact:
        return exact[0].route
    assert not [p for p in found.places if p.kind is Kind.PREFIX and p.text == path + "/"], "nginx redirects by itself"
    for place in found.places:
        if place.kind in (Kind.PATTERN, Kind.CASED_PATTERN):
            searched = Pattern(place.text, ignore_case=place.kind is Kind.PATTERN)
            if searched.search(path.encode()) is not None:
                return place.route
    prefixes = [p for p in found.places if p.kind is Kind.PREFIX and path.startswith(p.text)]
    return max(prefixes, key=lambda p: len(p.text)).route


def dispatched(found: Layout, path: str) -> Route | None:
    return find_route(Host("h", found.dispatched), path.encode(), Pattern)


plain = st.tuples(st.sampled_from((PathKind.EXACT, PathKind.PREFIX)), st.sampled_from(TEXTS))
pattern = st.tuples(st.just(PathKind.REGEX), st.sampled_from(PATTERNS))
ASKED = [text for text in (*TEXTS, "/aa", "/A", "/a/x", "/c", "/x") if text.startswith("/")]


@settings(max_examples=300)
@given(st.lists(plain, max_size=7))
def test_plain_routes(matches: list[tuple[PathKind, str]]) -> None:
    check(matches)


@settings(max_examples=300)
@given(st.lists(st.one_of(plain, pattern), max_size=7))
@example([(PathKind.PREFIX, "/a"), (PathKind.EXACT, "/a/b"), (PathKind.REGEX, "/x")])
def test_routes_with_patterns(matches: list[tuple[PathKind, str]]) -> None:
    check(matches)


def check(matches: list[tuple[PathKind, str]]) -> None:
    routes = routes_of(matches)
    found = layout(routes, lambda path: True, lua=True)
    assert not found.dispatched
    assert_no_duplicates(found)
    for path in ASKED:
        assert served(found, path) is find_route(Host("h", routes), path.encode(), Pattern), path


def assert_no_duplicates(found: Layout) -> None:
    """nginx refuses the whole file for one: `= /a` and `/a` are different locations, `/a` twice is not."""
    names = [(p.kind, p.text) for p in found.places]
    assert len(names) == len(set(names))


@given(st.lists(st.one_of(plain, pattern), max_size=7))
def test_dispatched_routes_are_all_named(matches: list[tuple[PathKind, str]]) -> None:
    routes = routes_of(matches)
    found = layout(routes, lambda path: False, lua=True)
    if any(kind is PathKind.REGEX for kind, _ in matches):
        assert found.dispatched == routes
        assert [(p.kind, p.text, p.route) for p in found.places] == [
            (Kind.NAMED, str(number), r) for number, r in enumerate(routes)
        ]
    else:
        assert not found.dispatched


def test_prefix_with_and_without_slash_in_one_host() -> None:
    """ingress-nginx writes `location /a/` twice for this, and nginx refuses the file for everybody."""
    routes = routes_of([(PathKind.PREFIX, "/a/"), (PathKind.PREFIX, "/a")])
    found = layout(routes, lambda path: True, lua=True)
    assert_no_duplicates(found)
    assert [(p.kind, p.text, p.route) for p in found.places] == [
        (Kind.EXACT, "/a", routes[1]),
        (Kind.PREFIX, "/a/", routes[0]),
        (Kind.PREFIX, "/", None),
    ]


def test_a_path_with_nul_is_not_there() -> None:
    found = layout(routes_of([(PathKind.PREFIX, "/a\0")]), lambda path: True, lua=True)
    assert found.places == (Place(Kind.PREFIX, "/", None),)


def test_names_of_our_own_locations_are_nobodys_path() -> None:
    """Else a tenant could take what another's routes ask inside of nginx, or have nginx refuse their host."""
    own = ("//serin/a/0", "//serin/e/0-404", "//serin/m/0", "//serin/e/0-", "//")
    routes = routes_of([(kind, path) for path in own for kind in (PathKind.EXACT, PathKind.PREFIX)])
    assert layout(routes, lambda path: True, lua=True).places == (Place(Kind.PREFIX, "/", None),)


def test_a_path_that_is_too_long_is_found_by_lua() -> None:
    long = routes_of([(PathKind.PREFIX, "/" + "x" * 5000)])
    assert layout(long, lambda path: True, lua=True).dispatched == long


def test_literal_patterns_take_their_text_alone() -> None:
    routes = routes_of([(PathKind.REGEX, "/z"), (PathKind.EXACT, "/a.b*(\n")])
    found = [p for p in layout(routes, lambda path: True, lua=True).places if p.kind is Kind.CASED_PATTERN]
    assert re.fullmatch(found[0].text.replace("\\z", "\\Z"), "/a.b*(\n")
    assert Pattern(found[0].text).search(b"/axb*(\n") is None
