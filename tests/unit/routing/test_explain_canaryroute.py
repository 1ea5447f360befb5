"""Explanations where a CanaryRoute shares requests out."""

from dataclasses import replace

from harness.canary_plans import SHOP, VERSIONS, canary_plan

from serin.problems import Problem, Severity
from serin.refs import Source
from serin.routing.affinity import make_value
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule
from serin.routing.explain import ExplainRequest, explain
from serin.routing.explanation import Explanation
from serin.routing.plan import Affinity, Plan, Policy
from serin.routing.search import PatternMaker

RULES = (
    MatchRule(
        0, (Match(cookies=(FieldMatch("who", value="never"),), source=Source(SHOP, "spec.rules[0].matches[0]")),)
    ),
    MatchRule(
        1,
        (
            Match(method="PUT", source=Source(SHOP, "spec.rules[1].matches[0]")),
            Match(
                headers=(FieldMatch("Region", MatchKind.REGULAR_EXPRESSION, "cd|sz"),),
                source=Source(SHOP, "spec.rules[1].matches[1]"),
            ),
            Match(clients=("192.0.2.0/24",), query=(FieldMatch("q", MatchKind.PRESENT),)),
        ),
    ),
)
STICKY = Policy(affinity=Affinity("A", "/"))


def plan(*, empty: int = -1, policy: Policy | None = None) -> Plan:
    return canary_plan(RULES, (6, 0, 2), policy=policy, empty=empty)


def ask(
    what: Plan, patterns: PatternMaker, *headers: tuple[str, str], query: str = "", method: str = "GET", ip: str = "::1"
) -> Explanation:
    request = ExplainRequest(f"http://shop.example/x{query}", method, headers, ip)
    return explain(what, request, (), patterns)


def test_a_rule_decides_and_is_named(patterns: PatternMaker) -> None:
    told = ask(plan(), patterns, ("Region", "sz"))
    assert (told.version, told.service, told.reason) == ("v2", "s2", "header")
    because = [str(note) for note in told.because]
    assert any("CanaryRoute demo/shop" in text and "shared out" in text for text in because)
    assert because[-1].endswith("(CanaryRoute demo/shop: spec.rules[1].matches[1])")
    assert "the method is GET, not PUT" in str(told.lost[-1])


def test_the_reason_is_the_kind_of_the_match(patterns: PatternMaker) -> None:
    found = ask(plan(), patterns, ("Cookie", "who=never"), ("Region", "cd"))
    assert (found.version, found.reason) == ("v1", "cookie")
    assert (ask(plan(), patterns, method="PUT").version, ask(plan(), patterns, method="PUT").reason) == ("v2", "rule")
    assert ask(plan(), patterns, query="?q=1", ip="192.0.2.9").reason == "rule"


def test_weights_share_out_what_no_rule_decides(patterns: PatternMaker) -> None:
    told = ask(plan(), patterns, ("Region", "cdx"), query="?q")
    assert (told.version, told.reason) == ("v1 75 % / v3 25 %", "weight")
    assert told.shares == (("v1", 75.0), ("v3", 25.0))
    assert "does not match `cd|sz` as a whole" in " ".join(map(str, told.lost))
    assert ask(plan(empty=0), patterns).version == "v3"


def test_a_rule_for_an_empty_version_leaves_the_request_to_the_weights(patterns: PatternMaker) -> None:
    told = ask(plan(empty=1), patterns, ("Region", "cd"))
    assert (told.version, told.reason) == ("v1 75 % / v3 25 %", "weight")
    assert "v2 has no ready endpoint" in " ".join(map(str, told.lost))


def test_rules_then_the_affinity_cookie_then_weights(patterns: PatternMaker) -> None:
    there, cookie = plan(policy=STICKY), ("Cookie", f"A={make_value(b'k', VERSIONS[2].ident).decode()}")
    told = ask(there, patterns, cookie)
    assert (told.version, told.reason) == ("v3", "sticky")
    told = ask(there, patterns, cookie, ("Region", "cd"))
    assert (told.version, told.reason) == ("v2", "header")
    told = ask(plan(policy=STICKY, empty=1), patterns, cookie, ("Region", "cd"))
    assert (told.version, told.reason) == ("v3", "sticky")
    gone = ("Cookie", f"A={make_value(b'k', VERSIONS[1].ident).decode()}")
    told = ask(plan(policy=STICKY, empty=1), patterns, gone, ("Region", "cd"))
    assert told.reason == "weight"


def test_problems_of_the_canary_route_are_among_those_that_matter(patterns: PatternMaker) -> None:
    mine = Problem(Source(SHOP, "spec.rules[0]"), "canaryroute-rule-unusable", Severity.ERROR, "x")
    other = replace(mine, source=Source(replace(SHOP, name="other")))
    told = explain(plan(), ExplainRequest("http://shop.example/"), (mine, other), patterns)
    assert told.problems == (mine,)
