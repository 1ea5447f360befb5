"""Limits in shared memory: the C routine against the twin, over processes, after a death, with too many clients."""

import os
import signal
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.native import layout, state
from serin.native.limits import Limits
from serin.native.state import StateFiles
from serin.native.twin.hashing import GOLDEN, MASK, mix64
from serin.native.twin.limits import LimitsTwin
from serin.native.worker import AttachError

SECOND = 1_000_000


@pytest.fixture
def files(tmp_path: Path) -> Iterator[StateFiles]:
    made = state.create(tmp_path, 4)
    yield made
    made.close()


@pytest.fixture
def limits(files: StateFiles, tmp_path: Path) -> Iterator[Limits]:
    made = Limits.attach(tmp_path, 0)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Limits]]:
    run_dir = tmp_path_factory.mktemp("run")
    files = state.create(run_dir, 3)
    made = [Limits.attach(run_dir, index) for index in range(3)]
    yield made
    for one in made:
        one.close()
    files.close()


def test_two_a_second_with_a_burst_of_ten_let_eleven_of_forty_through(limits: Limits) -> None:
    answers = [limits.request(1, 7, 2000, 10, now_us=SECOND) for _ in range(40)]
    assert answers == [True] * 11 + [False] * 29


def test_half_a_second_later_one_more_goes_through(limits: Limits) -> None:
    for _ in range(40):
        limits.request(1, 7, 2000, 10, now_us=SECOND)
    assert not limits.request(1, 7, 2000, 10, now_us=SECOND + 499_000)
    assert limits.request(1, 7, 2000, 10, now_us=SECOND + 500_000)
    assert not limits.request(1, 7, 2000, 10, now_us=SECOND + 500_000)


def test_other_clients_and_zones_have_buckets_of_their_own(limits: Limits) -> None:
    assert limits.request(1, 7, 1000, 0, now_us=SECOND)
    assert not limits.request(1, 7, 1000, 0, now_us=SECOND)
    assert limits.request(1, 8, 1000, 0, now_us=SECOND)
    assert limits.request(2, 7, 1000, 0, now_us=SECOND)


def test_what_one_rate_refuses_is_not_counted_in_the_other(limits: Limits) -> None:
    rates = ((1000, 3), (16, 0))
    assert limits.requests(1, 7, rates, now_us=SECOND)
    assert [limits.requests(1, 7, rates, now_us=SECOND) for _ in range(9)] == [False] * 9
    assert [limits.request(1, 7, 1000, 3, now_us=SECOND) for _ in range(4)] == [True] * 3 + [False]


def test_a_clock_that_went_back_stands_still_or_begins_anew(limits: Limits) -> None:
    """Within a minute no time has passed, as in nginx; beyond that it is another clock, and a millisecond has."""
    assert limits.request(1, 7, 10**7, 0, now_us=200 * SECOND)
    assert not limits.request(1, 7, 10**7, 0, now_us=140 * SECOND)
    assert limits.request(1, 7, 10**7, 0, now_us=139 * SECOND)


def test_more_than_can_be_counted_leaves_nothing_in_a_bucket(limits: Limits) -> None:
    assert limits.request(1, 7, 1 << 63, 0, now_us=SECOND)
    assert not limits.request(1, 7, 1 << 63, 0, now_us=SECOND)
    assert limits.request(1, 7, 1 << 63, 0, now_us=SECOND + 4000)


def test_the_clock_of_the_machine_is_the_default(limits: Limits) -> None:
    assert limits.request(1, 7, 1, 0)
    assert not limits.request(1, 7, 1, 0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["request", "enter", "leave"]),
        st.integers(0, 2),
        st.integers(1, 3),
        st.integers(1, 3),
        st.sampled_from([((1000, 2),), ((2000, 10),), ((16, 5), (1000, 1)), ((1000, 1), (1000, 2)), ((10**7, 0),)]),
        st.sampled_from([0, 0, 1, 400, 1000, 16_000, 900_000, 70_000_000]),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_the_routine_and_the_twin_say_the_same(shared: list[Limits], steps: list[tuple]) -> None:  # type: ignore[type-arg]
    twin, now = LimitsTwin(), SECOND
    base = int.from_bytes(os.urandom(6), "little")
    held: list[tuple[int, int, int]] = []
    for kind, who, zone, key, rates, wait in steps:
        now += wait
        one, zone = shared[who], base + zone
        if kind == "request":
            assert one.requests(zone, key, rates, now_us=now) == twin.requests(zone, key, rates, now)
        elif kind == "enter":
            let_in = one.enter(zone, key, 4)
            assert let_in == twin.enter(zone, key, 4)
            held += [(who, zone, key)] * let_in
        elif held:
            who, zone, key = held.pop()
            shared[who].leave(zone, key)
            twin.leave(zone, key)
    for who, zone, key in held:
        shared[who].leave(zone, key)


def test_more_clients_than_places_push_out_the_oldest(limits: Limits) -> None:
    places = layout.BUCKET_SETS * layout.BUCKET_WAYS
    for key in range(3 * places):
        assert limits.request(1, key, 1, 0, now_us=(key + 1) * 1000)
    now = 3 * places * 1000
    assert sum(not limits.request(1, key, 1, 0, now_us=now) for key in range(3 * places - 100, 3 * places)) == 100


def test_connections_of_all_workers_count_together(files: StateFiles, tmp_path: Path, limits: Limits) -> None:
    other = Limits.attach(tmp_path, 1)
    assert limits.enter(1, 7, 2)
    assert other.enter(1, 7, 2)
    assert not limits.enter(1, 7, 2)
    assert not other.enter(1, 7, 2)
    other.leave(1, 7)
    assert limits.enter(1, 7, 2)
    other.close()


def test_a_worker_that_ends_frees_what_it_had(files: StateFiles, tmp_path: Path, limits: Limits) -> None:
    other = Limits.attach(tmp_path, 1)
    assert other.enter(1, 7, 1)
    assert not limits.enter(1, 7, 1)
    other.close()
    assert limits.enter(1, 7, 1)


def test_leaving_more_often_than_entering_is_nothing(limits: Limits) -> None:
    limits.leave(1, 7)
    for _ in range(2):
        assert limits.enter(1, 7, 1)
        assert not limits.enter(1, 7, 1)
        limits.leave(1, 7)
        limits.leave(1, 7)


def _die_inside(run_dir: Path, index: int) -> None:
    limits = Limits.attach(run_dir, index)
    limits.enter(1, 7, 5)
    limits.enter(1, 7, 5)
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_parent_takes_a_dead_workers_connections_away(files: StateFiles, tmp_path: Path, limits: Limits) -> None:
    child = get_context("spawn").Process(target=_die_inside, args=(tmp_path, 2))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert not limits.enter(1, 7, 2)
    files.release_worker(2)
    assert limits.enter(1, 7, 2)


def test_a_lock_that_a_dead_worker_held_is_taken_from_it(files: StateFiles, tmp_path: Path, limits: Limits) -> None:
    locks = layout.BUCKET_SETS + layout.CELL_SETS
    with (tmp_path / "state" / "limits.bin").open("r+b") as f:
        f.seek(layout.HEADER_SIZE)
        f.write((3).to_bytes(8, "little") * locks)
    assert limits.request(1, 7, 1000, 0, now_us=SECOND)
    assert not limits.request(1, 7, 1000, 0, now_us=SECOND)
    other = Limits.attach(tmp_path, 2)
    files.release_worker(2)
    with (tmp_path / "state" / "limits.bin").open("rb") as f:
        f.seek(layout.HEADER_SIZE)
        assert not any(f.read(8 * locks))
    other.close()


def _ask(run_dir: Path, index: int, together: Barrier, results: "Queue[int]") -> None:
    limits = Limits.attach(run_dir, index)
    together.wait()
    results.put(sum(limits.request(1, 7, 2000, 1000, now_us=SECOND) for _ in range(1000)))
    together.wait()
    limits.close()


def test_processes_at_the_same_time_count_exactly(files: StateFiles, tmp_path: Path) -> None:
    """Patience with a holder is 5 ms: a machine may take longer, which then costs one count, so a few are let pass."""
    context = get_context("spawn")
    together, results = context.Barrier(3), context.Queue()
    children = [context.Process(target=_ask, args=(tmp_path, index, together, results)) for index in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert 1001 <= sum(results.get() for _ in children) <= 1011


@pytest.mark.parametrize("at", [0, 8, 24, 40, 44, 56, 72])
def test_a_damaged_header_is_refused(files: StateFiles, tmp_path: Path, at: int) -> None:
    path = tmp_path / "state" / "limits.bin"
    data = bytearray(path.read_bytes()[: layout.HEADER_SIZE])
    data[at] ^= 1
    with path.open("r+b") as f:
        f.write(data)
    with pytest.raises(AttachError, match="does not check"):
        Limits.attach(tmp_path, 0)


def test_a_row_that_is_not_there_is_refused(files: StateFiles, tmp_path: Path) -> None:
    with pytest.raises(AttachError, match="no row"):
        Limits.attach(tmp_path, 4000)


def test_a_kept_file_goes_on(tmp_path: Path) -> None:
    first = state.create(tmp_path, 4)
    limits = Limits.attach(tmp_path, 0)
    assert limits.enter(1, 7, 1)
    first.close()
    second = state.create(tmp_path, 4, keep=True)
    other = Limits.attach(tmp_path, 1)
    assert not other.enter(1, 7, 1)
    other.close()
    limits.close()
    second.close()


def test_without_limits_the_file_takes_a_page(files: StateFiles, tmp_path: Path) -> None:
    assert (tmp_path / "state" / "limits.bin").stat().st_blocks * 512 <= 2 * layout.HEADER_SIZE


def test_clients_cannot_choose_to_crowd_another_out(limits: Limits) -> None:
    """With addresses that would share a set under any name that is known beforehand."""

    def place(key: int) -> int:
        return mix64(mix64((1 + GOLDEN) & MASK) ^ key) % layout.CELL_SETS

    crowd = [key for key in range(8, 1 << 18) if place(key) == place(7)][:32]
    assert len(crowd) == 32
    for key in crowd:
        limits.enter(1, key, 1)
    assert limits.enter(1, 7, 1)
