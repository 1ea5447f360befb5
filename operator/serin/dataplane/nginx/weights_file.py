"""Weights and endpoints in force, as plan/pools.bin and state/state.bin have them: what stock mode is rendered from.

Reads with pread and checks, so that a file that is replaced meanwhile, or damaged, does no harm: the last sound weights
stay. Nothing is written.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from serin.errors import CorruptFileError
from serin.native import layout
from serin.native.hashing import hash64, hash_more
from serin.native.image import sound_header
from serin.native.layout import SlotFlag, word_offset
from serin.native.twin.blocks import BadBlockError, EndpointBlock, PoolBlock, SplitBlock, decode
from serin.render.nginx.weights import Weights
from serin.routing.plan import Algorithm, Endpoint, Pool, PoolSpec, RuleId, Share, Split

TRIES = 3
"""Times that the file is read while its writer changes it under our hands."""
_LONGEST_BLOCK = 1 << 24

_Seen = tuple[int, int, int, tuple[bytes, ...]]
"""Which file and which state of it; the addresses of external names."""


class WeightsFile:
    """Follows RUN_DIR/plan/pools.bin and the resolved names in RUN_DIR/state/state.bin."""

    def __init__(self, run_dir: Path) -> None:
        self._pools = run_dir / "plan" / "pools.bin"
        self._state = run_dir / "state" / "state.bin"
        self._seen: _Seen | None = None
        self._weights: Weights | None = None
        self._cells: dict[bytes, int] = {}

    def changed(self) -> bool:
        """Whether `current` may say something new: a few preads. Not while no sound file is there."""
        seen = self._look()
        return seen is not None and seen != self._seen

    def current(self) -> Weights:
        """CorruptFileError when there is no sound file and never was one; else the last sound one's."""
        for _ in range(TRIES):
            seen = self._look()
            if seen is not None and seen == self._seen:
                break
            try:
                self._read()
            except (OSError, BadBlockError):
                continue
            after = self._look()
            if after is not None and seen is not None and after[:3] == seen[:3]:
                self._seen = after
                break
        if self._weights is None:
            raise CorruptFileError(f"{self._pools}: no weights can be read")
        return self._weights

    def _look(self) -> _Seen | None:
        try:
            with _opened(self._pools) as fd:
                head = os.pread(fd, layout.HEADER_SIZE, 0)
                size = os.fstat(fd).st_size
        except OSError:
            return None
        if not sound_header(head, size):
            return None
        instance = layout.POOLS_HEADER.unpack_from(head)[4]
        epoch, moved = (int.from_bytes(head[at : at + 8], "little") for at in (layout.POOLS_EPOCH, layout.POOLS_MOVED))
        return instance, epoch, moved, tuple(self._names().values())

    def _read(self) -> None:
        splits: dict[str, Split] = {}
        blocks: dict[str, PoolBlock] = {}
        with _opened(self._pools) as fd:
            for block in _blocks(fd):
                if isinstance(block, SplitBlock):
                    splits[_hex(block.id)] = _split(block)
                else:
                    blocks[_hex(block.id)] = block
        self._cells = {b.name: b.name_cell for b in blocks.values() if b.name and b.name_cell < layout.NAMES}
        resolved = self._names()
        self._weights = Weights(splits, {i: _pool(block, resolved.get(block.name)) for i, block in blocks.items()})

    def _names(self) -> dict[bytes, bytes]:
        """Of each external name its bank of addresses, empty while it was not resolved."""
        found: dict[bytes, bytes] = {}
        if not self._cells:
            return found
        with suppress(OSError), _opened(self._state) as fd:
            head = os.pread(fd, layout.HEADER_SIZE, 0)
            offset = _names_offset(head)
            if offset is None:
                return found
            for name, cell in self._cells.items():
                found[name] = _bank(os.pread(fd, layout.NAME_SIZE, offset + cell * layout.NAME_SIZE), name)
        return found


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _blocks(fd: int) -> Iterator[SplitBlock | PoolBlock]:
    """All blocks in force. BadBlockError when one is not what its slot says, or was taken back while it was read."""
    head = os.pread(fd, layout.HEADER_SIZE, 0)
    size = os.fstat(fd).st_size
    if not sound_header(head, size):
        raise BadBlockError("header")
    fields = layout.POOLS_HEADER.unpack_from(head)
    slots, slot_offset = fields[5], fields[7]
    for identity, word in layout.SLOT.iter_unpack(os.pread(fd, slots * layout.SLOT.size, slot_offset)):
        offset = word_offset(word)
        if not identity or not offset:
            continue
        length = int.from_bytes(os.pread(fd, layout.BLOCK.size, offset)[8:12], "little")
        block = decode(os.pread(fd, min(length, _LONGEST_BLOCK, max(size - offset, 0)), offset), hash_more)
        if block.id != identity or isinstance(block, SplitBlock) != (word & SlotFlag.KIND == SlotFlag.SPLIT):
            raise BadBlockError("another block's")
        yield block


def _split(block: SplitBlock) -> Split:
    """The file does not know the rule that the split is of. Its trial is left out: nginx alone counts for none."""
    shares = tuple(Share(_hex(v.ident), _hex(v.pool), v.weight) for v in block.versions)
    return Split(
        _hex(block.id),
        RuleId("", "", ""),
        shares,
        block.total,
        block.rest,
        first=shares[block.first].ident if block.first >= 0 else "",
        suspended=tuple(share.ident for i, share in enumerate(shares) if block.suspended >> i & 1),
        salts=block.salts,
    )


def _pool(block: PoolBlock, bank: bytes | None) -> Pool:
    spec = PoolSpec(_hex(block.id), "", "", block.port, Algorithm[block.algorithm.name], block.subset)
    name = block.name.decode("ascii", "replace")
    endpoints = _addresses(bank, block.port) if name else tuple(_endpoint(e) for e in block.endpoints)
    return Pool(spec, endpoints, name, block.port if name else 0, int(block.by_client))


def _endpoint(block: EndpointBlock) -> Endpoint:
    return Endpoint(layout.unpack_address(block.family, block.address), block.port)


def _addresses(bank: bytes | None, port: int) -> tuple[Endpoint, ...]:
    if not bank:
        return ()
    count, families, addresses = layout.BANK.unpack(bank)
    return tuple(
        Endpoint(layout.unpack_address(families[i], addresses[16 * i : 16 * i + 16]), port)
        for i in range(min(count, layout.NAME_ADDRESSES))
    )


def _names_offset(head: bytes) -> int | None:
    if len(head) < layout.STATE_CHECKSUM + 8:
        return None
    fields = layout.STATE_HEADER.unpack_from(head)
    checksum = int.from_bytes(head[layout.STATE_CHECKSUM : layout.STATE_CHECKSUM + 8], "little")
    sound = (fields[0], fields[1]) == (layout.STATE_MAGIC, layout.LAYOUT)
    offset: int = fields[11]
    return offset if sound and checksum == hash_more(0, head[: layout.STATE_CHECKSUM]) else None


def _bank(cell: bytes, name: bytes) -> bytes:
    if len(cell) < layout.NAME_SIZE or int.from_bytes(cell[:8], "little") != hash64(name):
        return b""
    version = int.from_bytes(cell[8:16], "little")
    at = layout.NAME_BANKS + (version & 1) * layout.BANK.size
    return cell[at : at + layout.BANK.size]


def _hex(number: int) -> str:
    return f"{number:016x}"
