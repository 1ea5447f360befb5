"""Times, limits and rules of the connection code, and how to speak to the endpoints of a route.

Values only: nothing here opens or reads anything. Defaults are ingress-nginx's where it has the same setting.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from serin.routing.wide import Connections

MOST_CONNECTIONS = 16384
OTHER_FILES = 48
"""Descriptors that a worker needs beside its connections: listening sockets, shared memory, plan documents, log."""


def affordable_connections(files: int) -> int:
    """Client connections that so many descriptors are enough for: each one may need another to its endpoint.

    Out of descriptors a worker would answer 502 and could take no plan. `files` below 0: no limit.
    """
    return MOST_CONNECTIONS if files < 0 else max(1, min(MOST_CONNECTIONS, (files - OTHER_FILES) // 2))


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Times in seconds, sizes in bytes. One value for a worker."""

    page: Callable[[int], bytes]
    """The body of an error page by status; 494 is nginx's own number for "Request Header Or Cookie Too Large"."""
    header_timeout: float = 60.0
    """For a whole head, from its first byte; bytes that trickle in do not extend it."""
    body_timeout: float = 60.0
    """Between two reads of a request body."""
    keepalive_timeout: float = 75.0
    keepalive_requests: int = 1000
    """Requests served on one client connection before it is closed."""
    send_timeout: float = 60.0
    """Without any byte taken by the client."""
    linger_timeout: float = 5.0
    """Between two reads while what a refused client still sends is thrown away."""
    linger_time: float = 30.0
    """The same, altogether."""
    request_line: int = 8192
    header_line: int = 8192
    """Longest request line and header line, each with its CRLF (large_client_header_buffers 4 8k)."""
    head: int = 32768
    """Longest head of a request, and of an answer."""
    replay: int = 65536
    """Body bytes kept so that a request can be sent again; also what is read ahead of the endpoint or the next turn."""
    drain_body: int = 1048576
    """Unread rest of a body that is thrown away to keep the connection; above it the connection is closed."""
    max_connections: int = MOST_CONNECTIONS
    """Client connections of a worker; one more is closed at once (worker_connections)."""
    sweep: float = 0.5
    """How often deadlines are looked at: a time-out comes late by this much at most."""
    drain_idle: float = 1.0
    """While draining, how long an idle connection may still bring one more request before it is closed."""
    pool_size: int = 320
    """Idle endpoint connections kept by a worker (upstream-keepalive-connections)."""
    pool_timeout: float = 60.0
    pool_requests: int = 10000
    pool_time: float = 3600.0
    """Longest life of an endpoint connection (upstream-keepalive-time)."""
    underscores: bool = False
    """Headers with `_` in their names are passed on (enable-underscores-in-headers)."""
    ignore_invalid: bool = True
    """Headers with other characters than letters, digits and `-` in their names are not."""

    def under(self, wide: Connections) -> "ConnectionSettings":
        """These settings, with what the plan says of connections. Without keep-alive each one serves one request."""
        line = max(wide.header_buffer, wide.large_headers_size)
        most = wide.worker_connections
        return replace(
            self,
            header_timeout=float(wide.header_timeout),
            body_timeout=float(wide.body_timeout),
            keepalive_timeout=float(wide.keep_alive),
            keepalive_requests=wide.keep_alive_requests if wide.keep_alive else 1,
            request_line=line,
            header_line=line,
            head=max(line, wide.large_headers_number * wide.large_headers_size),
            max_connections=min(self.max_connections, most) if most else self.max_connections,
            pool_size=wide.upstream_kept,
            pool_timeout=float(wide.upstream_timeout),
            pool_requests=wide.upstream_requests,
            pool_time=float(wide.upstream_time),
            underscores=wide.underscores,
            ignore_invalid=wide.ignore_invalid,
        )


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """How to speak to a route's endpoints. Times in seconds.

    Made once for a route and shared: connections are pooled by address, `tls_key` and `server_name`.
    """

    tls: ssl.SSLContext | None = None
    tls_key: str = ""
    """Names what `tls` presents and verifies; contexts of one key are interchangeable. Empty for plain connections."""
    server_name: str = ""
    """SNI and the name that is verified; empty: none is sent (proxy_ssl_server_name off)."""
    check: Callable[[Any], None] | None = None
    """Gets the SSLObject of a new connection; raises ssl.SSLError when the endpoint is not who it has to be."""
    connect_timeout: float = 5.0
    """Including the TLS handshake."""
    send_timeout: float = 60.0
    read_timeout: float = 60.0
    """Between two reads of an answer; for an upgraded connection, without a byte in either direction."""
    tries: int = 3
    """Attempts, the first one counted; 0 for no bound."""
    tries_timeout: float = 0.0
    """No further attempt after this much time; 0 for no bound."""
    retry_on: frozenset[str] = frozenset({"error", "timeout"})
    """nginx's words of proxy_next_upstream: error, timeout, invalid_header, http_500 …, non_idempotent; empty: off."""
    retry_statuses: frozenset[int] = field(init=False, default=frozenset())
    key: tuple[bool, str, str] = field(init=False, default=(False, "", ""))
    """The part of the pool's key that is not the address."""

    def __post_init__(self) -> None:
        words = (w[5:] for w in self.retry_on if w.startswith("http_"))
        object.__setattr__(self, "retry_statuses", frozenset(int(w) for w in words if w.isdigit()))
        object.__setattr__(self, "key", (self.tls is not None, self.tls_key, self.server_name))
