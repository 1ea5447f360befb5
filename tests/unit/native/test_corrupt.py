"""A damaged pools.bin never crashes a worker nor sends a request astray: the last good block serves, or it says so."""

import random
from pathlib import Path

import pytest
from harness.shared_memory import Rig, make_pool, make_split
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.native import layout
from serin.native.layout import SlotFlag
from serin.native.twin.blocks import BadBlockError, PoolBlock, SplitBlock, decode, encode_body, frame, slot_flags
from serin.native.worker import CORRUPT, GONE, MOVED, NO_ENDPOINT, STALE, AttachError, Choice, Worker

ANSWERS = {CORRUPT, GONE, MOVED, NO_ENDPOINT, STALE}


def offset_of(rig: Rig, kind: int, identity: str) -> tuple[int, int]:
    """Where a block lies, and where its slot's word does."""
    image = rig.pools._image
    slot = image.slot(kind, int(identity, 16))
    assert slot is not None
    at = image._word_at(slot)
    return layout.word_offset(image.words.load(at)), at


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_flipped_bits_never_crash(shared_rig: Rig, seed: int, flips: int) -> None:
    """Bits anywhere in header, slots and blocks, under a worker that has seen the good file and one that has not."""
    rnd, rig = random.Random(seed), shared_rig
    pools = [make_pool(n, 3) for n in (1, 2)]
    split = rig.put(make_split(1, [(pools[0], 0), (pools[1], 30)]), *pools)
    path = rig.path / "plan" / "pools.bin"
    whole = path.read_bytes()[: 1 << 20]
    places = [offset_of(rig, SlotFlag.SPLIT, split.id), *(offset_of(rig, SlotFlag.POOL, p.spec.id) for p in pools)]
    targets = [at + n for block, word in places for at, size in ((block, 192), (word - 8, 16)) for n in range(size)]
    old = rig.worker(0)
    handle = old.split(split.id, split.shape)
    handle.decide()
    good = {endpoint.address for pool in pools for endpoint in pool.endpoints}
    try:
        with path.open("r+b", buffering=0) as f:
            for _ in range(flips):
                at = rnd.choice(targets)
                f.seek(at)
                byte = f.read(1)[0]
                f.seek(at)
                f.write(bytes([byte ^ 1 << rnd.randrange(8)]))
        check_worker(handle, good, seen=True)
        fresh = rig.worker(1)
        check_worker(fresh.split(split.id, split.shape), good, seen=False)
    finally:
        with path.open("r+b", buffering=0) as f:
            f.write(whole)
        for worker in rig.workers:
            worker.close()
        rig.workers.clear()


def check_worker(handle: object, good: set[str], *, seen: bool) -> None:
    for n in range(30):
        answer = handle.decide(key=n * 77777, excluded=n % 4)  # type: ignore[attr-defined]
        if isinstance(answer, Choice):
            answer.retry()
            answer.done(200)
            assert seen or answer.address in good
        else:
            assert answer in ANSWERS


def rewrite(rig: Rig, block: bytes, flags: int, word_at: int, generation: int) -> None:
    """A block put in force without the writer's care."""
    offset = rig.pools._image._room(len(block))
    with (rig.path / "plan" / "pools.bin").open("r+b", buffering=0) as f:
        f.seek(offset)
        f.write(block)
    rig.pools._image.words.store(word_at, layout.slot_word(offset, generation, flags))


def test_the_last_good_block_stays_in_force(rig: Rig) -> None:
    pool = make_pool(1, 2)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    handle = rig.worker().split(split.id, split.shape)
    before = {c.address for c in (handle.decide(), handle.decide()) if isinstance(c, Choice)}
    data = rig.pools._image.block(SlotFlag.POOL, int(pool.spec.id, 16)) or b""
    _, word = offset_of(rig, SlotFlag.POOL, pool.spec.id)
    rewrite(rig, data[:-1] + b"\xff", SlotFlag.POOL | SlotFlag.FILLED, word, 1)
    assert {c.address for c in (handle.decide(), handle.decide()) if isinstance(c, Choice)} == before
    fresh = rig.worker(1).split(split.id, split.shape)
    assert fresh.decide() == CORRUPT
    assert rig.pools.put_pool(make_pool(1, 1))
    assert isinstance(fresh.decide(), Choice)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_well_framed_body_is_survived(shared_rig: Rig, data: st.DataObject) -> None:
    """Blocks with right checksums and wrong contents: counts, cells and slots out of range."""
    rig = shared_rig
    pool = make_pool(9, 4)
    split = rig.put(make_split(9, [(pool, 0)]), pool)
    kind, identity = data.draw(st.sampled_from([(SlotFlag.SPLIT, split.id), (SlotFlag.POOL, pool.spec.id)]))
    block = decode(rig.pools._image.block(kind, int(identity, 16)) or b"")
    body = bytearray(encode_body(block))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) // 4 - 1)) * 4
        value = data.draw(st.sampled_from([0, 1, 15, 17, 2**16, 2**31, 2**32 - 1]))
        body[at : at + 4] = value.to_bytes(4, "little")
    body = bytearray(body[: data.draw(st.sampled_from([len(body), len(body), len(body) - 32, 40]))])
    _, word = offset_of(rig, kind, identity)
    worker = rig.worker(0)
    try:
        framed = frame(kind, int(identity, 16), 77, bytes(body))
        rewrite(rig, framed, slot_flags(block) | SlotFlag.FILLED, word, 77)
        handle = worker.split(split.id, split.shape)
        for n in range(20):
            answer = handle.decide(key=n, flags=n % 4)
            if isinstance(answer, Choice):
                answer.retry()
                answer.done(200, failed=n % 2 == 0)
            else:
                assert answer in ANSWERS
    finally:
        rig.workers.remove(worker)
        worker.close()
        rig.pools.drop(identity)
        rig.pools.drop(split.id)
        rig.pools.drop(pool.spec.id)


@given(st.binary(max_size=300))
def test_the_twin_refuses_noise(data: bytes) -> None:
    with pytest.raises(BadBlockError):
        decode(data)


blocks = st.builds(
    lambda count, name: PoolBlock(7, layout.AlgorithmCode.EWMA, 3, True, 5, (), name, 4, 32, count),
    st.integers(0, 65535),
    st.binary(min_size=1, max_size=60),
)


@given(blocks)
def test_blocks_survive_the_way_through_bytes(block: PoolBlock | SplitBlock) -> None:
    assert decode(frame(SlotFlag.POOL, block.id, 3, encode_body(block))) == block


@pytest.mark.parametrize("size", [0, 100, 4096, 5000])
def test_cut_off_files_are_refused(rig: Rig, size: int, tmp_path: Path) -> None:
    path = rig.path / "plan" / "pools.bin"
    data = path.read_bytes()[:size]
    path.unlink()
    path.write_bytes(data)
    with pytest.raises(AttachError):
        Worker.attach(rig.path, 0)
