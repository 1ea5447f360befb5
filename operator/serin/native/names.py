"""The external names that pools of pools.bin ask for, and the cells of state.bin where their addresses go.

For the data plane's parent, who resolves them. Reads with pread, so a file that is replaced meanwhile does no harm.
"""

import os
from array import array
from pathlib import Path

from serin.native import layout
from serin.native.hashing import hash_more
from serin.native.image import sound_header
from serin.native.layout import SlotFlag, word_offset
from serin.native.twin.blocks import BadBlockError, PoolBlock, decode

_Seen = tuple[int, int]
"""Which file, and which state of it."""


class ExternalNames:
    """Follows RUN_DIR/plan/pools.bin; reads on only when it has changed."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / "plan" / "pools.bin"
        self._seen: _Seen | None = None
        self._cells: dict[str, int] = {}

    def current(self) -> dict[str, int]:
        """Cell by name. Those of the last sound file when there is none now."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return self._cells
        try:
            self._read(fd)
        finally:
            os.close(fd)
        return self._cells

    def _read(self, fd: int) -> None:
        head = os.pread(fd, layout.HEADER_SIZE, 0)
        if not sound_header(head, os.fstat(fd).st_size):
            return
        *_, instance, slots, _zero, slot_offset, _heap = layout.POOLS_HEADER.unpack_from(head)
        seen = (instance, int.from_bytes(head[layout.POOLS_EPOCH : layout.POOLS_EPOCH + 8], "little"))
        if seen == self._seen:
            return
        words = array("Q", os.pread(fd, slots * layout.SLOT.size, slot_offset))[1::2]
        found: dict[str, int] = {}
        for word in words:
            if word & SlotFlag.EXTERNAL and word_offset(word):
                pool = _pool_at(fd, word_offset(word))
                if pool is None:
                    return  # taken back while it was read: the next look finds what came instead
                if pool.name and pool.name_cell < layout.NAMES:
                    found[pool.name.decode("ascii", "replace")] = pool.name_cell
        self._seen, self._cells = seen, found


def _pool_at(fd: int, offset: int) -> PoolBlock | None:
    head = os.pread(fd, layout.BLOCK.size, offset)
    length = int.from_bytes(head[8:12], "little")
    try:
        block = decode(os.pread(fd, min(length, 4096), offset), hash_more)
    except BadBlockError:
        return None
    return block if isinstance(block, PoolBlock) else None
