"""Dispatch and rewriting in Lua choose and write what serin.routing does; the rest of them is tested behind nginx."""

import time
from typing import Any

import pytest
from harness.lua_state import LuaState, state_with_patterns
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.errors import SerinError
from serin.native.pattern import Pattern
from serin.refs import Ref, Source
from serin.render.nginx.spec import encode
from serin.routing.match import find_route
from serin.routing.outcome import Asked, Pass, Reply, before_proxying, rewrite_searcher
from serin.routing.paths import escape, escape_away
from serin.routing.plan import Globals, Host, PathKind, PathMatch, Policy, Rewrite, Route, RuleId

REF = Ref("Ingress", "prod", "web")
SOURCE = Source(REF, "spec")
SLOW = b"/" + b"a" * 60 + b"!"
"""A path on which `(a+)+$` meets the bound."""


@pytest.fixture(scope="module")
def lua() -> LuaState:
    state = state_with_patterns()
    state.run(
        """
        local dispatch, rewrite = require "serin.dispatch", require "serin.rewrite"
        function find(text, path)
            local row, status = dispatch.find(dispatch.rows(text), path)
            return row and row.location, status, row and row.limit
        end
        function apply(text, path, target)
            return rewrite.apply(rewrite.of(text), path, target)
        end
        escape_away = rewrite.escape_away
        """
    )
    return state


def route(kind: PathKind, path: str, rewrite: Rewrite | None = None) -> Route:
    return Route(PathMatch(kind, path), RuleId("h", path, "Prefix"), REF, "00" * 8, (), Policy(rewrite=rewrite))


path_matches = st.one_of(
    st.tuples(
        st.sampled_from([PathKind.EXACT, PathKind.PREFIX]), st.sampled_from(["/", "/a", "/a/", "/a:b, c%", "/ü"])
    ),
    st.tuples(st.just(PathKind.REGEX), st.sampled_from(["/a", "/(a+)+$", "/A(/|$)", "/x|/b", "/[", "/a{2,3}"])),
)
paths = st.sampled_from([b"/", b"/a", b"/a/", b"/A/b", b"/ab", b"/a:b, c%", "/ü/x".encode(), b"/q/b", b"/aaa", SLOW])


def test_patterns_have_a_bound_together(lua: LuaState) -> None:
    """Each takes some tenths of a millisecond on the path, 3,000 of them nearly forever."""
    rows = [f"{n}:r:{encode(f'/(a+)+(b|d{n})')}:0" for n in range(3000)]
    path = b"/" + b"a" * 11 + b"c"
    assert lua.call("find", ",".join(rows[:10]), path)[:2] == (None, 404)
    begun = time.thread_time()
    assert lua.call("find", ",".join(rows), path)[:2] == (None, 500)
    assert time.thread_time() - begun < 1.0
    assert lua.call("find", ",".join(rows), b"/d2999")[:2] == (None, 404), "cheap ones are all searched"


@settings(max_examples=200)
@given(matches=st.lists(path_matches, max_size=5), path=paths)
def test_dispatch(lua: LuaState, matches: list[tuple[PathKind, str]], path: bytes) -> None:
    routes = tuple(route(kind, text) for kind, text in matches)
    table = ",".join(f"{i}:{kind.value[0]}:{encode(text)}:{i * 10}" for i, (kind, text) in enumerate(matches))
    location, status, limit = lua.call("find", table, path)
    try:
        wanted = find_route(Host("h", routes), path, Pattern)
    except SerinError:
        assert (location, status) == (None, 500)
        return
    if wanted is None:
        assert (location, status) == (None, 404)
    else:
        index = next(i for i, one in enumerate(routes) if one is wanted)
        assert (location, limit) == (b"@r%d" % index, 10 * index)


targets = st.builds(
    lambda prefix, pieces: prefix + "".join(pieces),
    st.sampled_from(["", "/", "https://x.example/"]),
    st.lists(st.sampled_from(["$1", "$2", "$0", "$9", "$", "x", "$x", "ü", " ", "?", ":", ",", "%"]), max_size=5),
)
rewrite_patterns = st.sampled_from(["/a(/|$)(.*)", "^/(.*)$", "/(x)?(.*)", "(a+)+$", "(", "/B"])
asked_paths = st.sampled_from([b"/a", b"/a/b c", b"/a/\xff%", b"/x/y", b"/b", b"/a/+", SLOW])
queries = st.sampled_from([b"", b"?", b"?x=1", b"?x=%20#f", b"#f?x"])


@settings(max_examples=200)
@given(pattern=rewrite_patterns, target=targets, path=asked_paths, arguments=queries)
def test_rewrite(lua: LuaState, pattern: str, target: str, path: bytes, arguments: bytes) -> None:
    absolute = target.startswith("https://")
    rewrite = Rewrite(pattern, target, absolute, SOURCE)
    one = route(PathKind.PREFIX, "/", rewrite)
    sent = escape(path) + arguments
    asked = Asked("GET", True, "h", b"h", sent, path)
    wanted = before_proxying(one, asked, Globals(), rewrite_searcher(one, Pattern))
    found = lua.call("apply", f"{encode(pattern)}:{encode(target)}:{int(absolute)}", path, sent)
    assert found[: len(_said(wanted))] == _said(wanted)


def _said(wanted: Reply | Pass) -> tuple[Any, ...]:
    if isinstance(wanted, Reply):
        return (b"failed",) if wanted.status == 500 else (b"url", wanted.location)
    return (b"same",) if wanted.path is None else (b"path", wanted.path)


@given(text=st.binary(max_size=20))
def test_escaping_for_another_url(lua: LuaState, text: bytes) -> None:
    assert lua.call("escape_away", text) == (escape_away(text),)


def test_every_byte_is_escaped_alike(lua: LuaState) -> None:
    assert lua.call("escape_away", bytes(range(256))) == (escape_away(bytes(range(256))),)
