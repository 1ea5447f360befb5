"""Which version decides, and what a handle does when the split has moved on."""

from collections import Counter

import pytest
from harness.shared_memory import Rig, hex64, make_pool, make_split

from serin.native import stats
from serin.native.worker import (
    BY_CALLER,
    BY_DEFAULT,
    BY_WEIGHT,
    GONE,
    NO_ENDPOINT,
    STALE,
    VERSION_ONLY,
    Choice,
    SplitHandle,
)
from serin.routing.plan import Pool, Split


def taken(result: Choice | int) -> Choice:
    assert isinstance(result, Choice), result
    return result


def handle(rig: Rig, split: Split, index: int = 0) -> SplitHandle:
    return rig.worker(index).split(split.id, split.shape)


def versions(h: SplitHandle, count: int, excluded: int = 0) -> Counter[tuple[int, int]]:
    found = Counter[tuple[int, int]]()
    for _ in range(count):
        choice = taken(h.decide(excluded=excluded))
        found[choice.version, choice.reason] += 1
        choice.done(200)
    return found


@pytest.fixture
def pools() -> list[Pool]:
    return [make_pool(n, 2) for n in range(1, 5)]


def test_weights_in_exact_shares(rig: Rig, pools: list[Pool]) -> None:
    h = handle(rig, rig.put(make_split(1, [(pools[0], 0), (pools[1], 10), (pools[2], 20)]), *pools))
    assert versions(h, 1000) == {(0, BY_WEIGHT): 700, (1, BY_WEIGHT): 100, (2, BY_WEIGHT): 200}


def test_two_workers_share_one_counter(rig: Rig, pools: list[Pool]) -> None:
    split = rig.put(make_split(1, [(pools[0], 0), (pools[1], 10)]), *pools)
    a, b = handle(rig, split, 0), handle(rig, split, 1)
    assert versions(a, 37) + versions(b, 41) + versions(a, 22) == {(0, BY_WEIGHT): 90, (1, BY_WEIGHT): 10}


def test_a_single_version_takes_nothing_from_the_counter(rig: Rig, pools: list[Pool]) -> None:
    split = rig.put(make_split(1, [(pools[0], 0), (pools[1], 10)]), *pools)
    h, other = handle(rig, split), handle(rig, split, 1)
    reference = [taken(other.decide(flags=VERSION_ONLY)).version for _ in range(50)]
    assert versions(h, 25, excluded=2) == {(0, BY_DEFAULT): 25}
    assert versions(h, 25, excluded=1) == {(1, BY_DEFAULT): 25}
    assert taken(h.decide(forced=1)).reason == BY_CALLER
    rest = [taken(other.decide(flags=VERSION_ONLY)).version for _ in range(50)]
    assert sum(reference + rest) == 10


def test_weight_zero_is_never_drawn_and_weight_total_always(rig: Rig, pools: list[Pool]) -> None:
    none = handle(rig, rig.put(make_split(1, [(pools[0], 0), (pools[1], 0)]), *pools))
    whole = handle(rig, rig.put(make_split(2, [(pools[0], 0), (pools[1], 100)]), *pools), 1)
    assert versions(none, 20) == {(0, BY_DEFAULT): 20}
    assert versions(whole, 20) == {(1, BY_WEIGHT): 20}


def test_a_canary_answers_without_main_but_not_who_said_never(rig: Rig, pools: list[Pool]) -> None:
    empty = make_pool(9, 0)
    h = handle(rig, rig.put(make_split(1, [(empty, 0), (pools[1], 10), (pools[2], 30)]), *pools, empty))
    assert versions(h, 400) == {(1, BY_WEIGHT): 100, (2, BY_WEIGHT): 300}
    assert versions(h, 10, excluded=2) == {(2, BY_DEFAULT): 10}
    assert h.decide(excluded=6) == NO_ENDPOINT
    assert h.decide(forced=0) == NO_ENDPOINT


def test_a_canary_without_endpoints_leaves_its_share_to_main(rig: Rig, pools: list[Pool]) -> None:
    empty = make_pool(9, 0)
    h = handle(rig, rig.put(make_split(1, [(pools[0], 0), (empty, 50), (pools[2], 30)]), *pools, empty))
    assert versions(h, 100) == {(0, BY_WEIGHT): 70, (2, BY_WEIGHT): 30}
    assert h.decide(forced=1) == NO_ENDPOINT


def test_weights_as_written_without_rest(rig: Rig, pools: list[Pool]) -> None:
    h = handle(rig, rig.put(make_split(1, [(pools[0], 6), (pools[1], 3), (pools[2], 1)], rest=False), *pools))
    assert versions(h, 100) == {(0, BY_WEIGHT): 60, (1, BY_WEIGHT): 30, (2, BY_WEIGHT): 10}
    assert versions(h, 90, excluded=4) == {(0, BY_WEIGHT): 60, (1, BY_WEIGHT): 30}


def test_new_weights_and_endpoints_take_effect_with_the_next_request(rig: Rig, pools: list[Pool]) -> None:
    h = handle(rig, rig.put(make_split(1, [(pools[0], 0), (pools[1], 10)]), *pools))
    assert versions(h, 100)[1, BY_WEIGHT] == 10
    rig.put(make_split(1, [(pools[0], 0), (pools[1], 100)]))
    assert versions(h, 10) == {(1, BY_WEIGHT): 10}
    rig.pools.put_pool(make_pool(2, 0))
    assert versions(h, 10) == {(0, BY_DEFAULT): 10}


def test_versions_that_the_plan_does_not_know_are_left_out(rig: Rig, pools: list[Pool]) -> None:
    h = handle(rig, rig.put(make_split(1, [(pools[0], 0), (pools[1], 20)]), *pools))
    rig.put(make_split(1, [(pools[0], 0), (pools[1], 20), (pools[2], 70)]))
    assert versions(h, 100) == {(0, BY_WEIGHT): 80, (1, BY_WEIGHT): 20}
    rig.put(make_split(1, [(pools[0], 0)]))
    assert versions(h, 10) == {(0, BY_DEFAULT): 10}
    assert h.decide(forced=1) == NO_ENDPOINT
    rig.put(make_split(1, [(pools[0], 0), (pools[1], 20)]))
    assert versions(h, 100) == {(0, BY_WEIGHT): 80, (1, BY_WEIGHT): 20}
    assert taken(h.decide(forced=1)).version == 1


def test_versions_are_mapped_by_ident(rig: Rig, pools: list[Pool]) -> None:
    """The canary of the plan is the second in the block: indices, exclusions and answers are the plan's."""
    split = make_split(1, [(pools[0], 0), (pools[1], 30), (pools[2], 10)])
    rig.put(split, *pools)
    main, _, canary = split.shape
    h = rig.worker().split(split.id, (main, canary))
    assert versions(h, 100) == {(0, BY_WEIGHT): 90, (1, BY_WEIGHT): 10}
    forced = taken(h.decide(forced=1))
    assert (forced.version, forced.address) == (1, "10.0.3.0")
    assert versions(h, 10, excluded=2) == {(0, BY_DEFAULT): 10}


def test_no_known_version_at_all(rig: Rig, pools: list[Pool]) -> None:
    split = rig.put(make_split(1, [(pools[0], 0)]), *pools)
    h = rig.worker().split(split.id, (hex64(77), hex64(78)))
    assert h.decide() in (STALE, NO_ENDPOINT)
    assert h.decide(forced=1) == NO_ENDPOINT


def test_a_split_that_comes_later_and_goes(rig: Rig, pools: list[Pool]) -> None:
    split = make_split(1, [(pools[0], 0)])
    h = handle(rig, split)
    assert h.decide() == GONE
    rig.put(split, *pools)
    assert taken(h.decide()).version == 0
    rig.pools.drop(split.id)
    assert h.decide() == GONE


def test_version_only_counts_nothing(rig: Rig, pools: list[Pool]) -> None:
    h = handle(rig, rig.put(make_split(1, [(pools[0], 0), (pools[1], 10)]), *pools))
    chosen = [taken(h.decide(flags=VERSION_ONLY)) for _ in range(100)]
    assert sum(c.version for c in chosen) == 10
    for choice in chosen:
        assert (choice.address, choice.endpoint) == ("", 0)
        choice.done(200)
    assert stats.read(rig.path).versions == {}


def test_done_twice_counts_once(rig: Rig, pools: list[Pool]) -> None:
    h = handle(rig, rig.put(make_split(1, [(pools[0], 0)]), *pools))
    first, second = taken(h.decide()), taken(h.decide())
    first.done(200)
    first.done(500)
    second.done(503)
    (totals,) = stats.read(rig.path).versions.values()
    assert totals.classes == (0, 0, 1, 0, 0, 1)
