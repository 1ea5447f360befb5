"""Maps and spec of a route give the verdicts of routing.rules, by nginx's rules for maps and variables."""

import pytest
from harness.nginx_maps import Request, Variables
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.errors import SerinError
from serin.native.pattern import Pattern
from serin.refs import Ref, Source
from serin.render.nginx.environment import environment
from serin.render.nginx.rules import RouteRules, route_rules
from serin.render.nginx.spec import ByVariable, Condition, HeaderLine, read_spec, spec_text
from serin.render.nginx.verdicts import of_letters
from serin.routing.conditions import (
    FieldMatch,
    Match,
    MatchKind,
    MatchRule,
    Subject,
    cookie_of,
    header_of,
    parameter_of,
)
from serin.routing.plan import (
    CookieRule,
    HashBy,
    HeaderRule,
    PathKind,
    PathMatch,
    Policy,
    Route,
    RuleId,
    VersionRoute,
)
from serin.routing.rules import CompiledMatches, CompiledRules

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


# --- what Lua does with the spec (dataplane/nginx/lua/serin/rules.lua), in Python ---


def letter_of(line: HeaderLine, value: bytes | None) -> str:
    if value is None:
        return "P"
    if line.kind == "b":
        return "O"
    if line.kind == "v":
        return "T" if value == line.value.encode() else "P"
    if line.kind == "a":
        return {b"always": "T", b"never": "O"}.get(value, "P")
    try:
        return "P" if Pattern(line.value).search(value) is None else "T"
    except SerinError:
        return "O"


def letters(rules: RouteRules, request: Request, count: int) -> str:
    """With Lua: repeated headers, and what the maps leave open, are looked at there."""
    if not rules.spec.letters:
        return "P" * (2 * count)
    found = list(Variables(rules.blocks, request).value(rules.spec.letters).decode())
    assert len(found) == 2 * count
    for line in rules.spec.headers:
        name = line.name.replace("_", "-")
        repeated = [key for key, _ in request.headers].count(name) > 1
        if found[line.canary - 1] == "L" or repeated:
            found[line.canary - 1] = letter_of(line, request.joined(name.encode()))
    return "".join(found)


def holds(condition: Condition, variables: Variables, subject: Subject, home: bool) -> bool:
    if isinstance(condition, ByVariable):
        return variables.value(condition.variable) == b"1"
    reader = {"H": header_of, "C": cookie_of, "Q": parameter_of}[condition.of]
    value = reader(condition.name)(subject)
    if value is None or condition.kind == "s":
        return value is not None
    if condition.kind == "e":
        return value == condition.text.encode()
    try:
        return Pattern(condition.text).search(value) is not None
    except SerinError:
        return home


# --- canary Ingresses ---


@settings(max_examples=400, deadline=None)
@given(canaries, requests)
def test_letters_say_what_the_rules_say(versions: tuple[VersionRoute, ...], request: Request) -> None:
    rules = route_rules(route_of(*versions), lua=True)
    expected = CompiledRules(versions, Pattern).judge(request.joined, request.cookie)
    found = of_letters(letters(rules, request, len(versions) - 1))
    assert (found.forced, found.excluded) == (expected.forced, expected.excluded)


@settings(max_examples=400, deadline=None)
@given(canaries, requests)
def test_without_lua_an_empty_header_is_none_and_a_pattern_that_cannot_be_run_takes_its_canary_out(
    versions: tuple[VersionRoute, ...], request: Request
) -> None:
    rules = route_rules(route_of(*versions), lua=False)
    once: dict[str, bytes] = {}
    for name, value in request.headers:
        if value:
            once.setdefault(name, value)
    request = Request(list(once.items()), request.cookies)
    refused = {v.header.pattern for v in versions if v.header is not None} & {"(a|a)*b", "(?=v)v1", "x++"}
    for v in versions:
        if v.header is not None and v.header.pattern in refused:
            versions = tuple(
                version(i, HeaderRule(w.header.name, pattern="(", broken=True), w.cookie)
                if w.header is not None and w.header.pattern in refused
                else w
                for i, w in enumerate(versions)
            )
    expected = CompiledRules(versions, Pattern).judge(request.joined, request.cookie)
    text = Variables(rules.blocks, request).value(rules.spec.letters).decode() if rules.spec.letters else ""
    found = of_letters(text)
    assert (found.forced, found.excluded) == (expected.forced, expected.excluded)
    assert len(rules.notes) >= len(refused)


def test_nothing_is_rendered_where_no_rule_is() -> None:
    rules = route_rules(route_of(version(0), version(1), version(2, cookie=CookieRule(""))), lua=True)
    assert rules == RouteRules(spec=rules.spec)
    assert (rules.spec.letters, rules.spec.headers, rules.spec.rows) == ("", (), ())


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


def subject_of(request: Request) -> Subject:
    return Subject(request.joined, request.cookie, request.target, request.method, request.client)


@settings(max_examples=400, deadline=None)
@given(match_rules, requests)
def test_rows_say_what_the_rules_of_a_canaryroute_say(rules: tuple[MatchRule, ...], request: Request) -> None:
    versions = (version(0), version(1), version(2))
    made = route_rules(route_of(*versions, rules=rules), lua=True)
    expected = CompiledMatches(rules, versions, Pattern).judge(subject_of(request))
    variables = Variables(made.blocks, request)
    for row in read_spec(spec_text(route_of(*versions, rules=rules), made.spec)).rows:
        if all(holds(c, variables, subject_of(request), row.version == 0) for c in row.conditions):
            assert (row.version, row.reason) == (expected.forced, expected.reason)
            return
    assert expected.forced == -1


@pytest.mark.parametrize(
    ("cookie", "target", "taken"),
    [
        (b"v=v1", b"/?v=1", True),
        (b"V=v1", b"/?v=1", False),
        (b"v=v2; v=v1", b"/?v=1", False),
        (b"v=v1; v=v2", b"/?v=1&v=2", True),
        (b"v=v1", b"/?v=2&v=1", False),
        (b"v=v1", b"/?w=?v=1", False),
        (b"v=v1", b"/v=1", False),
        (b"v=v1", b"/?%76=%31#v", True),
    ],
)
def test_without_lua_the_first_cookie_and_parameter_of_a_name_count(cookie: bytes, target: bytes, taken: bool) -> None:
    match = Match(cookies=(FieldMatch("v", value="v1"),), query=(FieldMatch("v", value="1"),))
    request = Request([], [cookie], target)
    rules = (MatchRule(1, (match,)),)
    assert said_by_maps(rules, request) == (1 if taken else -1)
    judged = CompiledMatches(rules, (version(0), version(1)), Pattern).judge(subject_of(request))
    assert (judged.forced == 1) == taken


def said_by_maps(rules: tuple[MatchRule, ...], request: Request) -> int:
    made = route_rules(route_of(version(0), version(1), version(2), rules=rules), lua=False)
    variables = Variables(made.blocks, request)
    for row in made.spec.rows:
        if all(isinstance(c, ByVariable) and variables.value(c.variable) == b"1" for c in row.conditions):
            return row.version
    return -1


def is_sayable(rules: tuple[MatchRule, ...]) -> bool:
    made = route_rules(route_of(version(0), version(1), version(2), rules=rules), lua=False)
    return not made.notes


@settings(max_examples=400, deadline=None)
@given(match_rules.filter(is_sayable), requests)
def test_without_lua_maps_say_the_same_of_fields_that_are_not_empty(
    rules: tuple[MatchRule, ...], request: Request
) -> None:
    once: dict[str, bytes] = {}
    for name, value in request.headers:
        if value:
            once.setdefault(name, value)
    if b"=;" in (request.cookie or b"") + b";" or b"= ;" in (request.cookie or b"") + b";":
        return  # an empty cookie
    request = Request(list(once.items()), request.cookies, request.target, request.method, request.client)
    versions = (version(0), version(1), version(2))
    assert said_by_maps(rules, request) == CompiledMatches(rules, versions, Pattern).judge(subject_of(request)).forced


# --- keys ---


def test_a_key_holds_what_the_route_fixes_and_variables_that_nginx_knows() -> None:
    by = HashBy(("$request_uri", "-", "$service_name", "$nonsense", "$", "$HTTP_x_user", "$the_real_ip"))
    versions = (version(0), VersionRoute("1" * 16, "v1", INGRESS, "web1", "80", "p1", hash_by=by))
    rules = route_rules(route_of(*versions), lua=True)
    assert rules.spec.keys == ("", f"serin_key_{SPLIT}_0")
    written = environment().get_template("maps.j2").module.blocks(rules.blocks)  # type: ignore[attr-defined]
    assert 'default "${request_uri}-web0${serin_dollar}${http_x_user}${remote_addr}";' in written


def test_the_same_key_is_one_variable() -> None:
    by = HashBy(("$request_uri",))
    versions = tuple(VersionRoute(f"{i:016x}", "v", INGRESS, "web", "80", "p", hash_by=by) for i in range(3))
    rules = route_rules(route_of(*versions), lua=True)
    assert len(set(rules.spec.keys)) == len(rules.blocks) == 1


def test_the_address_needs_no_variable() -> None:
    versions = (VersionRoute("0" * 16, "v", INGRESS, "web", "80", "p", hash_by=HashBy(("$remote_addr",))),)
    rules = route_rules(route_of(*versions), lua=True)
    assert (rules.blocks, rules.spec.keys) == ((), ("",))


# --- as text ---


def test_a_rule_is_a_readable_map() -> None:
    rule = HeaderRule("X-Canary", value="beta 1.0", source=CANARY)
    rules = route_rules(route_of(version(0), version(1, rule)), lua=True)
    written = environment().get_template("maps.j2").module.blocks(rules.blocks)  # type: ignore[attr-defined]
    assert written.startswith(
        "# Ingress shop/web-canary: x/canary-by-header\n"
        "# T: takes the request, O: out of this request, P: goes on\n"
        f'map "${{http_x_canary}}" $serin_header_{SPLIT}_0 {{\n'
        '    default "P";\n'
        '    "~^beta 1\\\\.0$" "T";\n'
        "}\n"
    )
