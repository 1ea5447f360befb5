"""What Lua reads of a request is what serin.routing reads."""

from urllib.parse import unquote_to_bytes

import pytest
from harness.lua_state import LuaState, state_with_patterns
from hypothesis import example, given, settings
from hypothesis import strategies as st

from serin.routing.conditions import Subject, parameter_of
from serin.routing.cookies import cookie_reader


@pytest.fixture(scope="module")
def lua() -> LuaState:
    state = state_with_patterns()
    state.run(
        """
        local fields = require "serin.fields"
        cookie, unescape, header_name = fields.cookie, fields.unescape, fields.header_name
        function parameter(target, name)
            local query = fields.query(target)
            return query and fields.parameter(query, name)
        end
        """
    )
    return state


cookie_headers = st.lists(
    st.sampled_from([b"a", b"A", b"ab", b"=", b";", b",", b" ", b"; ", b"always", b'"', b"b=", b"a=", b"A = x"]),
    max_size=12,
).map(b"".join)


@example(header=b"x=1,a=2", name=b"a", case=True)
@example(header=b"x=1; a = 2;", name=b"A", case=False)
@example(header=b"xa=1; a=2", name=b"a", case=True)
@settings(max_examples=200)
@given(
    header=cookie_headers, name=st.sampled_from([b"a", b"A", b"ab", b"b", b"", b"a-b", b"%a", b"."]), case=st.booleans()
)
def test_cookies_are_read_alike(lua: LuaState, header: bytes, name: bytes, case: bool) -> None:
    wanted = name if case else name.lower()
    assert lua.call("cookie", header, wanted, case) == (cookie_reader(name, match_case=case)(header),)


def test_no_cookie_header(lua: LuaState) -> None:
    assert lua.call("cookie", None, b"a", False) == (None,)


targets = st.lists(
    st.sampled_from(
        [b"?", b"&", b"=", b"#", b"+", b"%", b"%41", b"%2B", b"%26", b"%zz", b"a", b"A", b"b c", b"/", b"a=1", b"\xff"]
    ),
    max_size=14,
).map(b"".join)


@example(target=b"?x=1&a+b=1+2%2B", name="a b")
@example(target=b"?a%20b=%zz", name="a b")
@settings(max_examples=200)
@given(target=targets, name=st.sampled_from(["a", "A", "AA", "a b", "+", "=", "%", "", "aa", "&"]))
def test_parameters_are_read_alike(lua: LuaState, target: bytes, name: str) -> None:
    subject = Subject(lambda _: None, None, b"/" + target, "GET", "10.0.0.1")
    assert lua.call("parameter", b"/" + target, name) == (parameter_of(name)(subject),)


@given(text=st.binary(max_size=12) | targets)
def test_escapes_are_decoded_alike(lua: LuaState, text: bytes) -> None:
    assert lua.call("unescape", text) == (unquote_to_bytes(text),)


def test_header_names_know_no_case_and_no_underscore(lua: LuaState) -> None:
    assert lua.call("header_name", b"X_Try-It") == (b"x-try-it",)
