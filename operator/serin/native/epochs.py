"""Epochs of the workers as state.bin shows them: which of the controller's old blocks nobody reads any more.

The controller may only read state/: with pread, checked, opened anew each time, since the parent may replace it.
"""

import os
from pathlib import Path

from serin.native import layout
from serin.native.hashing import hash_more


def oldest_epoch(state: Path) -> int | None:
    """The lowest epoch shown by a live worker, None when there is none or no data plane yet.

    A file that fails its checks counts as a worker at epoch 0: nothing is given free on its word.
    """
    try:
        fd = os.open(state, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return _oldest(fd)
    finally:
        os.close(fd)


def _oldest(fd: int) -> int | None:
    head = os.pread(fd, layout.HEADER_SIZE, 0)
    if len(head) < layout.HEADER_SIZE:
        return 0
    magic, version, _, _, _, rows, _, _, _, rows_offset, *_ = layout.STATE_HEADER.unpack_from(head)
    checksum = int.from_bytes(head[layout.STATE_CHECKSUM : layout.STATE_CHECKSUM + 8], "little")
    sound = magic == layout.STATE_MAGIC and version == layout.LAYOUT and rows <= 1024
    if not sound or checksum != hash_more(0, head[: layout.STATE_CHECKSUM]):
        return 0
    table = os.pread(fd, rows * layout.ROW.size, rows_offset)
    if len(table) != rows * layout.ROW.size:
        return 0
    return min((epoch for pid, epoch, *_ in layout.ROW.iter_unpack(table) if pid), default=None)
