"""Who answers in the place of an error (custom-http-errors): the request to the default backend, as observed.

HTTP/1.0 without a body, the client's method and query at `/`, and what happened in X-… lines. Must not decide whether
an answer is an error, only what is asked then.
"""

from serin.dataplane.proxy.changes import Changes
from serin.dataplane.proxy.exchange import Client, Forward, LogContext, RequestHead
from serin.dataplane.proxy.header_lines import header_line
from serin.dataplane.proxy.headers import one_line, visible_host
from serin.dataplane.proxy.heads import HOP_BY_HOP
from serin.dataplane.proxy.subrequest import ReadyBeside
from serin.native.worker import KEYED
from serin.routing.answers import ErrorPages
from serin.routing.paths import query

NOBODY = 503
_BEFORE_HOST = 413
"""A body that is too long is refused before ingress-nginx knows the host: its page is asked for without one."""
_X_LINES = (
    b"X-Code",
    b"X-Format",
    b"X-Original-URI",
    b"X-Namespace",
    b"X-Ingress-Name",
    b"X-Service-Name",
    b"X-Service-Port",
    b"X-Request-ID",
    b"X-Forwarded-For",
)
_DROPPED = (
    HOP_BY_HOP
    | frozenset(name.lower() for name in _X_LINES)
    | {b"content-length", b"content-type", b"content-encoding", b"proxy"}
)


def error_lines(status: int, head: RequestHead, log: LogContext) -> bytes:
    """What a default backend is told; a line without a value is not sent."""
    values = (
        b"%d" % status,
        head.get(b"accept") or b"",
        head.target,
        log.namespace.encode(),
        log.ingress.encode(),
        log.service.encode(),
        log.port.encode(),
        log.request_id.encode(),
    )
    return b"".join([header_line(name, value) for name, value in zip(_X_LINES, values, strict=False) if value])


class ReadyErrors:
    """One for a route, or for requests of no host."""

    __slots__ = ("_by", "_changes", "_dropped", "_status", "codes", "intercepted")

    def __init__(self, errors: ErrorPages, by: ReadyBeside | None, withheld: frozenset[bytes] = frozenset()) -> None:
        """`withheld`: lower-case names of the client's headers that `by` does not get either."""
        self.codes = frozenset(errors.codes)
        self.intercepted = frozenset() if errors.own_only else self.codes
        """Those of endpoints' answers that give way."""
        self._by = by
        self._status = errors.status
        self._changes = Changes(bare=True)
        self._dropped = _DROPPED | withheld

    def page(
        self, status: int, head: RequestHead, client: Client, log: LogContext, lines: bytes, dropped: frozenset[bytes]
    ) -> Forward | int:
        """The request for the page of a status, or the status of our own page. `lines`, `dropped`: of the answer."""
        if self._by is None:
            return self._status
        choice = self._by.split.decide(-1, 0, client.key, KEYED)
        if isinstance(choice, int):
            return NOBODY
        own = [
            b"%b: %b\r\n" % pair
            for pair, name in zip(head.headers, head.lower, strict=True)
            if name not in self._dropped and not name.translate(None, head.plain)
        ]
        address = header_line(b"X-Forwarded-For", (log.remote_addr or client.address).encode())
        prelude = b"".join((*own, address, error_lines(status, head, log), b"Connection: close\r\n"))
        arguments = query(head.target)
        return Forward(
            choice,
            b"/" + arguments if len(arguments) > 1 else b"/",
            b"" if status == _BEFORE_HOST else one_line(client.host or visible_host(head)),
            prelude,
            self._dropped,
            lines,
            dropped,
            self._by.settings,
            0,
            log,
            changes=self._changes,
        )
