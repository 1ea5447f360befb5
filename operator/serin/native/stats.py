"""Counts of stats.bin as the endpoints of /metrics and the rollout engine read them: with pread, from any process."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serin.native import layout
from serin.native.twin.hashing import mix64

BOUNDS_US = layout.BUCKET_BOUNDS_US
"""Inclusive upper bounds of the latency buckets, in µs; each histogram has one bucket more, without a bound."""


DETAIL_BOUNDS_US = layout.DETAIL_BOUNDS_US
"""The same of the buckets of details: ingress-nginx's."""

DETAIL_SIZES = layout.DETAIL_SIZES
"""Inclusive upper bounds of the buckets of sizes, in bytes."""

_SUMS = 6
"""Of bytes and times in a detail; then come the buckets."""
_TIMED = 4 * layout.DETAIL_BUCKETS
_BUCKETS = (
    *((start, start + layout.DETAIL_BUCKETS) for start in range(0, _TIMED, layout.DETAIL_BUCKETS)),
    (_TIMED, _TIMED + layout.SIZE_BUCKETS),
    (_TIMED + layout.SIZE_BUCKETS, _TIMED + 2 * layout.SIZE_BUCKETS),
)


@dataclass(frozen=True, slots=True)
class Detail:
    """Requests of one status and method (both as ingress-nginx has them; 499: the client left; `OTHER`).

    Bytes with the heads; times in µs, of the request from its first byte on, all others from the last attempt on;
    `responses` are those of endpoints alone, our own answers are in `requests`. nginx samples bytes, `connects` and
    `headers`: their numbers are near that of the requests that they stand for.
    """

    status: int
    method: str
    received: int
    sent: int
    request_us: int
    response_us: int
    connect_us: int
    header_us: int
    requests: tuple[int, ...]
    responses: tuple[int, ...]
    connects: tuple[int, ...]
    headers: tuple[int, ...]
    received_sizes: tuple[int, ...]
    sent_sizes: tuple[int, ...]

    @property
    def count(self) -> int:
        return sum(self.requests)


@dataclass(frozen=True, slots=True)
class VersionTotals:
    """Requests by status class (0: no status, 1 … 5), failed attempts, sum of latencies in µs, requests by bucket.

    `details` also have the answers of our own to requests of main's route, which are in no class here; `undetailed` are
    requests that had no room there.
    """

    classes: tuple[int, ...]
    failures: int
    latency_us: int
    buckets: tuple[int, ...]
    details: tuple[Detail, ...] = ()
    undetailed: int = 0

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
    magic, version, _, _, _, rows, cells, rows_offset, cells_offset, details, _, details_offset = (
        layout.STATS_HEADER.unpack_from(head)
    )
    if magic != layout.STATS_MAGIC or version != layout.LAYOUT:
        return Totals({}, (0,) * layout.CLASSES)
    backed, used, _ = layout.STATS_COUNTS.unpack_from(head, layout.STATS_BACKED)
    table = os.pread(fd, rows * layout.STATS_ROW.size, rows_offset)
    table = table[: len(table) // layout.STATS_ROW.size * layout.STATS_ROW.size]
    per_row = list(layout.STATS_ROW.iter_unpack(table))
    others = tuple(sum(column) for column in zip(*per_row, strict=True)) or (0,) * layout.CLASSES
    chains = os.pread(fd, min(used, details) * layout.DETAIL.size, details_offset)
    return Totals(_read_cells(fd, cells_offset, min(backed, cells), rows, chains), others)


def _read_cells(fd: int, offset: int, count: int, rows: int, chains: bytes) -> dict[tuple[str, str], VersionTotals]:
    data = os.pread(fd, count * layout.STATS_CELL.size, offset)
    versions = {}
    for at in range(0, len(data) - layout.STATS_CELL.size + 1, layout.STATS_CELL.size):
        if int.from_bytes(data[at : at + 8], "little") <= rows:
            continue
        key, latency, *counts, failures, split, version, undetailed, first = layout.STATS_CELL.unpack_from(data, at)
        if key == mix64(split ^ mix64(version)):
            classes, buckets = tuple(counts[: layout.CLASSES]), tuple(counts[layout.CLASSES :])
            details = tuple(_chain(chains, first))
            versions[(f"{split:016x}", f"{version:016x}")] = VersionTotals(
                classes, failures, latency, buckets, details, undetailed
            )
    return versions


def _chain(chains: bytes, link: int) -> Iterator[Detail]:
    """The details from `link` on (1 + the first one's number); free ones are left out."""
    for _ in range(layout.DETAILS_EACH):
        if not 0 < link <= len(chains) // layout.DETAIL.size:
            return
        what, link, *bytes_and_times = layout.DETAIL.unpack_from(chains, (link - 1) * layout.DETAIL.size)
        if not what & layout.DETAIL_USED:
            continue
        sums, buckets = bytes_and_times[:_SUMS], bytes_and_times[_SUMS:]
        method = what & 0xFF
        yield Detail(
            what >> 8 & 0xFFF,
            layout.METHODS[method] if method < len(layout.METHODS) else layout.METHODS[0],
            *sums,
            *(tuple(buckets[start:end]) for start, end in _BUCKETS),
        )
