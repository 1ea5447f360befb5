"""Rules of routes, and requests that meet them, for tests that ask several readers the same."""

from harness.nginx_maps import Request
from hypothesis import strategies as st

from serin.refs import Ref, Source
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule
from serin.routing.plan import (
    CookieRule,
    HeaderRule,
    PathKind,
    PathMatch,
    Policy,
    Route,
    RuleId,
    VersionRoute,
)

SPLIT = "0123456789abcdef"
INGRESS = Ref("Ingress", "shop", "web")
CANARY = Source(Ref("Ingress", "shop", "web-canary"), "metadata.annotations[x/canary-by-header]")


def version(index: int, header: HeaderRule | None = None, cookie: CookieRule | None = None) -> VersionRoute:
    return VersionRoute(f"{index:016x}", f"v{index}", INGRESS, f"web{index}", "80", f"p{index}", header, cookie)


def route_of(*versions: VersionRoute, rules: tuple[MatchRule, ...] = ()) -> Route:
    rule = RuleId("a.example", "/", "Prefix")
    return Route(PathMatch(PathKind.PREFIX, "/"), rule, INGRESS, SPLIT, versions, Policy(), match_rules=rules)


# --- what can be asked and sent ---

PATTERNS = ("^Do[A-Z][a-z]+y$", "cd|sz", "(?i)beta", "v[0-9]+", "^$", "a*", "(a|a)*b", "(?=v)v1", "x++", ".*1.*", "b|")
TEXTS = ("", "always", "never", "Always", "v1", "v10", "DoCanary", "xcd", "BETA", 'a"b\\$', "é", "a, b", "aaab", "1")
headers = st.sampled_from(("X-Canary", "x_other"))
header_rules = st.one_of(
    st.builds(HeaderRule, headers),
    st.builds(HeaderRule, headers, value=st.sampled_from(TEXTS[1:])),
    st.builds(HeaderRule, headers, pattern=st.sampled_from(PATTERNS)),
    st.builds(HeaderRule, headers, pattern=st.just("[][**da?$&*"), broken=st.just(True)),
)
COOKIES = ("canary", "Canary2", "a.b", "~x:y", "with space")
cookie_rules = st.builds(CookieRule, st.sampled_from((*COOKIES, "")))
canaries = st.lists(st.tuples(st.none() | header_rules, st.none() | cookie_rules), max_size=4).map(
    lambda found: (version(0), *(version(i, *rules) for i, rules in enumerate(found, 1)))
)
pairs = st.builds(
    lambda name, equals, value: f"{name}{equals}{value}",
    st.sampled_from((*COOKIES, "CANARY", "canary3", "v", "V", "")),
    st.sampled_from(("=", " = ", "= ")),
    st.sampled_from(("", "always", "never", "ALWAYS", "always ", '"always"', "v1", "x,canary=never", "v10")),
)
cookies = st.lists(
    st.builds(
        lambda parts, by: by.join(parts).encode(),
        st.lists(pairs | st.just("token"), min_size=1, max_size=3),
        st.sampled_from(("; ", ";", ", ")),
    ),
    max_size=2,
)
sent = st.tuples(st.sampled_from(("x-canary", "x-other", "y")), st.sampled_from(TEXTS).map(str.encode))
targets = st.lists(
    st.sampled_from(
        ("v=1", "v=%31", "%76=1", "V=1", "v", "v=", "w=a+b", "w=a%20b", "w=%zz", "v=2", "v=1=2", "w=1%262")
    ),
    max_size=3,
).map(lambda parts: ("/p?" + "&".join(parts)).encode() if parts else b"/p")
requests = st.builds(
    Request,
    st.lists(sent, max_size=3),
    cookies,
    targets,
    st.sampled_from(("GET", "POST", "get")),
    st.sampled_from(("10.1.2.3", "192.0.2.1", "fd00::1", "::ffff:10.1.2.3")),
)


# --- a CanaryRoute ---

fields = st.builds(
    lambda name, kind, value, broken: FieldMatch(name, kind, value, broken and kind is MatchKind.REGULAR_EXPRESSION),
    st.sampled_from(("X-Canary", "x-other")),
    st.sampled_from(MatchKind),
    st.sampled_from(("v1", "v[0-9]+", "", "a*", "(a|a)*b", "é")),
    st.booleans(),
)
kinds = st.sampled_from(MatchKind)
cookie_fields = st.builds(
    FieldMatch, st.sampled_from(("v", "canary", "a.b")), kinds, st.sampled_from(("v1", "v[0-9]+", ""))
)
parameters = st.builds(
    FieldMatch, st.sampled_from(("v", "w")), kinds, st.sampled_from(("1", "a b", "[0-9]", "1&2", "%zz", ""))
)
matches = st.builds(
    Match,
    st.lists(fields, max_size=2).map(tuple),
    st.lists(cookie_fields, max_size=1).map(tuple),
    st.lists(parameters, max_size=1).map(tuple),
    st.sampled_from(("", "", "GET")),
    st.sampled_from(((), (), ("10.0.0.0/8",), ("192.0.2.0/24", "fd00::/8"), ("::/0",))),
)
match_rules = st.lists(
    st.builds(MatchRule, st.integers(0, 2), st.lists(matches, min_size=1, max_size=2).map(tuple)), max_size=3
).map(tuple)
