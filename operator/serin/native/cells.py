"""Cells of state.bin and stats.bin: numbers that belong to an identity and outlive the blocks that name them.

A cell whose identity is no longer in use is kept for it for some minutes: old nginx workers and a Service that
comes back find their counts again.
"""

from collections import defaultdict, deque
from collections.abc import Hashable

from serin.errors import SerinError

KEEP_SECONDS = 600.0


class NoCellError(SerinError):
    """All cells of a kind are in use."""


class Cells:
    """Gives cells [0, limit) to keys, counting the uses of each. `used`: all cells ever given are below it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[Hashable, tuple[int, int, int]] = {}
        self._idle: deque[tuple[float, Hashable]] = deque()
        self._idle_since: dict[Hashable, float] = {}
        self._free: dict[int, list[int]] = defaultdict(list)
        self.used = 0

    def acquire(self, key: Hashable, now: float, size: int = 1) -> int:
        """First of `size` cells in a row that are `key`'s; one more use of them."""
        held = self._held.get(key)
        if held is not None:
            cell, uses, size = held
            self._held[key] = (cell, uses + 1, size)
            self._idle_since.pop(key, None)
            return cell
        self._expire(now)
        while not self._free[size] and self.used + size > self._limit:
            if not self._idle:
                raise NoCellError(f"all of {self._limit} cells are in use")
            self._free_oldest()  # better early than not at all
        if self._free[size]:
            cell = self._free[size].pop()
        else:
            cell = self.used
            self.used += size
        self._held[key] = (cell, 1, size)
        return cell

    def release(self, key: Hashable, now: float) -> None:
        held = self._held.get(key)
        if held is None:
            return
        cell, uses, size = held
        self._held[key] = (cell, max(uses - 1, 0), size)
        if uses <= 1:
            self._idle_since[key] = now
            self._idle.append((now, key))

    def adopt(self, key: Hashable, cell: int, size: int = 1) -> None:
        """A block found in the file holds `cell` for `key`."""
        if cell + size > self._limit:
            return
        _, uses, _ = self._held.get(key, (cell, 0, size))
        self._held[key] = (cell, uses + 1, size)
        self.used = max(self.used, cell + size)

    def reserve_gaps(self, used: int, now: float) -> None:
        """After all adoptions: what lies between them, below `used`, is free once the usual time has gone by."""
        self.used = max(self.used, min(used, self._limit))
        taken = set[int]()
        for cell, _, size in self._held.values():
            taken.update(range(cell, cell + size))
        for cell in range(self.used):
            if cell not in taken:
                key = ("gap", cell)
                self._held[key] = (cell, 0, 1)
                self._idle_since[key] = now
                self._idle.append((now, key))

    def _expire(self, now: float) -> None:
        while self._idle and self._idle[0][0] + KEEP_SECONDS <= now:
            self._free_oldest()

    def _free_oldest(self) -> None:
        since, key = self._idle.popleft()
        if self._idle_since.get(key) == since:
            del self._idle_since[key]
            cell, _, size = self._held.pop(key)
            self._free[size].append(cell)
