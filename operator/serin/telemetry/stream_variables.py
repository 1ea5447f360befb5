"""nginx's variables of its stream module as they are in a line of the access log, read from a session that is over.

As in log_variables: bytes, or None where nginx would find nothing.
"""

import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from serin.telemetry.access_log import seconds_text

Value = bytes | None


class Tried(Protocol):
    """An endpoint that was tried; times in seconds, None for what did not come."""

    address: str
    connected: float | None
    first_byte: float | None
    ended: float | None
    sent: int
    received: int


class StreamLogged(Protocol):
    """A connection or UDP session; dataplane.proxy.stream_session has the fields' meaning."""

    protocol: str
    client: tuple[str, int]
    server: tuple[str, int]
    upstream: str
    server_name: str
    told: bool
    status: int
    sent: int
    received: int
    seconds: float

    @property
    def tries(self) -> Sequence[Tried]: ...


Read = Callable[[StreamLogged], Value]
_HOSTNAME = socket.gethostname().encode()


def stream_reader(name: str) -> Read:
    """How the variable `name` is read; what is not known is None for every session."""
    return _VARIABLES.get(name.lower(), lambda s: None)


def _number(value: int) -> bytes:
    return b"%d" % value


def _packed(address: str) -> Value:
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except OSError:
        return None


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else seconds_text(seconds)


def _of_tries(show: Callable[[Tried], str]) -> Read:
    """One value for each endpoint, as nginx joins them."""
    return lambda s: ", ".join(show(one) for one in s.tries).encode() if s.tries else None


_VARIABLES: dict[str, Read] = {
    "binary_remote_addr": lambda s: _packed(s.client[0]),
    "bytes_received": lambda s: _number(s.received),
    "bytes_sent": lambda s: _number(s.sent),
    "hostname": lambda s: _HOSTNAME,
    "msec": lambda s: f"{int(time.time() * 1000) / 1000:.3f}".encode(),
    "pid": lambda s: _number(os.getpid()),
    "protocol": lambda s: s.protocol.encode(),
    "proxy_protocol_addr": lambda s: s.client[0].encode() if s.told else None,
    "proxy_protocol_port": lambda s: _number(s.client[1]) if s.told else None,
    "proxy_upstream_name": lambda s: s.upstream.encode() or None,
    "remote_addr": lambda s: s.client[0].encode(),
    "remote_port": lambda s: _number(s.client[1]),
    "server_addr": lambda s: s.server[0].encode(),
    "server_port": lambda s: _number(s.server[1]),
    "session_time": lambda s: seconds_text(s.seconds).encode(),
    "ssl_preread_server_name": lambda s: s.server_name.encode() or None,
    "status": lambda s: _number(s.status),
    "upstream_addr": _of_tries(lambda one: one.address),
    "upstream_bytes_received": _of_tries(lambda one: str(one.received)),
    "upstream_bytes_sent": _of_tries(lambda one: str(one.sent)),
    "upstream_connect_time": _of_tries(lambda one: _time(one.connected)),
    "upstream_first_byte_time": _of_tries(lambda one: _time(one.first_byte)),
    "upstream_session_time": _of_tries(lambda one: _time(one.ended)),
}
