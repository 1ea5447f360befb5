"""Layouts of pools.bin, state.bin, stats.bin and the like in Python: the same numbers as csrc/layout.h.

For the writers of the files, the readers of counts and the twin. Knows bytes only, opens nothing.
docs/run-directory.md says the same in words.
"""

import socket
import struct
from enum import IntEnum, IntFlag

from serin.routing.plan import Algorithm

LAYOUT = 2
HEADER_SIZE = 4096
GRANULE = 64
"""Blocks begin at multiples of this many bytes."""

POOLS_MAGIC = int.from_bytes(b"SRNPOOL1", "little")
STATE_MAGIC = int.from_bytes(b"SRNSTAT1", "little")
LIMITS_MAGIC = int.from_bytes(b"SRNLMT1\0", "little")
TRIALS_MAGIC = int.from_bytes(b"SRNRIAL1", "little")
STATS_MAGIC = int.from_bytes(b"SRNCUNT3", "little")
BLOCK_MAGIC = int.from_bytes(b"SBLK", "little")

MAX_VERSIONS = 16
MAX_SUBSET = 64
NAME_ADDRESSES = 16
CLASSES = 6
BUCKETS = 32

POOLS_HEADER = struct.Struct("<QIIQQIIQQ")
"""magic, layout, header size, length, instance, slots, 0, slot offset, heap offset; then the checksum of these."""
POOLS_CHECKSUM = 56
POOLS_EPOCH = 64
POOLS_MOVED = 72
POOLS_FLIGHT_READERS = 80
POOLS_COUNTERS_USED = 128
POOLS_ENDPOINTS_USED = 136
POOLS_STATS_USED = 144

SLOT = struct.Struct("<QQ")
"""id, word"""
BLOCK = struct.Struct("<IHHIIQQ")
"""magic, kind, layout, length, generation, id, checksum"""
BLOCK_CHECKED_HEAD = 24
SPLIT = struct.Struct("<QIIIIIBBH")
"""After BLOCK: seed, shape, total, flags, counter, count, 1 + index drawn first (0: none), 0, bits of suspended ones"""
RELEASE = struct.Struct("<QQQII")
"""After the versions of a split that is salted or in a trial: two salts, trial, its slot, place of the first version"""
VERSION = struct.Struct("<QQIIII")
"""ident, pool, pool slot, weight, stats cell, pool's counter"""
POOL = struct.Struct("<IIIIIIHHI")
"""After BLOCK: algorithm, subset, flags, count, counter, name cell, port, length of name, base cell"""
ENDPOINT = struct.Struct("<Q16sHBBI")
"""ident, address, port, family, 0, cell"""
BODY = BLOCK.size + SPLIT.size
"""Where a block's versions, endpoints or name begin; the same for both kinds."""

STATE_HEADER = struct.Struct("<QIIQQIIIIQQQQQ")
"""magic, layout, header size, length, instance, rows, counters, endpoints, names; offsets of rows, counters, names,
endpoints, in-flight matrix; then the checksum of these."""
STATE_CHECKSUM = 88
STATE_ROWS_USED = 128
STATE_ENDPOINTS_BACKED = 136
STATE_EJECTED_LATEST = 144

ROW = struct.Struct("<QQQQ32x")
"""pid, epoch, claiming, in-flight cells with memory"""
CLAIM_STATS = 1 << 32
CLAIM_TRIAL = 2 << 32
CLAIM_PART = 3 << 32
ENDPOINT_CELL = struct.Struct("<QQQQ")
"""ident, ejected until, pace, failures"""
FLIGHT_CELL = 8
COUNTER_CELL = 8
BANK = struct.Struct("<B16s7x256s")
"""count, families, addresses"""
NAME_SIZE = 640
NAME_BANKS = 16

STATS_HEADER = struct.Struct("<QIIQQIIQQIIQ")
"""magic, layout, header size, length, instance, rows, cells; offsets of rows, cells; details, 0, their offset; then the
checksum of these."""
STATS_CHECKSUM = 72
STATS_BACKED = 80
STATS_COUNTS = struct.Struct("<QQQ")
"""At STATS_BACKED: cells with memory, details ever given out, details with memory."""
STATS_ROW = struct.Struct(f"<{CLASSES}Q16x")
STATS_CELL = struct.Struct(f"<QQ{CLASSES}Q{BUCKETS}QQQQQQ24x")
"""key, sum of latencies, classes, buckets, failures, split, version, requests without detail, first detail (1 + its
number)"""
DETAIL_BUCKETS = 12
SIZE_BUCKETS = 8
DETAIL = struct.Struct(f"<8Q{4 * DETAIL_BUCKETS}Q{2 * SIZE_BUCKETS}Q")
"""method and status, next (1 + its number), bytes received, sent, µs of requests, responses, connects, headers; buckets
of these four times, of bytes received, sent"""
DETAIL_USED = 0x100000
DETAILS_EACH = 64
DETAILS = 1 << 16
DETAIL_BOUNDS_US = (
    *(5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000),
)
"""Inclusive upper bounds of the buckets of details in µs: ingress-nginx's."""
DETAIL_SIZES = (10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000)
"""The same of bytes."""
METHODS = (
    *("OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "MKCOL", "COPY", "MOVE", "OPTIONS", "PROPFIND", "PROPPATCH"),
    *("LOCK", "UNLOCK", "PATCH", "TRACE", "CONNECT"),
)
"""By the number that details have for them."""

TRIALS_HEADER = struct.Struct("<QIIQQIIQQQ")
"""magic, layout, header size, length, instance, slots, 0; offsets of heads, cells, tables of users; then the checksum
of these."""
TRIAL_HEAD = struct.Struct("<QQQ40x")
"""trial, no room for users, memory behind cells (by bit) and users"""
USERS_BACKED = 1 << 16
TRIAL_STATUSES = 600
TRIAL_BUCKETS = 97
USER_WORDS = 128
TRIAL_CELL = struct.Struct(f"<Q{2 * TRIAL_STATUSES}Q{2 * TRIAL_BUCKETS}Q{USER_WORDS}Q104x")
"""key (of trial and place), drawn and other requests by status, the same by latency, bits of users"""
BAD_USERS = 4096
BAD_USER = struct.Struct("<Q")
"""user's key without its lowest 16 bits, place in bits 12 to 15, status below"""
TRIALS = 1024

LIMITS_HEADER = struct.Struct("<QIIQQIIIIQQQ")
"""magic, layout, header size, length, instance, rows, sets of buckets, sets of cells, 0; offsets of locks, buckets,
cells; then the checksum of these, and the rows ever taken."""
BUCKET = struct.Struct("<QQQ")
"""name, excess in thousandths of a request, ms of the last request counted"""
BUCKET_WAYS = 10
LIMIT_CELL = struct.Struct("<QQ")
"""name, count"""
CELL_WAYS = 16
LIMIT_SET = 256
"""Bytes of a set of buckets or cells."""
BUCKET_SETS = 1 << 13
CELL_SETS = 1 << 12

BUCKET_BOUNDS_US = (
    *(100, 250, 500, 1000, 2000, 3000, 4000, 5000, 7500, 10_000, 15_000, 20_000, 25_000, 35_000, 50_000, 75_000),
    *(100_000, 150_000, 200_000, 250_000, 350_000, 500_000, 750_000, 1_000_000, 1_500_000, 2_500_000, 3_500_000),
    *(5_000_000, 7_500_000, 10_000_000, 30_000_000),
)
"""Inclusive upper bounds of the latency buckets in µs, those of ingress-nginx among them; the last bucket has none."""

NO_CELL = 0xFFFFFFFF
WORKER_ROWS = 64
COUNTERS = 1 << 17
ENDPOINTS = 1 << 20
NAMES = 8192
STATS_CELLS = 1 << 16


class SlotFlag(IntFlag):
    """Lowest bits of a slot's word."""

    SPLIT = 1
    POOL = 2
    FILLED = 4
    EXTERNAL = 8
    KIND = 3


class PoolFlag(IntFlag):
    EXTERNAL = 1
    BY_CLIENT = 2


class SplitFlag(IntFlag):
    REST = 1
    SALTED = 2
    TRIAL = 4
    CLIENT_ERRORS = 8


class AlgorithmCode(IntEnum):
    ROUND_ROBIN = 0
    RANDOM = 1
    LEAST_CONN = 2
    EWMA = 3
    SHORTEST_EXPECTED_DELAY = 4
    NEVER_QUEUE = 5
    HASH = 6
    HASH_SUBSET = 7

    @property
    def reads_flight(self) -> bool:
        """Whether the choice looks at requests in flight."""
        return self in {
            AlgorithmCode.LEAST_CONN,
            AlgorithmCode.EWMA,
            AlgorithmCode.SHORTEST_EXPECTED_DELAY,
            AlgorithmCode.NEVER_QUEUE,
        }

    @staticmethod
    def of(algorithm: Algorithm) -> "AlgorithmCode":
        return AlgorithmCode[algorithm.name]


def align(size: int, to: int) -> int:
    return -(-size // to) * to


def trial_offsets() -> tuple[int, int, int, int]:
    """Of heads, cells and tables of users in trials.bin, and its length: all such files have the same."""
    cells = align(HEADER_SIZE + TRIALS * TRIAL_HEAD.size, 4096)
    users = cells + TRIALS * MAX_VERSIONS * TRIAL_CELL.size
    return HEADER_SIZE, cells, users, users + TRIALS * BAD_USERS * BAD_USER.size


def slot_word(offset: int, generation: int, flags: int) -> int:
    """A slot's word: offset in granules, 24 bits of generation, flags."""
    return (offset // GRANULE) << 32 | (generation & 0xFFFFFF) << 8 | flags


def word_offset(word: int) -> int:
    return (word >> 32) * GRANULE


def pack_address(address: str) -> tuple[int, bytes]:
    """Family (4 or 6) and the address in 16 bytes, an IPv4 one in the first four. ValueError when it is neither."""
    try:
        if ":" in address:
            return 6, socket.inet_pton(socket.AF_INET6, address)
        return 4, socket.inet_pton(socket.AF_INET, address) + bytes(12)
    except OSError as e:
        raise ValueError(f"not an IPv4 or IPv6 address: {address!r}") from e


def unpack_address(family: int, packed: bytes) -> str:
    if family == 6:
        return socket.inet_ntop(socket.AF_INET6, packed)
    return socket.inet_ntop(socket.AF_INET, packed[:4])
