"""One pools.bin on disk: header, slots, blocks. Publishes blocks so that readers see the old or the new one, whole.

Blocks are written with pwrite, so that a full memory disk is an error here and never a signal in a reader; slots are
allocated when the file is made. Knows ids and bytes, not what splits and pools are.
"""

import contextlib
import errno
import fcntl
import os
from array import array
from collections.abc import Iterator
from pathlib import Path

from serin.errors import RunDirectoryError
from serin.native import layout
from serin.native.epochs import oldest_epoch
from serin.native.hashing import hash_more
from serin.native.heap import Heap, room_for
from serin.native.layout import SlotFlag
from serin.native.twin.blocks import frame
from serin.native.twin.hashing import mix64
from serin.native.words import MappedWords

SLOT_KEEP_SECONDS = 600.0


class FileFullError(Exception):
    """No slot or no room is left: a larger file has to take this one's place."""


class Image:
    """An open file; made by `create` or `adopt`. `now` is monotonic seconds, `state` the path of state.bin."""

    def __init__(self, fd: int, path: Path, state: Path, now: float) -> None:
        self._fd = fd
        self._path = path
        self._state = state
        head = os.pread(fd, layout.HEADER_SIZE, 0)
        fields: tuple[int, ...] = layout.POOLS_HEADER.unpack_from(head)
        self.length, self.instance, self.slot_count, _, self._slot_offset, heap = fields[3:]
        self._heap_offset = heap
        self.words = MappedWords(fd, heap)
        self._ids = array("Q", self.words.read(self._slot_offset, self.slot_count * layout.SLOT.size))[0::2]
        self._slots: dict[tuple[int, int], int] = {}
        self._dropped: dict[int, float] = {}
        self._taken = sum(1 for i in self._ids if i)
        used = sorted(self._adopt_slots(now))
        self.damaged = _overlap(used, heap, self.length)
        """Blocks lie over each other or outside: nothing may be written here any more."""
        self.epoch = self.words.load(layout.POOLS_EPOCH) + 1
        self.words.store(layout.POOLS_EPOCH, self.epoch)
        self._heap = Heap(heap, self.length, used, self.epoch)

    @classmethod
    def create(
        cls, path: Path, state: Path, *, slots: int, heap: int, instance: int, epoch: int, now: float
    ) -> "Image":
        """A new, empty file beside `path`; it takes that name with `replace`. Sizes in slots and bytes."""
        heap_offset = layout.align(layout.HEADER_SIZE + slots * layout.SLOT.size, 4096)
        length = heap_offset + layout.align(heap, 4096)
        head = layout.POOLS_HEADER.pack(
            layout.POOLS_MAGIC,
            layout.LAYOUT,
            layout.HEADER_SIZE,
            length,
            instance,
            slots,
            0,
            layout.HEADER_SIZE,
            heap_offset,
        )
        fresh = path.with_name(f".{path.name}.new")
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, length)
            os.posix_fallocate(fd, 0, heap_offset)
            os.pwrite(fd, head + hash_more(0, head).to_bytes(8, "little") + epoch.to_bytes(8, "little"), 0)
            return cls(fd, path, state, now)
        except BaseException:
            os.close(fd)
            fresh.unlink(missing_ok=True)
            raise

    @classmethod
    def adopt(cls, path: Path, state: Path, now: float) -> "Image | None":
        """The file that is there, None when there is none or its header does not check.

        RunDirectoryError: another process writes it.
        """
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            _lock(fd, path)
            if sound_header(os.pread(fd, layout.HEADER_SIZE, 0), os.fstat(fd).st_size):
                return cls(fd, path, state, now)
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
        return None

    def _adopt_slots(self, now: float) -> list[tuple[int, int]]:
        used = []
        for slot, identity in enumerate(self._ids):
            if not identity:
                continue
            word = self.words.load(self._word_at(slot))
            self._slots[(word & SlotFlag.KIND, identity)] = slot
            offset = layout.word_offset(word)
            if offset:
                used.append((offset, max(self._length_at(offset), layout.BODY)))
            else:
                self._dropped[slot] = now
        return used

    def _word_at(self, slot: int) -> int:
        return self._slot_offset + slot * layout.SLOT.size + 8

    def _length_at(self, offset: int) -> int:
        """Length of the block there, as it says itself but for what cannot be; 0 for none."""
        head = os.pread(self._fd, layout.BLOCK.size, offset)
        length = int.from_bytes(head[8:12], "little") if len(head) == layout.BLOCK.size else 0
        return min(length, max(self.length - offset, 0))

    def slot(self, kind: int, identity: int) -> int | None:
        return self._slots.get((kind, identity))

    def ids(self, kind: int) -> Iterator[int]:
        """Ids of a kind that have a block in force."""
        for (of_kind, identity), slot in self._slots.items():
            if of_kind == kind and layout.word_offset(self.words.load(self._word_at(slot))):
                yield identity

    def block(self, kind: int, identity: int) -> bytes | None:
        """The whole block in force."""
        slot = self.slot(kind, identity)
        if slot is None:
            return None
        offset = layout.word_offset(self.words.load(self._word_at(slot)))
        return os.pread(self._fd, self._length_at(offset), offset) if offset else None

    def publish(self, kind: int, identity: int, flags: int, body: bytes, now: float) -> int:
        """Put a block in force in place of the one before; its slot. FileFullError when there is no room."""
        slot = self._slot_for(kind, identity, now)
        before = self.words.load(self._word_at(slot))
        generation = ((before >> 8) + 1) & 0xFFFFFF
        data = frame(kind, identity, generation, body, hash_more)
        offset = self._room(len(data))
        try:
            written = os.pwrite(self._fd, data, offset)
            if written != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        except OSError:
            self._heap.give_back(offset, len(data))
            raise
        self._switch(slot, before, layout.slot_word(offset, generation, flags))
        self._dropped.pop(slot, None)
        return slot

    def withdraw(self, kind: int, identity: int, now: float) -> None:
        """No block of this id any more; the slot stays its own for ten minutes."""
        slot = self.slot(kind, identity)
        if slot is not None:
            before = self.words.load(self._word_at(slot))
            self._switch(slot, before, layout.slot_word(0, (before >> 8) + 1, kind))
            self._dropped[slot] = now

    def _switch(self, slot: int, before: int, word: int) -> None:
        retired = layout.word_offset(before)
        length = self._length_at(retired) if retired else 0
        self.words.store(self._word_at(slot), word)
        self.epoch += 1
        self.words.store(layout.POOLS_EPOCH, self.epoch)
        if retired:
            self._heap.retire(retired, max(length, layout.BODY), self.epoch)

    def _room(self, size: int) -> int:
        offset = self._heap.take(size)
        if offset is None:
            self._heap.reclaim(oldest_epoch(self._state))
            offset = self._heap.take(size)
        if offset is None:
            raise FileFullError
        return offset

    def _slot_for(self, kind: int, identity: int, now: float) -> int:
        known = self.slot(kind, identity)
        if known is not None:
            return known
        mask = self.slot_count - 1
        at = mix64(identity) & mask
        while self._ids[at]:
            if self._dropped.get(at, now) + SLOT_KEEP_SECONDS <= now:
                self._forget(at)
                break
            at = (at + 1) & mask
        else:
            if self._taken >= self.slot_count // 2:
                raise FileFullError
            self._taken += 1
        self._ids[at] = identity
        self._slots[(kind, identity)] = at
        # the kind before the id: a reader that finds the id sees a slot of the right kind without a block
        generation = self.words.load(self._word_at(at)) >> 8
        self.words.store(self._word_at(at), layout.slot_word(0, generation, kind))
        self.words.store(self._word_at(at) - 8, identity)
        return at

    def _forget(self, slot: int) -> None:
        del self._dropped[slot]
        word = self.words.load(self._word_at(slot))
        del self._slots[(word & SlotFlag.KIND, self._ids[slot])]

    def replace(self) -> None:
        """Take the name that readers open."""
        self._path.with_name(f".{self._path.name}.new").rename(self._path)

    def discard(self) -> None:
        """Take the file away that never got its name."""
        self._path.with_name(f".{self._path.name}.new").unlink(missing_ok=True)
        self.close()

    def retire(self) -> None:
        """Tell the readers of this file that another one has its name."""
        self.words.store(layout.POOLS_MOVED, 1)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.words.close()
        os.close(self._fd)


def put_in_place(fresh: Path, path: Path) -> None:
    """Give `fresh` the name `path`, and tell the readers of a file that had it and was not adopted."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        fresh.rename(path)
        return
    try:
        fresh.rename(path)
        with contextlib.suppress(OSError):  # workers look at the name each second, told or not
            if os.fstat(fd).st_size >= layout.HEADER_SIZE:
                os.pwrite(fd, (1).to_bytes(8, "little"), layout.POOLS_MOVED)
    finally:
        os.close(fd)


def _overlap(used: list[tuple[int, int]], start: int, end: int) -> bool:
    at = start
    for offset, size in used:
        if offset < at:
            return True
        at = offset + room_for(size)
    return at > end


def _lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        raise RunDirectoryError(f"{path} is written by another instance") from e


def sound_header(head: bytes, size: int) -> bool:
    if len(head) < layout.HEADER_SIZE:
        return False
    fields = layout.POOLS_HEADER.unpack_from(head)
    magic, version, header_size, length, _, slots, _, slot_offset, heap = fields
    checksum = int.from_bytes(head[layout.POOLS_CHECKSUM : layout.POOLS_CHECKSUM + 8], "little")
    return (
        (magic, version, header_size, length) == (layout.POOLS_MAGIC, layout.LAYOUT, layout.HEADER_SIZE, size)
        and checksum == hash_more(0, head[: layout.POOLS_CHECKSUM])
        and slots > 0
        and slots & (slots - 1) == 0
        and slot_offset + slots * layout.SLOT.size <= heap <= size
    )
