"""Heads of answers: those of endpoints, checked and rewritten for the client, and our own.

An endpoint's head is turned into the lines that the client gets once and kept by its bytes: endpoints repeat
themselves. The result depends on those bytes and the names to drop alone.
"""

import time
from email.utils import formatdate

from serin.dataplane.proxy.exchange import Answer
from serin.dataplane.proxy.parsers import BadHeadError, HeadParser, LowerNames, RawHeaders

CHUNKED = -1
UNTIL_END = -2
"""The body ends with the connection."""

KEEP_ALIVE = b"Connection: keep-alive\r\n"
CLOSE = b"Connection: close\r\n"
CHUNKED_LINE = b"Transfer-Encoding: chunked\r\n"

REASONS = {
    200: b"OK",
    204: b"No Content",
    300: b"Multiple Choices",
    301: b"Moved Permanently",
    302: b"Moved Temporarily",
    303: b"See Other",
    304: b"Not Modified",
    307: b"Temporary Redirect",
    308: b"Permanent Redirect",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Not Allowed",
    408: b"Request Time-out",
    413: b"Request Entity Too Large",
    414: b"Request-URI Too Large",
    429: b"Too Many Requests",
    500: b"Internal Server Error",
    501: b"Not Implemented",
    502: b"Bad Gateway",
    503: b"Service Temporarily Unavailable",
    504: b"Gateway Time-out",
    505: b"HTTP Version Not Supported",
}
"""nginx's wording, which people grep for."""

_HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
_UPGRADE = frozenset((b"upgrade",))
_LENGTH = frozenset((b"content-length",))
_DECIDING = frozenset((b"connection", b"transfer-encoding", b"content-length"))
_PERSISTENCE = frozenset((b"close", b"keep-alive"))
_COMMON_OPTIONS = {value: frozenset((value.lower(),)) for value in (b"keep-alive", b"close", b"Keep-Alive", b"Close")}
_FRAMING = frozenset((b"content-length", b"date"))
_MAX_KEPT = 512
_MAX_KEPT_HEAD = 2048
_UNKEPT = 8192
_CONTROL = bytes({*range(32), 127} - {9, 10, 13})
_NO_OPTIONS: frozenset[bytes] = frozenset()


class AnswerHead:
    """An endpoint's head as the client will get it. `lines` is the status line and the headers passed on."""

    __slots__ = ("dated", "keep_alive", "length", "lines", "status", "without")

    def __init__(self, status: int, without: frozenset[bytes]) -> None:
        self.status = status
        self.without = without
        self.lines = b""
        self.length = UNTIL_END
        """Bytes of the body, CHUNKED or UNTIL_END; what HEAD, 204 and 304 mean is not in it."""
        self.keep_alive = True
        self.dated = False


class AnswerReader:
    """Reads endpoints' heads. One for a worker.

    Heads are kept, by their bytes, as long as at least as many are found as are added.
    """

    def __init__(self) -> None:
        self._parser = HeadParser(answers=True)
        self._names = LowerNames()
        self._without: frozenset[bytes] | None = None
        self._drop: frozenset[bytes] = _NO_OPTIONS
        """What is dropped beside `_without`'s names, the last ones asked for."""
        self._kept: dict[bytes, AnswerHead] = {}
        self._hits = 0
        self._unkept = 0
        """Heads that will not be kept: the ones kept before were of too little use."""

    def read(self, head: bytes, without: frozenset[bytes]) -> AnswerHead:
        """`head` ends with its empty line; `without` are lower-case names not passed on. Raises BadHeadError."""
        kept = self._kept.get(head)
        if kept is not None and kept.without is without:
            self._hits += 1
            return kept
        answer = self._read(head, without)
        if self._unkept:
            self._unkept -= 1
        elif len(head) <= _MAX_KEPT_HEAD:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
                self._unkept = 0 if self._hits >= _MAX_KEPT else _UNKEPT
                self._hits = 0
            self._kept[head] = answer
        return answer

    def _read(self, head: bytes, without: frozenset[bytes]) -> AnswerHead:
        if len(head.translate(None, _CONTROL)) != len(head):
            raise BadHeadError("control character")
        if not head.startswith(b"HTTP/1."):
            raise BadHeadError("not HTTP/1")
        message = self._parser.read(head)
        headers: RawHeaders = message.raw_headers
        if not head.count(b"\n") == head.count(b"\r\n") == len(headers) + 2:
            raise BadHeadError("bare line end or folded line")
        status, http10 = message.code, message.version < (1, 1)
        if status < 100:
            raise BadHeadError("bad status")
        if without is not self._without:
            self._without = without
            self._drop = without | _HOP_BY_HOP
        answer = AnswerHead(status, without)
        names = self._names
        drop = self._drop
        if _DECIDING.isdisjoint(lower := [names[name] for name, _ in headers]):
            answer.keep_alive = not http10
        else:
            options = _options(headers, lower)
            answer.keep_alive = b"close" not in options and (not http10 or b"keep-alive" in options)
            answer.length = _length(headers, lower, http10=http10)
            drop = drop | (options - _FRAMING) if options - _PERSISTENCE else drop
        if status in (101, 426):
            drop = drop - _UPGRADE
        elif status < 200 or status == 204:
            drop = drop | _LENGTH
        lines = [b"HTTP/1.1" + head[8 : head.index(b"\r\n")]]
        lines += [b": ".join(pair) for pair, name in zip(headers, lower, strict=True) if name not in drop]
        lines.append(b"")
        answer.lines = b"\r\n".join(lines)
        answer.dated = b"date" in lower and b"date" not in drop
        return answer


def _length(headers: RawHeaders, lower: list[bytes], *, http10: bool) -> int:
    """RFC 9112, section 6.3: bytes of the body, CHUNKED or UNTIL_END."""
    lengths = lower.count(b"content-length")
    if b"transfer-encoding" in lower:
        coding = headers[lower.index(b"transfer-encoding")][1]
        if lengths or lower.count(b"transfer-encoding") > 1 or coding.lower() != b"chunked" or http10:
            raise BadHeadError("bad transfer coding")
        return CHUNKED
    if not lengths:
        return UNTIL_END
    length = headers[lower.index(b"content-length")][1]
    if lengths > 1 or not length.isdigit() or len(length) > 18:
        raise BadHeadError("bad length")
    return int(length)


def _options(headers: RawHeaders, lower: list[bytes]) -> frozenset[bytes]:
    """What Connection says, in lower case."""
    if b"connection" not in lower:
        return _NO_OPTIONS
    if lower.count(b"connection") == 1:
        value = headers[lower.index(b"connection")][1]
    else:
        value = b",".join([v for (_, v), n in zip(headers, lower, strict=True) if n == b"connection"])
    return _COMMON_OPTIONS.get(value) or frozenset([token.strip(b" \t").lower() for token in value.split(b",")])


_date = b""
_date_second = 0


def date_line() -> bytes:
    """The Date header of this second."""
    global _date, _date_second
    second = int(time.time())
    if second != _date_second:
        _date_second = second
        _date = b"Date: %b\r\n" % formatdate(second, usegmt=True).encode("ascii")
    return _date


def own_answer(answer: Answer, *, head_only: bool, keep_alive: bool, prelude: bytes = b"") -> bytes:
    """All bytes of an answer of ours; `prelude` holds further header lines."""
    status = answer.status
    lines = [
        b"HTTP/1.1 %d %b\r\n" % (status, REASONS.get(status, b"")),
        date_line(),
    ]
    if status >= 200 and status not in (204, 304):
        if answer.content_type:
            lines.append(b"Content-Type: %b\r\n" % answer.content_type)
        lines.append(b"Content-Length: %d\r\n" % len(answer.body))
    lines.append(KEEP_ALIVE if keep_alive else CLOSE)
    lines += [b"%b: %b\r\n" % header for header in answer.headers]
    lines.append(prelude)
    lines.append(b"\r\n")
    if not head_only and status not in (204, 304):
        lines.append(answer.body)
    return b"".join(lines)
