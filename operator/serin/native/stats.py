"""Counts of stats.bin as the endpoints of /metrics and the rollout engine read them: with pread, from any process."""

import os
from dataclasses import dataclass
from pathlib import Path

from serin.native import layout
from serin.native.twin.hashing import mix64

BOUNDS_US = layout.BUCKET_BOUNDS_US
"""Inclusive upper bounds of the latency buckets, in µs; each histogram has one bucket more, without a bound."""


@dataclass(frozen=True, slots=True)
class VersionTotals:
    """Requests by status class (0: no status, 1 … 5), failed attempts, sum of latencies in µs, requests by bucket."""

    classes: tuple[int, ...]
    failures: int
    latency_us: int
    buckets: tuple[int, ...]

    @property
    def requests(self) -> int:
        return sum(self.classes)


@dataclass(frozen=True, slots=True)
class Totals:
    """By split and version, both as 16 hex digits; and by class what no split had a part in. They only grow."""

    versions: dict[tuple[str, str], VersionTotals]
    others: tuple[int, ...]


def read(run_dir: Path) -> Totals:
    """All counts of now. Nothing counted yet, or no sound file: empty."""
    try:
        fd = os.open(run_dir / "state" / "stats.bin", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Totals({}, (0,) * layout.CLASSES)
    try:
        return _read(fd)
    finally:
        os.close(fd)


def _read(fd: int) -> Totals:
    head = os.pread(fd, layout.HEADER_SIZE, 0)
    if len(head) < layout.HEADER_SIZE:
        return Totals({}, (0,) * layout.CLASSES)
    magic, version, _, _, _, rows, cells, rows_offset, cells_offset = layout.STATS_HEADER.unpack_from(head)
    if magic != layout.STATS_MAGIC or version != layout.LAYOUT:
        return Totals({}, (0,) * layout.CLASSES)
    backed = int.from_bytes(head[layout.STATS_BACKED : layout.STATS_BACKED + 8], "little")
    table = os.pread(fd, rows * layout.STATS_ROW.size, rows_offset)
    table = table[: len(table) // layout.STATS_ROW.size * layout.STATS_ROW.size]
    per_row = list(layout.STATS_ROW.iter_unpack(table))
    others = tuple(sum(column) for column in zip(*per_row, strict=True)) or (0,) * layout.CLASSES
    return Totals(_read_cells(fd, cells_offset, min(backed, cells), rows), others)


def _read_cells(fd: int, offset: int, count: int, rows: int) -> dict[tuple[str, str], VersionTotals]:
    data = os.pread(fd, count * layout.STATS_CELL.size, offset)
    versions = {}
    for at in range(0, len(data) - layout.STATS_CELL.size + 1, layout.STATS_CELL.size):
        if int.from_bytes(data[at : at + 8], "little") <= rows:
            continue
        key, latency, *counts, failures, split, version = layout.STATS_CELL.unpack_from(data, at)
        if key == mix64(split ^ mix64(version)):
            classes, buckets = tuple(counts[: layout.CLASSES]), tuple(counts[layout.CLASSES :])
            versions[(f"{split:016x}", f"{version:016x}")] = VersionTotals(classes, failures, latency, buckets)
    return versions
