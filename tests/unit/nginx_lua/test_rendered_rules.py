"""What is rendered for a route's rules, read by the Lua modules, gives the verdicts of serin.routing.rules.

Over both ends: blocks and spec as serin.render.nginx makes them, spec.lua and rules.lua as nginx runs them.
"""

from typing import Any

import pytest
from harness.lua_state import LIBRARY, LuaState
from harness.nginx_maps import Request, Variables
from harness.rule_cases import canaries, match_rules, requests, route_of, version
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.native.pattern import Pattern
from serin.render.nginx.rules import route_rules
from serin.render.nginx.spec import ByVariable, Spec, SpecVersion, read_spec, spec_text
from serin.routing.conditions import MatchRule, Subject
from serin.routing.decision import Reason
from serin.routing.plan import Affinity, Route, VersionRoute
from serin.routing.rules import CompiledMatches, CompiledRules

PRELUDE = """
local library = ...
local ffi = require "ffi"
ffi.cdef [[
typedef struct srn_pattern srn_pattern;
srn_pattern *srn_pattern_new(const char *text, size_t len, uint32_t flags, char *err, size_t err_len);
void srn_pattern_free(srn_pattern *p);
int srn_pattern_search(srn_pattern *p, const uint8_t *subject, size_t len, int32_t *spans, uint32_t max_spans);
typedef struct srn_route { int none; } srn_route;
]]
ngx = {config = {nginx_version = 1025000}, var = {}, header = {}}
local loaded = ffi.load(library)
local C = setmetatable({srn_route_init = function() end}, {__index = loaded})
package.preload["serin.routine"] = function() return {C = C} end
local spec, rules = require "serin.spec", require "serin.rules"

function verdict(text, var)
    ngx.var = var
    local forced, excluded, reason = rules.verdict(spec.parse(text))
    return forced, excluded, reason
end

local function flag(value)
    if value == nil then return "nil" end
    return tostring(value)
end

function read(text)
    local s = spec.parse(text)
    local versions, headers, rows = {}, {}, {}
    for i = 0, s.count - 1 do
        local v = s.versions[i]
        versions[#versions + 1] = {v.ident, v.name, flag(v.sticky), v.key or ""}
    end
    for i, h in ipairs(s.h or {}) do
        headers[i] = {h.canary, h.name, h.kind, h.value}
    end
    for i, m in ipairs(s.m or {}) do
        rows[i] = {m.version, m.reason, m.conditions}
    end
    local a, affinity = s.affinity, {}
    if a then
        affinity = {a.name, a.path or "", a.domain or "", a.expires or 0, a.max_age or 0, a.same_site or "",
            flag(a.conditional), flag(a.secure), flag(a.persistent), flag(a.change_on_failure)}
    end
    return s.split, versions, s.tries, s.r or "", headers, rows, affinity
end
"""


@pytest.fixture(scope="module")
def lua() -> LuaState:
    try:
        state = LuaState()
    except OSError as error:
        pytest.skip(str(error))
    state.run(PRELUDE, str(LIBRARY))
    return state


# --- verdicts ---


def ask(lua: LuaState, route: Route, request: Request) -> tuple[Any, ...]:
    """The verdict of Lua in a nginx that joins repeated headers."""
    rules = route_rules(route, lua=True)
    variables = Variables(rules.blocks, request, joins=True)
    names = {block.variable.name for block in rules.blocks if block.variable.name.startswith("serin_")}
    given = {name: variables.value(name) for name in names}
    for name, _ in request.headers:
        given["http_" + name.replace("-", "_")] = request.joined(name.encode()) or b""
    if request.cookie is not None:
        given["http_cookie"] = request.cookie
    given["request_uri"] = request.target
    return lua.call("verdict", spec_text(route, rules.spec), given)


@settings(max_examples=120, deadline=None)
@given(versions=canaries, request_=requests)
def test_canary_ingresses(lua: LuaState, versions: tuple[VersionRoute, ...], request_: Request) -> None:
    expected = CompiledRules(versions, Pattern).judge(request_.joined, request_.cookie)
    forced, excluded, reason = ask(lua, route_of(*versions), request_)
    assert (forced, excluded) == (expected.forced, expected.excluded)
    assert reason == (None if expected.reason is None else expected.reason.encode())


@settings(max_examples=120, deadline=None)
@given(rules=match_rules, request_=requests)
def test_canaryroutes(lua: LuaState, rules: tuple[MatchRule, ...], request_: Request) -> None:
    versions = (version(0), version(1), version(2))
    subject = Subject(request_.joined, request_.cookie, request_.target, request_.method, request_.client)
    expected = CompiledMatches(rules, versions, Pattern).judge(subject)
    forced, excluded, reason = ask(lua, route_of(*versions, rules=rules), request_)
    assert (forced, excluded) == (expected.forced, expected.excluded)
    assert reason == (None if expected.reason is None else expected.reason.encode())


# --- the text ---

texts = st.text(st.characters(codec="utf-8"), max_size=12)
affinities = st.builds(
    Affinity,
    texts.filter(bool),
    texts,
    texts,
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.sampled_from(("", "None", "Lax")),
    st.booleans(),
    st.none() | st.booleans(),
    st.booleans(),
    st.booleans(),
)


@settings(max_examples=100, deadline=None)
@given(
    versions=canaries,
    rules=match_rules,
    names=st.lists(texts.filter(bool), min_size=3, max_size=3),
    affinity=st.none() | affinities,
    tries=st.integers(0, 5),
)
def test_lua_reads_what_python_reads(
    lua: LuaState,
    versions: tuple[VersionRoute, ...],
    rules: tuple[MatchRule, ...],
    names: list[str],
    affinity: Affinity | None,
    tries: int,
) -> None:
    by_headers = route_rules(route_of(*versions), lua=True).spec
    by_rows = route_rules(route_of(version(0), version(1), version(2), rules=rules), lua=True).spec
    told = tuple(SpecVersion(f"{i:016x}", name, i != 1, "" if i else "serin_key") for i, name in enumerate(names))
    spec = Spec("0" * 16, told, tries, by_headers.letters, by_headers.headers, by_rows.rows, affinity)
    assert read_spec(spec.text()) == spec
    split, found, found_tries, letters, headers, rows, found_affinity = lua.call("read", spec.text())
    assert (split, found_tries, letters) == (b"0" * 16, tries, spec.letters.encode())
    assert found == [_bytes(v.ident, v.name, "true" if v.sticky else "false", v.key) for v in told]
    assert headers == [[h.canary, *_bytes(h.name, h.kind, h.value)] for h in spec.headers]
    reasons = {Reason.HEADER: b"h", Reason.COOKIE: b"c", Reason.RULE: b"r"}
    assert [(row[0], row[1]) for row in rows] == [(r.version, reasons[r.reason]) for r in spec.rows]
    for row, expected in zip(rows, spec.rows, strict=True):
        for condition, wanted in zip(row[2], expected.conditions, strict=True):
            if isinstance(wanted, ByVariable):
                assert condition == [b"v", wanted.variable.encode()]
            else:
                value = [wanted.text] if wanted.kind in "ex" else []
                assert condition == _bytes(wanted.kind, wanted.of, wanted.name, *value)
    if affinity is None:
        assert found_affinity == []
    else:
        a = affinity
        flags = (a.conditional_same_site_none, a.secure, a.persistent, a.change_on_failure)
        words = ("nil" if flag is None else str(flag).lower() for flag in flags)
        times = [a.expires, a.max_age]
        assert found_affinity == [*_bytes(a.name, a.path, a.domain), *times, *_bytes(a.same_site, *words)]


def _bytes(*found: str) -> list[bytes]:
    return [text.encode() for text in found]
