"""What the controller's ConfigMap and flags say for all hosts, as a part of the plan's values (serin.routing.plan).

Defaults are ingress-nginx's, unless they say otherwise. Sizes in bytes, times in seconds.
"""

from dataclasses import dataclass, field

from serin.routing.answers import ErrorPages
from serin.routing.beside import Beside
from serin.routing.lines import HeaderLine


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Whose word about a client's address is taken.

    `trust` (use-forwarded-headers): X-Forwarded-* of the client stand, `header` has its address, of which the first one
    that is not in `proxies` counts, from the right; `full` (compute-full-forwarded-for): our own peer is appended.
    `real_ip` (enable-real-ip): the address alone is taken from `header`. `proxy_protocol`: each connection begins with
    a PROXY line (v1 or v2), which has the address; one without it is closed. `line_timeout`: how long a line may take,
    on ports of TCP as well (proxy-protocol-header-timeout).
    """

    trust: bool = False
    full: bool = False
    real_ip: bool = False
    proxy_protocol: bool = False
    header: str = "X-Forwarded-For"
    proxies: tuple[str, ...] = ("0.0.0.0/0",)
    line_timeout: int = 5


@dataclass(frozen=True, slots=True)
class Blocks:
    """Who gets 403 everywhere. Texts of `user_agents` and `referers` beginning with `~` are PCREs (`~*`: any case)."""

    cidrs: tuple[str, ...] = ()
    user_agents: tuple[str, ...] = ()
    referers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lines:
    """Header lines of all routes: `to_endpoints` (proxy-set-headers), `to_clients` (add-headers, also on our own
    answers), `hidden` (hide-headers: of endpoints, not passed on)."""

    to_endpoints: tuple[HeaderLine, ...] = ()
    to_clients: tuple[HeaderLine, ...] = ()
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientTls:
    """TLS with clients. `ciphers` is OpenSSL's list for TLS 1.2, empty for the library's own."""

    protocols: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    ciphers: str = ""
    prefer_server_ciphers: bool = True
    curves: str = "auto"
    tickets: bool = False
    session_cache: bool = True
    session_cache_size: int = 10 << 20
    session_timeout: int = 600
    buffer_size: int = 4096
    http2: bool = True


@dataclass(frozen=True, slots=True)
class Connections:
    """Connections of clients, and those kept to endpoints. `workers` 0: as the data plane's flag says."""

    keep_alive: int = 75
    keep_alive_requests: int = 1000
    header_timeout: int = 60
    body_timeout: int = 60
    header_buffer: int = 1024
    large_headers_number: int = 4
    large_headers_size: int = 8192
    underscores: bool = False
    ignore_invalid: bool = True
    upstream_kept: int = 320
    upstream_timeout: int = 60
    upstream_requests: int = 10000
    upstream_time: int = 3600
    workers: int = 0
    worker_connections: int = 0
    shutdown_timeout: int = 0
    streams: int = 128
    """http2-max-concurrent-streams."""


@dataclass(frozen=True, slots=True)
class Compression:
    """gzip of answers whose type is in `types`. Brotli needs a module that Debian's nginx has not: it is gzip then."""

    gzip: bool = False
    level: int = 1
    min_length: int = 256
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Logs:
    """`format`: nginx's log_format text (log-format-upstream), empty for ingress-nginx's own. `skip`: URLs not
    logged.
    """

    off: bool = False
    path: str = ""
    format: str = ""
    escape_json: bool = False
    error_level: str = ""
    skip: tuple[str, ...] = ()
    stream_off: bool = False
    stream_format: str = ""
    stream_path: str = ""
    """Of TCP and UDP: `stream_format` empty for ingress-nginx's own, `stream_path` for the file of requests."""


@dataclass(frozen=True, slots=True)
class Passing:
    """How all ports of TCP and UDP are passed on (proxy-stream-*).

    `timeout`: without a byte in either direction. `responses` for each datagram end a UDP session; 0: none is waited
    for. `next_upstream`: another endpoint is tried while none could be connected; `tries` and `tries_timeout` bound
    that, 0 for no bound.
    """

    timeout: int = 600
    responses: int = 1
    next_upstream: bool = True
    tries: int = 3
    tries_timeout: int = 600


@dataclass(frozen=True, slots=True)
class Stream:
    """A port of TCP or UDP that is passed on (tcp-services, udp-services).

    `decode`: connections begin with a PROXY line; `encode`: one is sent to the endpoint.
    """

    protocol: str
    port: int
    to: Beside
    decode: bool = False
    encode: bool = False


@dataclass(frozen=True, slots=True)
class Globals:
    """What holds for every host. `hsts`: the header's value, or empty; `https_port` 0: redirects carry no port.

    `reject_handshake`: TLS for a name that no host has is refused in the handshake (ssl-reject-handshake). `errors`
    also answer requests of no host. `server_tokens`: answers name the server.
    """

    hsts: str = "max-age=31536000; includeSubDomains"
    default_certificate: str | None = None
    https_port: int = 0
    www_http_port: int = 80
    www_https_port: int = 443
    reject_handshake: bool = False
    forwarding: Forwarding = field(default_factory=Forwarding)
    blocks: Blocks = field(default_factory=Blocks)
    lines: Lines = field(default_factory=Lines)
    tls: ClientTls = field(default_factory=ClientTls)
    connections: Connections = field(default_factory=Connections)
    compression: Compression = field(default_factory=Compression)
    logs: Logs = field(default_factory=Logs)
    limit_req_status: int = 503
    limit_conn_status: int = 503
    errors: ErrorPages | None = None
    fallback: Beside | None = None
    generate_request_id: bool = True
    server_tokens: bool = False
    streams: tuple[Stream, ...] = ()
    passing: Passing = field(default_factory=Passing)
    passthrough: bool = False
    """--enable-ssl-passthrough: hosts with `passthrough` get TLS connections unread, by their SNI."""
