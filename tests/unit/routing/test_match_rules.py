"""The rules of a CanaryRoute: what each condition reads, and the fast form against the readable one."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.refs import Ref, Source
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule, Subject
from serin.routing.decision import UNDECIDED, Effect, Reason, Verdict, judge_matches
from serin.routing.plan import VersionRoute
from serin.routing.rules import CompiledMatches
from serin.routing.search import PatternMaker

ROUTE = Ref("CanaryRoute", "n", "shop")
REGEX, PRESENT = MatchKind.REGULAR_EXPRESSION, MatchKind.PRESENT
VERSIONS = tuple(VersionRoute(f"{i:016x}", f"v{i}", ROUTE, f"s{i}", "80", "f" * 16) for i in range(3))


def subject(
    headers: dict[str, str] | None = None,
    cookie: str | None = None,
    target: bytes = b"/",
    method: str = "GET",
    client: str = "192.0.2.7",
) -> Subject:
    lower = {name.lower().encode(): value.encode() for name, value in (headers or {}).items()}
    return Subject(lower.get, None if cookie is None else cookie.encode(), target, method, client)


def both_say(rules: tuple[MatchRule, ...], asked: Subject, patterns: PatternMaker) -> Verdict:
    """The verdict, after both forms were seen to agree."""
    verdict = judge_matches(rules, VERSIONS, asked, patterns).verdict
    assert CompiledMatches(rules, VERSIONS, patterns).judge(asked) == verdict
    return verdict


def takes(match: Match, asked: Subject, patterns: PatternMaker, version: int = 1) -> bool:
    return both_say((MatchRule(version, (match,)),), asked, patterns).forced == version


def header(name: str, value: str = "", kind: MatchKind = MatchKind.EXACT) -> Match:
    return Match(headers=(FieldMatch(name, kind, value),))


@pytest.mark.parametrize(
    ("match", "headers", "expected"),
    [
        (header("Region", "cd"), {"Region": "cd"}, True),
        (header("REGION", "cd"), {"region": "cd"}, True),
        (header("X_Region", "cd"), {"X-Region": "cd"}, True),
        (header("Region", "cd"), {"Region": "CD"}, False),
        (header("Region", "cd"), {"Region": "cds"}, False),
        (header("Region", "cd"), {"Region": ""}, False),
        (header("Region", "cd"), {}, False),
        (header("Region", "", PRESENT), {"Region": ""}, True),
        (header("Region", "", PRESENT), {"Other": "x"}, False),
        (header("Region", "cd|sz", REGEX), {"Region": "sz"}, True),
        (header("Region", "cd|sz", REGEX), {"Region": "cdx"}, False),
        (header("Region", "cd|sz", REGEX), {"Region": "xsz"}, False),
        (header("Region", "cd|sz", REGEX), {"Region": "CD"}, False),
        (header("Region", "cd", REGEX), {"Region": "cd\n"}, False),
        (header("Region", ".*", REGEX), {"Region": ""}, True),
        (header("Region", ".*", REGEX), {}, False),
    ],
)
def test_headers(patterns: PatternMaker, match: Match, headers: dict[str, str], expected: bool) -> None:
    assert takes(match, subject(headers), patterns) is expected


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        ("who=me", True),
        ("a=b; who=me; who=you", True),
        ("who=you; who=me", False),
        ("Who=me", False),
        ("who=me ", False),
        ('who="me"', False),
        ("xwho=me", False),
        (None, False),
    ],
)
def test_the_first_cookie_of_the_name_with_case(patterns: PatternMaker, cookie: str | None, expected: bool) -> None:
    assert takes(Match(cookies=(FieldMatch("who", value="me"),)), subject(cookie=cookie), patterns) is expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/?a+b=x%26y", True),
        (b"/p?z=1&a%20b=x%26y", True),
        (b"/?a+b=1&a+b=x%26y", False),
        (b"/?A+b=x%26y", False),
        (b"/?a+b=x&y", False),
        (b"/?a+b", False),
        (b"/a+b=x%26y", False),
        (b"/?z=1#?a+b=x%26y", False),
        (b"/?", False),
        (b"/", False),
    ],
)
def test_the_first_parameter_of_the_name_decoded(patterns: PatternMaker, target: bytes, expected: bool) -> None:
    assert takes(Match(query=(FieldMatch("a b", value="x&y"),)), subject(target=target), patterns) is expected


def test_a_parameter_without_a_value_is_there(patterns: PatternMaker) -> None:
    match = Match(query=(FieldMatch("beta", PRESENT),))
    assert takes(match, subject(target=b"/?x&beta"), patterns)
    assert takes(match, subject(target=b"/?beta=&x"), patterns)
    assert not takes(match, subject(target=b"/?=beta"), patterns)


def test_methods_are_compared_with_case(patterns: PatternMaker) -> None:
    assert takes(Match(method="POST"), subject(method="POST"), patterns)
    assert not takes(Match(method="POST"), subject(method="post"), patterns)


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("10.9.8.7", True),
        ("::ffff:10.9.8.7", True),
        ("11.0.0.1", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("unix:", False),
        ("", False),
    ],
)
def test_one_network_is_enough(patterns: PatternMaker, client: str, expected: bool) -> None:
    match = Match(clients=("10.0.0.0/8", "2001:db8::/32"))
    assert takes(match, subject(client=client), patterns) is expected


def test_all_conditions_of_a_match_and_any_match_of_a_rule(patterns: PatternMaker) -> None:
    both = Match(headers=(FieldMatch("a", value="1"), FieldMatch("b", value="2")), method="GET")
    rules = (MatchRule(2, (both, Match(cookies=(FieldMatch("c", PRESENT),)))), MatchRule(1, (Match(method="GET"),)))
    assert both_say(rules, subject({"a": "1", "b": "2"}), patterns) == Verdict(2, 0, Reason.HEADER)
    assert both_say(rules, subject({"a": "1"}, "c=x"), patterns) == Verdict(2, 0, Reason.COOKIE)
    assert both_say(rules, subject({"a": "1"}), patterns) == Verdict(1, 0, Reason.RULE)
    assert both_say(rules, subject({"a": "1"}, method="PUT"), patterns) == UNDECIDED


def test_a_match_that_asks_for_nothing_matches_nothing(patterns: PatternMaker) -> None:
    assert not takes(Match(), subject(), patterns)


@pytest.mark.parametrize(
    "field", [FieldMatch("a", REGEX, "("), FieldMatch("a", REGEX, "x", True), FieldMatch("a", REGEX, "b")]
)
def test_a_pattern_that_cannot_be_run_moves_nobody_away_from_home(patterns: PatternMaker, field: FieldMatch) -> None:
    """The third meets the bound on its work."""
    match = Match(headers=(field,))
    assert not takes(match, subject({"a": "boom"}), patterns, version=1)
    assert takes(match, subject({"a": "boom"}), patterns, version=0)
    assert not takes(match, subject(), patterns, version=0)
    also = Match(headers=(field,), method="PUT")
    assert not takes(also, subject({"a": "boom"}), patterns, version=0)


def test_a_rule_for_a_version_that_there_is_not_fails_when_it_is_made(patterns: PatternMaker) -> None:
    with pytest.raises(IndexError):
        CompiledMatches((MatchRule(3, (Match(method="GET"),)),), VERSIONS, patterns)


def test_the_affinity_cookie_comes_after_the_rules(patterns: PatternMaker) -> None:
    rules = (MatchRule(1, (header("a", "1"),)),)
    compiled = CompiledMatches(rules, VERSIONS, patterns)
    pinned = VERSIONS[2].ident
    assert judge_matches(rules, VERSIONS, subject({"a": "1"}), patterns, pinned).verdict.forced == 1
    verdict = judge_matches(rules, VERSIONS, subject(), patterns, pinned).verdict
    assert verdict == compiled.pinned(pinned) == Verdict(2, 0, Reason.STICKY)
    assert compiled.pinned(None) is compiled.pinned("9" * 16) is None


def test_steps_say_what_each_match_found(patterns: PatternMaker) -> None:
    source = Source(ROUTE, "spec.rules[1].matches[0]")
    near = Match(headers=(FieldMatch("Region", REGEX, "cd|sz"),), clients=("192.0.2.0/24",), source=source)
    rules = (
        MatchRule(0, (header("X-Old", "1"), Match(cookies=(FieldMatch("c", value="never"),)))),
        MatchRule(2, (Match(headers=(FieldMatch("X-New", PRESENT),), method="GET"), near)),
    )
    steps = judge_matches(rules, VERSIONS, subject({"Region": "cd"}, "c=always"), patterns).steps
    assert [(s.version, s.reason, s.effect, s.text) for s in steps] == [
        (0, Reason.COOKIE, Effect.PASSES, "`cookie c=always` is not `never`"),
        (2, Reason.HEADER, Effect.PASSES, "the request does not have everything that it asks for"),
        (
            2,
            Reason.HEADER,
            Effect.TAKES,
            "`Region: cd` matches `cd|sz` as a whole and the client 192.0.2.7 is in 192.0.2.0/24",
        ),
    ]
    assert steps[-1].source == source


def test_only_rules_with_cookies_read_them(patterns: PatternMaker) -> None:
    assert not CompiledMatches((MatchRule(1, (header("a", "1"),)),), VERSIONS, patterns).reads_cookie
    assert CompiledMatches((MatchRule(1, (Match(cookies=(FieldMatch("a"),)),)),), VERSIONS, patterns).reads_cookie


WORDS = st.sampled_from(["cd", "CD", "", "boom", "x y"])
NAMES = st.sampled_from(["x-a", "X_B"])
FIELDS = st.one_of(
    st.builds(FieldMatch, NAMES, st.just(MatchKind.EXACT), WORDS),
    st.builds(FieldMatch, NAMES, st.just(PRESENT)),
    st.builds(FieldMatch, NAMES, st.just(REGEX), st.sampled_from(["cd", "c.", "(", ".*"]), st.booleans()),
)


def few(strategy: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=most).map(tuple)


MATCHES = st.builds(
    Match,
    few(FIELDS),
    few(FIELDS),
    few(FIELDS),
    st.sampled_from(["", "", "GET", "PUT"]),
    few(st.sampled_from(["10.0.0.0/8", "::/0"])),
)
RULES = few(st.builds(MatchRule, st.integers(0, 2), few(MATCHES, 3)), 4)


@settings(max_examples=400)
@given(
    RULES,
    st.dictionaries(st.sampled_from(["x-a", "x-b"]), WORDS),
    st.none() | st.tuples(st.sampled_from(["x-a", "X_B", "z"]), WORDS),
    st.sampled_from([b"/", b"/?x-a=cd", b"/?X_B=boom&x-a", b"/?X_B"]),
    st.sampled_from(["10.1.1.1", "::1", "?"]),
)
def test_the_fast_form_judges_as_the_readable_one(
    patterns: PatternMaker,
    rules: tuple[MatchRule, ...],
    headers: dict[str, str],
    cookie: tuple[str, str] | None,
    target: bytes,
    client: str,
) -> None:
    text = None if cookie is None else "=".join(cookie)
    verdict = both_say(rules, subject(headers, text, target, "GET", client), patterns)
    assert verdict == UNDECIDED or verdict.forced in [rule.version for rule in rules]
