"""The search finds exactly what is guilty, in few tests, whatever nginx says about it."""

import math
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from serin.dataplane.nginx.culprits import Verdict, culprits


class Judge:
    """Refuses any of `guilty`, and both of a clashing pair together. `named` says what its message points at."""

    def __init__(self, guilty: set[int], clashes: set[tuple[int, int]], named: dict[int, int | None]) -> None:
        self._guilty = guilty
        self._clashes = clashes
        self._named = named
        self.tests = 0

    def __call__(self, parts: Sequence[int]) -> Verdict[int]:
        self.tests += 1
        there = set(parts)
        for part in parts:
            if part in self._guilty or any(b == part and a in there for a, b in self._clashes):
                return Verdict(f"refused {part}", self._named.get(part, part))
        return Verdict()

    def guilty(self, parts: Sequence[int]) -> list[int]:
        """By the meaning of guilt, one part after the other."""
        kept: list[int] = []
        found = []
        for part in parts:
            if self([*kept, part]).error:
                found.append(part)
            else:
                kept.append(part)
        return found


NUMBERS = st.sets(st.integers(0, 199), max_size=12)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 200), NUMBERS, st.dictionaries(st.integers(0, 199), st.none() | st.integers(0, 250), max_size=12))
def test_every_guilty_part_is_found_and_no_other(n: int, guilty: set[int], named: dict[int, int | None]) -> None:
    parts = list(range(n))
    judge = Judge(guilty, set(), named)
    found = culprits(parts, judge)
    k = len(guilty & set(parts))
    assert judge.tests <= 2 + k * (4 + math.ceil(math.log2(max(n, 2))))
    assert list(found.guilty) == sorted(guilty & set(parts))
    assert found.good == [part for part in parts if part not in guilty]
    assert all(error == f"refused {part}" for part, error in found.guilty.items())


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 60),
    st.sets(st.integers(0, 59), max_size=4),
    st.sets(st.tuples(st.integers(0, 58), st.integers(1, 59)).filter(lambda pair: pair[0] < pair[1]), max_size=4),
    st.dictionaries(st.integers(0, 59), st.none() | st.integers(0, 70), max_size=12),
)
def test_of_parts_that_clash_the_later_one_is_guilty(
    n: int, guilty: set[int], clashes: set[tuple[int, int]], named: dict[int, int | None]
) -> None:
    parts = list(range(n))
    found = culprits(parts, Judge(guilty, clashes, named))
    assert list(found.guilty) == Judge(guilty, clashes, named).guilty(parts)


def test_parts_that_are_named_cost_two_tests_each() -> None:
    judge = Judge({3, 1000, 4999}, set(), {})
    assert list(culprits(range(5000), judge).guilty) == [3, 1000, 4999]
    assert judge.tests <= 2 + 2 * 3


def test_nothing_refused_is_one_test() -> None:
    judge = Judge(set(), set(), {})
    assert culprits(range(100), judge).guilty == {}
    assert judge.tests == 1


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 120), st.sets(st.integers(0, 119), max_size=6), st.integers(1, 150))
def test_too_much_at_once_makes_nobody_guilty(n: int, guilty: set[int], limit: int) -> None:
    judge = Judge(guilty, set(), {})

    def attempt(parts: Sequence[int]) -> Verdict[int]:
        return Verdict("killed", unsure=True) if len(parts) > limit else judge(parts)

    found = culprits(list(range(n)), attempt)
    assert set(found.guilty) == guilty & set(range(n))
    assert found.good == [part for part in range(n) if part not in guilty]


def test_a_part_that_kills_the_test_is_found() -> None:
    def attempt(parts: Sequence[int]) -> Verdict[int]:
        return Verdict("killed", unsure=True) if 37 in parts else Verdict()

    assert culprits(range(100), attempt).guilty == {37: "killed"}
