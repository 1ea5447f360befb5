"""Harmless releases must not be taken back more often than falseAlarm says: a short look at each kind of harmlessness.

tests/drills/test_rollout_calibration.py asks the same of 2,000 runs each.
"""

import random
import statistics
from dataclasses import replace

import pytest
from harness.calibration import CASES
from harness.releases import RAMP, at, by_rates, errors, judged, looks, most_allowed, rollout

RUNS = 120


@pytest.mark.parametrize("name", CASES)
def test_a_harmless_release_is_seldom_taken_back(name: str) -> None:
    runs = 50 if CASES[name].warm else RUNS
    assert CASES[name].taken_back(runs, seed=7) <= most_allowed(0.05, runs) * runs


def test_users_who_are_not_told_apart_look_like_a_bad_release() -> None:
    """Why bad answers are counted once per user: as single requests, the same releases are taken back."""
    told_apart = CASES["one user in a hundred"]
    assert replace(told_apart, by_user=False).taken_back(60, seed=7) > 2 * most_allowed(0.05, 60) * 60


def test_a_stricter_false_alarm_is_kept_too() -> None:
    found = 0
    for seed in range(RUNS):
        rng = random.Random(seed)
        released = looks(rng, RAMP, by_rates(20, at(0.01), at(0.01)))
        found += judged(rollout(errors(1.0), false_alarm=0.005), released) is not None
    assert found <= most_allowed(0.005, RUNS) * RUNS


@pytest.mark.parametrize(
    ("rps", "share", "rate", "seconds", "requests"),
    [(10, 0.1, 0.025, 260, 260), (100, 0.1, 0.025, 45, 450), (10, 0.05, 0.2, 45, 25)],
)
def test_a_bad_release_is_found_in_time(rps: float, share: float, rate: float, seconds: float, requests: float) -> None:
    """0.5 % of the baseline's requests are bad; medians as in the table of bench/judgement.py, with room."""
    found = []
    for seed in range(60):
        released = looks(random.Random(seed), ((share, 600.0),), by_rates(rps, at(rate), at(0.005)))
        verdict = judged(rollout(errors(1.0)), released)
        found.append((verdict.at, verdict.requests) if verdict else (1e9, 10**9))
    assert statistics.median(found_at for found_at, _ in found) <= seconds
    assert statistics.median(found_after for _, found_after in found) <= requests


def test_a_fault_that_only_a_larger_share_shows_is_found_after_a_long_good_past() -> None:
    found = 0
    for seed in range(40):
        traffic = by_rates(50, lambda seconds: 0.05 if seconds >= 3600 else 0.005, at(0.005))
        released = looks(random.Random(seed), ((0.2, 3600.0), (0.5, 120.0)), traffic)
        verdict = judged(rollout(errors(1.5)), released)
        found += verdict is not None and verdict.at > 3600
    assert found >= 38


def test_a_small_fault_adds_up_over_the_steps() -> None:
    """Twice the errors at one per cent: no step alone is long enough to tell."""
    found = 0
    for seed in range(60):
        released = looks(random.Random(seed), RAMP, by_rates(30, at(0.02), at(0.01)))
        found += judged(rollout(errors(1.0)), released) is not None
    assert found >= 45
