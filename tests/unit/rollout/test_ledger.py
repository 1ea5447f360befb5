"""What a check remembers: numbers that another leader reads back, and counts that nobody can take away."""

from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.rollout.ledger import MOST_NUMBERS, NOTHING, Ledger, Tally, read

COUNT = st.integers(0, 10**12)
TALLIES = st.builds(Tally, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT)
PART = st.floats(0, 1, allow_subnormal=False)


@st.composite
def ledgers(draw: st.DrawFn) -> tuple[Ledger, int]:
    size = draw(st.sampled_from((4, 6, 10, 14)))
    logs = st.lists(st.floats(-699, 699), min_size=size, max_size=size).map(tuple)
    ledger = Ledger(
        carried=draw(st.one_of(st.just(()), logs)),
        spent=draw(PART),
        weight=draw(PART),
        share=draw(PART),
        per_user=draw(st.floats(1, 1e6)),
        held=draw(st.booleans()),
        baseline=draw(COUNT),
        baseline_bad=draw(COUNT),
        total=draw(TALLIES),
        lost=draw(st.one_of(st.just(NOTHING), TALLIES)),
    )
    return ledger, size


@given(ledgers())
def test_another_leader_reads_what_was_written(found: tuple[Ledger, int]) -> None:
    ledger, size = found
    numbers = ledger.numbers()
    assert len(numbers) <= MOST_NUMBERS
    assert all(map(isfinite, numbers))
    back = read([float(repr(n)) for n in numbers], size)
    assert back == ledger


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40), st.sampled_from((4, 6, 10, 14)))
def test_what_no_ledger_wrote_is_an_empty_one_or_a_sane_one(numbers: list[float], size: int) -> None:
    ledger = read(numbers, size)
    assert 0 <= ledger.spent <= 1
    assert ledger.per_user >= 1
    assert min(ledger.total.numbers()) >= 0


def test_a_replica_that_is_gone_takes_nothing_away() -> None:
    both = Tally(100, 5, 900, 9)
    ledger = Ledger().see(both)
    left = Tally(60, 3, 500, 5)
    gone = ledger.see(left)
    assert gone.total == both
    grown = gone.see(Tally(70, 4, 600, 6))
    assert grown.total == Tally(110, 6, 1000, 10)
    assert grown.lost == Tally(40, 2, 400, 4)


def test_a_replica_that_comes_back_is_not_counted_twice() -> None:
    ledger = Ledger().see(Tally(100, 5, 900, 9)).see(Tally(60, 3, 500, 5)).see(Tally(61, 3, 505, 5))
    back = Tally(103, 5, 930, 9)
    assert ledger.see(back).total == back
    assert ledger.see(back).lost == NOTHING


def test_while_a_replica_does_not_answer_nothing_is_lost() -> None:
    ledger = Ledger().see(Tally(100, 5, 900, 9)).see(Tally(60, 3, 500, 5), complete=False)
    assert ledger.total == Tally(100, 5, 900, 9)
    assert ledger.lost == NOTHING
    assert ledger.see(Tally(101, 5, 910, 9)).total == Tally(101, 5, 910, 9)


def test_another_leader_that_finds_fewer_counts_goes_on_from_what_was_written() -> None:
    ledger = read(Ledger(weight=0.5).see(Tally(100, 5, 900, 9)).numbers(), 6)
    assert ledger.see(Tally(0, 0, 0, 0)).see(Tally(10, 1, 90, 0)).total == Tally(110, 6, 990, 9)


def test_weights_of_steps_leave_something_for_each() -> None:
    ledger, weights = Ledger(), []
    for step in (1, 2, 3, 4):
        ledger = ledger.begun(step, 4, 0.1, 1.0)
        weights.append(ledger.weight)
        ledger = ledger.closed(())
    assert weights[0] == 0.5
    assert weights[1] == pytest.approx(weights[2])
    assert weights[1] > weights[3] > 0.9 * weights[1]
    assert sum(weights) < 1
    assert ledger.begun(4, 4, 0.1, 1.0).weight > 0


def test_the_weight_of_a_step_stays_until_it_is_over() -> None:
    ledger = Ledger().begun(1, 4, 0.1, 1.0)
    assert ledger.begun(1, 2, 0.1, 1.0).weight == ledger.weight


def test_the_baselines_failures_are_kept_by_request_where_users_are_told_apart() -> None:
    """At 100 % they are held against requests, too."""
    closed = Ledger(weight=0.5, total=Tally(baseline=100, baseline_bad=2, extra=7)).closed(())
    assert (closed.baseline, closed.baseline_bad) == (100, 7)


def test_growth_after_a_loss_counts_for_a_check_of_everything() -> None:
    """Latency with both limits has the most to remember: 14 logarithms beside two tallies."""
    ledger = Ledger(carried=(0.5,) * 14, total=Tally(requests=900), lost=Tally(requests=500))
    back = read(ledger.numbers(), 14).see(Tally(requests=600))
    assert back.total.requests == 1100


def test_a_step_keeps_the_weight_that_it_began_with() -> None:
    """Though steps are added or taken away meanwhile: a weight that is chosen afterwards would be no bet."""
    begun = Ledger().begun(1, 4, 0.1, 1.0)
    assert begun.begun(1, 1, 0.1, 1.0).weight == begun.weight
