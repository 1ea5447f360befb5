"""Affinity cookies are read and written in Lua as serin.routing.affinity does."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from harness.lua_state import LuaState, state_with_patterns
from hypothesis import given
from hypothesis import strategies as st

from serin.routing.affinity import read_value, set_cookie, takes_same_site_none
from serin.routing.plan import Affinity

NOW = 1_700_000_000
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) {}/{}.0.0.0 Safari/537.36"
AGENTS = [
    *(CHROME.format(name, n) for name in ("Chrome", "Chromium") for n in (50, 51, 66, 67, 120)),
    "Chromium/60 Chrome/70",
    "Chrome/x Chromium/60",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 12_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.0",
    "Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 13_0 like Mac OS X) AppleWebKit/605.1.15",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12 Safari/605",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_140) AppleWebKit/605.1.15 Chrome/90",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.14; rv:68.0) Gecko/20100101 Firefox/68.0",
    *(
        f"Mozilla/5.0 (Linux; U; Android) AppleWebKit/537.36 UCBrowser/{v} Safari/537.36"
        for v in ("12.13.1.1", "12.13.2", "12.12.9", "13.0.0", "11.99.99", "12.13", "12.14.0 Chrome/57")
    ),
    "curl/7.88.1",
    "",
]


@pytest.fixture(scope="module")
def lua() -> LuaState:
    state = state_with_patterns()
    state.run(
        """
        local cookies = require "serin.cookies"
        read, key, takes_none = cookies.read, cookies.key, cookies.takes_same_site_none
        dates = {}
        ngx.http_time = function(at) return dates[at] or error("no date is asked for but of the cookie's end") end
        function line(affinity, value, tls, agent, now)
            return cookies.line(affinity, value, tls, function() return agent end, now)
        end
        function endpoint_key(low, high)
            return cookies.endpoint_key(low + 0x100000000ULL * high)
        end
        """
    )
    return state


@given(text=st.binary(max_size=4) | st.from_regex(rb"[a.]{0,3}\.?[0-9a-fA-F]{15,17}(\n|x)?", fullmatch=True))
def test_values(lua: LuaState, text: bytes) -> None:
    key, ident = read_value(text)
    assert lua.call("read", text) == (key, None if ident is None else ident.encode())


@pytest.mark.parametrize("agent", AGENTS)
def test_browsers(lua: LuaState, agent: str) -> None:
    assert lua.call("takes_none", agent) == (takes_same_site_none(agent.encode()),)


parts = [
    "Chrome/",
    "Chromium/",
    "51",
    "66",
    "67",
    "UCBrowser/12.13.",
    "1",
    "2",
    "(iPad; CPU OS 12_",
    "Safari/",
    ")",
    "(Macintosh; Mac OS X 10_14",
    "_",
    " ",
    "AppleWebKit/",
    "(iP",
]


@given(agent=st.lists(st.sampled_from(parts), max_size=7).map("".join))
def test_browsers_of_any_kind(lua: LuaState, agent: str) -> None:
    assert lua.call("takes_none", agent) == (takes_same_site_none(agent.encode()),)


affinities = st.builds(
    Affinity,
    name=st.just("route"),
    path=st.sampled_from(["/", "/a"]),
    domain=st.sampled_from(["", "x.example"]),
    expires=st.sampled_from([0, 60, 10**8]),
    max_age=st.sampled_from([0, 1, 10**10]),
    same_site=st.sampled_from(["", "None", "Lax"]),
    conditional_same_site_none=st.booleans(),
    secure=st.none() | st.booleans(),
)


@given(affinity=affinities, tls=st.booleans(), agent=st.none() | st.sampled_from(AGENTS))
def test_lines(lua: LuaState, affinity: Affinity, tls: bool, agent: str | None) -> None:
    wanted = set_cookie(affinity, b"k.v", tls=tls, user_agent=None if agent is None else agent.encode(), now=NOW)
    told = {
        "name": affinity.name,
        "path": affinity.path,
        "domain": affinity.domain or None,
        "expires": affinity.expires or None,
        "max_age": affinity.max_age or None,
        "same_site": affinity.same_site or None,
        "conditional": affinity.conditional_same_site_none,
        "secure": affinity.secure,
    }
    end = NOW + affinity.expires
    lua.run("dates = {[(...)] = select(2, ...)}", end, format_datetime(datetime.fromtimestamp(end, UTC), usegmt=True))
    given_fields = {name: value for name, value in told.items() if value is not None}
    assert lua.call("line", given_fields, "k.v", tls, agent, NOW) == (wanted,)


def test_keys_are_random(lua: LuaState) -> None:
    keys = [lua.call("key")[0] for _ in range(1000)]
    assert len(set(keys)) == 1000
    assert all(len(key) == 32 and set(key) <= set(b"0123456789abcdef") for key in keys)
    assert {key[i] for key in keys for i in (0, 7, 8, 31)} == set(b"0123456789abcdef")


def test_an_endpoints_key(lua: LuaState) -> None:
    assert lua.call("endpoint_key", 0x00AB_CDEF, 0x0000_0012) == (b"0000001200abcdef",)
    assert lua.call("endpoint_key", 0xFFFF_FFFF, 0xFEDC_BA98) == (b"fedcba98ffffffff",)
