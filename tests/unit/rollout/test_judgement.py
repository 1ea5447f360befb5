"""Verdicts on errors and what they say: from counts to status.checks."""

from dataclasses import replace

import pytest
from harness.releases import errors, latency, rollout
from unit.rollout.looks import FULL, PREVIEW, RUN, answers, frozen, look, seen, timed, users, warmed

from serin.objects.canary_status import CheckStatus
from serin.objects.views import CanaryCheck
from serin.rollout.facts import FAILED, VersionCounts
from serin.rollout.judgement import freeze, judge, renewed, worst
from serin.rollout.observed import Observed


def test_a_good_version_passes_with_its_numbers() -> None:
    found = look(errors(1.5), seen(answers(1836, 4), answers(5500, 11)))
    assert found.verdict == "Pass"
    assert (found.candidate, found.baseline, found.limit) == ("0.22%", "0.2%", "1.5x")
    assert (found.requests, found.bad, found.baseline_requests, found.baseline_bad) == (1840, 4, 5511, 11)
    assert found.message == "0.22% of 1,840 against 0.2% of 5,511"
    assert found.needs == 0
    assert 0 <= float(found.evidence) < 1


def test_a_bad_version_fails_and_says_why() -> None:
    found = look(errors(1.5), seen(answers(380, 20), answers(1194, 6)))
    assert found.verdict == "Fail"
    assert found.message == "5% of 400 against 0.5% of 1,200: worse than 1.5x allows"
    assert float(found.evidence) >= 20


def test_evidence_is_told_against_1_over_false_alarm_however_many_checks_share_it() -> None:
    found = seen(answers(380, 20), answers(1194, 6))
    alone, shared = look(errors(1.5), found), look(errors(1.5), found, others=(errors(1.5, name="more"),))
    assert float(shared.evidence) == pytest.approx(float(alone.evidence) / 2, rel=0.05)


def test_too_few_requests_of_the_candidate() -> None:
    found = look(errors(1.5), seen(answers(20, 0), answers(5000, 10)))
    assert (found.verdict, found.needs) == ("NeedsData", 80)
    assert found.message == "needs about 80 more requests of v2 (20 so far)"


def test_requests_whose_client_left_are_nobodys() -> None:
    found = look(errors(1.5), seen(VersionCounts({200: 60, 0: 5000}), answers(5000, 10)))
    assert (found.requests, found.needs) == (60, 40)


def test_a_baseline_without_requests() -> None:
    found = look(errors(1.5), seen(answers(500, 0), answers(0, 0)))
    assert (found.verdict, found.needs) == ("NeedsData", 100)
    assert "requests of v1 to compare with" in found.message


def test_a_missing_replica_is_not_zero() -> None:
    found = replace(seen(answers(500, 0), answers(500, 0)), missing=("10.0.0.7: no answer",))
    status = look(errors(1.5), found)
    assert status.verdict == "NeedsData"
    assert "10.0.0.7: no answer" in status.message
    assert look(errors(1.5), Observed(0.25, silent=True)).verdict == "NeedsData"


def test_what_is_known_may_be_enough_though_a_replica_is_missing() -> None:
    found = replace(seen(answers(380, 20), answers(1194, 6)), missing=("10.0.0.7",))
    assert look(errors(1.5), found).verdict == "Fail"


def test_what_looks_worse_does_not_pass() -> None:
    found = look(errors(1.5), seen(answers(116, 6), answers(363, 3)))
    assert found.verdict == "NeedsData"
    assert "looks worse than allowed" in found.message
    assert found.needs > 0


@pytest.mark.parametrize(
    ("statuses", "status", "verdict"),
    [
        (("5xx",), 500, "Fail"),
        (("5xx",), FAILED, "Fail"),
        (("404",), FAILED, "Fail"),
        (("404",), 404, "Fail"),
        (("5xx",), 404, "Pass"),
        (("503",), 500, "Pass"),
        (("4xx", "503"), 429, "Fail"),
    ],
)
def test_which_answers_count(statuses: tuple[str, ...], status: int, verdict: str) -> None:
    check = replace(errors(1.5), statuses=statuses)
    assert look(check, seen(answers(160, 40, status), answers(3000, 0))).verdict == verdict


# --- max ---


def test_max_alone_needs_no_baseline() -> None:
    assert look(errors(None, 0.05), seen(answers(300, 3), answers(0, 0))).verdict == "Pass"
    assert look(errors(None, 0.05), seen(answers(150, 50), answers(0, 0))).verdict == "Fail"


def test_max_holds_a_version_that_is_as_bad_as_the_baseline() -> None:
    found = seen(answers(600, 200), answers(3000, 1000))
    assert look(errors(1.5), found).verdict == "Pass"
    assert look(errors(1.5, 0.05), found).verdict == "Fail"


def test_requests_by_rules_count_for_max_alone() -> None:
    ours = VersionCounts({200: 200}, other={200: 60, 500: 60})
    assert look(errors(1.5), seen(ours, answers(3000, 0))).verdict == "Pass"
    assert look(errors(1.5, 0.05), seen(ours, answers(3000, 0))).verdict == "Fail"


def test_no_failure_allowed() -> None:
    assert look(errors(None, 0.0), seen(answers(300, 0), answers(300, 0))).verdict == "Pass"
    assert look(errors(None, 0.0), seen(answers(300, 1), answers(300, 0))).verdict == "Fail"


def test_it_says_what_it_would_take_to_be_sure() -> None:
    found = look(errors(None, 0.001), seen(answers(500, 0), answers(500, 0)))
    assert found.verdict == "Pass"
    assert "to be sure of less than 0.1% takes 2,995" in found.message


# --- 0 % and 100 % ---


def test_at_0_percent_rules_bring_the_requests() -> None:
    few = Observed(0.0, VersionCounts(other={200: 40}), answers(5000, 9), reachable=True)
    found = look(errors(1.5, 0.05), few, PREVIEW)
    assert (found.verdict, found.needs) == ("NeedsData", 60)
    enough = replace(few, candidate=VersionCounts(other={200: 140}))
    found = look(errors(1.5, 0.05), enough, PREVIEW)
    assert (found.verdict, found.requests) == ("Pass", 140)
    assert "no concurrent baseline" in found.message
    bad = replace(few, candidate=VersionCounts(other={200: 40, 500: 40}))
    assert look(errors(1.5, 0.05), bad, PREVIEW).verdict == "Fail"


def test_at_0_percent_nothing_is_compared() -> None:
    found = look(errors(1.5), Observed(0.0, VersionCounts(other={500: 9}), answers(900, 0), reachable=True), PREVIEW)
    assert found.verdict == "Pass"
    assert "no concurrent baseline at 0%" in found.message


def test_at_0_percent_where_nothing_can_come() -> None:
    found = look(errors(1.5, 0.05), Observed(0.0, baseline=answers(900, 0)), PREVIEW)
    assert found.verdict == "Pass"
    assert "nothing sends requests to v2" in found.message


def after_half(check: CanaryCheck) -> CheckStatus:
    """As a step of 100 % begins, after one of 50 % in which 1 % of 5,000 failed on both sides."""
    plan, found = rollout(check), seen(answers(4950, 50), answers(4950, 50), 0.5)
    checks = judge(plan, replace(RUN, steps=3, weight=50_000), (), found, {}, 1100.0, by_user=False)
    assert worst(checks) == "Pass"
    return renewed(plan, checks)[0]


def test_at_100_percent_the_steps_before_say_what_is_usual() -> None:
    before = after_half(errors(1.5))
    good = look(errors(1.5), Observed(1.0, answers(2970, 30)), FULL, before)
    assert good.verdict == "Pass"
    assert "no concurrent baseline: held against 2" in good.message
    bad = look(errors(1.5), Observed(1.0, answers(900, 100)), FULL, before)
    assert bad.verdict == "Fail"
    assert "10% of 1,000: worse than 1.5x allows; no concurrent baseline: held against 2" in bad.message


def test_at_100_percent_after_a_preview_the_warm_up_says_what_is_usual() -> None:
    """Blue-green: 0 %, then 100 %, and nothing was ever drawn for both."""
    plan = rollout(errors(1.5))
    checks = freeze(plan, (), Observed(0.0, baseline=answers(2985, 15)))
    assert checks is not None
    checks = judge(plan, PREVIEW, checks, Observed(0.0, reachable=True), {}, 1100.0, by_user=False)
    before = freeze(plan, checks, Observed(1.0))
    assert before is not None
    assert look(errors(1.5), Observed(1.0, answers(995, 5)), FULL, before[0]).verdict == "Pass"
    assert look(errors(1.5), Observed(1.0, answers(950, 50)), FULL, before[0]).verdict == "Fail"


def test_at_100_percent_a_moments_hiccup_is_not_a_fault() -> None:
    before = frozen(latency(1.5))
    hiccup = look(latency(1.5), Observed(1.0, timed(0, 90)), FULL, before)
    assert (hiccup.verdict, hiccup.needs) == ("NeedsData", 10)
    assert look(latency(1.5), Observed(1.0, timed(2000, 95)), FULL, before).verdict == "Pass"
    assert look(latency(1.5), Observed(1.0, timed(10, 190)), FULL, before).verdict == "Fail"


def test_at_100_percent_max_holds_alone() -> None:
    before = after_half(errors(1.5, 0.2))
    assert look(errors(1.5, 0.2), Observed(1.0, answers(900, 100)), FULL, before).verdict == "Pass"
    assert look(errors(1.5, 0.2), Observed(1.0, answers(500, 500)), FULL, before).verdict == "Fail"


def test_at_100_percent_without_anything_before() -> None:
    found = look(errors(1.5), Observed(1.0, answers(900, 100)), replace(FULL, step=1, steps=1))
    assert (found.verdict, found.needs) == ("NeedsData", 0)
    assert "no concurrent baseline, and none was measured before" in found.message


# --- users ---


def test_a_user_is_bad_once() -> None:
    found = replace(seen(answers(900, 100), answers(3000, 10)), bad_users=users(1), baseline_bad_users=users(2, 3, 4))
    assert look(errors(1.5), found, by_user=True).verdict == "Pass"
    assert look(errors(1.5), found).verdict == "Fail"


def test_many_bad_users_fail() -> None:
    found = replace(seen(answers(900, 100), answers(3000, 10)), bad_users=users(*range(40)))
    assert look(errors(1.5), found, by_user=True).verdict == "Fail"


def test_a_user_with_two_kinds_of_failures_is_one_user() -> None:
    both = frozenset({(1, 500), (1, 503), (2, 404)})
    found = look(errors(1.5), replace(seen(answers(900, 100), answers(3000, 10)), bad_users=both), by_user=True)
    assert found.bad == 1


def test_without_room_for_more_users_the_evidence_stands_still() -> None:
    full = replace(seen(answers(900, 20), answers(3000, 60)), bad_users=users(1), full=True)
    first = look(errors(1.5), full, by_user=True)
    more = replace(full, candidate=answers(9000, 180), baseline=answers(27000, 540))
    later = look(errors(1.5), more, before=first, by_user=True)
    assert later.evidence == first.evidence
    assert (later.verdict, "stands still" in later.message) == ("Pass", True)


def test_evidence_that_stands_still_lets_no_broken_version_pass() -> None:
    """Whoever makes up thousands of keys can have it stand still; nothing is taken back by it either."""
    full = replace(seen(answers(900, 20), answers(3000, 60)), bad_users=users(1), full=True)
    first = look(errors(1.5), full, by_user=True)
    later = look(errors(1.5), replace(full, candidate=answers(9000, 9000)), before=first, by_user=True)
    assert later.evidence == first.evidence
    assert later.verdict == "NeedsData"
    assert "50% of 18,000 against 2% of 3,060: looks worse than 1.5x allows" in later.message


# --- from look to look ---


def test_another_leader_goes_on_as_the_first_would_have() -> None:
    """All that is remembered is in what was written."""
    plan, states = rollout(errors(1.0), latency(1.3)), []
    checks = freeze(plan, (), warmed())
    assert checks is not None
    for good in (100, 300, 900):
        run = replace(RUN, step=2 if good < 900 else 3)
        if good == 900:
            checks = freeze(plan, checks, warmed())
            assert checks is not None
        ours = replace(timed(good, 3), drawn={200: good, 503: 3})
        checks = judge(plan, run, checks, seen(ours, timed(3 * good, 9)), {}, 1100.0, by_user=False)
        states.append(checks)
        remembered = tuple(
            CheckStatus(c.name, threshold_us=c.threshold_us, log_e=tuple(float(repr(x)) for x in c.log_e))
            for c in checks
        )
        again = judge(plan, run, remembered, seen(ours, timed(3 * good, 9)), {}, 1100.0, by_user=False)
        assert again == checks
    assert states[1][0].log_e != states[2][0].log_e


def test_closing_a_step_twice_changes_nothing() -> None:
    plan = rollout(errors(1.5, 0.05))
    checks = judge(plan, RUN, (), seen(answers(380, 20), answers(1194, 6)), {}, 1100.0, by_user=False)
    once = renewed(plan, checks)
    assert renewed(plan, once) == once
    assert once[0].verdict == "None"
    assert once[0].requests == 0


def test_a_new_run_remembers_nothing() -> None:
    assert renewed(rollout(errors()), ()) == (CheckStatus("errors"),)


def test_the_worst_verdict() -> None:
    of = [
        CheckStatus(name, verdict)
        for name, verdict in (("a", "Pass"), ("b", "None"), ("c", "NeedsData"), ("d", "Fail"))
    ]
    assert [worst(tuple(of[:n])) for n in range(5)] == ["None", "Pass", "None", "NeedsData", "Fail"]


def test_room_for_users_does_not_matter_where_requests_count() -> None:
    first = look(errors(1.0), replace(seen(answers(300, 0), answers(900, 0)), full=True))
    later = look(errors(1.0), replace(seen(answers(300, 90), answers(900, 0)), full=True), before=first)
    assert later.verdict == "Fail"
