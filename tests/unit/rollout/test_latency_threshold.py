"""Percentiles and thresholds out of buckets, and what is counted as slow."""

import pytest

from serin.rollout.facts import BOUNDS_US
from serin.rollout.latency import ENOUGH, percentile, rounded, slow, threshold


def buckets(**counts: int) -> tuple[int, ...]:
    found = [0] * (len(BOUNDS_US) + 1)
    for name, count in counts.items():
        found[int(name[1:])] = count
    return tuple(found)


def test_a_threshold_is_a_bound_and_not_below() -> None:
    for us in (1, 100, 101, 49_999.5, 500_000, BOUNDS_US[-1]):
        assert rounded(us) in BOUNDS_US
        assert rounded(us) >= us
    assert rounded(1e12) == BOUNDS_US[-1]


def test_slow_is_above_the_threshold() -> None:
    counts = buckets(b10=5, b11=7, b96=2)
    assert slow(counts, BOUNDS_US[10]) == (14, 9)
    assert slow(counts, BOUNDS_US[10] - 1) == (14, 9)
    assert slow(counts, BOUNDS_US[11]) == (14, 2)
    assert slow((), 1000) == (0, 0)


@pytest.mark.parametrize("percent", [50, 95, 99])
def test_a_percentile_is_in_its_bucket(percent: int) -> None:
    found = percentile(buckets(b20=1000), percent)
    assert found is not None
    assert BOUNDS_US[19] < found <= BOUNDS_US[20]
    assert percentile((), percent) is None
    assert percentile(buckets(b96=3), percent) == BOUNDS_US[-1]


def test_a_threshold_needs_answers_of_the_baseline() -> None:
    assert threshold(buckets(b20=ENOUGH - 1), 95, 1.5) is None
    assert threshold(buckets(b20=ENOUGH), 95, 1.5) is not None


def test_few_answers_take_a_higher_percentile_for_it() -> None:
    few, many = buckets(b20=96, b30=4), buckets(b20=96_000, b30=4_000)
    assert threshold(few, 95, 1.0) == BOUNDS_US[30]
    assert threshold(many, 95, 1.0) == BOUNDS_US[20]
