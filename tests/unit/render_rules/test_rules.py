"""Maps and spec of a route give the verdicts of routing.rules, by nginx's rules for maps and variables."""

import pytest
from harness.nginx_maps import Request, Variables
from harness.rule_cases import CANARY, INGRESS, SPLIT, canaries, match_rules, requests, route_of, version
from hypothesis import given, settings

from serin.errors import SerinError
from serin.native.pattern import Pattern
from serin.render.nginx.environment import environment
from serin.render.nginx.rules import RouteRules, route_rules
from serin.render.nginx.spec import ByVariable, Condition, HeaderLine, read_spec, spec_text
from serin.render.nginx.verdicts import of_letters
from serin.routing.conditions import (
    FieldMatch,
    Match,
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
    VersionRoute,
)
from serin.routing.rules import CompiledMatches, CompiledRules

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
        return Pattern(rf"\A(?:{condition.text})\z").search(value) is not None
    except SerinError:
        return home


# --- canary Ingresses ---


@settings(max_examples=100, deadline=None)
@given(canaries, requests)
def test_letters_say_what_the_rules_say(versions: tuple[VersionRoute, ...], request: Request) -> None:
    rules = route_rules(route_of(*versions), lua=True)
    expected = CompiledRules(versions, Pattern).judge(request.joined, request.cookie)
    found = of_letters(letters(rules, request, len(versions) - 1))
    assert (found.forced, found.excluded) == (expected.forced, expected.excluded)


@settings(max_examples=100, deadline=None)
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


def subject_of(request: Request) -> Subject:
    return Subject(request.joined, request.cookie, request.target, request.method, request.client)


@settings(max_examples=100, deadline=None)
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


@settings(max_examples=100, deadline=None)
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
