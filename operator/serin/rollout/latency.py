"""Latency as something to count: an answer is slow or not, by a threshold that is set before the data are looked at.

So no sample is kept and no distribution assumed: a percentile is above a threshold when too large a part is slow
(tests of quantiles by counting: Howard and Ramdas, Bernoulli 2022). Thresholds are bounds of the buckets that the
routine counts in (serin.rollout.facts.BOUNDS_US), so that a count is exact.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import sqrt

from serin.rollout.facts import BOUNDS_US

ENOUGH = 100
"""Requests of the baseline that its percentile is read from, at least."""


def rounded(us: float) -> int:
    """The smallest bound of a bucket that is not below, in µs; the largest bound for what is beyond it."""
    return BOUNDS_US[min(bisect_left(BOUNDS_US, us), len(BOUNDS_US) - 1)]


def slow(buckets: Sequence[int], threshold_us: int) -> tuple[int, int]:
    """Of so many answers so many took longer than a threshold, which is rounded up to a bound."""
    first = bisect_left(BOUNDS_US, threshold_us) + 1
    return sum(buckets), sum(buckets[first:])


def percentile(buckets: Sequence[int], percent: float) -> float | None:
    """In µs, with answers spread evenly in their bucket; None without any. Beyond the last bound: that bound."""
    total = sum(buckets)
    if total == 0:
        return None
    left = total * percent / 100
    for index, count in enumerate(buckets):
        if count and left <= count:
            if index >= len(BOUNDS_US):
                break
            low = BOUNDS_US[index - 1] if index else 0
            return low + (BOUNDS_US[index] - low) * left / count
        left -= count
    return float(BOUNDS_US[-1])


def threshold(baseline: Sequence[int], percent: float, ratio: float) -> int | None:
    """What is slow for a candidate that may take `ratio` times as long, in µs; None while too little is known.

    So few answers do not tell a percentile exactly: it is taken one standard deviation higher, by which 100 answers
    take their 97th for the 95th, and 10,000 nearly the 95th itself.
    """
    requests = sum(baseline)
    if requests < ENOUGH:
        return None
    part = percent / 100
    found = percentile(baseline, 100 * min(1.0, part + sqrt(part * (1 - part) / requests)))
    assert found is not None
    return rounded(found * ratio)
