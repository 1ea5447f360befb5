"""The Lease's decisions, second by second; no clock but the one that is passed in."""

import pytest

from serin.cluster.election.machine import (
    Acquire,
    Create,
    Record,
    Renew,
    Seen,
    Terms,
    Wait,
    decide,
    is_leading,
    next_attempt,
    observe,
    written,
)

TERMS = Terms("us", ttl=30.0)
THEIRS = Record("them", 30.0, 4, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
OURS = Record("us", 30.0, 5, "a", "b")


def seen(record: Record | None, since: float = 100.0, renewed_at: float | None = None) -> Seen:
    return Seen(record, since, renewed_at)


@pytest.mark.parametrize(
    ("known", "now", "expected"),
    [
        (seen(None), 100.0, Create()),
        (seen(THEIRS), 100.0, Wait(130.0, "them")),
        (seen(THEIRS), 129.999, Wait(130.0, "them")),
        (seen(THEIRS), 130.0, Acquire(5)),
        (seen(OURS), 100.0, Renew()),
        (seen(OURS), 500.0, Renew()),
        (seen(Record("", 1.0, 7)), 100.0, Acquire(8)),
        # Their own duration counts, not ours; without one, ours.
        (seen(Record("them", 5.0, 0)), 104.9, Wait(105.0, "them")),
        (seen(Record("them", 5.0, 0)), 105.0, Acquire(1)),
        (seen(Record("them", 0.0, 0)), 129.0, Wait(130.0, "them")),
    ],
)
def test_decisions(known: Seen, now: float, expected: object) -> None:
    assert decide(known, TERMS, now) == expected


def test_a_holder_that_renews_is_never_taken_over() -> None:
    known = Seen()
    for second in range(0, 600, 7):
        known = observe(known, Record("them", 30.0, 4, "a", f"renewed {second}"), "us", float(second))
        assert isinstance(decide(known, TERMS, float(second)), Wait)


def test_a_holder_that_is_silent_is_taken_over_a_ttl_after_we_first_saw_its_last_word() -> None:
    known = Seen()
    for now in (10.0, 17.0, 24.0, 39.0):
        known = observe(known, THEIRS, "us", now)
    assert decide(known, TERMS, 39.9) == Wait(40.0, "them")
    assert decide(known, TERMS, 40.0) == Acquire(5)


@pytest.mark.parametrize("renewed", ["1999-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "", "nonsense"])
def test_what_others_wrote_as_a_time_means_nothing(renewed: str) -> None:
    known = observe(Seen(), Record("them", 30.0, 4, renewed, renewed), "us", 50.0)
    assert decide(known, TERMS, 79.0) == Wait(80.0, "them")
    assert decide(known, TERMS, 80.0) == Acquire(5)


def test_leading_ends_by_itself_before_others_take_over() -> None:
    known = written(OURS, begun=100.0)
    assert is_leading(known, TERMS, 100.0)
    assert is_leading(known, TERMS, 114.999)
    assert not is_leading(known, TERMS, 115.0)
    # Another replica saw that renewal at the earliest when we began to write it.
    other = observe(Seen(), OURS, "them", 100.0)
    assert isinstance(decide(other, Terms("them", 30.0), 129.9), Wait)


def test_a_lease_that_is_another_s_now_ends_leadership_at_once() -> None:
    known = observe(written(OURS, begun=100.0), THEIRS, "us", 101.0)
    assert not is_leading(known, TERMS, 101.0)


def test_reading_our_own_lease_does_not_make_us_young_again() -> None:
    known = observe(written(OURS, begun=100.0), OURS, "us", 114.0)
    assert is_leading(known, TERMS, 114.0)
    assert not is_leading(known, TERMS, 115.0)


def test_a_lease_of_our_name_is_renewed_before_it_counts() -> None:
    """The controller was started again in its pod: the name is the same, the renewal was another process's."""
    known = observe(Seen(), OURS, "us", 10.0)
    assert not is_leading(known, TERMS, 10.0)
    assert decide(known, TERMS, 10.0) == Renew()


@pytest.mark.parametrize(
    ("known", "now", "random", "expected"),
    [
        (written(OURS, 100.0), 100.0, 0.0, 7.5),
        (written(OURS, 100.0), 100.0, 0.5, 6.75),
        # The renewal failed: sooner, so that several fit before the deadline.
        (written(OURS, 100.0), 107.0, 0.0, 1.875),
        (written(OURS, 100.0), 107.0, 0.999, 3.748),
        (seen(THEIRS), 100.0, 0.0, 7.5),
        (seen(THEIRS), 100.0, 0.5, 8.25),
        (seen(THEIRS), 128.0, 0.0, 2.0),
        (seen(THEIRS), 128.0, 0.5, 2.375),
        (seen(None), 100.0, 0.0, 7.5),
    ],
)
def test_attempts(known: Seen, now: float, random: float, expected: float) -> None:
    assert next_attempt(known, TERMS, now, random) == pytest.approx(expected, abs=0.001)


def test_a_renewal_fits_twice_into_the_deadline_even_when_the_first_fails() -> None:
    first = next_attempt(written(OURS, 0.0), TERMS, 0.0, 0.0)
    second = first + next_attempt(written(OURS, 0.0), TERMS, first, 0.999)
    assert second < TERMS.renew_deadline < TERMS.ttl
