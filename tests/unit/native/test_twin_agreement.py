"""The C routine and the twin, step by step over the same requests: same versions, endpoints, reasons, refusals."""

from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Any

from harness.shared_memory import Rig, make_pool, make_split
from hypothesis import given, settings
from hypothesis import strategies as st
from serin.native._ffi import ffi, lib

from serin.native import trials
from serin.native.layout import ENDPOINT_CELL, SlotFlag
from serin.native.twin.blocks import PoolBlock, SplitBlock, decode
from serin.native.twin.decision import TwinChoice, TwinWorker
from serin.native.twin.hashing import MASK, mix64
from serin.native.twin.hashing import Random as SplitMix
from serin.native.twin.trials import TwinTrial
from serin.rollout.facts import TrialCounts
from serin.routing.plan import Algorithm, Pool, Split, Trial

numbers = count(1)


@dataclass(frozen=True)
class Shape:
    """Versions of a split: (weight, endpoints, algorithm, subset size, by client) each."""

    versions: list[tuple[int, int, Algorithm, int, bool]]
    total: int
    rest: bool
    first: int
    suspended: list[int]
    salted: bool
    place: int
    client_errors: bool


@dataclass(frozen=True)
class Step:
    """One event at a time `wait` µs later. `which` names an open choice for retry and done."""

    kind: str
    wait: int
    which: int
    forced: int
    excluded: int
    key: int
    flags: int
    status: int
    failed: bool
    user: int


def random_shape(rnd: Random) -> Shape:
    def version() -> tuple[int, int, Algorithm, int, bool]:
        size = rnd.choice([0, 1, 2, 3, 4, 5, 8, 12])
        return rnd.choice([0, 5, 10, 40]), size, rnd.choice(list(Algorithm)), rnd.randrange(5), rnd.random() < 0.2

    versions = [version() for _ in range(rnd.choice([1, 2, 2, 3, 6]))]
    return Shape(
        versions,
        rnd.choice([1, 50, 100]),
        rnd.random() < 0.7,
        first=rnd.randrange(-1, len(versions)),
        suspended=[at for at in range(len(versions)) if rnd.random() < 0.1],
        salted=rnd.random() < 0.5,
        place=rnd.choice([-1, 0, 0, 3, 10]),
        client_errors=rnd.random() < 0.5,
    )


def random_step(rnd: Random, failing: float) -> Step:
    return Step(
        kind=rnd.choices(["decide", "retry", "exhaust", "done", "pools"], [40, 10, 2, 40, 1])[0],
        wait=rnd.choices([0, 1, 900, 70_000, 2_000_000, 9_999_999, 65_000_000], [30, 10, 20, 20, 5, 2, 1])[0],
        which=rnd.randrange(30),
        forced=rnd.choice([-1, -1, -1, -1, -1, 0, 1, 5]),
        excluded=rnd.choice([0, 0, 0, 1, 2, 5, 63]),
        key=rnd.getrandbits(64) if rnd.random() < 0.3 else rnd.randrange(4),
        flags=rnd.choice([0, 0, lib.SRN_KEYED, lib.SRN_STICKY, lib.SRN_STICKY | lib.SRN_EXACT]),
        status=rnd.choice([0, 200, 200, 200, 503, 404, 101, 999]),
        failed=rnd.random() < failing,
        user=rnd.choice([0, rnd.getrandbits(64), rnd.randrange(1, 9) << 40]),
    )


class Pair:
    """Both sides, and the time that both are told."""

    def __init__(self, rig: Rig, shape: Shape, seed: int) -> None:
        self.rig, self.now = rig, int(rig.clock.now)
        self.c = rig.worker(0, seed)
        self.pools = [self._pool(n, algorithm, subset, client) for _, n, algorithm, subset, client in shape.versions]
        shares = [(p, v[0]) for p, v in zip(self.pools, shape.versions, strict=True)]
        self.split: Split = self._split(
            shape, make_split(next(numbers), shares, total=shape.total, rest=shape.rest), seed
        )
        rig.put(self.split, *self.pools)
        self.twin = TwinWorker({}, SplitMix(seed))
        self.twin.trials.instance = int(trials.read(rig.path).instance, 16)
        self.look()
        for cell in [self.block.counter, *(b.counter for b in self.twin.pools.values())]:
            self.twin.counters[cell] = rig.state._words.load(rig.state._counters_offset + 8 * cell)
        self.open: list[tuple[Any, TwinChoice]] = []

    @staticmethod
    def _split(shape: Shape, split: Split, seed: int) -> Split:
        idents = split.shape
        return replace(
            split,
            first=idents[shape.first] if shape.first >= 0 else "",
            suspended=tuple(idents[at] for at in shape.suspended),
            salts=(seed ^ 5, mix64(seed)) if shape.salted else None,
            trial=Trial(f"{mix64(next(numbers)):016x}", shape.place, shape.client_errors) if shape.place >= 0 else None,
        )

    def _pool(self, size: int, algorithm: Algorithm, subset: int, client: bool) -> Pool:
        return make_pool(next(numbers), size, algorithm, subset=subset, affinity=30 if client else 0)

    def look(self) -> None:
        """The twin reads the blocks in force, its own decoding."""
        image = self.rig.pools._image
        blocks = [decode(image.block(SlotFlag.POOL, int(p.spec.id, 16)) or b"") for p in self.pools]
        self.twin.pools = {b.id: b for b in blocks if isinstance(b, PoolBlock)}
        block = decode(image.block(SlotFlag.SPLIT, int(self.split.id, 16)) or b"")
        assert isinstance(block, SplitBlock)
        self.block = block

    def take(self, step: Step) -> None:
        self.now += step.wait
        if step.kind == "decide":
            self.decide(step)
        elif step.kind == "pools":
            self.change_pool(step)
        elif self.open:
            c, twin = self.open[step.which % len(self.open)]
            if step.kind == "retry":
                self.retry(c, twin)
            elif step.kind == "exhaust":
                while self.retry(c, twin):
                    pass
            else:
                self.open.remove((c, twin))
                lib.srn_done(self.c.pointer, c, step.status, step.failed, self.now)
                self.twin.done(twin, step.status, self.now, failed=step.failed)

    def retry(self, c: Any, twin: TwinChoice) -> bool:
        found: bool = lib.srn_retry(self.c.pointer, 0, 0, self.now, c) == 0
        assert self.twin.retry(twin, self.now) is found
        self.compare(c, twin, found)
        return found

    def decide(self, step: Step) -> None:
        key = step.key
        if step.flags & lib.SRN_EXACT and self.open:
            key = self.open[step.which % len(self.open)][0].endpoint
        c = ffi.new("srn_choice *")
        slot = lib.srn_find_split(self.c.pointer, self.block.id)
        ref = ffi.new("srn_ref *", (self.c.pointer, self.block.id, slot, self.block.shape))
        result = lib.srn_decide_keyed(ref, step.forced, step.excluded, step.user, key, step.flags, self.now, c)
        twin = self.twin.decide(
            self.block,
            self.now,
            forced=step.forced,
            excluded=step.excluded,
            key=key,
            keyed=bool(step.flags & lib.SRN_KEYED),
            sticky=bool(step.flags & lib.SRN_STICKY),
            exact=bool(step.flags & lib.SRN_EXACT),
            user=step.user,
        )
        assert result == (lib.SRN_NO_ENDPOINT if twin is None else 0)
        if twin is not None:
            self.compare(c, twin, True)
            self.open.append((c, twin))

    def change_pool(self, step: Step) -> None:
        """Another number of endpoints for one of the pools."""
        at = step.which % len(self.pools)
        old = self.pools[at]
        number = int(old.spec.id, 16) & 0xFFFF_FFFF
        changed = make_pool(number, step.key % 7, old.spec.algorithm, subset=old.spec.subset_size)
        self.pools[at] = Pool(old.spec, changed.endpoints, client_affinity=old.client_affinity)
        self.rig.pools.put_pool(self.pools[at])
        self.look()

    def compare(self, c: Any, twin: TwinChoice, found: bool) -> None:
        assert twin.endpoint is not None
        assert (c.version, c.reason, c.endpoint) == (twin.version, twin.reason, twin.endpoint.ident)
        assert c.open == found == twin.in_flight
        if found:
            assert bool(c.exact) == twin.exact
            assert (c.family, c.port, c.endpoint_cell) == (
                twin.endpoint.family,
                twin.endpoint.port,
                twin.endpoint.cell,
            )
            assert bytes(c.address) == twin.endpoint.address

    def compare_cells(self) -> None:
        """What state.bin holds of the endpoints in force."""
        with (self.rig.path / "state" / "state.bin").open("rb") as f:
            for endpoint in [e for pool in self.twin.pools.values() for e in pool.endpoints]:
                cell = self.twin.endpoints.cells.get(endpoint.ident)
                f.seek(self.rig.state._endpoints_offset + endpoint.cell * ENDPOINT_CELL.size)
                ident, ejected, pace, failures = ENDPOINT_CELL.unpack(f.read(ENDPOINT_CELL.size))
                if cell is not None and ident == endpoint.ident:
                    assert (ejected, failures) == (cell.ejected_until, cell.failures)
                    assert pace == cell.pace << 32 | cell.stamp

    def compare_trial(self) -> None:
        """What trials.bin holds of the split's trial."""
        trial = self.split.trial
        twin = self.twin.trials.trials.get(int(trial.id, 16), TwinTrial()) if trial else TwinTrial()
        found = trials.read(self.rig.path, {trial.id} if trial else ()).trials
        got = found.get(trial.id, TrialCounts()) if trial else TrialCounts()
        counts = {
            (place, by, status): n
            for place, version in enumerate(got.versions)
            for by, statuses in enumerate((version.drawn, version.other))
            for status, n in statuses.items()
        }
        latency = {
            (place, by, bucket): n
            for place, version in enumerate(got.versions)
            for by, buckets in enumerate((version.drawn_us, version.other_us))
            for bucket, n in enumerate(buckets)
            if n
        }
        assert counts == twin.counts
        assert latency == twin.latency
        assert (set(got.bad_users), got.full) == (twin.bad_users, twin.full)
        for place, version in enumerate(got.versions):
            assert version.users == trials.different(sum(at == place for at, _ in twin.bits))

    def finish(self) -> None:
        for c, twin in self.open:
            lib.srn_done(self.c.pointer, c, 0, 0, self.now)
            self.twin.done(twin, 0, self.now)
        self.rig.clock.now = float(self.now + 1)  # µs count as the controller's seconds: cells change hands often
        self.rig.workers.remove(self.c)
        self.c.close()
        self.rig.pools.drop(self.split.id)
        for pool in self.pools:
            self.rig.pools.drop(pool.spec.id)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, MASK), st.sampled_from([0.0, 0.1, 0.5, 0.9]), st.integers(1, 250))
def test_same_answers(shared_rig: Rig, seed: int, failing: float, length: int) -> None:
    rnd = Random(seed)
    pair = Pair(shared_rig, random_shape(rnd), seed)
    try:
        for _ in range(length):
            pair.take(random_step(rnd, failing))
        pair.compare_cells()
        pair.compare_trial()
    finally:
        pair.finish()
