"""limits.bin as the data plane's parent makes it, and clears it of workers that died.

Sparse until a worker attaches (serin.native.limits), so that a data plane without limits pays a page for it. Nothing is
carried over from a file before: what is counted are moments.
"""

import os
from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from serin.native import layout
from serin.native.hashing import hash_more
from serin.native.layout import align

Fresh = Callable[[Path, int, int], AbstractContextManager[int]]
Same = Callable[[Path, int, bytes], int | None]


class LimitsFile:
    """The file, open in the parent. `keep`: one that is there, sound and as large is gone on with."""

    def __init__(self, path: Path, rows: int, *, keep: bool, fresh: Fresh, same: Same) -> None:
        self._rows = rows
        self._locks_offset = layout.HEADER_SIZE
        self._locks = layout.BUCKET_SETS + layout.CELL_SETS
        buckets_offset = align(self._locks_offset + self._locks * 8, 4096)
        self._cells_offset = buckets_offset + layout.BUCKET_SETS * layout.LIMIT_SET
        self._row_size = layout.CELL_SETS * layout.LIMIT_SET
        length = self._cells_offset + rows * self._row_size
        head = layout.LIMITS_HEADER.pack(
            layout.LIMITS_MAGIC,
            layout.LAYOUT,
            layout.HEADER_SIZE,
            length,
            int.from_bytes(os.urandom(8), "little"),
            rows,
            layout.BUCKET_SETS,
            layout.CELL_SETS,
            0,
            self._locks_offset,
            buckets_offset,
            self._cells_offset,
        )
        kept = same(path, length, head) if keep else None
        if kept is not None:
            self._fd = kept
            return
        with fresh(path, length, layout.HEADER_SIZE) as fd:
            os.pwrite(fd, head + hash_more(0, head).to_bytes(8, "little"), 0)
        self._fd = fd

    def release_worker(self, index: int) -> None:
        """The process of this row is gone: its connections count no more, and no set is locked by it."""
        used = int.from_bytes(os.pread(self._fd, 8, layout.LIMITS_HEADER.size + 8), "little")
        if index >= used:
            return
        for at, holder in enumerate(array("Q", os.pread(self._fd, self._locks * 8, self._locks_offset))):
            if holder == index + 1:
                os.pwrite(self._fd, bytes(8), self._locks_offset + at * 8)
        at = self._cells_offset + index * self._row_size
        counted = os.pread(self._fd, self._row_size, at)
        if any(array("Q", counted)[1::2]):
            os.pwrite(self._fd, bytes(self._row_size), at)

    def close(self) -> None:
        os.close(self._fd)
