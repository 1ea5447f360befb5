"""state.bin and stats.bin (and limits.bin, trials.bin) as the data plane's parent makes and keeps them: rows of
workers, resolved names.

Written by the data plane alone. Counts of the file before are carried over; rows are not, they are processes.
"""

import fcntl
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from serin.native import layout
from serin.native.hashing import hash64, hash_more
from serin.native.layout import align, pack_address
from serin.native.limits_file import LimitsFile
from serin.native.trials_file import TrialsFile
from serin.native.words import MappedWords

_CHUNK = 1 << 20


def create(run_dir: Path, workers: int, *, keep: bool = False) -> "StateFiles":
    """Make RUN_DIR/state/state.bin and stats.bin anew for up to `workers` rows at least. The parent calls it once.

    `keep`: files that are there, whole and as large are gone on with, since processes may still have them mapped.
    """
    return StateFiles(run_dir / "state", max(workers, layout.WORKER_ROWS), keep=keep)


class StateFiles:
    """Both files, open in the parent. A row (`index`, from 0) is one worker process's; the parent gives rows out."""

    def __init__(self, directory: Path, rows: int, *, keep: bool = False) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._rows = rows
        head_size = layout.HEADER_SIZE
        self._rows_offset = head_size
        self._counters_offset = align(head_size + rows * layout.ROW.size, 4096)
        self._names_offset = self._counters_offset + layout.COUNTERS * layout.COUNTER_CELL
        self._endpoints_offset = align(self._names_offset + layout.NAMES * layout.NAME_SIZE, 4096)
        self._flight_offset = self._endpoints_offset + layout.ENDPOINTS * layout.ENDPOINT_CELL.size
        self._stats_cells_offset = align(head_size + rows * layout.STATS_ROW.size, 4096)
        self._details_offset = self._stats_cells_offset + layout.STATS_CELLS * layout.STATS_CELL.size
        self._keep = keep
        # before the files that workers wait for, so that they find it
        self._trials = TrialsFile(directory / "trials.bin", rows, keep=keep, fresh=_fresh, same=_same)
        self._state_fd = self._make_state(directory / "state.bin")
        self._stats_fd = self._make_stats(directory / "stats.bin")
        self._limits = LimitsFile(directory / "limits.bin", rows, keep=keep, fresh=_fresh, same=_same)
        self._words = MappedWords(self._state_fd, self._endpoints_offset)

    def _make_state(self, path: Path) -> int:
        length = self._flight_offset + self._rows * layout.ENDPOINTS * layout.FLIGHT_CELL
        head = layout.STATE_HEADER.pack(
            layout.STATE_MAGIC,
            layout.LAYOUT,
            layout.HEADER_SIZE,
            length,
            int.from_bytes(os.urandom(8), "little"),
            self._rows,
            layout.COUNTERS,
            layout.ENDPOINTS,
            layout.NAMES,
            self._rows_offset,
            self._counters_offset,
            self._names_offset,
            self._endpoints_offset,
            self._flight_offset,
        )
        if self._keep and (kept := _same(path, length, head)) is not None:
            return kept
        counters = _old_region(path, layout.STATE_MAGIC, self._counters_offset, self._names_offset)
        with _fresh(path, length, self._endpoints_offset) as fd:
            os.pwrite(fd, head + hash_more(0, head).to_bytes(8, "little"), 0)
            os.pwrite(fd, counters, self._counters_offset)
        return fd

    def _make_stats(self, path: Path) -> int:
        length = self._details_offset + layout.DETAILS * layout.DETAIL.size
        head = layout.STATS_HEADER.pack(
            layout.STATS_MAGIC,
            layout.LAYOUT,
            layout.HEADER_SIZE,
            length,
            int.from_bytes(os.urandom(8), "little"),
            self._rows,
            layout.STATS_CELLS,
            layout.HEADER_SIZE,
            self._stats_cells_offset,
            layout.DETAILS,
            0,
            self._details_offset,
        )
        if self._keep and (kept := _same(path, length, head)) is not None:
            return kept
        backed, used = _old_backed(path)
        end = self._stats_cells_offset + backed * layout.STATS_CELL.size
        counts = _old_region(path, layout.STATS_MAGIC, layout.HEADER_SIZE, end)
        details_end = self._details_offset + used * layout.DETAIL.size
        details = _old_region(path, layout.STATS_MAGIC, self._details_offset, details_end)
        with _fresh(path, length, end) as fd:
            os.posix_fallocate(fd, self._details_offset, max(len(details), 1))
            os.pwrite(fd, head + hash_more(0, head).to_bytes(8, "little"), 0)
            os.pwrite(fd, layout.STATS_COUNTS.pack(backed, used, used), layout.STATS_BACKED)
            os.pwrite(fd, counts, layout.HEADER_SIZE)
            os.pwrite(fd, details, self._details_offset)
        return fd

    def pids(self) -> tuple[int, ...]:
        """The process of each row, 0 where it is free."""
        rows = range(self._rows_offset, self._rows_offset + self._rows * layout.ROW.size, layout.ROW.size)
        return tuple(self._words.load(row) for row in rows)

    def release_worker(self, index: int) -> None:
        """The process of this row has ended: nothing of its is in flight, its row is free, its epoch counts no more.

        Only once the process is gone.
        """
        self._limits.release_worker(index)
        row = self._rows_offset + index * layout.ROW.size
        _pid, _epoch, claiming, backed = layout.ROW.unpack(self._words.read(row, layout.ROW.size))
        self._free_claim(index, claiming)
        at = self._flight_offset + index * layout.ENDPOINTS * layout.FLIGHT_CELL
        size = min(backed, layout.ENDPOINTS) * layout.FLIGHT_CELL
        for done in range(0, size, _CHUNK):
            os.pwrite(self._state_fd, bytes(min(_CHUNK, size - done)), at + done)
        self._words.store(row + 16, 0)
        self._words.store(row + 8, 0)
        self._words.store(row, 0)

    def _free_claim(self, index: int, claiming: int) -> None:
        """A cell that the process was taking over when it died: free for the next one."""
        if not claiming:
            return
        if claiming > layout.CLAIM_TRIAL:
            self._trials.free_claim(index, claiming)
            return
        fd, at = self._state_fd, self._endpoints_offset + (claiming - 1) * layout.ENDPOINT_CELL.size
        if claiming > layout.CLAIM_STATS:
            cell = claiming - 1 - layout.CLAIM_STATS
            fd, at = self._stats_fd, self._stats_cells_offset + cell * layout.STATS_CELL.size
        if os.pread(fd, 8, at) == (index + 1).to_bytes(8, "little"):
            os.pwrite(fd, bytes(8), at)

    def put_name(self, cell: int, name: str, addresses: Sequence[str]) -> None:
        """What `name` resolves to now; in force with the next request. No more than 16 addresses are taken.

        Addresses that stay keep their place, so that their counts stay theirs. ValueError for one that is no address.
        """
        if not 0 <= cell < layout.NAMES:
            raise ValueError(f"no cell {cell} for names")
        at = self._names_offset + cell * layout.NAME_SIZE
        ident = hash64(name.encode())
        version = self._words.load(at + 8)
        old = self._bank(at, version) if self._words.load(at) == ident else []
        packed = _keep_places(old, [pack_address(a) for a in addresses][: layout.NAME_ADDRESSES])
        families = bytes(family for family, _ in packed)
        bank = layout.BANK.pack(len(packed), families, b"".join(address for _, address in packed))
        self._words.write(at + layout.NAME_BANKS + ((version + 1) & 1) * layout.BANK.size, bank)
        self._words.store(at + 8, version + 1)
        self._words.store(at, ident)

    def _bank(self, at: int, version: int) -> list[tuple[int, bytes]]:
        data = self._words.read(at + layout.NAME_BANKS + (version & 1) * layout.BANK.size, layout.BANK.size)
        count, families, addresses = layout.BANK.unpack(data)
        return [(families[i], addresses[16 * i : 16 * i + 16]) for i in range(min(count, layout.NAME_ADDRESSES))]

    def close(self) -> None:
        self._words.close()
        self._limits.close()
        self._trials.close()
        os.close(self._state_fd)
        os.close(self._stats_fd)


def _keep_places(old: list[tuple[int, bytes]], new: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    wanted = list(dict.fromkeys(new))
    places: list[tuple[int, bytes] | None] = [a if a in wanted else None for a in old[: len(wanted)]]
    places += [None] * (len(wanted) - len(places))
    others = iter([a for a in wanted if a not in places])
    return [a if a is not None else next(others) for a in places]


@contextmanager
def _fresh(path: Path, length: int, allocated: int) -> Iterator[int]:
    """A new file that takes `path`'s name when the block ends well; the descriptor stays open, and locked."""
    fresh = path.with_name(f".{path.name}.new")
    fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(fd, length)
        os.posix_fallocate(fd, 0, allocated)
        yield fd
        fresh.rename(path)
    except BaseException:
        os.close(fd)
        raise


def _same(path: Path, length: int, head: bytes) -> int | None:
    """The file that is there, open and locked, when it is whole and of the same making; `head` as of a new one."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    found = os.pread(fd, len(head) + 8, 0)
    whole = found[len(head) :] == hash_more(0, found[: len(head)]).to_bytes(8, "little")
    if whole and os.fstat(fd).st_size == length and _without_instance(found[: len(head)]) == _without_instance(head):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        return fd
    os.close(fd)
    return None


def _without_instance(head: bytes) -> bytes:
    """Magic, layout, header size and length are the same in both files, and then comes what is drawn for each."""
    return head[:24] + head[32:]


def _old_region(path: Path, magic: int, start: int, end: int) -> bytes:
    """Bytes of the file that is there when it has this layout and these offsets, else nothing."""
    with suppress(OSError), path.open("rb") as f:
        if struct.unpack("<QI", os.pread(f.fileno(), 12, 0).ljust(12, b"\0")) == (magic, layout.LAYOUT):
            return os.pread(f.fileno(), end - start, start)
    return b""


def _old_backed(path: Path) -> tuple[int, int]:
    """Cells with memory, and details in use, of the file that is there."""
    data = _old_region(path, layout.STATS_MAGIC, layout.STATS_BACKED, layout.STATS_BACKED + layout.STATS_COUNTS.size)
    backed, used, _ = layout.STATS_COUNTS.unpack(data.ljust(layout.STATS_COUNTS.size, b"\0"))
    return min(backed, layout.STATS_CELLS), min(used, layout.DETAILS)
