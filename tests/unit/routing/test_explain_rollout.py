"""Explanations of rollouts: where a run stands, who takes nothing any more, and which version a user has."""

from dataclasses import replace

import pytest
from harness.canary_plans import SHOP, VERSIONS, canary_plan

from serin.native.twin.hashing import hash64
from serin.refs import Source
from serin.routing.affinity import make_value
from serin.routing.conditions import FieldMatch, Match, MatchRule
from serin.routing.explain import ExplainRequest, Known, explain
from serin.routing.explain_users import Run
from serin.routing.explanation import Explanation
from serin.routing.plan import Affinity, Plan, Policy, SplitBy, SplitKind
from serin.routing.search import PatternMaker
from serin.routing.user_split import choose

RULES = (MatchRule(1, (Match(headers=(FieldMatch("Region", value="cd"),), source=Source(SHOP, "spec.rules[0]")),)),)
SALTS = (0x0123456789ABCDEF, 0xFEDCBA9876543210)
RUN = Run("v2", "run of revision 1.8.2, step 3/5", source=Source(SHOP, "spec.rollout"))
KNOWN = Known({SHOP: RUN}, hash64)
COOKIE = SplitBy(SplitKind.COOKIE, "who", 3600, Source(SHOP, "spec.splitBy"))


def plan(
    by: SplitBy | None = None,
    *,
    weights: tuple[int, ...] = (2, 1, 1),
    empty: int = -1,
    suspended: bool = False,
    policy: Policy | None = None,
) -> Plan:
    salts = SALTS if by else None
    return canary_plan(RULES, weights, policy=policy, split_by=by, salts=salts, empty=empty, suspended=suspended)


def ask(
    what: Plan, patterns: PatternMaker, *headers: tuple[str, str], ip: str = "::1", known: Known = KNOWN
) -> Explanation:
    return explain(what, ExplainRequest("http://shop.example/x", headers=headers, client_ip=ip), (), patterns, known)


def lost(told: Explanation) -> str:
    return " | ".join(map(str, told.lost))


def because(told: Explanation) -> str:
    return " | ".join(map(str, told.because))


def test_the_run_is_told_with_its_share(patterns: PatternMaker) -> None:
    told = ask(plan(), patterns)
    assert told.run == "v2 25 % (run of revision 1.8.2, step 3/5)"
    assert "run      v2 25 % (run of revision 1.8.2, step 3/5)" in told.to_text()
    assert told.version == "v1 50 % / v2 25 % / v3 25 %"
    assert (told.to_json()["run"], told.to_json()["user"]) == (told.run, None)


def test_the_share_of_a_version_without_endpoints_is_told_all_the_same(patterns: PatternMaker) -> None:
    told = ask(plan(empty=1), patterns)
    assert told.run == "v2 25 % (run of revision 1.8.2, step 3/5)"
    assert "v2 has no ready endpoint" in lost(told)
    assert dict(told.shares) == {"v1": pytest.approx(66.666667), "v3": pytest.approx(33.333333)}


def test_without_a_run_nothing_is_told_of_one(patterns: PatternMaker) -> None:
    assert ask(plan(), patterns, known=Known()).run is None


def test_what_was_taken_back_takes_no_request_by_rules_neither(patterns: PatternMaker) -> None:
    run = replace(
        RUN, text="run of revision 1.8.2, taken back", taken_back="run of revision 1.8.2 ended as RolledBack: errors"
    )
    known = Known({SHOP: run}, hash64)
    told = ask(plan(weights=(2, 0, 1), suspended=True), patterns, ("Region", "cd"), known=known)
    assert told.run == "v2 0 % (run of revision 1.8.2, taken back)"
    assert (told.reason, [name for name, _ in told.shares]) == ("weight", ["v1", "v3"])
    assert "v2 takes no request, by rules neither: run of revision 1.8.2 ended as RolledBack: errors" in lost(told)
    assert "no ready endpoint" not in lost(told)
    assert "`Region: cd` is the value asked for" in lost(told)
    assert "Region" not in because(told)
    plain = ask(plan(weights=(2, 0, 1), suspended=True), patterns, known=Known())
    assert "v2 takes no request, by rules neither: its rollout was taken back (CanaryRoute demo/shop: v[1])" in lost(
        plain
    )


def test_an_affinity_cookie_of_what_was_taken_back_does_not_count(patterns: PatternMaker) -> None:
    sticky = Policy(affinity=Affinity("A", "/"))
    cookie = ("Cookie", f"A={make_value(b'k', VERSIONS[1].ident).decode()}")
    assert ask(plan(policy=sticky), patterns, cookie).version == "v2"
    assert ask(plan(weights=(1, 0, 0), policy=sticky, suspended=True), patterns, cookie).version == "v1"


def users(by: SplitBy, patterns: PatternMaker, name: str, **more: object) -> set[str | None]:
    """The versions of a hundred users, each of which is the one that the oracle chooses."""
    found = set()
    for number in range(100):
        key = f"user-{number}"
        sent = ("Cookie", f"x=1; {name}={key}; {name}=other") if by.kind is SplitKind.COOKIE else (name, key)
        told = ask(plan(by), patterns, sent)
        index = choose(hash64(key.encode()), SALTS, (2, 1, 1), 1, (True, True, True))
        assert (told.version, told.service, told.reason) == (f"v{index + 1}", f"s{index + 1}", "weight")
        assert told.user is not None
        assert told.user.endswith(key)
        assert len(told.shares) == 3
        found.add(told.version)
    return found


def test_a_user_has_the_version_that_the_data_planes_choose(patterns: PatternMaker) -> None:
    assert users(COOKIE, patterns, "who") == {"v1", "v2", "v3"}
    header = SplitBy(SplitKind.HEADER, "X-User", 0, Source(SHOP, "spec.splitBy"))
    assert users(header, patterns, "x-user") == {"v1", "v2", "v3"}


def test_a_client_is_known_by_its_address(patterns: PatternMaker) -> None:
    by = SplitBy(SplitKind.CLIENT, "", 0, Source(SHOP, "spec.splitBy"))
    for number in range(20):
        address = f"192.0.2.{number}"
        index = choose(hash64(address.encode()), SALTS, (2, 1, 1), 1, (True, True, True))
        told = ask(plan(by), patterns, ip=address)
        assert (told.version, told.user) == (f"v{index + 1}", f"client address {address}")


@pytest.mark.parametrize("header", [("Cookie", "whose=1"), ("Cookie", "who="), ("Cookie", "WHO=1"), ("X", "1")])
def test_without_its_cookie_a_user_is_given_one(patterns: PatternMaker, header: tuple[str, str]) -> None:
    told = ask(plan(COOKIE), patterns, header)
    assert (told.version, told.user) == ("v1 50 % / v2 25 % / v3 25 %", None)
    assert "no cookie who came: the request is given one, whose random value chooses" in because(told)


def test_without_its_header_a_request_is_drawn(patterns: PatternMaker) -> None:
    told = ask(plan(SplitBy(SplitKind.HEADER, "X-User", 0, Source(SHOP, "s"))), patterns)
    assert "no header X-User came: the request is drawn by itself" in because(told)
    assert told.user is None


def test_a_rule_comes_before_the_user(patterns: PatternMaker) -> None:
    told = ask(plan(COOKIE), patterns, ("Region", "cd"), ("Cookie", "who=user-1"))
    assert (told.version, told.reason, told.user) == ("v2", "header", None)


def test_users_of_a_version_that_is_not_there_have_another(patterns: PatternMaker) -> None:
    moved = {ask(plan(COOKIE, empty=1), patterns, ("Cookie", f"who=user-{n}")).version for n in range(60)}
    assert moved == {"v1", "v3"}
    for number in range(60):
        cookie = ("Cookie", f"who=user-{number}")
        before = ask(plan(COOKIE), patterns, cookie).version
        if before != "v2":
            assert ask(plan(COOKIE, empty=1), patterns, cookie).version == before
            assert ask(plan(COOKIE, weights=(2, 0, 1), suspended=True), patterns, cookie).version == before


def test_where_one_version_alone_is_left_nobody_chooses(patterns: PatternMaker) -> None:
    told = ask(plan(COOKIE, weights=(1, 0, 0)), patterns, ("Cookie", "who=user-1"))
    assert (told.version, told.user, told.reason) == ("v1", None, "default")


@pytest.mark.parametrize(("weights", "empty", "left"), [((0, 1, 0), 1, "v1"), ((1, 0, 0), 0, "v2")])
def test_where_nobody_with_a_weight_is_there_the_first_that_is_answers(
    patterns: PatternMaker, weights: tuple[int, ...], empty: int, left: str
) -> None:
    for by in (None, COOKIE):
        told = ask(plan(by, weights=weights, empty=empty), patterns, ("Cookie", "who=user-1"))
        assert (told.status, told.version, told.reason) == (None, left, "default")
    told = ask(plan(weights=(1, 0, 0), empty=0, suspended=True), patterns)
    assert (told.version, told.reason) == ("v3", "default")
