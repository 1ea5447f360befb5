"""At most one reload a second, the first at once."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from serin.dataplane.nginx.pace import Pace


def test_the_first_reload_is_due_at_once() -> None:
    pace = Pace()
    assert pace.due is None
    assert pace.want(10.0) == 10.0


def test_the_next_one_waits_for_the_interval() -> None:
    pace = Pace(1.0)
    pace.want(10.0)
    pace.done(10.0)
    assert pace.want(10.2) == 11.0
    assert pace.want(10.9) == 11.0
    pace.done(11.0)
    assert pace.want(20.0) == 20.0


def test_what_is_not_wanted_any_more_is_not_due() -> None:
    pace = Pace()
    pace.want(1.0)
    pace.unwanted()
    assert pace.due is None


@given(st.lists(st.floats(0, 3), max_size=40), st.floats(0, 0.3))
def test_reloads_are_a_second_apart_and_none_is_forgotten(steps: list[float], jitter: float) -> None:
    pace = Pace(1.0, lambda: jitter)
    now, reloads = 0.0, []
    for step in steps:
        now += step
        waited = pace.due
        due = pace.want(now)
        assert due == waited if waited is not None else now <= due <= now + 1.0 + 2 * jitter
        if due <= now + 0.5:
            now = max(now, due)
            pace.done(now)
            reloads.append(now)
    assert all(b - a >= 1.0 - 1e-9 for a, b in itertools.pairwise(reloads))
