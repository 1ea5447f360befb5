"""What the controller relies on: unchanged puts are nothing, ids keep what is theirs, files grow, one writer only."""

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harness.shared_memory import Clock, Rig, make_pool, make_split

from serin.errors import RunDirectoryError, SerinError
from serin.native import layout
from serin.native.layout import SlotFlag
from serin.native.pools import PoolsFile, UnknownPoolError
from serin.native.twin.blocks import PoolBlock, SplitBlock, decode
from serin.native.twin.draw import draw
from serin.native.twin.hashing import mix64
from serin.native.worker import NO_ENDPOINT, Choice
from serin.routing.plan import Endpoint, Pool, Split


def block_of(pools: PoolsFile, split: Split) -> SplitBlock:
    block = decode(pools._image.block(SlotFlag.SPLIT, int(split.id, 16)) or b"")
    assert isinstance(block, SplitBlock)
    return block


def pool_block(pools: PoolsFile, pool: Pool) -> PoolBlock:
    block = decode(pools._image.block(SlotFlag.POOL, int(pool.spec.id, 16)) or b"")
    assert isinstance(block, PoolBlock)
    return block


def test_an_unchanged_put_is_nothing(rig: Rig) -> None:
    pool = make_pool(1, 3)
    split = make_split(1, [(pool, 0)])
    assert [rig.pools.put_pool(pool), rig.pools.put_split(split)] == [True, True]
    epoch = rig.pools._image.epoch
    assert [rig.pools.put_pool(pool), rig.pools.put_split(split)] == [False, False]
    assert rig.pools._image.epoch == epoch


def test_the_seed_is_new_when_weights_change_and_only_then(rig: Rig) -> None:
    a, b, c = make_pool(1, 1), make_pool(2, 1), make_pool(3, 1)
    split = rig.put(make_split(1, [(a, 0), (b, 10)]), a, b, c)
    first = block_of(rig.pools, split)
    rig.put(make_split(1, [(a, 0), (c, 10)]))
    moved = block_of(rig.pools, split)
    rig.put(make_split(1, [(a, 0), (c, 11)]))
    heavier = block_of(rig.pools, split)
    assert moved.seed == first.seed != heavier.seed
    assert first.counter == moved.counter == heavier.counter
    assert [v.stats_cell for v in first.versions] == [v.stats_cell for v in heavier.versions]


def test_the_very_first_drawn_request_meets_main(rig: Rig) -> None:
    a, b = make_pool(1, 1), make_pool(2, 1)
    for number in range(1, 40):
        block = block_of(rig.pools, rig.put(make_split(number, [(a, 0), (b, 50)]), a, b))
        assert draw([50, 50], 0, block.seed) == 0


def test_a_split_needs_its_pools(rig: Rig) -> None:
    with pytest.raises(UnknownPoolError, match="f000000000000001"):
        rig.pools.put_split(make_split(1, [(make_pool(1, 1), 0)]))
    assert rig.pools.splits == frozenset()


@pytest.mark.parametrize(
    ("weights", "total"), [([0, 10], 0), ([0, 10], 1 << 32), ([1 << 31] * 2, 100), ([0] * 17, 100)]
)
def test_weights_out_of_range(rig: Rig, weights: list[int], total: int) -> None:
    pool = make_pool(1, 1)
    rig.pools.put_pool(pool)
    with pytest.raises(ValueError, match="versions, weights"):
        rig.pools.put_split(make_split(1, [(pool, w) for w in weights], total=total))


def test_a_text_that_is_no_address(rig: Rig) -> None:
    pool = make_pool(1, 1)
    with pytest.raises(ValueError, match="not an IPv4"):
        rig.pools.put_pool(Pool(pool.spec, (Endpoint("example.com", 80),)))


def test_a_successor_takes_over(rig: Rig) -> None:
    a, b = make_pool(1, 3), make_pool(2, 2)
    split = rig.put(make_split(1, [(a, 0), (b, 10)]), a, b)
    before = block_of(rig.pools, split), pool_block(rig.pools, a), rig.pools._image.epoch
    worker = rig.worker()
    handle = worker.split(split.id, split.shape)
    rig.pools.close()
    rig.pools = rig.open_pools()
    assert rig.pools.splits == {split.id}
    assert rig.pools.pools == {a.spec.id, b.spec.id}
    assert rig.pools._image.epoch > before[2]
    assert not any([rig.pools.put_pool(a), rig.pools.put_pool(b), rig.pools.put_split(split)])
    rig.pools.put_pool(make_pool(3, 2))
    assert (block_of(rig.pools, split), pool_block(rig.pools, a)) == before[:2]
    cells = [e.cell for p in (a, b, make_pool(3, 2)) for e in pool_block(rig.pools, p).endpoints]
    assert len(set(cells)) == 7
    assert isinstance(handle.decide(), Choice)


def test_one_writer_only(rig: Rig) -> None:
    with pytest.raises(RunDirectoryError, match="another instance"):
        rig.open_pools()


def test_dropped_ids_keep_slot_and_cells_for_ten_minutes(rig: Rig) -> None:
    pool = make_pool(1, 1)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    slot, before = rig.pools._image.slot(SlotFlag.SPLIT, int(split.id, 16)), block_of(rig.pools, split)
    rig.pools.drop(split.id)
    assert rig.pools.splits == frozenset()
    rig.clock.now += 599
    rig.put(split)
    assert rig.pools._image.slot(SlotFlag.SPLIT, int(split.id, 16)) == slot
    assert block_of(rig.pools, split).counter == before.counter


def test_a_slot_goes_to_another_id_after_ten_minutes_and_not_before(rig: Rig) -> None:
    image = rig.pools._image
    old = make_pool(1, 1)
    home = mix64(int(old.spec.id, 16)) & (image.slot_count - 1)
    numbers = range(2, 1 << 20)
    meets = (n for n in numbers if mix64(0xF000_0000_0000_0000 | n) & (image.slot_count - 1) == home)
    early, late = make_pool(next(meets), 1), make_pool(next(meets), 1)
    rig.pools.put_pool(old)
    rig.pools.drop(old.spec.id)
    rig.clock.now += 599
    rig.pools.put_pool(early)
    assert image.slot(SlotFlag.POOL, int(early.spec.id, 16)) == home + 1
    rig.clock.now += 2
    rig.pools.put_pool(late)
    assert image.slot(SlotFlag.POOL, int(late.spec.id, 16)) == home
    assert rig.pools.pools == {early.spec.id, late.spec.id}


def test_a_successor_spares_cells_whose_ids_were_in_use_a_moment_ago(rig: Rig) -> None:
    """Old workers may still count in them."""
    kept, gone, new = make_pool(1, 1), make_pool(2, 1), make_pool(3, 1)
    for pool in (kept, gone):
        rig.pools.put_pool(pool)
    before = pool_block(rig.pools, gone)
    rig.pools.drop(gone.spec.id)
    rig.pools.close()
    rig.pools = rig.open_pools()
    rig.pools.put_pool(new)
    after = pool_block(rig.pools, new)
    assert (after.counter, after.endpoints[0].cell) == (before.counter + 1, before.endpoints[0].cell + 1)
    rig.clock.now += 601
    rig.pools.put_pool(gone)
    again = pool_block(rig.pools, gone)
    assert (again.counter, again.endpoints[0].cell) == (before.counter, before.endpoints[0].cell)


def test_cells_of_the_long_gone_are_given_anew(rig: Rig) -> None:
    old, new = make_pool(1, 4), make_pool(2, 4)
    rig.pools.put_pool(old)
    cells = {e.cell for e in pool_block(rig.pools, old).endpoints}
    rig.pools.drop(old.spec.id)
    rig.clock.now += 601
    rig.pools.put_pool(new)
    assert {e.cell for e in pool_block(rig.pools, new).endpoints} == cells


def test_a_pool_in_use_goes_with_its_last_split(rig: Rig) -> None:
    pool = make_pool(1, 1)
    splits = [rig.put(make_split(n, [(pool, 0)]), pool) for n in (1, 2)]
    rig.pools.drop(pool.spec.id)
    rig.pools.drop(splits[0].id)
    assert rig.pools.pools == {pool.spec.id}
    rig.pools.drop(splits[1].id)
    assert rig.pools.pools == frozenset()


@pytest.fixture
def small_rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """A pools.bin with room for 64 KiB of blocks."""
    monkeypatch.setattr("serin.native.pools.MIN_HEAP", 1 << 16)
    made = Rig(tmp_path)
    yield made
    made.close()


def test_blocks_that_nobody_reads_are_used_again(small_rig: Rig) -> None:
    """Endpoints change for ever: the file grows only while a worker stands still."""
    rig, pool = small_rig, make_pool(1, 100)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    worker = rig.worker()
    handle = worker.split(split.id, split.shape)
    inode = (rig.path / "plan" / "pools.bin").stat().st_ino
    for n in range(200):
        rig.pools.put_pool(Pool(pool.spec, pool.endpoints[n % 2 :]))
        if n % 5 == 0:
            worker.refresh()
    assert (rig.path / "plan" / "pools.bin").stat().st_ino == inode
    assert isinstance(handle.decide(), Choice)
    for n in range(50):
        rig.pools.put_pool(Pool(pool.spec, pool.endpoints[n % 2 :]))
    assert (rig.path / "plan" / "pools.bin").stat().st_ino != inode


def test_a_grown_file_is_followed_at_once(small_rig: Rig) -> None:
    rig = small_rig
    a, b = make_pool(1, 1), make_pool(2, 1)
    split = rig.put(make_split(1, [(a, 0), (b, 50)]), a, b)
    handle = rig.worker().split(split.id, split.shape)
    choice = handle.decide()
    assert isinstance(choice, Choice)
    path = rig.path / "plan" / "pools.bin"
    inode, number = path.stat().st_ino, 100
    while path.stat().st_ino == inode:
        rig.pools.put_pool(make_pool(number, 80))
        number += 1
    counter = block_of(rig.pools, split).counter
    rig.pools.put_pool(make_pool(1, 0))
    rig.pools.put_pool(make_pool(2, 0))
    assert handle.decide() == NO_ENDPOINT
    rig.pools.put_pool(b)
    again = handle.decide()
    assert isinstance(again, Choice)
    assert again.version == 1
    assert counter == block_of(rig.pools, split).counter
    assert choice.retry() is None
    choice.done(502)
    assert len(rig.pools.pools) == number - 98


def test_a_file_that_does_not_check_is_replaced_and_left(tmp_path: Path) -> None:
    path = tmp_path / "plan" / "pools.bin"
    path.parent.mkdir()
    path.write_bytes(os.urandom(8192))
    pools = PoolsFile.open(path, lambda: random.getrandbits(64), Clock())
    assert pools.put_pool(make_pool(1, 1))
    pools.show()
    pools.close()
    assert int.from_bytes(path.read_bytes()[:8], "little") == layout.POOLS_MAGIC


def test_readers_of_a_file_that_does_not_check_move_on(rig: Rig) -> None:
    pool = make_pool(1, 1)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    handle = rig.worker().split(split.id, split.shape)
    path = rig.path / "plan" / "pools.bin"
    rig.pools.close()
    with path.open("r+b") as f:
        f.seek(layout.POOLS_CHECKSUM)
        f.write(bytes(8))
    rig.pools = rig.open_pools()
    rig.put(split, replace(pool, endpoints=(Endpoint("192.0.2.99", 9),)))
    choice = handle.decide()
    assert isinstance(choice, Choice)
    assert (choice.address, choice.port) == ("192.0.2.99", 9)


@pytest.mark.parametrize("harm", ["header", "layout", "gone"])
def test_workers_serve_on_until_the_new_file_is_shown(small_rig: Rig, harm: str) -> None:
    rig, pool = small_rig, make_pool(1, 1)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    worker = rig.worker()
    handle = worker.split(split.id, split.shape)
    path = rig.path / "plan" / "pools.bin"
    rig.pools.close()
    if harm == "gone":
        path.unlink()
    else:
        with path.open("r+b") as f:
            f.seek(layout.POOLS_CHECKSUM if harm == "header" else 8)
            f.write(b"\x7f")
    rig.pools = rig.open_hidden()

    def address() -> str:
        worker.refresh()
        choice = handle.decide()
        assert isinstance(choice, Choice)
        choice.done(200)
        return choice.address

    before = address()
    for number in range(2, 40):
        rig.pools.put_pool(make_pool(number, 80))  # more than the first file has room for
        assert address() == before
    rig.put(split, replace(pool, endpoints=(Endpoint("192.0.2.99", 9),)))
    assert address() == before
    rig.pools.show()
    assert address() == "192.0.2.99"
    rig.pools.put_pool(pool)
    assert address() == before, "from now on each put counts at once"
    assert [p.name for p in path.parent.iterdir()] == ["pools.bin"]


def test_a_new_file_that_was_never_shown_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "plan" / "pools.bin"
    pools = PoolsFile.open(path, lambda: random.getrandbits(64), Clock())
    pools.put_pool(make_pool(1, 1))
    assert not path.exists()
    pools.close()
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("harm", ["block", "offset", "overlap", "slot id"])
def test_a_damaged_file_is_made_anew_from_what_is_sound(rig: Rig, harm: str) -> None:
    pools = [make_pool(n, 3) for n in (1, 2, 3)]
    splits = [rig.put(make_split(n, [(pools[n - 1], 0)]), pools[n - 1]) for n in (1, 2, 3)]
    handle = rig.worker().split(splits[0].id, splits[0].shape)
    image, path = rig.pools._image, rig.path / "plan" / "pools.bin"
    slots = [image.slot(SlotFlag.POOL, int(p.spec.id, 16)) or 0 for p in pools]
    at, other = image._word_at(slots[1]), image._word_at(slots[2])
    offset, inode = layout.word_offset(image.words.load(at)), path.stat().st_ino
    rig.pools.close()
    with path.open("r+b") as f:
        match harm:
            case "block":
                f.seek(offset + 80)
                f.write(b"\xff" * 8)
            case "offset":
                f.seek(at + 4)
                f.write(b"\x00\x00\x00\x40")
            case "overlap":
                f.seek(other)
                word = f.read(8)
                f.seek(at)
                f.write(word)
            case "slot id":
                f.seek(at - 8)
                f.write(b"\x77")
    rig.pools = rig.open_pools()
    assert path.stat().st_ino != inode
    assert rig.pools.pools == {pools[0].spec.id, pools[2].spec.id}
    assert rig.pools.splits == {s.id for s in splits}
    assert isinstance(handle.decide(), Choice)
    damaged = rig.worker(1).split(splits[1].id, splits[1].shape)
    assert damaged.decide() == NO_ENDPOINT
    assert [rig.pools.put_pool(p) for p in pools] == [False, True, False]
    assert [rig.pools.put_split(s) for s in splits] == [False, True, False]
    assert isinstance(damaged.decide(), Choice)


def test_names_beyond_the_table_have_no_addresses(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.pools._names, "_limit", 1)
    for number in (1, 2):
        pool = Pool(make_pool(number, 0).spec, (), external=f"{number}.example.com", external_port=80)
        split = rig.put(make_split(number, [(pool, 0)]), pool)
    rig.state.put_name(0, "1.example.com", ["192.0.2.1"])
    assert rig.worker().split(split.id, split.shape).decide() == NO_ENDPOINT


def test_idle_cells_are_given_early_before_none_is(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig.pools._counters, "_limit", 1)
    rig.pools.put_pool(make_pool(1, 1))
    with pytest.raises(SerinError, match="all of 1 cells"):
        rig.pools.put_pool(make_pool(2, 1))
    rig.pools.drop(make_pool(1, 1).spec.id)
    assert rig.pools.put_pool(make_pool(2, 1))


def test_a_full_disk_while_growing_leaves_the_file_in_force(small_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig, pool = small_rig, make_pool(1, 2)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    handle = rig.worker().split(split.id, split.shape)

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("serin.native.image.os.posix_fallocate", no_room)
        with pytest.raises(OSError, match="No space"):
            rig.pools.put_pool(make_pool(2, 5000))
    assert [p.name for p in (rig.path / "plan").iterdir()] == ["pools.bin"]
    assert isinstance(handle.decide(), Choice)
    assert rig.pools.put_pool(make_pool(2, 5000))
    assert isinstance(handle.decide(), Choice)


@pytest.mark.parametrize("short", [True, False])
def test_a_full_disk_is_an_error_and_changes_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch, *, short: bool) -> None:
    pool = make_pool(1, 2)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    handle = rig.worker().split(split.id, split.shape)

    def no_room(*_: object) -> int:
        if short:
            return 8
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("serin.native.image.os.pwrite", no_room)
        with pytest.raises(OSError, match="No space"):
            rig.pools.put_pool(Pool(pool.spec, pool.endpoints[:1]))
    addresses = {c.address for c in [handle.decide(), handle.decide()] if isinstance(c, Choice)}
    assert addresses == {e.address for e in pool.endpoints}
    assert rig.pools.put_pool(Pool(pool.spec, pool.endpoints[:1]))
