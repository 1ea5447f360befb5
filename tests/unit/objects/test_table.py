"""Table states against a plain dict."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.objects import table
from serin.objects.table import State

steps = st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), st.integers())), max_size=40)


@settings(max_examples=200, deadline=None)
@given(steps, st.integers(0, 5))
def test_every_state_stays_as_it_was(rows: list[tuple[int, int | None]], layer: int) -> None:
    kept, table._LAYER_MAX = table._LAYER_MAX, layer
    try:
        state, model = State[int, int](), dict[int, int]()
        taken = [(state, dict(model))]
        for key, row in rows:
            state = state.with_row(key, row)
            if row is None:
                model.pop(key, None)
            else:
                model[key] = row
            taken.append((state, dict(model)))
    finally:
        table._LAYER_MAX = kept
    for then, held in taken:
        assert [then.get(key) for key in range(10)] == [held.get(key) for key in range(10)]
        assert [key for key in range(10) if key in then] == sorted(held)
        assert dict(then.items()) == held == then
        assert (len(then), set(then), sorted(then.values())) == (len(held), set(held), sorted(held.values()))


def test_a_missing_row_has_a_default_or_is_an_error() -> None:
    state = State[str, int]().with_row("a", 1).with_row("b", 2).with_row("a", None)
    assert (state.get("a", 7), state["b"], "a" in state) == (7, 2, False)
    with pytest.raises(KeyError):
        state["a"]
