"""Verdicts and what they say: one table of situations, from counts to status.checks."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from harness.releases import SOURCE, errors, latency, rollout

from serin.objects.canary_status import CheckStatus, RunStatus
from serin.objects.views import CanaryCheck, CanaryRollout, CheckType
from serin.rollout.facts import FAILED, OutsideResult, VersionCounts
from serin.rollout.judgement import freeze, judge, renewed, worst
from serin.rollout.observed import Observed

RUN = RunStatus("0" * 16, "v2", "1.8.2", "v1", 2, 4, 25_000, judged_since=1000.0)


def answers(good: int, bad: int, status: int = 503) -> VersionCounts:
    return VersionCounts({200: good, status: bad})


def seen(ours: VersionCounts, theirs: VersionCounts, share: float = 0.25) -> Observed:
    return Observed(share, ours, theirs, reachable=True)


def look(
    check: CanaryCheck,
    found: Observed,
    run: RunStatus = RUN,
    before: CheckStatus | None = None,
    split: str = "Request",
    others: tuple[CanaryCheck, ...] = (),
) -> CheckStatus:
    plan = rollout(check, *others)
    return judge(plan, split, run, () if before is None else (before,), found, {}, 1100.0)[0]


def timed(fast: int, slow: int) -> VersionCounts:
    """Fast answers take about 50 ms, slow ones about 400."""
    counts = [0] * 97
    counts[45], counts[60] = fast, slow
    return VersionCounts({200: fast + slow}, drawn_us=tuple(counts))


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

PREVIEW = replace(RUN, step=1, weight=0)


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


FULL = replace(RUN, step=3, steps=3, weight=100_000)


def after_half(check: CanaryCheck, split: str = "Request") -> CheckStatus:
    """As a step of 100 % begins, after one of 50 % in which 1 % of 5,000 failed on both sides."""
    plan, found = rollout(check), seen(answers(4950, 50), answers(4950, 50), 0.5)
    checks = judge(plan, split, replace(RUN, steps=3, weight=50_000), (), found, {}, 1100.0)
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
    checks = judge(plan, "Request", PREVIEW, checks, Observed(0.0, reachable=True), {}, 1100.0)
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


def users(*ids: int) -> frozenset[tuple[int, int]]:
    return frozenset((user, 503) for user in ids)


def test_a_user_is_bad_once() -> None:
    found = replace(seen(answers(900, 100), answers(3000, 10)), bad_users=users(1), baseline_bad_users=users(2, 3, 4))
    assert look(errors(1.5), found, split="Cookie").verdict == "Pass"
    assert look(errors(1.5), found).verdict == "Fail"


def test_many_bad_users_fail() -> None:
    found = replace(seen(answers(900, 100), answers(3000, 10)), bad_users=users(*range(40)))
    assert look(errors(1.5), found, split="ClientIP").verdict == "Fail"


def test_a_user_with_two_kinds_of_failures_is_one_user() -> None:
    both = frozenset({(1, 500), (1, 503), (2, 404)})
    found = look(errors(1.5), replace(seen(answers(900, 100), answers(3000, 10)), bad_users=both), split="Header")
    assert found.bad == 1


def test_without_room_for_more_users_the_evidence_stands_still() -> None:
    full = replace(seen(answers(900, 20), answers(3000, 60)), bad_users=users(1), full=True)
    first = look(errors(1.5), full, split="Cookie")
    later = look(errors(1.5), replace(full, candidate=answers(9000, 9000)), before=first, split="Cookie")
    assert later.evidence == first.evidence
    assert "stands still" in later.message


# --- latency ---


def warmed(fast: int = 950, slow: int = 50, share: float = 0.25) -> Observed:
    return Observed(share, baseline=timed(fast, slow))


def frozen(check: CanaryCheck) -> CheckStatus:
    checks = freeze(rollout(check), (), warmed(1000, 0))
    assert checks is not None
    return checks[0]


def test_a_threshold_is_set_by_what_the_baseline_did_in_the_warm_up() -> None:
    plan = rollout(latency(1.5), errors(1.5))
    assert freeze(plan, (), warmed(99, 0)) is None
    checks = freeze(plan, (), warmed(100, 0))
    assert checks is not None
    assert 50_000 * 1.3 < checks[0].threshold_us < 50_000 * 2
    assert checks[1].threshold_us == 0


def test_the_threshold_of_the_step_before_holds_where_the_baseline_is_quiet() -> None:
    before = frozen(latency(1.5))
    for share in (0.5, 1.0):
        checks = freeze(rollout(latency(1.5)), (before,), warmed(3, 0, share))
        assert checks is not None
        assert checks[0].threshold_us == before.threshold_us


def test_slow_answers_fail_and_shared_slowness_does_not() -> None:
    before = frozen(latency(1.5))
    assert look(latency(1.5), seen(timed(500, 5), timed(2000, 20)), before=before).verdict == "Pass"
    bad = look(latency(1.5), seen(timed(300, 200), timed(2000, 20)), before=before)
    assert bad.verdict == "Fail"
    assert bad.message.startswith("p95 ")
    assert look(latency(1.5), seen(timed(300, 200), timed(1200, 800)), before=before).verdict == "Pass"


def test_slower_than_the_baseline_but_within_the_ratio() -> None:
    """2 % above the threshold against none: more, and less than the 5 % that its 95th percentile may have."""
    found = look(latency(1.5), seen(timed(4900, 100), timed(20_000, 0)), before=frozen(latency(1.5)))
    assert found.verdict == "Pass"


def test_a_largest_latency_needs_no_baseline() -> None:
    check = latency(None, 0.2)
    assert look(check, seen(timed(990, 10), timed(0, 0))).verdict == "Pass"
    bad = look(check, seen(timed(800, 200), timed(0, 0)))
    assert (bad.verdict, bad.limit) == ("Fail", "200ms")


def test_both_limits_of_latency() -> None:
    check = latency(1.5, 0.2)
    before = frozen(check)
    shared = seen(timed(300, 200), timed(1200, 800))
    assert look(check, shared, before=before).verdict == "Fail"
    assert look(check, seen(timed(500, 5), timed(2000, 20)), before=before).verdict == "Pass"


def test_users_are_fewer_than_requests() -> None:
    """The same slow answers, of two users."""
    ours, theirs = replace(timed(300, 100), users=4), replace(timed(2000, 20), users=20)
    before = frozen(latency(1.5))
    assert look(latency(1.5), seen(ours, theirs), before=before).verdict == "Fail"
    assert look(latency(1.5), seen(ours, theirs), before=before, split="Cookie").verdict != "Fail"


def test_warming_up() -> None:
    run = replace(RUN, judged_since=0.0)
    found = look(latency(1.5), warmed(30, 0), run)
    assert (found.verdict, found.needs) == ("NeedsData", 70)
    assert "about 70 more of its requests" in found.message
    assert look(errors(1.5), seen(answers(0, 900), answers(900, 0)), run).verdict == "NeedsData"


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
        checks = judge(plan, "Request", run, checks, seen(ours, timed(3 * good, 9)), {}, 1100.0)
        states.append(checks)
        remembered = tuple(
            CheckStatus(c.name, threshold_us=c.threshold_us, log_e=tuple(float(repr(x)) for x in c.log_e))
            for c in checks
        )
        again = judge(plan, "Request", run, remembered, seen(ours, timed(3 * good, 9)), {}, 1100.0)
        assert again == checks
    assert states[1][0].log_e != states[2][0].log_e


def test_closing_a_step_twice_changes_nothing() -> None:
    plan = rollout(errors(1.5, 0.05))
    checks = judge(plan, "Request", RUN, (), seen(answers(380, 20), answers(1194, 6)), {}, 1100.0)
    once = renewed(plan, checks)
    assert renewed(plan, once) == once
    assert once[0].verdict == "None"
    assert once[0].requests == 0


def test_a_new_run_remembers_nothing() -> None:
    assert renewed(rollout(errors()), ()) == (CheckStatus("errors"),)


# --- asked elsewhere ---

ASKED = CanaryCheck("orders", CheckType.PROMETHEUS, SOURCE, least=0.98, min_requests=0, failure_threshold=3)


def asked(
    plan: CanaryRollout, before: tuple[CheckStatus, ...], verdict: str, at: float, requests: int = 0
) -> tuple[CheckStatus, ...]:
    outside: Mapping[str, OutsideResult] = {"orders": OutsideResult(verdict, "0.97", f"said {verdict}", at, "up")}
    return judge(plan, "Request", RUN, before, seen(answers(requests, 0), answers(900, 0)), outside, at + 1)


def test_as_many_failures_as_count_one_after_the_other() -> None:
    plan, checks, verdicts = rollout(ASKED), tuple[CheckStatus, ...](), list[tuple[str, int]]()
    for n, verdict in enumerate(("Fail", "Fail", "Pass", "Fail", "Fail", "NeedsData", "Fail")):
        checks = asked(plan, checks, verdict, 1001.0 + n)
        verdicts.append((checks[0].verdict, checks[0].failures))
    assert verdicts == [
        ("NeedsData", 1),
        ("NeedsData", 2),
        ("Pass", 0),
        ("NeedsData", 1),
        ("NeedsData", 2),
        ("NeedsData", 2),
        ("Fail", 3),
    ]
    assert (checks[0].candidate, checks[0].query, checks[0].limit) == ("0.97", "up", "at least 0.98")
    assert "3 times one after the other: said Fail" in checks[0].message


def test_an_answer_counts_once() -> None:
    plan = rollout(ASKED)
    first = asked(plan, (), "Fail", 1001.0)
    assert asked(plan, first, "Fail", 1001.0) == first


def test_an_answer_from_before_the_step_counts_for_nothing() -> None:
    found = asked(rollout(ASKED), (), "Fail", 999.0)[0]
    assert (found.verdict, found.failures) == ("NeedsData", 0)
    assert "not asked in this step yet" in found.message


def test_requests_that_an_outside_check_waits_for() -> None:
    plan = rollout(replace(ASKED, min_requests=50))
    first = asked(plan, (), "Pass", 1001.0, 20)
    assert (first[0].verdict, first[0].needs) == ("NeedsData", 30)
    later = asked(plan, first, "Pass", 1001.0, 60)
    assert (later[0].verdict, later[0].needs, later[0].message) == ("Pass", 0, "said Pass")


def test_outside_checks_take_nothing_of_the_error_that_is_allowed() -> None:
    found = seen(answers(380, 20), answers(1194, 6))
    alone = look(errors(1.5), found)
    assert look(errors(1.5), found, others=(ASKED,)).evidence == alone.evidence


def test_the_worst_verdict() -> None:
    of = [
        CheckStatus(name, verdict)
        for name, verdict in (("a", "Pass"), ("b", "None"), ("c", "NeedsData"), ("d", "Fail"))
    ]
    assert [worst(tuple(of[:n])) for n in range(5)] == ["None", "Pass", "None", "NeedsData", "Fail"]
