"""Blocks of pools.bin as values: encoded for the writer, decoded and checked for the oracle and for a take-over."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from serin.errors import CorruptFileError
from serin.native import layout
from serin.native.twin.hashing import hash_more, shape_of

Hasher = Callable[[int, bytes], int]


class BadBlockError(CorruptFileError):
    """A block that fails its checks; the text says which."""


class VersionBlock(NamedTuple):
    ident: int
    pool: int
    pool_slot: int
    weight: int
    stats_cell: int
    pool_counter: int


class TrialBlock(NamedTuple):
    id: int
    slot: int
    place: int
    client_errors: bool


@dataclass(frozen=True, slots=True)
class SplitBlock:
    """`first`: index of the version drawn before all others, -1 for none; `suspended`: a bit for each such version."""

    id: int
    seed: int
    total: int
    rest: bool
    counter: int
    versions: tuple[VersionBlock, ...]
    first: int = -1
    suspended: int = 0
    salts: tuple[int, int] | None = None
    trial: TrialBlock | None = None

    @property
    def shape(self) -> int:
        return shape_of(tuple(v.ident for v in self.versions))


class EndpointBlock(NamedTuple):
    ident: int
    address: bytes
    port: int
    family: int
    cell: int


@dataclass(frozen=True, slots=True)
class PoolBlock:
    """`name` is empty but for an external name; then `base_cell` and `name_cell` count and `endpoints` is empty."""

    id: int
    algorithm: layout.AlgorithmCode
    subset: int
    by_client: bool
    counter: int
    endpoints: tuple[EndpointBlock, ...]
    name: bytes = b""
    name_cell: int = 0
    base_cell: int = 0
    port: int = 0


def _encode_split(block: SplitBlock) -> bytes:
    flag, salts, trial = layout.SplitFlag, block.salts, block.trial
    flags = (flag.REST if block.rest else 0) | (flag.SALTED if salts else 0) | (flag.TRIAL if trial else 0)
    flags |= flag.CLIENT_ERRORS if trial and trial.client_errors else 0
    first, count = block.first + 1, len(block.versions)
    head = layout.SPLIT.pack(
        block.seed, block.shape, block.total, flags, block.counter, count, first, 0, block.suspended
    )
    release = b""
    if salts or trial:
        number, slot, place, _ = trial or (0, 0, 0, False)
        release = layout.RELEASE.pack(*(salts or (0, 0)), number, slot, place)
    return b"".join([head, *(layout.VERSION.pack(*v) for v in block.versions), release])


def encode_body(block: SplitBlock | PoolBlock) -> bytes:
    """All that follows the block's common head."""
    if isinstance(block, SplitBlock):
        return _encode_split(block)
    flags = (layout.PoolFlag.EXTERNAL if block.name else 0) | (layout.PoolFlag.BY_CLIENT if block.by_client else 0)
    head = layout.POOL.pack(
        block.algorithm,
        block.subset,
        flags,
        len(block.endpoints),
        block.counter,
        block.name_cell,
        block.port,
        len(block.name),
        block.base_cell,
    )
    listed = [layout.ENDPOINT.pack(e.ident, e.address, e.port, e.family, 0, e.cell) for e in block.endpoints]
    return b"".join([head, *listed, block.name, bytes(-len(block.name) % 8)])


def slot_flags(block: SplitBlock | PoolBlock) -> int:
    if isinstance(block, SplitBlock):
        return layout.SlotFlag.SPLIT
    external = layout.SlotFlag.EXTERNAL if block.name else 0
    return layout.SlotFlag.POOL | external | (layout.SlotFlag.FILLED if block.endpoints else 0)


def frame(kind: int, identity: int, generation: int, body: bytes, hasher: Hasher = hash_more) -> bytes:
    """A whole block: head with checksum, then `body`. `hasher` may be the C one, which gives the same faster."""
    head = layout.BLOCK.pack(
        layout.BLOCK_MAGIC, kind, layout.LAYOUT, layout.BLOCK.size + len(body), generation, identity, 0
    )
    checksum = hasher(hasher(0, head[: layout.BLOCK_CHECKED_HEAD]), body)
    return head[: layout.BLOCK_CHECKED_HEAD] + checksum.to_bytes(8, "little") + body


def decode(data: bytes, hasher: Hasher = hash_more) -> SplitBlock | PoolBlock:
    """The block at the start of `data`; BadBlockError when a check fails."""
    try:
        magic, kind, version, length, _generation, identity, checksum = layout.BLOCK.unpack_from(data)
    except struct.error as e:
        raise BadBlockError("cut off") from e
    if magic != layout.BLOCK_MAGIC or version != layout.LAYOUT or not layout.BODY <= length <= len(data):
        raise BadBlockError("magic, layout or length")
    body = data[layout.BLOCK.size : length]
    if checksum != hasher(hasher(0, data[: layout.BLOCK_CHECKED_HEAD]), body):
        raise BadBlockError("checksum")
    if kind == layout.SlotFlag.SPLIT:
        return _decode_split(identity, body)
    if kind == layout.SlotFlag.POOL:
        return _decode_pool(identity, body)
    raise BadBlockError("kind")


def _decode_split(identity: int, body: bytes) -> SplitBlock:
    seed, shape, total, flags, counter, count, first, _, suspended = layout.SPLIT.unpack_from(body)
    flag, end = layout.SplitFlag, layout.SPLIT.size + count * layout.VERSION.size
    more = layout.RELEASE.size if flags & (flag.SALTED | flag.TRIAL) else 0
    if not 0 < count <= layout.MAX_VERSIONS or len(body) != end + more or total == 0 or first > count:
        raise BadBlockError("versions")
    versions = tuple(VersionBlock(*fields) for fields in layout.VERSION.iter_unpack(body[layout.SPLIT.size : end]))
    *salts, number, slot, place = layout.RELEASE.unpack_from(body, end) if more else (0, 0, 0, 0, 0)
    trial = TrialBlock(number, slot, place, bool(flags & flag.CLIENT_ERRORS)) if flags & flag.TRIAL else None
    if trial and (trial.id == 0 or trial.place + count > layout.MAX_VERSIONS):
        raise BadBlockError("trial")
    split = SplitBlock(
        identity,
        seed,
        total,
        bool(flags & flag.REST),
        counter,
        versions,
        first - 1,
        suspended,
        (salts[0], salts[1]) if flags & flag.SALTED else None,
        trial,
    )
    if split.shape != shape or sum(v.weight for v in versions) >= 1 << 32:
        raise BadBlockError("shape or weights")
    return split


def _decode_pool(identity: int, body: bytes) -> PoolBlock:
    algorithm, subset, flags, count, counter, name_cell, port, name_len, base_cell = layout.POOL.unpack_from(body)
    rest = body[layout.POOL.size :]
    if algorithm >= len(layout.AlgorithmCode) or name_len > len(rest):
        raise BadBlockError("algorithm or name")
    external = bool(flags & layout.PoolFlag.EXTERNAL)
    if not external and len(rest) != count * layout.ENDPOINT.size:
        raise BadBlockError("endpoints")
    endpoints = () if external else tuple(_endpoint(*fields) for fields in layout.ENDPOINT.iter_unpack(rest))
    name = bytes(rest[:name_len]) if external else b""
    by_client = bool(flags & layout.PoolFlag.BY_CLIENT)
    code = layout.AlgorithmCode(algorithm)
    return PoolBlock(identity, code, subset, by_client, counter, endpoints, name, name_cell, base_cell, port)


def _endpoint(ident: int, address: bytes, port: int, family: int, _reserved: int, cell: int) -> EndpointBlock:
    if family not in (4, 6):
        raise BadBlockError("family")
    return EndpointBlock(ident, address, port, family, cell)
