"""A run directory with its writers and workers, without processes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serin.native import layout, state
from serin.native.pools import PoolsFile
from serin.native.worker import Worker
from serin.routing.plan import Algorithm, Endpoint, Pool, PoolSpec, RuleId, Share, Split


def hex64(number: int) -> str:
    return f"{number:016x}"


def make_pool(
    number: int,
    endpoints: int | Sequence[Endpoint],
    algorithm: Algorithm = Algorithm.ROUND_ROBIN,
    *,
    subset: int = 0,
    affinity: int = 0,
) -> Pool:
    """A pool of `endpoints` addresses that no pool of another number has."""
    if isinstance(endpoints, int):
        base = f"10.{number >> 8 & 255}.{number & 255}"
        endpoints = [Endpoint(f"{base}.{i % 256}", 8000 + i // 256 + (number >> 16)) for i in range(endpoints)]
    spec = PoolSpec(hex64(0xF000_0000_0000_0000 | number), "default", f"svc-{number}", 80, algorithm, subset)
    return Pool(spec, tuple(endpoints), client_affinity=affinity)


def make_split(number: int, shares: Sequence[tuple[Pool, int]], *, total: int = 100, rest: bool = True) -> Split:
    """A split over pools with weights; version idents come from the split's number and the place."""
    listed = tuple(
        Share(hex64(number << 8 | place | 1 << 48), pool.spec.id, weight)
        for place, (pool, weight) in enumerate(shares, 1)
    )
    return Split(hex64(0xA000_0000_0000_0000 | number), RuleId("h", "/", "Prefix"), listed, total, rest)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Rig:
    """One run directory; `clock` is the controller's."""

    path: Path
    clock: Clock = field(default_factory=Clock)
    workers: list[Worker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(7)
        self.pools = self.open_pools()
        self.state = state.create(self.path, 2)

    def open_pools(self) -> PoolsFile:
        """In place at once, however empty."""
        pools = self.open_hidden()
        pools.show()
        return pools

    def open_hidden(self) -> PoolsFile:
        return PoolsFile.open(self.path / "plan" / "pools.bin", lambda: self._random.getrandbits(64), self.clock)

    def put(self, split: Split, *pools: Pool) -> Split:
        for pool in pools:
            self.pools.put_pool(pool)
        self.pools.put_split(split)
        return split

    def worker(self, index: int = 0, seed: int = 1) -> Worker:
        worker = Worker.attach(self.path, index, seed=seed)
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        self.pools.close()
        self.state.close()


def in_flight(rig: Rig) -> int:
    """Of all rows and the first endpoints."""
    total = 0
    with (rig.path / "state" / "state.bin").open("rb") as f:
        for row in range(16):
            f.seek(rig.state._flight_offset + row * layout.ENDPOINTS * layout.FLIGHT_CELL)
            words = f.read(64 * layout.FLIGHT_CELL)
            total += sum(int.from_bytes(words[at : at + 4], "little") for at in range(0, len(words), 8))
    return total
