"""Exact counts by status and method: chains of details, over processes, over restarts, and with too many statuses."""

from collections import Counter
from pathlib import Path

import pytest
from harness.shared_memory import Rig, hex64, make_pool, make_split
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.native import layout, state, stats
from serin.native.stats import Detail, VersionTotals
from serin.native.worker import NO_RESPONSE, Choice, SplitHandle, Worker, method_number

GET, POST = method_number("GET"), method_number("POST")


def counted(run_dir: Path, split: str) -> VersionTotals:
    return next(totals for key, totals in stats.read(run_dir).versions.items() if key[0] == split)


def by_status(totals: VersionTotals) -> dict[tuple[int, str], Detail]:
    return {(d.status, d.method): d for d in totals.details}


def handle(rig: Rig, number: int, index: int = 0) -> tuple[Worker, SplitHandle, str]:
    pool = make_pool(number, 2)
    split = rig.put(make_split(number, [(pool, 100)]), pool)
    worker = rig.worker(index)
    return worker, worker.split(split.id, split.shape), split.id


def ask(worker: Worker, at: SplitHandle, status: int, method: int = GET, response_us: int = 9000) -> None:
    choice = at.decide()
    assert isinstance(choice, Choice)
    choice.done(status)
    worker.tell(choice, status, method, 100, 1001, 26_000, response_us, 10, 5001)


def test_one_request(rig: Rig) -> None:
    worker, at, split = handle(rig, 1)
    ask(worker, at, 200)
    (detail,) = counted(rig.path, split).details
    assert (detail.status, detail.method, detail.received, detail.sent) == (200, "GET", 100, 1001)
    assert (detail.request_us, detail.response_us, detail.count) == (26_000, 9000, 1)
    assert detail.requests == (0, 0, 0, 1, *(0,) * 8)
    assert detail.responses == (0, 1, *(0,) * 10)
    assert (detail.connect_us, detail.header_us) == (10, 5001)
    assert detail.connects == (1, *(0,) * 11)
    assert detail.headers == (0, 1, *(0,) * 10)
    assert detail.received_sizes == (0, 1, *(0,) * 6)
    assert detail.sent_sizes == (0, 0, 0, 1, *(0,) * 4)


@pytest.mark.parametrize(("size", "bucket"), [(0, 0), (10, 0), (11, 1), (10**7, 6), (10**7 + 1, 7), (2**40, 7)])
def test_bounds_of_sizes_are_inclusive(rig: Rig, size: int, bucket: int) -> None:
    _, at, split = handle(rig, 1)
    at.tell_own(404, GET, size, 1, 1)
    (detail,) = counted(rig.path, split).details
    assert detail.received_sizes.index(1) == bucket


def test_bounds_of_sizes_are_those_of_the_layout(rig: Rig) -> None:
    _, at, split = handle(rig, 1)
    for size in layout.DETAIL_SIZES:
        at.tell_own(404, GET, 1, size, 1)
    (detail,) = counted(rig.path, split).details
    assert detail.sent_sizes == (*(1,) * 7, 0)


def test_what_is_told_late_is_counted_for_the_choice_it_was(rig: Rig) -> None:
    worker, at, split = handle(rig, 1)
    pool = make_pool(2, 1)
    second = rig.put(make_split(2, [(pool, 100)]), pool)
    beside = worker.split(second.id, second.shape)
    late = at.decide()
    assert isinstance(late, Choice)
    late.done(200)
    ask(worker, beside, 404)
    worker.tell(late, 200, GET, 1, 1, 1, 1)
    worker.tell(late, 200, GET, 1, 1, 1, 1)
    assert [(d.status, d.count) for d in counted(rig.path, split).details] == [(200, 1)]
    assert [(d.status, d.count) for d in counted(rig.path, second.id).details] == [(404, 1)]


@pytest.mark.parametrize(
    ("us", "bucket"), [(0, 0), (5000, 0), (5001, 1), (250_000, 5), (10_000_000, 10), (10_000_001, 11), (2**63, 11)]
)
def test_bounds_are_inclusive(rig: Rig, us: int, bucket: int) -> None:
    _, at, split = handle(rig, 1)
    at.tell_own(404, GET, 1, 1, us)
    (detail,) = counted(rig.path, split).details
    assert detail.requests.index(1) == bucket


def test_bounds_are_those_of_the_layout(rig: Rig) -> None:
    _, at, split = handle(rig, 1)
    for us in layout.DETAIL_BOUNDS_US:
        at.tell_own(404, GET, 1, 1, us)
    (detail,) = counted(rig.path, split).details
    assert detail.requests == (*(1,) * 11, 0)


def test_without_an_endpoint_s_answer_there_is_no_response(rig: Rig) -> None:
    worker, at, split = handle(rig, 1)
    ask(worker, at, 504, response_us=NO_RESPONSE)
    (detail,) = counted(rig.path, split).details
    assert (detail.count, sum(detail.responses), detail.response_us) == (1, 0, 0)


def test_an_answer_of_our_own_has_no_times_of_an_endpoint(rig: Rig) -> None:
    _, at, split = handle(rig, 1)
    at.tell_own(404, GET, 1, 1, 1)
    (detail,) = counted(rig.path, split).details
    assert (detail.connect_us, detail.header_us, sum(detail.connects), sum(detail.headers)) == (0, 0, 0, 0)


def test_own_answers_are_main_s_and_in_no_class(rig: Rig) -> None:
    pools = make_pool(1, 0), make_pool(2, 0)
    split = rig.put(make_split(1, [(pools[0], 0), (pools[1], 30)]), *pools)
    at = rig.worker().split(split.id, split.shape)
    at.tell_own(503, POST, 10, 20, 30)
    (found,) = stats.read(rig.path).versions.items()
    assert found[0] == (split.id, split.shares[0].ident)
    assert found[1].requests == 0
    assert by_status(found[1])[503, "POST"].count == 1


def test_own_answers_of_a_split_that_is_gone_are_nothing(rig: Rig) -> None:
    at = rig.worker().split("00000000000000aa", ("00000000000000bb",))
    at.tell_own(503, GET, 1, 1, 1)
    assert stats.read(rig.path).versions == {}


def test_methods_are_named_as_nginx_numbers_them(rig: Rig) -> None:
    _, at, split = handle(rig, 1)
    for name in (*layout.METHODS, "BREW"):
        at.tell_own(200, method_number(name), 1, 1, 1)
    found = Counter({d.method: d.count for d in counted(rig.path, split).details})
    assert found == Counter((*layout.METHODS, "OTHER"))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from([200, 201, 301, 404, 500, 503]), st.sampled_from([1, 2, 3])))
)
def test_two_workers_count_all(shared_rig: Rig, asked: list[tuple[int, int, int]]) -> None:
    number = 100 + len(shared_rig.workers)
    pool = make_pool(number, 2)
    split = shared_rig.put(make_split(number, [(pool, 100)]), pool)
    if not shared_rig.workers:
        shared_rig.worker(0)
        shared_rig.worker(1)
    for worker in shared_rig.workers:
        worker.refresh()
    before = Counter({key: d.count for key, d in _details(shared_rig, split.id).items()})
    handles = [worker.split(split.id, split.shape) for worker in shared_rig.workers[:2]]
    for who, status, method in asked:
        ask(shared_rig.workers[who], handles[who], status, method)
    after = Counter({key: d.count for key, d in _details(shared_rig, split.id).items()})
    assert after - before == Counter((status, layout.METHODS[method]) for _, status, method in asked)


def _details(rig: Rig, split: str) -> dict[tuple[int, str], Detail]:
    found = [totals for key, totals in stats.read(rig.path).versions.items() if key[0] == split]
    return by_status(found[0]) if found else {}


def test_statuses_beyond_a_chain_are_counted_as_such(rig: Rig) -> None:
    _, at, split = handle(rig, 1)
    for status in range(200, 300):
        at.tell_own(status, GET, 1, 1, 1)
    totals = counted(rig.path, split)
    assert len(totals.details) == layout.DETAILS_EACH
    assert totals.undetailed == 100 - layout.DETAILS_EACH
    at.tell_own(200, GET, 1, 1, 1)
    assert by_status(counted(rig.path, split))[200, "GET"].count == 2


def test_more_versions_than_first_get_memory(rig: Rig) -> None:
    worker = rig.worker()
    pool = make_pool(1, 1)
    rig.pools.put_pool(pool)
    splits = [rig.put(make_split(number, [(pool, 100)])) for number in range(1, 700)]
    worker.refresh()
    for split in splits:
        at = worker.split(split.id, split.shape)
        at.tell_own(200, GET, 1, 1, 1)
        at.tell_own(404, GET, 1, 1, 1)
    found = stats.read(rig.path).versions
    assert len(found) == len(splits)
    assert all([d.count for d in totals.details] == [1, 1] for totals in found.values())


def test_a_cell_that_changes_hands_takes_its_chain_with_it_emptied(rig: Rig) -> None:
    worker, at, split = handle(rig, 1)
    for status in (200, 404, 500):
        at.tell_own(status, GET, 1, 1, 1)
    rig.pools.drop(split)
    rig.clock.now += 10_000
    worker.refresh()
    assert counted(rig.path, split).details
    pool = make_pool(2, 2)
    other = rig.put(make_split(2, [(pool, 100)]), pool).id
    fresh = worker.split(other, (hex64(2 << 8 | 1 | 1 << 48),))
    fresh.tell_own(418, GET, 1, 1, 1)
    assert len(stats.read(rig.path).versions) == 1  # the cell was used again
    assert [(d.status, d.count) for d in counted(rig.path, other).details] == [(418, 1)]
    fresh.tell_own(200, GET, 1, 1, 1)
    assert by_status(counted(rig.path, other))[200, "GET"].count == 1


@pytest.mark.parametrize("keep", [True, False])
def test_counts_outlive_the_parent(rig: Rig, keep: bool) -> None:
    _, at, split = handle(rig, 1)
    at.tell_own(200, GET, 1, 1, 1)
    at.tell_own(404, POST, 1, 1, 1)
    rig.state.close()
    rig.state = state.create(rig.path, 2, keep=keep)
    assert sorted(by_status(counted(rig.path, split))) == [(200, "GET"), (404, "POST")]
    worker = rig.worker(1)
    again = worker.split(split, ("0001000000000101",))
    again.tell_own(200, GET, 1, 1, 1)
    assert by_status(counted(rig.path, split))[200, "GET"].count == 2


def test_a_file_of_the_layout_before_is_not_carried_over(rig: Rig) -> None:
    _, at, _ = handle(rig, 1)
    at.tell_own(200, GET, 1, 1, 1)
    with (rig.path / "state" / "stats.bin").open("r+b") as f:
        f.write(b"SRNCUNT1")
    rig.state.close()
    rig.state = state.create(rig.path, 2, keep=True)
    assert stats.read(rig.path).versions == {}
