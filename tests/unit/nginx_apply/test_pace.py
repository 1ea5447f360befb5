"""At most one reload a second, the first at once."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from serin.dataplane.nginx.pace import Pace


def test_the_first_reload_is_due_at_once() -> None:
    assert Pace().due(10.0) == 10.0


def test_the_next_one_waits_for_the_interval() -> None:
    pace = Pace(1.0)
    pace.done(10.0)
    assert pace.due(10.2) == 11.0
    assert pace.due(10.9) == 11.0
    pace.done(11.0)
    assert pace.due(20.0) == 20.0


def test_each_reload_has_its_own_jitter() -> None:
    pace = Pace(1.0, iter((0.25, 0.125)).__next__)
    assert pace.due(10.0) == 10.25
    pace.done(10.25)
    assert pace.due(10.5) == 11.375


@given(st.lists(st.floats(0, 3), max_size=40), st.floats(0, 0.3))
def test_reloads_are_a_second_apart_and_soon(steps: list[float], jitter: float) -> None:
    pace = Pace(1.0, lambda: jitter)
    now, reloads = 0.0, []
    for step in steps:
        now += step
        due = pace.due(now)
        assert now <= due <= now + 1.0 + jitter
        now = due
        pace.done(now)
        reloads.append(now)
    assert all(b - a >= 1.0 - 1e-9 for a, b in itertools.pairwise(reloads))
