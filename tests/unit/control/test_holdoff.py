"""When a batch goes out."""

from hypothesis import given
from hypothesis import strategies as st

from serin.control.holdoff import FIRST, MOST, QUIET, Holdoff


def test_nothing_is_due_without_a_change() -> None:
    holdoff = Holdoff()
    assert holdoff.due is None
    holdoff.changed(5.0)
    holdoff.published(5.1)
    assert holdoff.due is None


def test_first_change_after_peace_goes_out_soon() -> None:
    holdoff = Holdoff()
    holdoff.changed(10.0)
    assert holdoff.due == 10.0 + FIRST
    holdoff.changed(10.01)
    assert holdoff.due == 10.0 + FIRST, "a later one does not put it off"


def test_changes_close_to_a_publication_wait_for_quiet() -> None:
    holdoff = Holdoff()
    holdoff.changed(10.0)
    holdoff.published(10.02)
    holdoff.changed(10.1)
    assert holdoff.due == 10.1 + QUIET
    holdoff.changed(10.15)
    assert holdoff.due == 10.15 + QUIET


def test_changes_without_end_go_out_at_the_bound() -> None:
    holdoff = Holdoff()
    holdoff.published(10.0)
    for step in range(30):
        holdoff.changed(10.5 + step * 0.05)
    assert holdoff.due == 10.5 + MOST


@given(st.lists(st.floats(0.001, 0.5), min_size=1, max_size=60))
def test_no_change_ever_waits_longer_than_the_bound(gaps: list[float]) -> None:
    """Walks through time: publishes exactly when due, as the loop does."""
    holdoff, now, waiting = Holdoff(), 0.0, None
    holdoff.published(now)
    for gap in gaps:
        arrives = now + gap
        while (due := holdoff.due) is not None and due <= arrives:
            assert waiting is not None
            assert due - waiting <= MOST + 1e-9
            holdoff.published(due)
            waiting = None
        now = arrives
        holdoff.changed(now)
        waiting = now if waiting is None else waiting
    assert holdoff.due is not None
    assert waiting is not None
    assert holdoff.due - waiting <= MOST + 1e-9
