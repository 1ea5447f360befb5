"""What the parent relies on: a dead worker's counts go with it, totals outlive a restart, names keep their places."""

import os

import pytest
from harness.shared_memory import Rig, make_pool, make_split
from serin.native._ffi import lib

from serin.native import layout, state, stats
from serin.native.epochs import oldest_epoch
from serin.native.hashing import hash64
from serin.native.worker import AttachError, Choice, Worker
from serin.routing.plan import Algorithm


def taken(result: Choice | int) -> Choice:
    assert isinstance(result, Choice), result
    return result


def test_a_dead_workers_requests_are_in_flight_no_more(rig: Rig) -> None:
    pool = make_pool(1, 2, Algorithm.NEVER_QUEUE)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    dying, living = rig.worker(0), rig.worker(1)
    lost = taken(dying.split(split.id, split.shape).decide())
    h = living.split(split.id, split.shape)
    assert {taken(h.decide()).address for _ in range(1)} == {e.address for e in pool.endpoints} - {lost.address}
    rig.state.release_worker(0)
    assert taken(h.decide()).address == lost.address


def test_a_dead_worker_holds_no_blocks(rig: Rig) -> None:
    path = rig.path / "state" / "state.bin"
    assert oldest_epoch(path) is None
    rig.worker(0)
    shown = oldest_epoch(path)
    assert shown is not None
    for n in range(1, 4):
        rig.pools.put_pool(make_pool(n, 1))
    rig.worker(1)
    assert oldest_epoch(path) == shown
    rig.state.release_worker(0)
    assert oldest_epoch(path) == shown + 3


def test_a_claim_that_its_worker_did_not_end_is_free_again(rig: Rig) -> None:
    """As if the process had died while it took over an endpoint's cell: later failures count again."""
    pool = make_pool(1, 2)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    rig.worker(0)
    h = rig.worker(1).split(split.id, split.shape)
    for cell in range(2):
        at = rig.state._endpoints_offset + cell * layout.ENDPOINT_CELL.size
        with (rig.path / "state" / "state.bin").open("r+b") as f:
            f.seek(at)
            f.write((1).to_bytes(8, "little"))
    row = rig.state._rows_offset
    for cell in range(2):
        rig.state._words.store(row + 16, cell + 1)
        rig.state.release_worker(0)
    seen = []
    for _ in range(8):
        choice = taken(h.decide())
        seen.append(choice.address)
        bad = choice.address == pool.endpoints[0].address
        choice.done(0 if bad else 200, failed=bad)
    assert seen[-2:] == [pool.endpoints[1].address] * 2


def test_totals_and_counters_outlive_a_restart(rig: Rig) -> None:
    a, b = make_pool(1, 1), make_pool(2, 1)
    split = rig.put(make_split(1, [(a, 0), (b, 10)]), a, b)
    worker = rig.worker()
    for _ in range(37):
        taken(worker.split(split.id, split.shape).decide()).done(200)
    worker.count(404)
    rig.state.close()
    rig.state = state.create(rig.path, 2)
    h = rig.worker(1).split(split.id, split.shape)
    for _ in range(63):
        taken(h.decide()).done(500)
    totals = stats.read(rig.path)
    assert totals.others == (0, 0, 0, 0, 1, 0)
    assert totals.versions[split.id, split.shape[0]].requests == 90
    assert totals.versions[split.id, split.shape[1]].requests == 10
    assert sum(v.classes[5] for v in totals.versions.values()) == 63


def test_files_that_processes_have_mapped_are_gone_on_with(rig: Rig) -> None:
    pool = make_pool(1, 1)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    held = taken(rig.worker().split(split.id, split.shape).decide())
    rig.state.close()
    inodes = [(rig.path / "state" / name).stat().st_ino for name in ("state.bin", "stats.bin")]
    rig.state = state.create(rig.path, 2, keep=True)
    assert [(rig.path / "state" / name).stat().st_ino for name in ("state.bin", "stats.bin")] == inodes
    assert [pid for pid in rig.state.pids() if pid] == [os.getpid()], "the worker's row is its own still"
    held.done(200)
    taken(rig.worker(1).split(split.id, split.shape).decide()).done(200)
    assert stats.read(rig.path).versions[split.id, split.shape[0]].requests == 2


@pytest.mark.parametrize("damage", ["rows", "header", "length"])
def test_other_files_are_not_gone_on_with(rig: Rig, damage: str) -> None:
    rig.state.close()
    path = rig.path / "state" / "state.bin"
    before = path.stat().st_ino
    with path.open("r+b") as file:
        if damage == "header":
            file.seek(20)
            file.write(b"x")
        if damage == "length":
            file.truncate(path.stat().st_size - 1)
    rig.state = state.create(rig.path, 2 if damage != "rows" else layout.WORKER_ROWS * 2, keep=True)
    assert path.stat().st_ino != before
    assert not any(rig.state.pids())


def test_names_keep_the_places_of_those_that_stay(rig: Rig) -> None:
    def places() -> list[str]:
        at = rig.state._names_offset + 3 * layout.NAME_SIZE
        bank = rig.state._bank(at, rig.state._words.load(at + 8))
        return [layout.unpack_address(family, address) for family, address in bank]

    rig.state.put_name(3, "x", ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
    rig.state.put_name(3, "x", ["192.0.2.9", "192.0.2.3", "192.0.2.2"])
    assert places() == ["192.0.2.9", "192.0.2.2", "192.0.2.3"]
    rig.state.put_name(3, "x", ["192.0.2.3"])
    assert places() == ["192.0.2.3"]
    rig.state.put_name(3, "x", [])
    assert places() == []
    with pytest.raises(ValueError, match="cell"):
        rig.state.put_name(layout.NAMES, "x", [])


def test_stats_by_class_bucket_and_failure(rig: Rig) -> None:
    pool = make_pool(1, 1)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    worker = rig.worker()
    for status in (0, 99, 100, 204, 301, 404, 599, 600):
        taken(worker.split(split.id, split.shape).decide()).done(status, failed=status == 0)
    totals = stats.read(rig.path).versions[split.id, split.shape[0]]
    assert totals.classes == (3, 1, 1, 1, 1, 1)
    assert totals.failures == 1
    assert sum(totals.buckets) == totals.requests == 8


@pytest.mark.parametrize(("took", "bucket"), [(0, 0), (100, 0), (101, 1), (5000, 7), (5001, 8), (30_000_001, 31)])
def test_bounds_are_inclusive(rig: Rig, took: int, bucket: int) -> None:
    pool = make_pool(1, 1)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    worker = rig.worker()
    choice = taken(worker.split(split.id, split.shape).decide())
    lib.srn_done(worker.pointer, choice._struct, 200, 0, choice._struct.started_us + took)
    totals = stats.read(rig.path).versions[split.id, split.shape[0]]
    assert totals.buckets[bucket] == 1
    assert totals.latency_us == took


def test_a_cell_of_another_version_begins_at_zero(rig: Rig) -> None:
    pool = make_pool(1, 1)
    worker = rig.worker()
    first = rig.put(make_split(1, [(pool, 0)]), pool)
    taken(worker.split(first.id, first.shape).decide()).done(200)
    rig.pools.drop(first.id)
    rig.clock.now += 601
    second = rig.put(make_split(2, [(pool, 0)]))
    taken(worker.split(second.id, second.shape).decide()).done(200)
    totals = stats.read(rig.path).versions
    assert {k: v.requests for k, v in totals.items()} == {(second.id, second.shape[0]): 1}


@pytest.mark.parametrize("missing", ["plan/pools.bin", "state/state.bin", "state/stats.bin"])
def test_attach_says_what_is_missing(rig: Rig, missing: str) -> None:
    (rig.path / missing).unlink()
    with pytest.raises(AttachError, match=missing.replace(".", r"\.")):
        Worker.attach(rig.path, 0)


@pytest.mark.parametrize("damaged", ["plan/pools.bin", "state/state.bin", "state/stats.bin"])
def test_attach_refuses_a_header_that_does_not_check(rig: Rig, damaged: str) -> None:
    with (rig.path / damaged).open("r+b") as f:
        f.seek(33)
        f.write(b"\xff")
    with pytest.raises(AttachError, match="header does not check"):
        Worker.attach(rig.path, 0)


def test_attach_refuses_a_row_that_there_is_not(rig: Rig) -> None:
    with pytest.raises(AttachError, match="no row"):
        Worker.attach(rig.path, layout.WORKER_ROWS)


def test_idents_do_not_clash_with_claims() -> None:
    """Rows mark a cell as being claimed by their number; hashes are far above."""
    assert min(hash64(bytes([n])) for n in range(256)) > 1024
