"""trials.bin as the data plane's parent makes it, and frees it of workers that died.

Sparse: workers put memory behind a cell before its first count, so that a data plane without rollouts pays for the
heads alone. A sound file that is there is gone on with, whoever made it: counts of a rollout outlive a restart.
"""

import os
from array import array
from pathlib import Path

from serin.native import layout
from serin.native.hashing import hash_more
from serin.native.limits_file import Fresh, Same

_HEAD_WORDS = layout.TRIAL_HEAD.size // 8


class TrialsFile:
    """The file, open in the parent. `keep`: processes may have the file that is there mapped, and be at it."""

    def __init__(self, path: Path, rows: int, *, keep: bool, fresh: Fresh, same: Same) -> None:
        self._heads_offset, self._cells_offset, users, length = layout.trial_offsets()
        head = layout.TRIALS_HEADER.pack(
            layout.TRIALS_MAGIC,
            layout.LAYOUT,
            layout.HEADER_SIZE,
            length,
            int.from_bytes(os.urandom(8), "little"),
            layout.TRIALS,
            0,
            self._heads_offset,
            self._cells_offset,
            users,
        )
        kept = _kept(path, length, head, same, keep=keep)
        if kept is not None:
            self._fd = kept
            if not keep:
                self._free_claims(rows)
            return
        with fresh(path, length, self._cells_offset) as fd:
            os.pwrite(fd, head + hash_more(0, head).to_bytes(8, "little"), 0)
        self._fd = fd

    def _free_claims(self, rows: int) -> None:
        """Nobody is at the file: what was being taken over is free, and its counts are gone."""
        heads = array("Q", os.pread(self._fd, layout.TRIALS * layout.TRIAL_HEAD.size, self._heads_offset))
        for slot in range(layout.TRIALS):
            trial, _, backed = heads[slot * _HEAD_WORDS : slot * _HEAD_WORDS + 3]
            if 0 < trial <= rows:
                self._free(self._heads_offset + slot * layout.TRIAL_HEAD.size, trial)
            for place in range(layout.MAX_VERSIONS):
                if backed >> place & 1:
                    at = self._cell_at(slot * layout.MAX_VERSIONS + place)
                    key = int.from_bytes(os.pread(self._fd, 8, at), "little")
                    if 0 < key <= rows:
                        self._free(at, key)

    def _cell_at(self, cell: int) -> int:
        return self._cells_offset + cell * layout.TRIAL_CELL.size

    def _free(self, at: int, claimed: int) -> None:
        if os.pread(self._fd, 8, at) == claimed.to_bytes(8, "little"):
            os.pwrite(self._fd, bytes(8), at)

    def free_claim(self, index: int, claiming: int) -> None:
        """What the process of row `index`, now gone, was taking over, as its row says: free for the next one."""
        if claiming > layout.CLAIM_PART:
            self._free(self._cell_at(claiming - 1 - layout.CLAIM_PART), index + 1)
        else:
            slot = claiming - 1 - layout.CLAIM_TRIAL
            self._free(self._heads_offset + slot * layout.TRIAL_HEAD.size, index + 1)

    def close(self) -> None:
        os.close(self._fd)


def _kept(path: Path, length: int, head: bytes, same: Same, *, keep: bool) -> int | None:
    try:
        return same(path, length, head)
    except BlockingIOError:  # another parent has not ended yet: with a file of our own we are in nobody's way
        if keep:
            raise
        return None
