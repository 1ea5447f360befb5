"""Cross-origin answers (enable-cors), as ingress-nginx gives them: which origins, which lines, what a preflight is.

Origins are compared as a whole and without regard to case; the one that was sent is the one that is allowed in the
answer. Must not decide when in a request's life a preflight is answered.
"""

import re

from serin.dataplane.proxy.exchange import RequestHead
from serin.dataplane.proxy.header_lines import header_line
from serin.routing.answers import Cors

_ALLOW_ORIGIN = b"Access-Control-Allow-Origin"


class ReadyCors:
    """One for a route."""

    __slots__ = ("_allowed", "_any", "_lines", "names")

    def __init__(self, cors: Cors) -> None:
        lines = [
            (b"Access-Control-Allow-Credentials", b"true" if cors.credentials else b""),
            (b"Access-Control-Allow-Methods", cors.methods.encode()),
            (b"Access-Control-Allow-Headers", cors.headers.encode()),
            (b"Access-Control-Expose-Headers", cors.expose.encode()),
            (b"Access-Control-Max-Age", b"%d" % cors.max_age),
        ]
        written = [(name, value) for name, value in lines if value]
        self.names = frozenset(name.lower() for name, _ in [(_ALLOW_ORIGIN, b""), *written])
        """Lower-case names of the headers that the endpoint's own give way to."""
        self._lines = b"".join(header_line(name, value) for name, value in written)
        self._any = "*" in cors.origins
        self._allowed = _origins(cors.origins)

    def lines(self, head: RequestHead) -> bytes:
        """The header lines of an answer; none for an origin that is not allowed."""
        if self._any:
            return header_line(_ALLOW_ORIGIN, b"*") + self._lines
        origin = head.get(b"origin")
        if origin is None or self._allowed.fullmatch(origin) is None:
            return b""
        return header_line(_ALLOW_ORIGIN, origin) + self._lines

    def preflight(self, head: RequestHead) -> bool:
        """Whether this is OPTIONS of an allowed origin, which no endpoint is asked about."""
        return head.method == "OPTIONS" and bool(self.lines(head))


def _origins(origins: tuple[str, ...]) -> re.Pattern[bytes]:
    """One label may stand for the `*` of `scheme://*.domain`."""
    texts = [re.escape(origin.encode()).replace(rb"\*", b"[A-Za-z0-9-]+", 1) for origin in origins]
    return re.compile(b"|".join(texts) if texts else b"(?!)", re.IGNORECASE)
