"""Verdicts on latency: thresholds, shared slowness, users."""

from dataclasses import replace

from harness.releases import errors, latency, rollout
from unit.rollout.looks import RUN, answers, frozen, look, seen, timed, warmed

from serin.rollout.judgement import freeze, judge
from serin.rollout.ledger import NOTHING, read
from serin.rollout.observed import Observed


def test_a_threshold_is_set_by_what_the_baseline_did_in_the_warm_up() -> None:
    assert freeze(rollout(latency(1.5)), (), warmed(99, 0)) is None
    plan = rollout(latency(1.5), errors(1.5))
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
    assert look(latency(1.5), seen(ours, theirs), before=before, by_user=True).verdict != "Fail"


def test_warming_up() -> None:
    run = replace(RUN, judged_since=0.0)
    found = look(latency(1.5), warmed(30, 0), run)
    assert (found.verdict, found.needs) == ("NeedsData", 70)
    assert "about 70 more of its requests" in found.message
    assert look(errors(1.5), seen(answers(0, 900), answers(900, 0)), run).verdict == "NeedsData"


def test_at_100_percent_a_step_does_not_wait_for_a_threshold_that_nobody_can_give() -> None:
    check = latency(1.3)
    assert freeze(rollout(check), (), Observed(1.0)) is not None
    assert freeze(rollout(check), (), Observed(0.5)) is None


def test_each_warm_up_gives_a_threshold_of_its_own() -> None:
    """What the baseline took an hour ago is not what it takes now."""
    check = latency(1.3)
    before = replace(frozen(check), threshold_us=100)
    found = freeze(rollout(check), (before,), warmed(1000, 0))
    assert found is not None
    assert found[0].threshold_us == frozen(check).threshold_us > 100


def test_errors_are_judged_while_latency_waits_for_the_baseline() -> None:
    """At 90 % of little traffic that takes an hour, in which a broken version must not stand."""
    plan = rollout(errors(1.5), latency(1.3))
    checks = freeze(plan, (), warmed(10, 0, 0.9))
    assert checks is not None
    found = judge(plan, RUN, checks, seen(answers(0, 90), timed(10, 0), 0.9), {}, 1100.0, by_user=False)
    assert [check.verdict for check in found] == ["Fail", "NeedsData"]
    assert (found[1].needs, found[1].log_e) == (90, checks[1].log_e)


def test_what_the_baseline_did_until_then_is_the_threshold_of_what_follows() -> None:
    plan = rollout(errors(1.5), latency(1.3))
    waited = freeze(plan, (), warmed(10, 0))
    assert waited is not None
    found = judge(plan, RUN, waited, seen(timed(300, 0), timed(120, 0)), {}, 1100.0, by_user=False)
    checks = freeze(plan, found, seen(timed(300, 0), timed(120, 0)))
    assert checks is not None
    assert checks[1].threshold_us > 50_000
    book = read(checks[0].log_e, 6)
    assert (book.total, book.baseline) == (NOTHING, 130)  # of the warm-up and of what was judged, each once
