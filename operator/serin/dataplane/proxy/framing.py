"""Where a chunked body ends (RFC 9112, section 7.1), and how chunks are written.

Strict, since a chunk that two programs read differently is a smuggled request: sizes are bare hexadecimal digits, lines
end with CRLF. Extensions and trailers are read and dropped. It knows nothing of requests or answers.
"""

import re

CRLF = b"\r\n"
LAST_CHUNK = b"0\r\n\r\n"
MAX_SIZE_LINE = 1024
"""Bytes of a chunk's size line, extensions included."""
MAX_TRAILERS = 8192
MANY_CHUNKS = 1000
"""In one read: a body that is mostly framing costs a thousand times what its bytes do. Whoever reads more than these
lets others come first (about 0.5 ms)."""

_strict_size = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t -~\x80-\xff]*)?").fullmatch
_padded_size = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t -~\x80-\xff]*)?").fullmatch
_plain_size = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n").match
_trailer = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*").fullmatch

_SIZE, _DATA, _DATA_END, _TRAILERS, _DONE = range(5)


class BadChunkError(Exception):
    """The bytes are not a chunked body."""


class ChunkDecoder:
    """Takes the bytes of one chunked body as they come.

    `padded` allows blanks behind a chunk's size: some servers write them, nginx takes them from endpoints, and what
    goes on to the client is chunked anew.
    """

    __slots__ = ("_held", "_left", "_match_size", "_state", "_trailers", "chunks", "rest")

    def __init__(self, *, padded: bool = False) -> None:
        self._match_size = _padded_size if padded else _strict_size
        self._state = _SIZE
        self._left = 0
        self._held = b""
        self._trailers = 0
        self.chunks = 0
        """How many, and pieces of such, the bytes fed last held."""
        self.rest = b""
        """What came behind the end of the body."""

    @property
    def done(self) -> bool:
        return self._state == _DONE

    def feed(self, data: bytes) -> bytes:
        """The payload in `data`; raises BadChunkError. Not to be called once `done`."""
        if self._state == _DATA and len(data) < self._left:
            self._left -= len(data)
            self.chunks = 1
            return data
        if self._held:
            data = self._held + data
            self._held = b""
        parts: list[bytes] = []
        at = 0
        while at >= 0 and self._state != _DONE:
            if self._state == _SIZE:
                at = self._take_whole(data, at, parts)
            at = self._step(data, at, parts)
        self.chunks = len(parts)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _take_whole(self, data: bytes, at: int, parts: list[bytes]) -> int:
        """Read the chunks without extension that are there to their ends, the fast way; the place behind them."""
        while match := _plain_size(data, at):
            start = match.end()
            end = start + int(match[1], 16)
            if end == start or data[end : end + 2] != CRLF:
                break
            parts.append(data[start:end])
            at = end + 2
        return at

    def _step(self, data: bytes, at: int, parts: list[bytes]) -> int:
        """Read one element from `at`; the place behind it, or -1 when more bytes are needed."""
        if self._state == _DATA:
            return self._take_data(data, at, parts)
        if self._state == _DATA_END:
            return self._take_data_end(data, at)
        end = self._line_end(data, at)
        if end < 0:
            return -1
        if self._state == _SIZE:
            self._take_size(data, at, end)
        elif end == at:
            self._state = _DONE
            self.rest = data[end + 2 :]
        else:
            self._take_trailer(data, at, end)
        return end + 2

    def _take_data(self, data: bytes, at: int, parts: list[bytes]) -> int:
        part = data[at : at + self._left]
        if part:
            parts.append(part)
        self._left -= len(part)
        if self._left:
            return -1
        self._state = _DATA_END
        return at + len(part)

    def _take_data_end(self, data: bytes, at: int) -> int:
        end = data[at : at + 2]
        if end == CRLF:
            self._state = _SIZE
            return at + 2
        if end in (b"", b"\r"):
            self._held = end
            return -1
        raise BadChunkError("a chunk is longer than its size")

    def _take_size(self, data: bytes, at: int, end: int) -> None:
        match = self._match_size(data, at, end)
        if match is None:
            raise BadChunkError("bad chunk size")
        self._left = int(match[1], 16)
        self._state = _DATA if self._left else _TRAILERS

    def _take_trailer(self, data: bytes, at: int, end: int) -> None:
        self._trailers += end - at
        if self._trailers > MAX_TRAILERS or _trailer(data, at, end) is None:
            raise BadChunkError("bad trailer")

    def _line_end(self, data: bytes, at: int) -> int:
        """Where the CRLF of the line at `at` is, or -1 and the line kept for the next read."""
        limit = MAX_SIZE_LINE if self._state == _SIZE else MAX_TRAILERS
        end = data.find(CRLF, at, at + limit)
        if end < 0:
            if len(data) - at >= limit or data.find(b"\n", at) >= 0:
                raise BadChunkError("a line without CRLF")
            self._held = data[at:]
        return end


def chunk(payload: bytes) -> list[bytes]:
    """The pieces of one chunk; none for an empty payload, which would end the body."""
    return [b"%x\r\n" % len(payload), payload, CRLF] if payload else []


class CountedBody:
    """Takes the bytes of one body of known length; the same face as ChunkDecoder."""

    __slots__ = ("left", "rest")

    chunks = 0

    def __init__(self, length: int) -> None:
        self.left = length
        """Bytes that have not come yet."""
        self.rest = b""

    @property
    def done(self) -> bool:
        return not self.left

    def feed(self, data: bytes) -> bytes:
        size = len(data)
        if size <= self.left:
            self.left -= size
            return data
        part, self.rest = data[: self.left], data[self.left :]
        self.left = 0
        return part
