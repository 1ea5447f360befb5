"""What passes between the connection code (downstream, upstream) and the gate that decides.

The connection code knows bytes, framing and back-pressure; the gate knows routes, rules and answers. Neither knows
the other: these values are their whole contract. Built for each request, so slotted and plain (not frozen: freezing
costs half a microsecond each).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from serin.dataplane.proxy.changes import Changes


@dataclass(slots=True)
class Client:
    """The connection a request came on."""

    address: str
    """Text of the peer's address."""
    port: int
    tls: bool
    server_port: int
    """Port of the listening side that users see: 80 or 443 behind a Service, else the listening one."""
    block: bytes = b""
    """X-Real-IP … X-Scheme lines of this connection, made once by the gate and kept here."""
    key: int = 0
    """Hash of the address, made once by the gate and kept here; 0: not made yet."""
    scheme: bytes = b""
    """What the settings make of X-Forwarded-Proto and the like; empty where they ask for nothing (seen_clients.py)."""
    host: bytes = b""
    """The same of X-Forwarded-Host, empty where it counts for nothing."""
    said_port: bytes = b""
    """The same of X-Forwarded-Port."""
    passed: bytes = b""
    """Addresses for X-Forwarded-For; empty: `address` alone."""
    shown: str = ""
    """`address` for the log, where it is not the connection's peer."""
    names: Any = None
    """The gate's names of the route and version asked last, from which `log` was made."""
    log: "LogContext | None" = None
    """Kept by the gate, and used again: exchanges of a connection come one after the other."""


@dataclass(slots=True)
class RequestHead:
    """A request line and its headers, checked: framing is right, Host is one valid name or absent in HTTP/1.0."""

    method: str
    target: bytes
    """As sent, in origin form (an absolute form is already reduced to its path and query)."""
    host: str
    """From an absolute target, else the Host header: lower-case, without port and trailing dot; empty when absent."""
    host_header: bytes
    """The Host header's value as sent."""
    http10: bool
    headers: list[tuple[bytes, bytes]]
    """All headers as sent, in order, with their original names."""
    lower: list[bytes]
    """The names in lower case, parallel to `headers`."""
    content_length: int
    """-1 when the body is chunked, 0 when there is none."""
    upgrade: bytes
    """Value of Upgrade when Connection names it, else empty."""
    expect_continue: bool
    plain: bytes = b"-0123456789abcdefghijklmnopqrstuvwxyz"
    """Headers whose names hold other characters are not passed on."""

    def get(self, name: bytes) -> bytes | None:
        """Value of a header by lower-case name, repeated ones joined with `, ` as nginx does; None when absent."""
        count = self.lower.count(name)
        if count == 0:
            return None
        if count == 1:
            return self.headers[self.lower.index(name)][1]
        return b", ".join([v for (_, v), n in zip(self.headers, self.lower, strict=True) if n == name])


@dataclass(slots=True)
class Answer:
    """The gate answers itself: redirect, error page, 401."""

    status: int
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Without Content-Length, Date, Connection and Server: the connection code adds them."""
    body: bytes = b""
    content_type: bytes = b"text/html"
    log: "LogContext | None" = None
    close: bool = False
    lines: bytes = b""
    """Further header lines, each ended by CRLF."""


@dataclass(slots=True)
class LogContext:
    """What log and metrics say of a request beside its HTTP facts; made once for a route where they can be."""

    namespace: str = ""
    ingress: str = ""
    service: str = ""
    port: str = ""
    upstream: str = ""
    """`namespace-service-port` of main (ingress-nginx's proxy_upstream_name)."""
    alternative: str = ""
    """The same of the canary that served, empty for main."""
    version: str = ""
    reason: str = ""
    """header, cookie, rule, sticky, weight or default."""
    remote_user: str = ""
    request_id: str = ""
    logged: bool = True
    """Whether the access log has a line of it (enable-access-log)."""
    remote_addr: str = ""
    """The client's address where it is not the connection's peer (seen_clients.py)."""
    split: Any = None
    """That of the route which counts an answer of our own (native's SplitHandle); None where the choice counts."""


class Choice(Protocol):
    """An endpoint that was chosen and is counted as in flight until `done`. serin.native gives these."""

    address: str
    port: int
    endpoint: int

    def retry(self) -> "Choice | None":
        """The attempt failed: another endpoint of the same version, or None when all were tried."""

    def done(self, status: int, *, failed: bool = False) -> None:
        """The exchange is over; `status` is the client's, 0 when it got none. To be called exactly once."""

    def excuse(self) -> None:
        """What ends the exchange is no doing of the endpoint's version: no rollout is judged by it."""

    def over(
        self,
        status: int,
        method: str,
        received: int,
        sent: int,
        request_time: float,
        response_time: float,
        connect_time: float,
        header_time: float,
        /,
    ) -> bool:
        """`done` for an answer that came to its end, with what the client got; bytes, and seconds.

        The last three are of the attempt that was last, below 0: no endpoint answered. True when it was counted
        exactly, too.
        """


@dataclass(slots=True)
class Forward:
    """The gate sends the request on.

    The connection code writes the request line with `target`, `Host: host`, the client's headers without hop-by-hop
    ones, those named in `drop` and names that hold `_`, then `prelude`; to the answer it adds `answer_prelude`.
    """

    choice: Choice
    target: bytes
    host: bytes
    prelude: bytes
    """Header lines for the endpoint, each ended by CRLF."""
    drop: frozenset[bytes]
    """Lower-case names of the client's headers that are not sent on."""
    answer_prelude: bytes
    """Header lines for the client (Set-Cookie, Strict-Transport-Security)."""
    answer_drop: frozenset[bytes]
    """Lower-case names of the endpoint's headers that are not passed on (x-accel-*, server …)."""
    upstream: Any
    """UpstreamSettings: TLS context or None, timeouts, tries, what to retry on; also part of the pool's key."""
    max_body: int
    log: LogContext
    on_choice: Callable[[Choice], bytes] | None = None
    """Called with the endpoint that really answered, for a Set-Cookie that names it; gives header lines."""
    fine_lines: bytes = b""
    """Header lines for the client where the answer has one of nginx's add_header statuses (FINE)."""
    changes: "Changes | None" = None
    """What is done beside passing bytes on; None for nearly all routes, and then it costs nothing."""


FINE = frozenset((200, 201, 204, 206, 301, 302, 303, 304, 307, 308))
"""Answers that nginx's `add_header` without `always` adds to."""

Gate = Callable[[RequestHead, Client], "Answer | Forward | Awaitable[Answer | Forward]"]
"""The gate of a worker. Awaitable only where it must wait (password hashes)."""
