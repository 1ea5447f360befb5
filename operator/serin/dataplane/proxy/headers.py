"""Header lines that the proxy adds: X-Forwarded-* and their kin towards endpoints, HSTS towards clients.

As ingress-nginx sends them with use-forwarded-headers off: what a client claims about itself is replaced, only its
X-Forwarded-For is kept, under another name. Must not know routes; what depends on one comes in as an argument.
"""

import os
import re

from serin.dataplane.proxy.exchange import Client, RequestHead

DROPPED = frozenset(
    {
        b"x-request-id",
        b"x-real-ip",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-forwarded-scheme",
        b"x-scheme",
        b"x-original-forwarded-for",
        b"proxy",
    }
)
"""Client's headers that are not sent on: those the proxy sets itself, and Proxy (httpoxy, CVE-2016-5385)."""

DROPPED_BESIDE = DROPPED | {
    b"x-code",
    b"x-format",
    b"x-original-uri",
    b"x-namespace",
    b"x-ingress-name",
    b"x-service-name",
    b"x-service-port",
}
"""The same towards default backends, which trust what these say."""

ANSWER_DROPPED = frozenset(
    {
        b"server",
        b"x-accel-redirect",
        b"x-accel-expires",
        b"x-accel-limit-rate",
        b"x-accel-buffering",
        b"x-accel-charset",
    }
)
"""Endpoints' headers that are not passed on: orders to nginx, which nobody here obeys, and the server's name."""

HSTS = b"Strict-Transport-Security"

ANSWER_DROPPED_TLS = ANSWER_DROPPED | {HSTS.lower()}
"""Over TLS the endpoint's own HSTS gives way to the one of the settings (ingress-nginx sets it after the endpoint)."""

_CONTROLS = re.compile(rb"[\x00-\x1f\x7f]")
_MAX_REQUEST_ID = 256
_REQUEST_ID = re.compile(rb"[\x21-\x7e]+").fullmatch
_ID_BATCH = 256


class RequestIds:
    """Random request ids, 32 hex digits; drawn in batches, a system call for each would cost more than the rest."""

    __slots__ = ("_ready", "generate")

    def __init__(self) -> None:
        self._ready: list[tuple[bytes, str]] = []
        self.generate = True
        """Requests without an id get one (generate-request-id)."""

    def of(self, head: RequestHead) -> tuple[bytes, str]:
        """As it goes on the wire and as text for the log: the client's own when it is one, else a new one.

        Taken from a client are up to 256 printable characters without blanks.
        """
        if b"x-request-id" in head.lower:
            sent = head.get(b"x-request-id") or b""
            if len(sent) <= _MAX_REQUEST_ID and _REQUEST_ID(sent):
                return sent, sent.decode("ascii")
        ready = self._ready
        if not self.generate:
            return b"", ""
        if not ready:
            text = os.urandom(16 * _ID_BATCH).hex()
            ids = [text[i : i + 32] for i in range(0, len(text), 32)]
            ready += [(i.encode(), i) for i in ids]
        return ready.pop()


def connection_block(client: Client) -> bytes:
    """The lines that are the same for all requests of a connection; to be kept in Client.block."""
    address = client.address.encode()
    return address_block(address, address, b"%d" % client.server_port, b"https" if client.tls else b"http")


def address_block(address: bytes, passed: bytes, port: bytes, scheme: bytes) -> bytes:
    """The same lines from their values; `passed`: the addresses of X-Forwarded-For."""
    return (
        b"X-Real-IP: %b\r\n"
        b"X-Forwarded-For: %b\r\n"
        b"X-Forwarded-Port: %b\r\n"
        b"X-Forwarded-Proto: %b\r\n"
        b"X-Forwarded-Scheme: %b\r\n"
        b"X-Scheme: %b\r\n"
    ) % (address, passed, port, scheme, scheme, scheme)


def endpoint_lines(head: RequestHead, client: Client, host: bytes, request_id: bytes, more: bytes) -> bytes:
    """All header lines that the proxy adds for the endpoint; `host` as seen by clients, `more`: the route's lines."""
    block = client.block
    if not block:
        block = client.block = connection_block(client)
    if b"x-forwarded-for" in head.lower and not client.scheme and (claimed := head.get(b"x-forwarded-for")):
        more += b"X-Original-Forwarded-For: %b\r\n" % claimed
    if not request_id:
        return b"%bX-Forwarded-Host: %b\r\n%b" % (block, host, more)
    return b"%bX-Forwarded-Host: %b\r\nX-Request-ID: %b\r\n%b" % (block, host, request_id, more)


def visible_host(head: RequestHead) -> bytes:
    """What the endpoint gets as Host: the header as sent, else the target's; `_` when HTTP/1.0 named none."""
    return head.host_header or head.host.encode() or b"_"


def cookie_header(head: RequestHead) -> bytes | None:
    """The request's Cookie headers joined with `; `, as nginx joins these (others with a comma); None without any."""
    count = head.lower.count(b"cookie")
    if count <= 1:
        return None if count == 0 else head.headers[head.lower.index(b"cookie")][1]
    return b"; ".join([v for (_, v), name in zip(head.headers, head.lower, strict=True) if name == b"cookie"])


def one_line(value: bytes) -> bytes:
    """A header value without control characters, which a decoded path or a user's text could bring in."""
    return _CONTROLS.sub(b"", value)


def cookie_line(value: bytes) -> bytes:
    return b"Set-Cookie: %b\r\n" % value
