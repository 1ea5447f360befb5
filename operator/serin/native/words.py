"""A file mapped into memory whose 64-bit words are read and written atomically, through the C routine."""

import mmap
from typing import Self

from serin.native._ffi import ffi, lib


class MappedWords:
    """The first `length` bytes of an open file. Offsets are in bytes and multiples of 8."""

    def __init__(self, fd: int, length: int, *, writable: bool = True) -> None:
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self._map = mmap.mmap(fd, length, mmap.MAP_SHARED, protection)
        self._buffer = ffi.from_buffer(self._map)
        self._length = length

    def load(self, offset: int) -> int:
        assert 0 <= offset <= self._length - 8
        return int(lib.srn_load(self._buffer, offset))

    def store(self, offset: int, value: int) -> None:
        assert 0 <= offset <= self._length - 8
        lib.srn_store(self._buffer, offset, value)

    def read(self, offset: int, size: int) -> bytes:
        return self._map[offset : offset + size]

    def write(self, offset: int, data: bytes) -> None:
        """Not atomic: for bytes that nobody reads yet."""
        self._map[offset : offset + len(data)] = data

    def close(self) -> None:
        ffi.release(self._buffer)
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
