"""Room for blocks in pools.bin. A block that was replaced waits until no worker can be reading it.

Offsets and sizes in bytes. Knows nothing of the file itself, nor of who reads it: epochs come in as numbers.
"""

from collections import defaultdict, deque

from serin.native.layout import GRANULE, align


def room_for(size: int) -> int:
    """Bytes that a block of `size` takes: few different sizes, so that freed room fits again."""
    granules = -(-size // GRANULE)
    if granules > 16:
        granules = align(granules, 1 << (granules.bit_length() - 4))
    return granules * GRANULE


class Heap:
    """[start, end) of the file. `used` regions are those of blocks that are in force already."""

    def __init__(self, start: int, end: int, used: list[tuple[int, int]] | None = None, epoch: int = 0) -> None:
        self._free: dict[int, list[int]] = defaultdict(list)
        self._regions: list[tuple[int, int]] = []
        self._waiting: deque[tuple[int, int, int, bool]] = deque()
        at = start
        for offset, size in sorted(used or []):
            if offset > at:
                self._waiting.append((epoch, at, offset - at, True))
            at = max(at, offset + room_for(size))
        if at < end:
            self._regions.append((at, end))

    def take(self, size: int) -> int | None:
        """Offset of free room for a block of `size`, or None."""
        room = room_for(size)
        if self._free[room]:
            return self._free[room].pop()
        for n, (start, end) in enumerate(self._regions):
            if end - start >= room:
                self._regions[n] = (start + room, end)
                return start
        return None

    def give_back(self, offset: int, size: int) -> None:
        """Room that was taken but never published."""
        self._free[room_for(size)].append(offset)

    def retire(self, offset: int, size: int, epoch: int) -> None:
        """A published block was replaced; workers that have shown `epoch` do not read it any more."""
        self._waiting.append((epoch, offset, room_for(size), False))

    def reclaim(self, oldest: int | None) -> None:
        """`oldest`: the lowest epoch that any live worker has shown, None without workers."""
        while self._waiting and (oldest is None or self._waiting[0][0] <= oldest):
            _, offset, room, is_gap = self._waiting.popleft()
            if is_gap:
                self._regions.append((offset, offset + room))
            else:
                self._free[room].append(offset)
