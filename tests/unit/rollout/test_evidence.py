"""The e-processes themselves: their expectation where the null holds, and what they say of numbers that are known."""

from math import comb, exp, inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.rollout.evidence import (
    ABOVE_BY,
    LIKELY,
    WORSE_BY,
    absolute,
    clean_size,
    go_on,
    log_mean,
    log_sum,
    relative,
    upper_bound,
)


def binomial(n: int, x: int, p: float) -> float:
    return comb(n, x) * p**x * (1 - p) ** (n - x)


@given(st.integers(1, 25), st.floats(0.01, 0.99), st.floats(1, 4))
def test_relative_evidence_is_1_on_average_at_the_limit(bad: int, share: float, ratio: float) -> None:
    """Given so many bad requests, the candidate has a binomial part of them."""
    part = share * ratio / (share * ratio + 1 - share)
    for index in range(len(WORSE_BY)):
        mean = sum(binomial(bad, x, part) * exp(relative(share, ratio, x, bad - x)[index]) for x in range(bad + 1))
        assert mean == pytest.approx(1, rel=1e-6)


@given(st.integers(1, 25), st.floats(0.001, 0.9))
def test_absolute_evidence_is_1_on_average_at_the_limit(requests: int, most: float) -> None:
    for index in range(len(ABOVE_BY)):
        mean = sum(binomial(requests, x, most) * exp(absolute(most, requests, x)[index]) for x in range(requests + 1))
        assert mean == pytest.approx(1, rel=1e-6)


@given(st.integers(1, 30), st.floats(0.001, 0.5))
def test_absolute_evidence_holds_with_bad_requests_once_per_user(requests: int, most: float) -> None:
    """A user's requests are bad one at a time, never two: that is when most users are bad for the same rate."""
    bad = min(1.0, requests * most)
    for index in range(len(ABOVE_BY)):
        mean = (1 - bad) * exp(absolute(most, requests, 0)[index]) + bad * exp(absolute(most, requests, 1)[index])
        assert mean <= 1 + 1e-9


@given(st.floats(0.01, 0.99), st.integers(0, 50), st.integers(0, 50))
def test_evidence_grows_with_the_candidates_failures_and_falls_with_the_baselines(share: float, x: int, y: int) -> None:
    now = log_mean(relative(share, 1.0, x, y), LIKELY)
    assert log_mean(relative(share, 1.0, x + 1, y), LIKELY) > now > log_mean(relative(share, 1.0, x, y + 1), LIKELY)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_two_sides_nothing_is_compared(share: float) -> None:
    assert set(relative(share, 1.0, 50, 0)) == {0.0}


def test_no_failure_allowed() -> None:
    assert min(absolute(0.0, 100, 1)) > log(1e6)
    assert set(absolute(0.0, 100, 0)) == {0.0}
    assert set(absolute(1.0, 100, 100)) == {0.0}


@pytest.mark.parametrize(("most", "size"), [(0.05, 59), (0.01, 299), (0.001, 2995), (0.0, 0), (1.0, 0)])
def test_clean_size(most: float, size: int) -> None:
    assert clean_size(most, 0.05) == size


def test_the_upper_bound_is_above_the_rate_and_comes_nearer() -> None:
    bounds = [upper_bound(100 * 10**k, 10**k, 0.005) for k in range(5)]
    assert bounds == sorted(bounds, reverse=True)
    assert 0.01 < bounds[-1] < 0.011
    assert bounds[0] > 0.05
    assert upper_bound(0, 0, 0.005) == upper_bound(5, 5, 0.005) == 1.0
    assert 0 < upper_bound(1000, 0, 0.005) < 0.02


def test_a_process_begins_with_each_step_and_goes_on() -> None:
    first = go_on((), 0.5, (log(3),))
    assert exp(first[0]) == pytest.approx(0.5 * 3)
    second = go_on(first, 0.25, (log(2),))
    assert exp(second[0]) == pytest.approx((0.5 * 3 + 0.25) * 2)


def test_sums_of_logarithms() -> None:
    assert log_sum(()) == -inf
    assert log_sum((-inf, log(2), log(3))) == pytest.approx(log(5))
    assert log_mean((log(1), log(3))) == pytest.approx(log(2))
    assert log_mean((log(1), log(4)), (2, 1)) == pytest.approx(log(2))
    assert log_sum((5000.0, 5000.0)) < 1000
