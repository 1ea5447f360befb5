"""Which counts are evidence, where answers of one user resemble each other."""

import pytest
from harness.releases import errors, rollout

from serin.rollout.counting import tally
from serin.rollout.facts import VersionCounts
from serin.rollout.judgement import freeze
from serin.rollout.ledger import Ledger, Tally, read
from serin.rollout.observed import Observed
from serin.rollout.step_evidence import Setting, evidence, sums


@pytest.mark.parametrize(("by_user", "adds_up"), [(False, True), (True, False)])
def test_steps_add_up_unless_their_users_are_the_same(by_user: bool, adds_up: bool) -> None:
    setting = Setting(errors(1.0), 0, by_user, 0.05)
    running = Ledger(weight=0.25, share=0.25, total=Tally(300, 9, 900, 9))
    after_others = Ledger((3.0,) * 6, 0.5, 0.25, 0.25, total=running.total)
    assert (sums(setting, after_others) > sums(setting, running)) == adds_up


@pytest.mark.parametrize(("share", "by_user", "counts"), [(0.25, False, True), (0.25, True, False), (0.0, True, True)])
def test_requests_by_rules_count_for_max_where_users_are_told_apart_at_0_percent_alone(
    share: float, by_user: bool, counts: bool
) -> None:
    """A tester who fails a hundred times is one."""
    setting = Setting(errors(None, 0.05), 0, by_user, 0.05)
    book = Ledger(weight=0.5, share=share, total=Tally(others=100, others_bad=100))
    assert (evidence(setting, book) > 3) == counts


def test_the_baselines_failures_are_remembered_by_request_from_warm_ups_too() -> None:
    warm = Observed(0.25, baseline=VersionCounts({200: 90, 503: 10}), baseline_bad_users=frozenset({(1, 503)}))
    checks = freeze(rollout(errors(1.5)), (), warm)
    assert checks is not None
    book = read(checks[0].log_e, 6)
    assert (book.baseline, book.baseline_bad) == (100, 10)
    counts = tally(errors(1.5), 0, warm, by_user=True)
    assert (counts.baseline_bad, counts.extra) == (1, 10)
