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


@dataclass(frozen=True, slots=True)
class SplitBlock:
    id: int
    seed: int
    total: int
    rest: bool
    counter: int
    versions: tuple[VersionBlock, ...]

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


def encode_body(block: SplitBlock | PoolBlock) -> bytes:
    """All that follows the block's common head."""
    if isinstance(block, SplitBlock):
        flags = layout.SPLIT_REST if block.rest else 0
        parts = [layout.SPLIT.pack(block.seed, block.shape, block.total, flags, block.counter, len(block.versions), 0)]
        parts += [
            layout.VERSION.pack(v.ident, v.pool, v.pool_slot, v.weight, v.stats_cell, v.pool_counter)
            for v in block.versions
        ]
        return b"".join(parts)
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
    seed, shape, total, flags, counter, count, _ = layout.SPLIT.unpack_from(body)
    if (
        not 0 < count <= layout.MAX_VERSIONS
        or len(body) != layout.SPLIT.size + count * layout.VERSION.size
        or total == 0
    ):
        raise BadBlockError("versions")
    versions = tuple(VersionBlock(*fields) for fields in layout.VERSION.iter_unpack(body[layout.SPLIT.size :]))
    split = SplitBlock(identity, seed, total, bool(flags & layout.SPLIT_REST), counter, versions)
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
