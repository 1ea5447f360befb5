"""The weights of a running step: the candidate's share exact, and the others' among themselves as they always were."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from serin.objects.canary_status import WHOLE
from serin.rollout.standing import shares
from serin.routing.user_split import choose

parts = st.integers(0, WHOLE)
weights = st.lists(st.integers(0, 1_000_000), min_size=1, max_size=7).filter(any)


def among_others(found: tuple[int, ...], candidate: int) -> list[Fraction]:
    others = [0 if i == candidate else weight for i, weight in enumerate(found)]
    return [Fraction(weight, sum(others)) for weight in others]


@given(weights, st.integers(0, 7), parts)
def test_the_candidate_has_its_part_and_the_sum_fits(others: list[int], at: int, part: int) -> None:
    at = min(at, len(others))
    written = [*others[:at], 0, *others[at:]]
    found, total = shares(written, at, part)
    assert sum(found) == total < 1 << 32
    assert Fraction(found[at], total) == Fraction(part, WHOLE)
    if part < WHOLE:
        assert [bool(weight) for i, weight in enumerate(found) if i != at] == [bool(weight) for weight in others]


@given(weights, st.integers(1, WHOLE - 1), st.integers(1, WHOLE - 1))
def test_the_others_stand_to_each_other_alike_at_every_step(others: list[int], one: int, two: int) -> None:
    first, second = (shares([*others, 0], len(others), part)[0] for part in (one, two))
    assert among_others(first, len(others)) == among_others(second, len(others))


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=7).filter(any), st.integers(0, WHOLE - 1))
def test_small_weights_stand_exactly(others: list[int], part: int) -> None:
    found, _ = shares([*others, 0], len(others), part)
    assert among_others(found, len(others))[:-1] == [Fraction(weight, sum(others)) for weight in others]


@given(weights, st.lists(parts, min_size=2, max_size=5).map(sorted), st.integers(0, 2**64 - 1))
def test_a_user_moves_once_and_to_the_candidate_alone(others: list[int], steps: list[int], key: int) -> None:
    """By steps up, whatever the weights are reduced to: hashes say where in the whole a user stands."""
    candidate, there = len(others), (True,) * (len(others) + 1)
    versions = [choose(key, (11, 22), shares([*others, 0], candidate, part)[0], candidate, there) for part in steps]
    for before, after in pairwise(versions):
        assert after in (before, candidate)
    for part, version in zip(steps, versions, strict=True):
        assert part < WHOLE or version == candidate
        assert part > 0 or version != candidate
