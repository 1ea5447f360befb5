"""The rules of canaries: what was observed, what is repaired, and the fast form against the readable one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.refs import Ref
from serin.routing.decision import Effect, Reason, Verdict, judge
from serin.routing.plan import CookieRule, HeaderRule, VersionRoute
from serin.routing.rules import CompiledRules
from serin.routing.search import PatternMaker

Versions = tuple[VersionRoute, ...]


def versions(*rules: tuple[HeaderRule | None, CookieRule | None], sticky: bool = True) -> Versions:
    """Main and a canary for each pair of rules; idents count up from 0."""
    main = VersionRoute("0" * 16, "main", Ref("Ingress", "n", "main"), "main", "80", "f" * 16)
    canaries = tuple(
        VersionRoute(f"{i:016x}", f"c{i}", Ref("Ingress", "n", f"c{i}"), "c", "80", "e" * 16, h, c, sticky=sticky)
        for i, (h, c) in enumerate(rules, 1)
    )
    return (main, *canaries)


def both_say(who: Versions, headers: dict[str, str], cookie: str | None, patterns: PatternMaker) -> Verdict:
    """The verdict, after both forms were seen to agree."""
    lower = {name.lower().encode(): value.encode() for name, value in headers.items()}
    raw = None if cookie is None else cookie.encode()
    verdict = judge(who, lower.get, raw, patterns).verdict
    assert CompiledRules(who, patterns).judge(lower.get, raw) == verdict
    return verdict


PLAIN = versions((HeaderRule("Region"), CookieRule("user_from_cd")))
TAKEN = Verdict(1, 0, Reason.HEADER)
OUT = Verdict(-1, 2, Reason.HEADER)
OPEN = Verdict()


@pytest.mark.parametrize(
    ("rule", "header", "verdict"),
    [
        (HeaderRule("Region"), None, OPEN),
        (HeaderRule("Region"), "always", TAKEN),
        (HeaderRule("Region"), "never", OUT),
        (HeaderRule("Region"), "Always", OPEN),
        (HeaderRule("Region"), "always, always", OPEN),
        (HeaderRule("Region"), "", OPEN),
        (HeaderRule("Region", value="cd"), "cd", TAKEN),
        (HeaderRule("Region", value="cd"), "CD", OPEN),
        (HeaderRule("Region", value="cd"), "never", OPEN),
        (HeaderRule("Region", value="never"), "never", TAKEN),
        (HeaderRule("Region", value="blue", pattern="gr.*n"), "blue", TAKEN),
        (HeaderRule("Region", value="blue", pattern="gr.*n"), "green", OPEN),
        (HeaderRule("Region", pattern="cd|sz"), "sz", TAKEN),
        (HeaderRule("Region", pattern="cd|sz"), "xcdx", TAKEN),
        (HeaderRule("Region", pattern="cd|sz"), "bj, sz", TAKEN),
        (HeaderRule("Region", pattern="cd|sz"), "CD", OPEN),
        (HeaderRule("Region", pattern="cd|sz"), "", OPEN),
        (HeaderRule("Region", pattern="^$"), "", TAKEN),
        (HeaderRule("Region", pattern="cd|sz"), "always", OPEN),
        (HeaderRule("Region", pattern="cd|sz"), "never", OPEN),
        (HeaderRule("Region", pattern="cd|sz"), "boom", OUT),
        (HeaderRule("Region", pattern="(ab", broken=True), "zz", OUT),
        (HeaderRule("Region", pattern="(ab", broken=True), None, OPEN),
        (HeaderRule("Region", pattern="(ab"), "zz", OUT),
    ],
)
def test_header_of_one_canary(patterns: PatternMaker, rule: HeaderRule, header: str | None, verdict: Verdict) -> None:
    assert both_say(versions((rule, None)), {} if header is None else {"region": header}, None, patterns) == verdict


@pytest.mark.parametrize("name", ["X-Try", "X_Try", "x-try"])
def test_dash_and_underscore_are_one(patterns: PatternMaker, name: str) -> None:
    assert both_say(versions((HeaderRule(name), None)), {"X-Try": "always"}, None, patterns) == TAKEN


@pytest.mark.parametrize(
    ("cookie", "verdict"),
    [
        ("user_from_cd=always", Verdict(1, 0, Reason.COOKIE)),
        ("user_from_cd=never", Verdict(-1, 2, Reason.COOKIE)),
        ("USER_from_cd=always", Verdict(1, 0, Reason.COOKIE)),
        ("user_from_cd=ALWAYS", OPEN),
        ("user_from_bj=always", OPEN),
        ("=always", OPEN),
        (None, OPEN),
    ],
)
def test_cookie_of_one_canary(patterns: PatternMaker, cookie: str | None, verdict: Verdict) -> None:
    assert both_say(versions((None, CookieRule("user_from_cd"))), {}, cookie, patterns) == verdict


@pytest.mark.parametrize(
    ("header", "cookie", "verdict"),
    [
        ("never", "user_from_cd=always", OUT),
        ("always", "user_from_cd=never", TAKEN),
        ("cd", "user_from_cd=always", Verdict(1, 0, Reason.COOKIE)),
        ("cd", "user_from_cd=never", Verdict(-1, 2, Reason.COOKIE)),
    ],
)
def test_header_comes_before_cookie(patterns: PatternMaker, header: str, cookie: str, verdict: Verdict) -> None:
    assert both_say(PLAIN, {"Region": header}, cookie, patterns) == verdict


def test_a_broken_pattern_is_final_for_its_canary(patterns: PatternMaker) -> None:
    who = versions((HeaderRule("Region", pattern="(", broken=True), CookieRule("c")))
    assert both_say(who, {"Region": "x"}, "c=always", patterns) == OUT


def test_a_nameless_cookie_rule_decides_nothing(patterns: PatternMaker) -> None:
    assert both_say(versions((None, CookieRule(""))), {}, "=always", patterns) == OPEN


TWO = versions((HeaderRule("X-A"), CookieRule("a")), (HeaderRule("X-B"), CookieRule("b")))


@pytest.mark.parametrize(
    ("headers", "cookie", "verdict"),
    [
        ({"X-A": "always", "X-B": "always"}, None, Verdict(1, 0, Reason.HEADER)),
        ({"X-B": "always"}, None, Verdict(2, 0, Reason.HEADER)),
        ({"X-B": "always"}, "a=always", Verdict(2, 0, Reason.HEADER)),
        ({"X-A": "never", "X-B": "always"}, None, Verdict(2, 2, Reason.HEADER)),
        ({"X-A": "never"}, None, Verdict(-1, 2, None)),
        ({"X-A": "never"}, "a=always", Verdict(-1, 2, None)),
        ({"X-A": "never"}, "b=always", Verdict(2, 2, Reason.COOKIE)),
        ({"X-A": "never", "X-B": "never"}, "a=always; b=always", Verdict(-1, 6, Reason.HEADER)),
        ({"X-A": "never"}, "b=never", Verdict(-1, 6, Reason.COOKIE)),
        ({}, "a=never; b=always", Verdict(2, 2, Reason.COOKIE)),
    ],
)
def test_two_canaries(patterns: PatternMaker, headers: dict[str, str], cookie: str | None, verdict: Verdict) -> None:
    assert both_say(TWO, headers, cookie, patterns) == verdict


def test_the_affinity_cookie_comes_before_every_rule(patterns: PatternMaker) -> None:
    rules = CompiledRules(PLAIN, patterns)
    for index, version in enumerate(PLAIN):
        verdict = judge(PLAIN, {b"region": b"always"}.get, None, patterns, pinned=version.ident).verdict
        assert verdict == Verdict(index, 0, Reason.STICKY)
        assert rules.pinned(version.ident) == verdict


def test_an_ident_of_no_version_pins_nothing(patterns: PatternMaker) -> None:
    apart = versions((HeaderRule("Region"), None), sticky=False)
    for who, ident in ((PLAIN, "9" * 16), (apart, apart[1].ident)):
        assert judge(who, {b"region": b"always"}.get, None, patterns, pinned=ident).verdict == TAKEN
        assert CompiledRules(who, patterns).pinned(ident) is None
    assert CompiledRules(PLAIN, patterns).pinned(None) is None


def test_steps_tell_what_each_rule_did(patterns: PatternMaker) -> None:
    steps = judge(TWO, {b"x-a": b"never", b"x-b": b"7"}.get, b"b=always", patterns).steps
    assert [(s.version, s.reason, s.effect) for s in steps] == [
        (1, Reason.HEADER, Effect.OUT),
        (2, Reason.HEADER, Effect.PASSES),
        (2, Reason.COOKIE, Effect.TAKES),
    ]


@pytest.mark.parametrize(("who", "empty"), [(versions(), True), (versions((None, None)), True), (PLAIN, False)])
def test_rules_are_empty_when_no_header_and_no_cookie_counts(
    patterns: PatternMaker, who: Versions, empty: bool
) -> None:
    rules = CompiledRules(who, patterns)
    assert rules.empty is empty
    assert rules.reads_cookie is not empty


WORDS = st.sampled_from(["always", "never", "cd", "", "boom"])
HEADER_RULES = st.builds(
    HeaderRule,
    st.sampled_from(["X-A", "x_b", "X-C"]),
    st.none() | WORDS,
    st.none() | st.sampled_from(["cd", "^n", "(", ".*"]),
    st.booleans(),
)
COOKIE_RULES = st.builds(CookieRule, st.sampled_from(["a", "B", ""]))
MANY = st.lists(st.tuples(st.none() | HEADER_RULES, st.none() | COOKIE_RULES), max_size=5).map(lambda r: versions(*r))


@given(MANY, st.dictionaries(st.sampled_from(["x-a", "x-b", "x-c"]), WORDS), st.none() | WORDS, st.none() | WORDS)
def test_the_fast_form_judges_as_the_readable_one(
    patterns: PatternMaker, who: Versions, headers: dict[str, str], a: str | None, b: str | None
) -> None:
    cookies = [f"{name}={word}" for name, word in (("a", a), ("b", b), ("", a)) if word is not None]
    verdict = both_say(who, headers, "; ".join(cookies) if cookies else None, patterns)
    assert verdict.forced == -1 or not verdict.excluded >> verdict.forced & 1
    assert not verdict.excluded & 1
