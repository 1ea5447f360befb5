"""A CanaryRoute's regular expressions with the engine that both planes use: they are for the whole value."""

import pytest

from serin.compile.canaryroutes import read_canary_route
from serin.control.patterns import check_pattern
from serin.native.pattern import Pattern
from serin.objects.parse import parse_object
from serin.objects.views import CanaryRoute
from serin.refs import Ref
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule, Subject
from serin.routing.plan import VersionRoute
from serin.routing.rules import CompiledMatches

ENDLESS = "(a+)+"
HARD = b"a" * 64 + b"!"
VERSIONS = tuple(VersionRoute(c * 16, c, Ref("CanaryRoute", "n", "r"), c, "80", "p") for c in "01")


def takes(pattern: str, value: bytes, version: int = 1) -> bool:
    match = Match(query=(FieldMatch("q", MatchKind.REGULAR_EXPRESSION, pattern),))
    rules = CompiledMatches((MatchRule(version, (match,)),), VERSIONS, Pattern)
    target = b"/?q=" + b"".join(b"%%%02x" % byte for byte in value)
    return rules.judge(Subject(lambda name: None, None, target, "GET", "")).forced == version


@pytest.mark.parametrize(
    ("pattern", "value", "found"),
    [
        ("cd|sz", b"cd", True),
        ("cd|sz", b"sz", True),
        ("cd|sz", b"cdx", False),
        ("cd|sz", b"xsz", False),
        ("cd", b"cd\n", False),
        ("cd$", b"cd\n", False),
        ("a|ab", b"ab", True),
        ("(?i)cd", b"CD", True),
        ("(?m)^cd$", b"cd\nx", False),
        ("a(?=b)", b"ab", False),
        (".*(?:cd).*", b"xcdx", True),
        (r"\d+", b"12", True),
        (".", "é".encode(), False),
        ("..", "é".encode(), True),
        ("é", "é".encode(), True),
    ],
)
def test_the_whole_value(pattern: str, value: bytes, found: bool) -> None:
    assert takes(pattern, value) is found


def test_work_without_end_moves_nobody_away_from_home() -> None:
    assert not takes(ENDLESS, HARD, version=1)
    assert takes(ENDLESS, HARD, version=0)


@pytest.mark.parametrize("pattern", ["(", "a)|(b", r"\Qa", "(*UTF)a", "(?x) a # and so on", "a\\"])
def test_what_cannot_stand_in_a_group_is_told_and_matches_nothing(pattern: str) -> None:
    condition = {"name": "q", "type": "RegularExpression", "value": pattern}
    rule = {"version": "v2", "matches": [{"queryParams": [condition]}]}
    versions = [{"name": name, "service": {"name": name}, "weight": 1} for name in ("v1", "v2")]
    raw = {"apiVersion": "serin.dev/v1alpha1", "kind": "CanaryRoute", "metadata": {"name": "r"}}
    view = parse_object({**raw, "spec": {"versions": versions, "rules": [rule]}}).view
    assert isinstance(view, CanaryRoute)
    reading = read_canary_route(view, check_pattern, None)
    assert [problem.code for problem in reading.problems] == ["canaryroute-pattern-broken"]
    assert reading.rules[0].matches[0].query[0].broken
    compiled = CompiledMatches(reading.rules, VERSIONS, Pattern)
    for text in (b"a", b"b", b"", b"a #"):
        assert compiled.judge(Subject(lambda name: None, None, b"/?q=" + text, "GET", "")).forced == -1
