"""Layers against plain dictionaries, and the index of uses."""

from hypothesis import given
from hypothesis import strategies as st

from serin.compile.draft import Draft, Layer, Uses

keys = st.integers(0, 400)
edits = st.lists(st.lists(st.tuples(keys, st.one_of(st.none(), st.integers(0, 3))), max_size=30), max_size=8)


@given(st.integers(0, 400), edits)
def test_edits_are_those_of_a_dictionary(size: int, steps: list[list[tuple[int, int | None]]]) -> None:
    now = dict.fromkeys(range(size), 9)
    mapping = Draft(dict(now)).result()
    for step in steps:
        before, copy = mapping, dict(mapping.items())
        draft = Draft(mapping)
        for key, value in step:
            draft.put(key, value)
            assert draft.get(key) == value
            if value is None:
                now.pop(key, None)
            else:
                now[key] = value
        mapping = draft.result()
        assert len(mapping) == len(now)
        assert all(mapping.get(key) == now.get(key) and (key in mapping) == (key in now) for key in range(401))
        assert mapping == now
        assert now == mapping
        assert set(mapping) == set(now)
        assert before == copy, "what was handed out never changes"


def test_nothing_changed_is_the_same_mapping() -> None:
    base = {"a": (1,), "b": (2,)}
    draft = Draft(base)
    draft.put("a", (1,))
    draft.put("c", None)
    assert draft.result() is base


def test_an_equal_value_leaves_the_old_one() -> None:
    old: tuple[int, ...] = (1, 2)
    draft = Draft({"a": old})
    draft.put("a", tuple(range(1, 3)))
    assert draft.result()["a"] is old


def test_large_mappings_are_layered() -> None:
    base = {n: n for n in range(1000)}
    draft = Draft(base)
    draft.put(1, 7)
    layer = draft.result()
    assert isinstance(layer, Layer)
    assert layer[1] == 7
    assert layer == base | {1: 7}


@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.dictionaries(st.sampled_from("abc"), st.integers(1, 2))), max_size=12)
)
def test_uses_are_those_of_the_last_word(steps: list[tuple[str, dict[str, int]]]) -> None:
    said: dict[str, dict[str, int]] = {}
    found: dict[str, dict[str, int]] = {}
    for user, new in steps:
        uses: Uses[str, int] = Uses(found)
        uses.move(user, said.get(user, {}), new)
        said[user] = new
        found = {key: dict(users) for key, users in uses.result().items()}
    expected: dict[str, dict[str, int]] = {}
    for user, things in said.items():
        for key, value in things.items():
            expected.setdefault(key, {})[user] = value
    assert found == expected
