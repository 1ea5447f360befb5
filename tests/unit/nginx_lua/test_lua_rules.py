"""Verdicts of Lua are those of serin.routing.rules, for letters as the maps give them and for rows of conditions."""

from collections.abc import Mapping
from typing import Any

import pytest
from harness.lua_state import LuaState, state_with_patterns
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.native.pattern import Pattern
from serin.refs import Ref
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule, Subject, header_key
from serin.routing.decision import Verdict
from serin.routing.plan import CookieRule, HeaderRule, VersionRoute
from serin.routing.rules import CompiledMatches, CompiledRules

NAMES = ("X-Try", "x_other")
VALUES = (b"", b"always", b"never", b"blue", b"blue, green", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")
PATTERNS = ("^blue$", "lu", "^$", ".*", "(a+)+$", "(")
"""The last but one meets the bound on the last of VALUES, the last does not compile."""


@pytest.fixture(scope="module")
def lua() -> LuaState:
    state = state_with_patterns()
    state.run(
        """
        local rules = require "serin.rules"
        function verdict(spec, var)
            ngx.var = var
            return rules.verdict(spec)
        end
        """
    )
    return state


def version(index: int, header: HeaderRule | None = None, cookie: CookieRule | None = None) -> VersionRoute:
    ref = Ref("Ingress", "prod", f"v{index}")
    return VersionRoute(f"{index:016x}", f"v{index}", ref, "web", "80", "00" * 8, header, cookie)


header_rules = st.builds(
    lambda name, kind, value, pattern: HeaderRule(
        name,
        value=value if kind == "v" else None,
        pattern=pattern if kind == "x" else None,
        broken=kind == "b",
    ),
    st.sampled_from(NAMES),
    st.sampled_from("vxab"),
    st.sampled_from(("", "blue", "blue, green", "always")),
    st.sampled_from(PATTERNS),
)
cookie_rules = st.sampled_from(["try", "other"]).map(CookieRule)
canaries = st.lists(st.tuples(st.none() | header_rules, st.none() | cookie_rules), min_size=1, max_size=4)
requests = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES))
cookies = st.none() | st.lists(
    st.tuples(st.sampled_from(["try", "TRY", "other"]), st.sampled_from(["always", "never", "x", ""])), max_size=3
).map(lambda pairs: "; ".join(f"{n}={v}" for n, v in pairs).encode())


def verdict_of(found: tuple[Any, ...]) -> tuple[int, int, str | None]:
    forced, excluded, reason = found
    return forced, excluded, None if reason is None else reason.decode()


def plain(verdict: Verdict) -> tuple[int, int, str | None]:
    return verdict.forced, verdict.excluded, None if verdict.reason is None else verdict.reason.value


def alone(one: VersionRoute, headers: Mapping[bytes, bytes], cookie: bytes | None) -> str:
    """The letter of one rule: what it does when it is a route's only one."""
    found = CompiledRules((version(0), one), Pattern).judge(headers.get, cookie)
    return "T" if found.forced == 1 else "O" if found.excluded else "P"


def header_row(index: int, rule: HeaderRule) -> dict[str, Any]:
    kind = "b" if rule.broken else "v" if rule.value is not None else "x" if rule.pattern is not None else "a"
    return {
        "canary": index,
        "name": rule.name.lower().replace("_", "-"),
        "kind": kind,
        "value": {"v": rule.value, "x": rule.pattern}.get(kind) or "",
    }


@settings(max_examples=200)
@given(rules=canaries, request=requests, cookie=cookies, asked=st.sets(st.integers(0, 3)))
def test_letters(
    lua: LuaState, rules: list[tuple[Any, Any]], request: dict[str, bytes], cookie: bytes | None, asked: set[int]
) -> None:
    """`asked`: canaries whose letter is L, by which maps leave the rule to Lua."""
    versions = (version(0), *(version(i, header, cookie) for i, (header, cookie) in enumerate(rules, 1)))
    headers = {header_key(name): value for name, value in request.items()}
    of_headers = [
        "L" if i in asked and v.header is not None else alone(version(1, header=v.header), headers, None)
        for i, v in enumerate(versions[1:])
    ]
    of_cookies = [alone(version(1, cookie=v.cookie), {}, cookie) for v in versions[1:]]
    rows = [header_row(i, v.header) for i, v in enumerate(versions) if v.header is not None]
    var: dict[str, Any] = {"letters": "".join(of_headers + of_cookies), "http_cookie": cookie}
    var |= {"http_" + name.lower().replace("-", "_"): value for name, value in request.items()}
    found = lua.call("verdict", {"r": "letters", "h": rows, "count": len(versions)}, var)
    assert verdict_of(found) == plain(CompiledRules(versions, Pattern).judge(headers.get, cookie))


def test_who_is_out_by_header_is_not_asked_for_a_cookie(lua: LuaState) -> None:
    assert lua.call("verdict", {"r": "l", "h": [], "count": 3}, {"l": "OPTP"}) == (-1, 2, None)
    assert lua.call("verdict", {"r": "l", "h": [], "count": 3}, {"l": "OPTT"}) == (2, 2, b"cookie")


def test_many_letters_are_not_all_kept(lua: LuaState) -> None:
    """What clients send chooses the letters, so that what is kept of them has a bound."""
    lua.run("kept = {r = 'letters', count = 7, h = {}}")
    for number in range(3**6):
        letters = "".join("TOP"[number // 3**i % 3] for i in range(6)) + "P" * 6
        found = lua.run("return verdict(kept, {letters = ...})", letters)
        before, mark, _ = letters.partition("T")
        out = sum(2 << i for i, letter in enumerate(before) if letter == "O")
        wanted = (len(before) + 1, out, b"header") if mark else (-1, out, b"header" if out == 126 else None)
        assert found == wanted


# --- rules of a CanaryRoute ---

field_matches = st.builds(
    FieldMatch,
    st.sampled_from(["x-try", "X_Try", "try", "a b"]),
    st.sampled_from(MatchKind),
    st.sampled_from(["blue", "blue|green", "(a+)+", "(", "a.c"]),
    st.sampled_from([False, False, True]),
)
fields = st.lists(field_matches, max_size=1).map(tuple)
matches = st.builds(Match, headers=fields, cookies=fields, query=fields, method=st.sampled_from(["", "GET", "POST"]))
match_rules = st.lists(
    st.builds(MatchRule, st.integers(0, 2), st.lists(matches, min_size=1, max_size=2).map(tuple)), max_size=3
).map(tuple)
values = st.sampled_from([b"blue", b"green", b"abc", b"", VALUES[-1]])
subjects = st.builds(
    lambda headers, cookie, query, method: Subject(headers.get, cookie, b"/p" + query, method, "10.0.0.1"),
    st.dictionaries(st.sampled_from([b"x-try", b"try"]), values),
    st.none() | st.builds(lambda n, v: n + b"=" + v, st.sampled_from([b"try", b"Try", b"a b"]), values),
    st.sampled_from([b"", b"?", b"?try=blue", b"?a+b=abc&try", b"?a%20b=green#x", b"?Try=blue&try=green"]),
    st.sampled_from(["GET", "POST"]),
)


def rows_of(rules: tuple[MatchRule, ...]) -> list[dict[str, Any]]:
    return [
        {
            "version": rule.version,
            "reason": "h" if match.headers else "c" if match.cookies else "r",
            "conditions": [
                *(_condition("H", f) for f in match.headers),
                *(_condition("C", f) for f in match.cookies),
                *(_condition("Q", f) for f in match.query),
                *([["v", "is_" + match.method]] if match.method else []),
            ],
        }
        for rule in rules
        for match in rule.matches
    ]


def _condition(source: str, field: FieldMatch) -> list[str]:
    if field.kind is MatchKind.EXACT:
        return ["e", source, field.name, field.value]
    if field.kind is MatchKind.PRESENT:
        return ["s", source, field.name]
    return ["b", source, field.name] if field.broken else ["x", source, field.name, field.value]


@pytest.mark.parametrize("home", [True, False])
def test_a_pattern_that_meets_its_bound_keeps_at_home(lua: LuaState, home: bool) -> None:
    field = FieldMatch("x-try", MatchKind.REGULAR_EXPRESSION, "(a+)+")
    rules = (MatchRule(0 if home else 1, (Match(headers=(field,)),)),)
    subject = Subject({b"x-try": VALUES[-1]}.get, None, b"/", "GET", "10.0.0.1")
    wanted = CompiledMatches(rules, (version(0), version(1)), Pattern).judge(subject)
    assert (wanted.forced == 0) is home
    found = lua.call("verdict", {"m": rows_of(rules), "count": 2}, {"http_x_try": VALUES[-1]})
    assert verdict_of(found) == plain(wanted)


@settings(max_examples=200)
@given(rules=match_rules, subject=subjects)
def test_rows(lua: LuaState, rules: tuple[MatchRule, ...], subject: Subject) -> None:
    versions = tuple(version(i) for i in range(3))
    var: dict[str, Any] = {
        "http_cookie": subject.cookie,
        "request_uri": subject.target,
        "is_" + subject.method: "1",
        "http_x_try": subject.header(b"x-try"),
        "http_try": subject.header(b"try"),
    }
    wanted = CompiledMatches(rules, versions, Pattern).judge(subject)
    assert verdict_of(lua.call("verdict", {"m": rows_of(rules), "count": 3}, var)) == plain(wanted)


def test_a_spec_is_compiled_once(lua: LuaState) -> None:
    lua.run(
        """
        local pattern = require "serin.pattern"
        assert(pattern("^once$", false) == pattern("^once$", false))
        assert(pattern("^once$", false) ~= pattern("^once$", true))
        local spec = {m = {{version = 1, reason = "r", conditions = {{"v", "yes"}}}}, count = 2}
        assert(verdict(spec, {yes = "1"}) == 1)
        local judge = spec.judge
        assert(verdict(spec, {yes = ""}) == -1 and spec.judge == judge)
        """
    )
