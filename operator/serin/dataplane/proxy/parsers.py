"""aiohttp's C parsers, fed one message head at a time: the one module that touches them.

They are exported but undocumented, and their meaning moves in patch releases: the version is pinned and the smuggling
tests run against it. Fed one head they keep no state from message to message, so one of each serves a whole worker.
"""

from typing import Any

from aiohttp import http_parser
from aiohttp.http_exceptions import HttpProcessingError

if not hasattr(http_parser, "HttpRequestParserC"):
    raise ImportError("aiohttp was built without its C parser: the proxy needs it (is AIOHTTP_NO_EXTENSIONS set?)")

RawHeaders = tuple[tuple[bytes, bytes], ...]


_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MAX_NAMES = 4096
_MAX_NAME = 64


class BadHeadError(Exception):
    """The bytes are not a message head."""


class LowerNames(dict[bytes, bytes]):
    """Header names as sent → in lower case. Names repeat, so most need no work but a look-up; bounded.

    A name that is no token (RFC 9110, section 5.6.2) raises BadHeadError: of answers, aiohttp takes `Content-Length :`.
    """

    __slots__ = ()

    def __missing__(self, name: bytes) -> bytes:
        if name.translate(None, _TOKEN):
            raise BadHeadError("a name that is no token")
        lower = name.lower()
        if len(name) <= _MAX_NAME:
            if len(self) >= _MAX_NAMES:
                self.clear()
            self[name] = lower
        return lower


class HeadParser:
    """Reads heads of requests, or of answers: start line, header lines, the empty line, and nothing behind it."""

    __slots__ = ("_kind", "_parser")

    def __init__(self, *, answers: bool) -> None:
        self._kind: Any = http_parser.HttpResponseParser if answers else http_parser.HttpRequestParser
        self._parser = self._make()

    def read(self, head: bytes) -> Any:
        """aiohttp's RawRequestMessage or RawResponseMessage; raises BadHeadError."""
        try:
            messages, _, _ = self._parser.feed_data(head)
        except (HttpProcessingError, ValueError) as error:
            self._parser = self._make()
            raise BadHeadError(str(error)) from error
        if len(messages) != 1:
            self._parser = self._make()
            raise BadHeadError("not one message")
        message = messages[0][0]
        if message.should_close or message.upgrade:
            self._parser = self._make()  # this one takes no further message
        return message

    def _make(self) -> Any:
        """Limits are ours to check: these are above them."""
        return self._kind(
            None,
            None,
            65536,
            max_line_size=65536,
            max_field_size=65536,
            max_headers=1000,
            response_with_body=False,
            auto_decompress=False,
        )
