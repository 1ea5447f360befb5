"""The bounds of the stratified draw, on the twin: any window, any seed, no preferred place."""

from collections import Counter
from fractions import Fraction
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from serin.native.twin.draw import draw, share_out

seeds = st.integers(0, 2**64 - 1)


def worst(drawn: list[int], version: int, window: int, weight: int, total: int) -> Fraction:
    """Largest |count - expected| of a version over all windows of this length."""
    sums = [0, *accumulate(int(v == version) for v in drawn)]
    expected = Fraction(window * weight, total)
    return max(abs(b - a - expected) for a, b in zip(sums, sums[window:], strict=False))


@given(st.integers(1, 99), st.integers(0, 10**15), seeds)
def test_any_window_holds_its_share(weight: int, start: int, seed: int) -> None:
    drawn = [draw([100 - weight, weight], n, seed) for n in range(start, start + 700)]
    for window in (100, 200):
        assert worst(drawn, 1, window, weight, 100) <= 1
    for window in (7, 33, 150):
        assert worst(drawn, 1, window, weight, 100) < 2


@given(seeds)
def test_ten_percent_is_nine_to_eleven_of_any_hundred(seed: int) -> None:
    drawn = [draw([90, 10], n, seed) for n in range(3000)]
    sums = [0, *accumulate(drawn)]
    assert {b - a for a, b in zip(sums, sums[100:], strict=False)} <= {9, 10, 11}


@given(st.lists(st.integers(0, 50), min_size=1, max_size=7).filter(any), seeds, st.integers(0, 10**12))
def test_kth_version_within_k(canaries: list[int], seed: int, start: int) -> None:
    shares = [13, *canaries]
    total = sum(shares)
    drawn = [draw(shares, n, seed) for n in range(start, start + 3 * total)]
    for k, share in enumerate(canaries, 1):
        assert worst(drawn, k, total, share, total) <= k
        assert share > 0 or k not in drawn


@given(st.integers(2**31, 2**32 - 1), st.integers(1, 2**31), seeds, st.integers(0, 2**63))
def test_large_totals_stay_in_range(total: int, weight: int, seed: int, n: int) -> None:
    assert draw([total - weight, weight], n, seed) in {0, 1}


def test_no_place_of_a_pattern_is_preferred() -> None:
    """Ten kinds of request asked in turn: each reaches a 10 % canary about equally often."""
    drawn = [draw([90, 10], n, 0x1234) for n in range(20_000)]
    for kind in range(10):
        assert abs(sum(drawn[kind::10]) / 2000 - 0.1) <= 0.03


def test_no_place_is_preferred_on_deeper_levels() -> None:
    """Four equal versions, blocks of four requests: each version is as often at each place, the last ones too."""
    places = {v: Counter[int]() for v in range(4)}
    for n in range(40_000):
        places[draw([1, 1, 1, 1], n, 99)][n % 4] += 1
    for counts in places.values():
        assert all(abs(counts[place] - 2500) < 250 for place in range(4))


def test_shares_of_the_versions_left() -> None:
    everyone, without_main = [True] * 3, [False, True, True]
    assert share_out([7, 10, 20], 100, rest=True, present=everyone) == [70, 10, 20]
    assert share_out([7, 10, 20], 100, rest=True, present=[True, False, True]) == [80, 0, 20]
    assert share_out([7, 10, 20], 100, rest=True, present=without_main) == [0, 10, 20]
    assert share_out([7, 10, 20], 100, rest=False, present=everyone) == [7, 10, 20]
    assert share_out([0, 10, 20], 100, rest=False, present=[True, False, False]) == [1, 0, 0]
    assert share_out([0, 10, 20], 100, rest=False, present=[False, False, False]) == [0, 0, 0]
    assert share_out([9, 0, 0], 100, rest=False, present=[False, False, True]) == [0, 0, 1]
    assert share_out([9, 0, 0], 100, rest=False, present=[False, True, True]) == [0, 1, 0]
    assert share_out([9, 0, 0], 100, rest=True, present=[False, True, True]) == [0, 0, 0]
    assert share_out([0, 80, 70], 100, rest=True, present=everyone) == [0, 80, 70]
