"""gzip of answers (use-gzip), by the rules of nginx's gzip module as ingress-nginx sets it up.

Which answers, what becomes of their header lines, and the stream itself; every part of a body goes out at once, so
that what an endpoint sends as it happens arrives as it happens. It must not know connections.
"""

import re
import zlib

from serin.dataplane.proxy.exchange import RequestHead
from serin.routing.wide import Compression

STATUSES = frozenset((200, 403, 404))
_GZIP = 16 + zlib.MAX_WBITS
_ALWAYS = b"text/html"
_VARY = b"Vary: Accept-Encoding\r\n"
_ACCEPTED = re.compile(rb"(?:^|[, ])gzip[ \t]*(?:;[ \t]*q[ \t]*=[ \t]*([0-9.]+)[ \t]*)?(?:,|;|$)", re.IGNORECASE).search
_CHANGED = frozenset((b"content-length", b"accept-ranges"))


class ReadyCompression:
    """One for a worker's plan."""

    __slots__ = ("_any", "_level", "_min_length", "_types")

    def __init__(self, compression: Compression) -> None:
        self._level = compression.level
        self._min_length = compression.min_length
        self._types = frozenset((_ALWAYS, *(one.lower().encode() for one in compression.types)))
        self._any = b"*" in self._types

    def applies(self, status: int, length: int, lines: bytes) -> bool:
        """Whether an answer is of those that are compressed for who takes it. `length` below 0: not known."""
        if status not in STATUSES or 0 <= length < self._min_length:
            return False
        kind = value_of(lines, b"content-type")
        if kind is None or value_of(lines, b"content-encoding"):
            return False
        return self._any or kind.partition(b";")[0].strip().lower() in self._types

    def stream(self) -> "GzipStream":
        return GzipStream(self._level)


class GzipStream:
    """One body."""

    __slots__ = ("_encoder",)

    def __init__(self, level: int) -> None:
        self._encoder = zlib.compressobj(level, zlib.DEFLATED, _GZIP)

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """The coded bytes of a part, all of them; with the `last` part the end of the stream."""
        coded = self._encoder.compress(data) if data else b""
        if last:
            return coded + self._encoder.flush()
        return coded + self._encoder.flush(zlib.Z_SYNC_FLUSH) if data else coded


def accepts_gzip(head: RequestHead) -> bool:
    """nginx's reading of Accept-Encoding, and its gzip_http_version: clients of HTTP/1.0 get none."""
    if head.http10:
        return False
    accepted = head.get(b"accept-encoding")
    found = None if accepted is None else _ACCEPTED(accepted)
    return found is not None and (found[1] is None or found[1].strip(b"0.") != b"")


def varied(lines: bytes) -> bytes:
    """The lines of an answer that another client may get compressed."""
    return lines + _VARY


def coded_lines(lines: bytes) -> bytes:
    """The lines of a compressed answer: without lengths and ranges, the ETag weakened."""
    kept = []
    for line in lines.split(b"\r\n"):
        name, _, value = line.partition(b": ")
        lower = name.lower()
        if lower in _CHANGED:
            continue
        if lower == b"etag" and not value.startswith(b"W/"):
            if not value.startswith(b'"'):
                continue
            line = name + b": W/" + value
        kept.append(line)
    return varied(b"\r\n".join(kept) + b"Content-Encoding: gzip\r\n")


def value_of(lines: bytes, name: bytes) -> bytes | None:
    """The value of the first line of a lower-case name, behind the status line."""
    for line in lines.split(b"\r\n")[1:]:
        key, colon, value = line.partition(b": ")
        if colon and key.lower() == name:
            return value
    return None
