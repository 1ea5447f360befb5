"""Counts of trials.bin as the rollout engine takes them: with pread, from any process.

Reads whatever is there and whole; what is being taken over by another trial just now is left out. A data plane that was
broken into has the file in its hands: nothing in it says how much is read, and from where.
"""

import os
import stat
import struct
from collections.abc import Collection
from math import log
from pathlib import Path

from serin.native import layout
from serin.native.hashing import hash_more
from serin.native.twin.hashing import mix64
from serin.rollout.facts import ReplicaCounts, TrialCounts, VersionCounts

NOTHING = ReplicaCounts("", {})
_BITS = 64 * layout.USER_WORDS
_COUNTS = 2 * layout.TRIAL_STATUSES
_USERS = _COUNTS + 2 * layout.TRIAL_BUCKETS


def read(run_dir: Path, wanted: Collection[str] | None = None) -> ReplicaCounts:
    """All counts of now, or those of the trials `wanted`. No sound file: NOTHING.

    Trials that are over stay until another one needs their place.
    """
    try:
        fd = os.open(run_dir / "state" / "trials.bin", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return NOTHING
    try:
        return _read(fd, wanted)
    finally:
        os.close(fd)


def cell_key(trial: int, place: int) -> int:
    """What the cell of a trial's version at `place` is known by."""
    return mix64(trial ^ mix64(place)) | 1 << 63


def _read(fd: int, wanted: Collection[str] | None) -> ReplicaCounts:
    heads, cells, users, length = layout.trial_offsets()
    told = os.fstat(fd)
    if not stat.S_ISREG(told.st_mode) or told.st_size != length:
        return NOTHING
    head = os.pread(fd, layout.TRIALS_HEADER.size + 8, 0)
    if len(head) < layout.TRIALS_HEADER.size + 8:
        return NOTHING
    magic, version, _, _, instance, *places = layout.TRIALS_HEADER.unpack_from(head)
    whole = head[layout.TRIALS_HEADER.size :] == hash_more(0, head[: layout.TRIALS_HEADER.size]).to_bytes(8, "little")
    if (magic, version) != (layout.TRIALS_MAGIC, layout.LAYOUT) or not whole:
        return NOTHING
    if places != [layout.TRIALS, 0, heads, cells, users]:
        return NOTHING
    trials = {}
    table = os.pread(fd, layout.TRIALS * layout.TRIAL_HEAD.size, heads)
    for slot in range(len(table) // layout.TRIAL_HEAD.size):
        trial, full, backed = layout.TRIAL_HEAD.unpack_from(table, slot * layout.TRIAL_HEAD.size)
        name = f"{trial:016x}"
        if trial <= _MOST_ROWS or (wanted is not None and name not in wanted):
            continue
        first = cells + slot * layout.MAX_VERSIONS * layout.TRIAL_CELL.size
        versions = tuple(_version(fd, first, trial, place, backed) for place in range(layout.MAX_VERSIONS))
        bad = _bad_users(fd, users + slot * layout.BAD_USERS * 8) if backed & layout.USERS_BACKED else frozenset()
        at = heads + slot * layout.TRIAL_HEAD.size
        if os.pread(fd, 8, at) == trial.to_bytes(8, "little"):
            trials[name] = TrialCounts(_without_end(versions), bad, bool(full))
    return ReplicaCounts(f"{instance:016x}", trials)


_MOST_ROWS = 1024
"""Below: a process is taking the slot over."""


def _version(fd: int, first: int, trial: int, place: int, backed: int) -> VersionCounts:
    if not backed >> place & 1:
        return VersionCounts()
    at, key = first + place * layout.TRIAL_CELL.size, cell_key(trial, place)
    data = os.pread(fd, layout.TRIAL_CELL.size, at)
    if len(data) < layout.TRIAL_CELL.size or os.pread(fd, 8, at) != key.to_bytes(8, "little"):
        return VersionCounts()
    found, *words = layout.TRIAL_CELL.unpack(data)
    if found != key:
        return VersionCounts()
    drawn, other = words[: layout.TRIAL_STATUSES], words[layout.TRIAL_STATUSES : _COUNTS]
    middle = _COUNTS + layout.TRIAL_BUCKETS
    return VersionCounts(
        {status: n for status, n in enumerate(drawn) if n},
        {status: n for status, n in enumerate(other) if n},
        tuple(words[_COUNTS:middle]),
        tuple(words[middle:_USERS]),
        different(sum(word.bit_count() for word in words[_USERS:])),
    )


def different(bits: int) -> int:
    """About how many users set so many bits of 8192 (linear counting; Whang, Vander-Zanden, Taylor 1990).

    Within 1 % up to 10,000 users; all bits set: the most that can be told, 79,499.
    """
    return round(-_BITS * log(max(_BITS - bits, 0.5) / _BITS))


def _bad_users(fd: int, at: int) -> frozenset[tuple[int, int, int]]:
    data = os.pread(fd, layout.BAD_USERS * 8, at)
    words = struct.unpack(f"<{len(data) // 8}Q", data[: len(data) // 8 * 8])
    return frozenset((word >> 16, word >> 12 & 15, word & 0xFFF) for word in words if word)


def _without_end(versions: tuple[VersionCounts, ...]) -> tuple[VersionCounts, ...]:
    """Up to the last version that was ever counted."""
    used = [place for place, counts in enumerate(versions) if counts.drawn or counts.other]
    return versions[: used[-1] + 1] if used else ()
