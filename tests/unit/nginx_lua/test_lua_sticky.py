"""Cookie affinity in Lua asks the C routine the same, and sends the same cookie, as the proxy's picker does.

Both ask a routine that is arithmetic here: versions up or down, endpoints by key.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import pytest
from harness.lua_state import LuaState, state_with_patterns
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.dataplane.proxy.exchange import Client, RequestHead
from serin.dataplane.proxy.picking import BY_SPLIT, Picked, decide
from serin.dataplane.proxy.sticky import RulesBeforeSticky, StickyPicker
from serin.native.worker import EXACT, KEYED, NO_ENDPOINT, STICKY, VERSION_ONLY
from serin.refs import Ref
from serin.routing.decision import Reason, Verdict
from serin.routing.plan import Affinity, VersionRoute
from serin.routing.rules import pins

RANDOM = "ab" * 16
IDENTS = tuple(f"{i:015x}f" for i in range(3))
GONE = "0" * 16
STALE = -2

LUA = """
local bit, ffi = require "bit", require "ffi"
local R = {NO_ENDPOINT = -1, KEYED = 1, STICKY = 2, VERSION_ONLY = 4, EXACT = 8}
local world, chosen, asked

function R.hash(text)
    local sum = 0
    for i = 1, #text do
        sum = sum + text:byte(i)
    end
    return sum
end

local function number_of(key, flags)
    if not key then
        return 0
    elseif bit.band(flags, R.EXACT) ~= 0 and #key == 16 and not key:find("[^0-9a-f]") then
        return tonumber(key:sub(-4), 16)
    end
    return R.hash(key)
end

function R.decide_exactly(spec, forced, excluded, key, flags)
    local version = forced
    if forced < 0 then
        version = -1
        for i = 0, spec.count - 1 do
            if world.up[i + 1] and bit.band(excluded, bit.lshift(1, i)) == 0 then
                version = i
            end
        end
    end
    if world.broken then
        return -2
    elseif version < 0 or not world.up[version + 1] then
        return -1
    end
    chosen = {version = version, reason = forced >= 0 and 1 or world.reason}
    chosen.endpoint = ffi.cast("uint64_t", (version + 1) * 1000 + number_of(key, flags) % 7)
    return 0
end

function R.decide(spec, forced, excluded, key, flags)
    local result = R.decide_exactly(spec, forced, excluded, key, flags)
    if result == -1 and forced >= 0 then
        return R.decide_exactly(spec, -1, bit.bor(excluded, bit.lshift(1, forced)), key, flags)
    end
    return result
end

function R.endpoint(spec, key, flags)
    local reason = chosen.reason
    local result = R.decide_exactly(spec, chosen.version, 0, key, flags)
    chosen.reason = reason
    return result
end

function R.choice()
    return chosen
end

package.loaded["serin.routine"] = R
package.loaded["serin.keys"] = {
    decide = function(spec, forced, excluded) return R.decide(spec, forced, excluded, "client", R.KEYED) end,
    endpoint = function(spec) return R.endpoint(spec, "client", R.KEYED) end,
}
package.loaded["serin.rules"] = {
    verdict = function() return world.forced, world.excluded, world.by end,
}
local sent
package.loaded["ngx.resp"] = {add_header = function(name, value) assert(name == "Set-Cookie"); sent = value end}
require("serin.cookies").key = function() return world.random end
ngx.time = function() return 1700000000 end
local sticky = require "serin.sticky"

function pick(spec, told)
    world, chosen, sent, ngx.ctx = told, nil, nil, {}
    for i = #spec.list, 1, -1 do
        spec.versions[i - 1] = spec.list[i]
    end
    ngx.var = {http_cookie = told.cookie, upstream_header_time = told.answered and "-, 0.001" or "0.002, -"}
    local result, reason = sticky.pick(spec)
    if result < 0 then
        assert(not next(ngx.ctx), "no cookie is due without an endpoint")
        return result, reason
    end
    local version, endpoint = chosen.version, tonumber(chosen.endpoint)
    if not reason then
        reason = chosen.reason == 2 and "weight" or "default"
    end
    if told.moved then
        chosen.endpoint = chosen.endpoint + 100
    end
    sticky.header()
    return result, reason, version, endpoint, sent
end
"""


@pytest.fixture(scope="module")
def lua() -> LuaState:
    state = state_with_patterns()
    state.run(LUA)
    return state


@dataclass
class Choice:
    version: int
    reason: int
    endpoint: int
    address: str = ""
    port: int = 0

    def follow(self) -> int:
        return 0

    def retry(self) -> None: ...

    def done(self, status: int, *, failed: bool = False) -> None: ...


@dataclass
class World:
    """What a request meets. `moved`: its first endpoint failed; `answered`: an endpoint answered in the end."""

    cookie: bytes | None
    up: list[bool]
    reason: int
    broken: bool
    verdict: Verdict
    moved: bool
    answered: bool

    def decide(self, forced: int = -1, excluded: int = 0, key: int = 0, flags: int = 0, user: int = 0) -> Any:
        version = forced
        if forced < 0:
            version = max((i for i, up in enumerate(self.up) if up and not excluded >> i & 1), default=-1)
        if self.broken:
            return STALE
        if version < 0 or not self.up[version]:
            return NO_ENDPOINT
        number = key % 65536 if flags & EXACT else key
        return Choice(version, 1 if forced >= 0 else self.reason, (version + 1) * 1000 + number % 7)


@dataclass
class Rules:
    """The parts of compiled rules that a picker asks."""

    versions: tuple[VersionRoute, ...]

    def pinned(self, ident: str | None) -> Verdict | None:
        return None if ident is None else pins(self.versions).get(ident)


@dataclass
class Free:
    """The picker without a cookie: every key is the client's."""

    world: World

    def judge(self, *_: Any) -> Verdict:
        return self.world.verdict

    def user(self, *_: Any) -> tuple[int, bytes]:
        return 0, b""

    def decide(self, verdict: Verdict, *_: Any) -> Any:
        return decide(self.world, verdict, hashed(b"client"), KEYED)

    def endpoint_of(self, version: Choice, *_: Any) -> Any:
        found = self.world.decide(version.version, 0, hashed(b"client"), KEYED)
        found.reason = version.reason
        return found


def hashed(text: bytes) -> int:
    return sum(text)


def expected(world: World, versions: tuple[VersionRoute, ...], affinity: Affinity, before: bool) -> tuple[Any, ...]:
    """Result, reason, version, first endpoint and Set-Cookie, of the proxy's picker."""
    headers = [] if world.cookie is None else [(b"Cookie", world.cookie)]
    head = RequestHead("GET", b"/", "h", b"h", False, headers, [n.lower() for n, _ in headers], 0, b"", False)
    make: Any = RulesBeforeSticky if before else StickyPicker
    picker = make(world, Rules(versions), versions, affinity, Free(world), hashed, lambda: 1_700_000_000)
    client = Client("10.0.0.1", 1, False, 80)
    with patch("os.urandom", lambda n: bytes.fromhex(RANDOM)):
        picked: Picked | int = picker(head, client, b"/")
        if isinstance(picked, int):
            return (picked, None)
        first, lines = picked.choice.endpoint, picked.answer
        if picked.on_choice is not None and world.answered:
            found = replace(picked.choice, endpoint=first + 100 * world.moved)  # type: ignore[type-var]
            lines += picked.on_choice(found)
    cookie = lines.removeprefix(b"Set-Cookie: ").removesuffix(b"\r\n") or None
    return (0, picked.reason.value.encode(), picked.choice.version, first, cookie)


def values() -> Iterator[bytes]:
    for key in ("x", "00000000000003e8", "00000000000003e9", "0000000000000bbb"):
        yield key.encode()
        for ident in (*IDENTS, GONE):
            yield f"{key}.{ident}".encode()


cookies = st.none() | st.sampled_from([b"", b"route=", b"other=1", *(b"a=1; ROUTE=" + value for value in values())])
verdicts = st.sampled_from(
    [
        Verdict(),
        Verdict(1, 0, Reason.HEADER),
        Verdict(2, 2, Reason.COOKIE),
        Verdict(0, 0, Reason.RULE),
        Verdict(-1, 2, None),
        Verdict(-1, 6, Reason.COOKIE),
    ]
)
worlds = st.builds(
    World,
    cookies,
    st.lists(st.booleans() | st.just(True), min_size=3, max_size=3),
    st.sampled_from([0, 2]),
    st.sampled_from([False, False, False, True]),
    verdicts,
    st.booleans(),
    st.sampled_from([True, True, False]),
)


@settings(max_examples=200)
@given(
    world=worlds,
    sticky=st.lists(st.booleans(), min_size=3, max_size=3) | st.just([True, True, True]),
    persistent=st.booleans(),
    change=st.booleans(),
    before=st.booleans(),
)
def test_picking(lua: LuaState, world: World, sticky: list[bool], persistent: bool, change: bool, before: bool) -> None:
    """`before`: rules of a CanaryRoute, which come before the cookie."""
    if before and world.verdict.excluded:
        world.verdict = Verdict()  # they exclude nothing
    ref = Ref("Ingress", "prod", "web")
    versions = tuple(
        VersionRoute(ident, "v", ref, "web", "80", "00" * 8, sticky=s) for ident, s in zip(IDENTS, sticky, strict=True)
    )
    affinity = Affinity("Route", "/", persistent=persistent, change_on_failure=change)
    spec = {
        "count": 3,
        "list": [{"ident": v.ident, "sticky": v.sticky} for v in versions],
        "versions": {},
        "affinity": {"name": "Route", "path": "/", "persistent": persistent, "change_on_failure": change},
        "m" if before else "r": "x",
    }
    told = {
        "cookie": world.cookie,
        "up": world.up,
        "reason": world.reason,
        "broken": world.broken,
        "forced": world.verdict.forced,
        "excluded": world.verdict.excluded,
        "by": None if world.verdict.reason is None else world.verdict.reason.value,
        "random": RANDOM,
        "moved": world.moved,
        "answered": world.answered,
    }
    assert lua.call("pick", spec, told) == expected(world, versions, affinity, before)


def test_reasons_of_the_split_are_those_of_the_proxy() -> None:
    """What the Lua side of this test takes for granted."""
    assert (BY_SPLIT[0], BY_SPLIT[2]) == (Reason.DEFAULT, Reason.WEIGHT)
    assert (KEYED, STICKY, VERSION_ONLY, EXACT, NO_ENDPOINT) == (1, 2, 4, 8, -1)
