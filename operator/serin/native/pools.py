"""The controller's hand on pools.bin: splits and pools of the plan as blocks in shared memory.

A put takes effect with the next request of every worker. Ids keep their slots and cells over changes and restarts.
"""

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from serin.errors import SerinError
from serin.native import layout
from serin.native.cells import Cells, NoCellError
from serin.native.hashing import endpoint_ident, hash_more
from serin.native.heap import room_for
from serin.native.image import FileFullError, Image, put_in_place
from serin.native.layout import AlgorithmCode, SlotFlag, pack_address
from serin.native.twin.blocks import (
    BadBlockError,
    EndpointBlock,
    PoolBlock,
    SplitBlock,
    TrialBlock,
    VersionBlock,
    decode,
    encode_body,
    slot_flags,
)
from serin.native.twin.draw import draw, share_out
from serin.routing.plan import Pool, Split

MIN_SLOTS = 1 << 15
MIN_HEAP = 16 << 20
FIRST_TRIES = 64


class UnknownPoolError(SerinError):
    """A split names a pool that was not put before it."""


class PoolsFile:
    """pools.bin, open for writing; only one process at a time."""

    def __init__(self, path: Path, random64: Callable[[], int], clock: Callable[[], float], state: Path) -> None:
        self._path = path
        self._state = state
        self._random64 = random64
        self._clock = clock
        self._counters = Cells(layout.COUNTERS)
        self._endpoints = Cells(layout.ENDPOINTS)
        self._stats = Cells(layout.STATS_CELLS)
        self._names = Cells(layout.NAMES)
        self._trials = Cells(layout.TRIALS)
        self._users: dict[int, int] = {}
        self._doomed: set[int] = set()
        self._flight_readers: set[int] = set()
        self._hidden: Path | None = None
        hidden = path.with_name(f".{path.name}.first")
        adopted = Image.adopt(path, state, clock())
        hidden.unlink(missing_ok=True)
        if adopted is None:
            self._hidden = hidden
            self._image = self._fresh(MIN_SLOTS, MIN_HEAP, epoch=1)
            self._image.replace()
        else:
            self._image = adopted
            self._adopt_blocks()

    @classmethod
    def open(cls, path: Path, random64: Callable[[], int], clock: Callable[[], float]) -> "PoolsFile":
        """Take over the file at RUN_DIR/plan/pools.bin, or make a new one when there is none that checks.

        A new one is empty, and not seen by any worker until `show`: until then they serve from the one that they have.
        `random64` gives 64 random bits, `clock` monotonic seconds. RunDirectoryError: another process writes it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(path, random64, clock, path.parent.parent / "state" / "state.bin")

    @property
    def splits(self) -> frozenset[str]:
        """Ids in force."""
        return frozenset(f"{i:016x}" for i in self._image.ids(SlotFlag.SPLIT))

    @property
    def pools(self) -> frozenset[str]:
        """Ids in force."""
        return frozenset(f"{i:016x}" for i in self._image.ids(SlotFlag.POOL))

    def read_split(self, identity: str) -> SplitBlock | None:
        """What is in force."""
        block = self._block(SlotFlag.SPLIT, int(identity, 16))
        return block if isinstance(block, SplitBlock) else None

    def read_pool(self, identity: str) -> PoolBlock | None:
        """What is in force."""
        block = self._block(SlotFlag.POOL, int(identity, 16))
        return block if isinstance(block, PoolBlock) else None

    def put_pool(self, pool: Pool) -> bool:
        """Put a pool's endpoints in force; False when nothing changes. ValueError for an address that is none."""
        packed = [_identify(e.address, e.port) for e in pool.endpoints]
        identity, now = int(pool.spec.id, 16), self._clock()
        self._doomed.discard(identity)
        before = self._block(SlotFlag.POOL, identity)
        return self._put(self._pool_block(identity, pool, packed, now), before, now)

    def put_split(self, split: Split) -> bool:
        """Put a split's weights in force; False when nothing changes. Its pools have to be there already."""
        total = sum(s.weight for s in split.shares)
        if not 0 < split.total < 1 << 32 or total >= 1 << 32 or not 0 < len(split.shares) <= layout.MAX_VERSIONS:
            raise ValueError(f"split {split.id}: {len(split.shares)} versions, weights {total} of {split.total}")
        pools = [int(s.pool, 16) for s in split.shares]
        unknown = [f"{p:016x}" for p in pools if self._image.slot(SlotFlag.POOL, p) is None]
        if unknown:
            raise UnknownPoolError(f"split {split.id} names pools that are not there: {', '.join(unknown)}")
        identity, now = int(split.id, 16), self._clock()
        before = self._block(SlotFlag.SPLIT, identity)
        return self._put(self._split_block(identity, split, pools, before, now), before, now)

    def drop(self, identity: str) -> None:
        """Take a split or pool out of force. A pool that a split still names goes when the last such split does."""
        number, now = int(identity, 16), self._clock()
        if self._block(SlotFlag.SPLIT, number) is not None:
            self._withdraw(SlotFlag.SPLIT, number, now)
        if self._users.get(number):
            self._doomed.add(number)
        elif self._block(SlotFlag.POOL, number) is not None:
            self._withdraw(SlotFlag.POOL, number, now)

    def show(self) -> None:
        """What is to be in force at first has been put: from now on workers see it, and every put at once."""
        if self._hidden is not None:
            put_in_place(self._hidden, self._path)
            self._hidden = None

    def close(self) -> None:
        self._image.close()
        if self._hidden is not None:
            self._hidden.unlink(missing_ok=True)

    # --- plan values to blocks ---

    def _pool_block(self, identity: int, pool: Pool, packed: list[tuple[int, bytes, int]], now: float) -> PoolBlock:
        counter = self._counters.acquire((SlotFlag.POOL, identity), now)
        algorithm = AlgorithmCode.of(pool.spec.algorithm)
        by_client = pool.client_affinity > 0
        if pool.external:
            name = pool.external.encode()
            name_cell = _acquire(self._names, name, now)
            base = _acquire(self._endpoints, ("name", identity), now, layout.NAME_ADDRESSES)
            port = pool.external_port
            return PoolBlock(
                identity, algorithm, pool.spec.subset_size, by_client, counter, (), name, name_cell, base, port
            )
        endpoints = tuple(
            EndpointBlock(ident, address, e.port, family, _acquire(self._endpoints, ident, now))
            for e, (family, address, ident) in zip(pool.endpoints, packed, strict=True)
        )
        return PoolBlock(identity, algorithm, pool.spec.subset_size, by_client, counter, endpoints)

    def _split_block(
        self, identity: int, split: Split, pools: list[int], before: SplitBlock | PoolBlock | None, now: float
    ) -> SplitBlock:
        versions = []
        for share, pool in zip(split.shares, pools, strict=True):
            ident, slot = int(share.ident, 16), self._image.slot(SlotFlag.POOL, pool)
            assert slot is not None
            self._users[pool] = self._users.get(pool, 0) + 1
            pool_counter = self._counters.acquire((SlotFlag.POOL, pool), now)
            versions.append(
                VersionBlock(
                    ident, pool, slot, share.weight, _acquire(self._stats, (identity, ident), now), pool_counter
                )
            )
        counter = self._counters.acquire((SlotFlag.SPLIT, identity), now)
        idents = split.shape
        first = idents.index(split.first) if split.first in idents else -1
        suspended = sum(1 << at for at, ident in enumerate(idents) if ident in split.suspended)
        same = isinstance(before, SplitBlock) and before.first == first and _same_weights(before, split)
        seed = before.seed if same and isinstance(before, SplitBlock) else self._new_seed(split, first)
        trial = self._trial_block(split, now)
        weights = (split.total, split.rest, counter, tuple(versions))
        return SplitBlock(identity, seed, *weights, first, suspended, split.salts, trial)

    def _trial_block(self, split: Split, now: float) -> TrialBlock | None:
        """One slot of trials.bin for all splits of a trial. None where the versions go beyond its cells."""
        trial = split.trial
        if trial is None or trial.place + len(split.shares) > layout.MAX_VERSIONS:
            return None
        number = int(trial.id, 16)
        return TrialBlock(number, _acquire(self._trials, number, now), trial.place, trial.client_errors)

    def _new_seed(self, split: Split, first: int) -> int:
        """Random, yet such that the first request ever drawn of a split meets main wherever main has half or more.

        Whoever adds a canary and tries it once sees what was there before (observed: canary-affinity-legacy). Only the
        place in the very first stratum is affected; every later one stays as random as the seed.
        """
        weights = [share.weight for share in split.shares]
        shares = share_out(weights, split.total, rest=split.rest, present=[True] * len(weights))
        seed = self._random64()
        for _ in range(FIRST_TRIES):
            if 2 * shares[0] < sum(shares) or draw(shares, 0, seed, first) == 0:
                break
            seed = self._random64()
        return seed

    def _release(self, block: SplitBlock | PoolBlock, now: float) -> None:
        """Undo what a block's encoding or adoption acquired."""
        if isinstance(block, SplitBlock):
            self._counters.release((SlotFlag.SPLIT, block.id), now)
            if block.trial is not None:
                self._trials.release(block.trial.id, now)
            for v in block.versions:
                self._counters.release((SlotFlag.POOL, v.pool), now)
                self._stats.release((block.id, v.ident), now)
                self._leave_pool(v.pool, now)
            return
        self._counters.release((SlotFlag.POOL, block.id), now)
        for e in block.endpoints:
            self._endpoints.release(e.ident, now)
        if block.name:
            self._names.release(block.name, now)
            self._endpoints.release(("name", block.id), now)

    def _leave_pool(self, pool: int, now: float) -> None:
        self._users[pool] = self._users.get(pool, 1) - 1
        if self._users[pool] > 0:
            return
        del self._users[pool]
        if pool in self._doomed:
            self._doomed.discard(pool)
            self._withdraw(SlotFlag.POOL, pool, now)

    # --- blocks to the file ---

    def _block(self, kind: int, identity: int) -> SplitBlock | PoolBlock | None:
        data = self._image.block(kind, identity)
        if data is None:
            return None
        try:
            return decode(data, hash_more)
        except BadBlockError:
            return None

    def _put(self, block: SplitBlock | PoolBlock, before: SplitBlock | PoolBlock | None, now: float) -> bool:
        try:
            if block != before:
                self._publish(block, now)
        except BaseException:
            self._release(block, now)
            raise
        if before is not None:
            self._release(before, now)
        return block != before

    def _note_reader(self, block: PoolBlock) -> None:
        if block.algorithm.reads_flight:
            self._flight_readers.add(block.id)
        else:
            self._flight_readers.discard(block.id)

    def _publish(self, block: SplitBlock | PoolBlock, now: float) -> None:
        if isinstance(block, PoolBlock):
            self._note_reader(block)
        self._show_used()
        try:
            self._image.publish(_kind(block), block.id, slot_flags(block), encode_body(block), now)
        except FileFullError:
            self._rebuild(now, block)

    def _withdraw(self, kind: int, identity: int, now: float) -> None:
        before = self._block(kind, identity)
        self._image.withdraw(kind, identity, now)
        if kind == SlotFlag.POOL:
            self._flight_readers.discard(identity)
            self._show_used()
        if before is not None:
            self._release(before, now)

    def _show_used(self) -> None:
        words = self._image.words
        words.store(layout.POOLS_COUNTERS_USED, self._counters.used)
        words.store(layout.POOLS_ENDPOINTS_USED, self._endpoints.used)
        words.store(layout.POOLS_STATS_USED, self._stats.used)
        words.store(layout.POOLS_FLIGHT_READERS, len(self._flight_readers))

    def _fresh(self, slots: int, heap: int, epoch: int) -> Image:
        instance = self._random64()
        now = self._clock()
        path = self._hidden or self._path
        return Image.create(path, self._state, slots=slots, heap=heap, instance=instance, epoch=epoch, now=now)

    def _rebuild(self, now: float, changed: SplitBlock | PoolBlock | None = None) -> None:
        """A file with room for thrice what is in force, `changed` in its new form; then its name.

        Readers of the old one are told.
        """
        old = self._image
        blocks: dict[tuple[int, int], SplitBlock | PoolBlock] = {
            (int(kind), i): b
            for kind in (SlotFlag.POOL, SlotFlag.SPLIT)
            for i in old.ids(kind)
            if (b := self._block(kind, i)) is not None and b.id == i
        }
        if changed is not None:
            blocks[(_kind(changed), changed.id)] = changed
        sizes = sum(room_for(layout.BLOCK.size + len(encode_body(b))) for b in blocks.values())
        slots = 1 << (max(MIN_SLOTS, 4 * len(blocks)) - 1).bit_length()
        heap = max(MIN_HEAP, 3 * sizes)
        self._image = new = self._fresh(slots, heap, old.epoch + 1)
        try:
            self._show_used()
            for b in sorted(blocks.values(), key=_kind, reverse=True):
                new.publish(_kind(b), b.id, slot_flags(b), encode_body(self._moved(b)), now)
            new.replace()
        except BaseException:
            self._image = old
            new.discard()
            raise
        old.retire()
        old.close()

    def _moved(self, block: SplitBlock | PoolBlock) -> SplitBlock | PoolBlock:
        """The block with the slots that its pools have in the file of now."""
        if isinstance(block, PoolBlock):
            return block
        versions = (v._replace(pool_slot=self._image.slot(SlotFlag.POOL, v.pool) or 0) for v in block.versions)
        return replace(block, versions=tuple(versions))

    def _adopt_blocks(self) -> None:
        """Learn what the file before holds. Blocks that do not check are left out, in a file made anew."""
        now, damaged = self._clock(), self._image.damaged
        for kind in (SlotFlag.POOL, SlotFlag.SPLIT):
            for identity in list(self._image.ids(kind)):
                block = self._block(kind, identity)
                if block is None or (_kind(block), block.id) != (kind, identity):
                    damaged = True
                elif isinstance(block, SplitBlock):
                    self._adopt_split(block)
                else:
                    self._adopt_pool(block)
        words = self._image.words
        self._counters.reserve_gaps(words.load(layout.POOLS_COUNTERS_USED), now)
        self._endpoints.reserve_gaps(words.load(layout.POOLS_ENDPOINTS_USED), now)
        self._stats.reserve_gaps(words.load(layout.POOLS_STATS_USED), now)
        self._names.reserve_gaps(0, now)
        self._trials.reserve_gaps(0, now)
        if damaged:
            self._rebuild(now)
        else:
            self._show_used()

    def _adopt_split(self, block: SplitBlock) -> None:
        self._counters.adopt((SlotFlag.SPLIT, block.id), block.counter)
        if block.trial is not None:
            self._trials.adopt(block.trial.id, block.trial.slot)
        for v in block.versions:
            self._counters.adopt((SlotFlag.POOL, v.pool), v.pool_counter)
            self._stats.adopt((block.id, v.ident), v.stats_cell)
            self._users[v.pool] = self._users.get(v.pool, 0) + 1

    def _adopt_pool(self, block: PoolBlock) -> None:
        self._note_reader(block)
        self._counters.adopt((SlotFlag.POOL, block.id), block.counter)
        for e in block.endpoints:
            self._endpoints.adopt(e.ident, e.cell)
        if block.name:
            self._names.adopt(block.name, block.name_cell)
            self._endpoints.adopt(("name", block.id), block.base_cell, layout.NAME_ADDRESSES)


def _same_weights(block: SplitBlock, split: Split) -> bool:
    new = [(int(s.ident, 16), s.weight) for s in split.shares]
    return (block.total, block.rest) == (split.total, split.rest) and [
        (v.ident, v.weight) for v in block.versions
    ] == new


def _acquire(cells: Cells, key: Hashable, now: float, size: int = 1) -> int:
    """A cell that requests can do without: nothing is counted, a name beyond the table has no addresses."""
    try:
        return cells.acquire(key, now, size)
    except NoCellError:
        return layout.NO_CELL


def _kind(block: SplitBlock | PoolBlock) -> int:
    return SlotFlag.SPLIT if isinstance(block, SplitBlock) else SlotFlag.POOL


@lru_cache(maxsize=1 << 16)
def _identify(address: str, port: int) -> tuple[int, bytes, int]:
    """Family, packed address and ident."""
    family, packed = pack_address(address)
    return family, packed, endpoint_ident(family, packed, port)
