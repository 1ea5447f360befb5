"""nginx's variables as they are in a line of the access log, read from an exchange that is over.

Of each: bytes as they were on the wire, or None where nginx would find nothing (logged as `-`, in JSON as empty). What
only nginx has (`UNKNOWN`: of TLS, of the answer's head, of connections) is None in the proxy.
"""

import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from serin.telemetry.access_log import Exchange, seconds_text

Value = bytes | None
Read = Callable[["Logged"], Value]


class Client(Protocol):
    """The connection that the request came on."""

    address: str
    port: int
    tls: bool
    server_port: int


class Fields(Protocol):
    """Headers as sent, and their names in lower case."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]: ...

    @property
    def lower(self) -> list[bytes]: ...


class Logged(Exchange, Protocol):
    """An exchange of which headers and connection are still known; None where no request was read."""

    @property
    def fields(self) -> Fields | None: ...

    @property
    def client(self) -> Client | None: ...


UNKNOWN = frozenset(
    (
        *("connection", "connection_requests", "connection_time", "http2", "location_path", "pass_port"),
        *("proxy_host", "proxy_port", "proxy_protocol_addr", "proxy_protocol_port", "realip_remote_addr"),
        *("realip_remote_port", "request_completion", "server_addr", "ssl_cipher", "ssl_client_fingerprint"),
        *("ssl_client_i_dn", "ssl_client_s_dn", "ssl_client_serial", "ssl_client_verify", "ssl_protocol"),
        *("ssl_server_name", "ssl_session_id", "ssl_session_reused", "upstream_bytes_received"),
        *("upstream_bytes_sent", "upstream_cache_status", "upstream_connect_time", "upstream_header_time"),
    )
)
_HOSTNAME = socket.gethostname().encode()


def reader(name: str) -> Read:
    """How the variable `name` is read; what is not known is None for every exchange."""
    name = name.lower()
    found = _VARIABLES.get(name)
    if found is not None:
        return found
    family, _, rest = name.partition("_")
    if rest and family == "http":
        return _header(rest)
    if rest and family == "arg":
        return _argument(rest)
    if rest and family == "cookie":
        return _cookie(rest)
    return lambda e: None


def _text(value: str) -> Value:
    """Empty: not found."""
    return value.encode() if value else None


def _client(read: Callable[[Client], Value]) -> Read:
    return lambda e: None if e.client is None else read(e.client)


def _line(e: Logged) -> tuple[bytes, bytes, bytes]:
    """Method, target and protocol of the request line; empty where it is none."""
    method, _, rest = e.request.partition(b" ")
    target, _, protocol = rest.rpartition(b" ")
    return method, target, protocol


def _target(e: Logged) -> Value:
    """In origin form, as nginx has it in $request_uri."""
    target = _line(e)[1]
    if target.startswith((b"http://", b"https://")):
        path = target.partition(b"://")[2].partition(b"/")
        target = path[1] + path[2]
    return target or None


def _query(e: Logged) -> bytes:
    return (_target(e) or b"").partition(b"?")[2].partition(b"#")[0]


def header(fields: Fields | None, name: bytes) -> Value:
    """Repeated ones joined with `, `, as nginx joins them."""
    values = [] if fields is None else [v for (_, v), n in zip(fields.headers, fields.lower, strict=False) if n == name]
    return b", ".join(values) if values else None


def _header(name: str) -> Read:
    wanted = name.replace("_", "-").encode()
    return lambda e: header(e.fields, wanted)


def _argument(name: str) -> Read:
    wanted = name.encode()

    def read(e: Logged) -> Value:
        for pair in _query(e).split(b"&"):
            key, equals, value = pair.partition(b"=")
            if equals and key.lower() == wanted:
                return value
        return None

    return read


def _cookie(name: str) -> Read:
    wanted = name.encode()

    def read(e: Logged) -> Value:
        for pair in (header(e.fields, b"cookie") or b"").split(b";"):
            key, equals, value = pair.strip(b" ").partition(b"=")
            if equals and key.lower() == wanted:
                return value
        return None

    return read


def _of_attempts(show: Callable[[str, int, float, int], str]) -> Read:
    """One value for each attempt, as nginx joins them."""

    def read(e: Logged) -> Value:
        tries: Sequence[tuple[str, int, float, int]] = [(a.address, a.length, a.seconds, a.status) for a in e.earlier]
        if e.upstream_addr:
            tries = [*tries, (e.upstream_addr, e.upstream_length, e.upstream_time, e.upstream_status)]
        return ", ".join(show(*one) for one in tries).encode() if tries else None

    return read


def _forwarded_for(e: Logged) -> Value:
    given = header(e.fields, b"x-forwarded-for")
    address = e.remote_addr.encode()
    return b"%b, %b" % (given, address) if given else address


def _milliseconds(e: Logged) -> Value:
    return f"{int(time.time() * 1000) / 1000:.3f}".encode()


_VARIABLES: dict[str, Read] = {
    "remote_addr": lambda e: _text(e.remote_addr),
    "the_real_ip": lambda e: _text(e.remote_addr),
    "remote_user": lambda e: _text(e.log.remote_user),
    "request": lambda e: e.request or None,
    "request_method": lambda e: _line(e)[0] or None,
    "request_uri": _target,
    "uri": lambda e: (_target(e) or b"").partition(b"?")[0] or None,
    "document_uri": lambda e: (_target(e) or b"").partition(b"?")[0] or None,
    "args": lambda e: _query(e) or None,
    "arguments": lambda e: _query(e) or None,
    "query_string": lambda e: _query(e) or None,
    "is_args": lambda e: b"?" if _query(e) else b"",
    "server_protocol": lambda e: _line(e)[2] or None,
    "protocol": lambda e: _line(e)[2] or None,
    "host": lambda e: _text(e.host),
    "server_name": lambda e: _text(e.host),
    "best_http_host": lambda e: header(e.fields, b"host") or _text(e.host),
    "content_type": lambda e: header(e.fields, b"content-type"),
    "content_length": lambda e: header(e.fields, b"content-length"),
    "status": lambda e: b"%d" % e.status,
    "body_bytes_sent": lambda e: b"%d" % e.body_bytes,
    "bytes_sent": lambda e: b"%d" % e.body_bytes,
    "sent_bytes": lambda e: b"%d" % e.body_bytes,
    "request_length": lambda e: b"%d" % e.request_length,
    "request_time": lambda e: seconds_text(e.request_time).encode(),
    "upstream_addr": _of_attempts(lambda address, length, seconds, status: address),
    "upstream_response_length": _of_attempts(lambda address, length, seconds, status: str(length)),
    "upstream_response_time": _of_attempts(lambda address, length, seconds, status: seconds_text(seconds)),
    "upstream_status": _of_attempts(lambda address, length, seconds, status: str(status or "-")),
    "namespace": lambda e: e.log.namespace.encode(),
    "ingress_name": lambda e: e.log.ingress.encode(),
    "service_name": lambda e: e.log.service.encode(),
    "service_port": lambda e: e.log.port.encode(),
    "proxy_upstream_name": lambda e: e.log.upstream.encode(),
    "proxy_alternative_upstream_name": lambda e: e.log.alternative.encode(),
    "req_id": lambda e: _text(e.log.request_id),
    "request_id": lambda e: _text(e.log.request_id),
    "scheme": _client(lambda c: b"https" if c.tls else b"http"),
    "pass_access_scheme": _client(lambda c: b"https" if c.tls else b"http"),
    "https": _client(lambda c: b"on" if c.tls else b""),
    "remote_port": _client(lambda c: b"%d" % c.port),
    "server_port": _client(lambda c: b"%d" % c.server_port),
    "pass_server_port": _client(lambda c: b"%d" % c.server_port),
    "binary_remote_addr": lambda e: _packed(e.remote_addr),
    "proxy_add_x_forwarded_for": _forwarded_for,
    "msec": _milliseconds,
    "pid": lambda e: b"%d" % os.getpid(),
    "hostname": lambda e: _HOSTNAME,
    "pipe": lambda e: b".",
    "nginx_version": lambda e: None,
}


def _packed(address: str) -> Value:
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except OSError:
        return None
