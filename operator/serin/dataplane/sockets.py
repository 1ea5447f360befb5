"""The listening sockets: one for each worker, port and address, opened by the parent and kept by it.

SO_REUSEPORT lets the kernel spread connections over the workers. The parent keeps every socket open for as long as it
lives, so connections that wait when a worker ends are taken by its successor.
"""

import contextlib
import errno
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from serin.errors import UsageError

ANY_IPV4 = "0.0.0.0"  # noqa: S104  an ingress is there to be reached
ANY_IPV6 = "::"
BACKLOG = 4096
"""Connections that may wait; the kernel cuts it to net.core.somaxconn."""


@dataclass(frozen=True, slots=True)
class WorkerSockets:
    """What one worker listens on: a socket for each address."""

    http: tuple[socket.socket, ...]
    https: tuple[socket.socket, ...]

    @property
    def all(self) -> tuple[socket.socket, ...]:
        return self.http + self.https


@dataclass(frozen=True, slots=True)
class Listeners:
    """The sockets of all workers, bound. Nobody can connect before `listen`."""

    workers: tuple[WorkerSockets, ...]
    http_port: int
    https_port: int

    def listen(self) -> None:
        for sock in self._all():
            sock.listen(BACKLOG)

    def close(self) -> None:
        for sock in self._all():
            sock.close()

    def _all(self) -> Iterator[socket.socket]:
        for worker in self.workers:
            yield from worker.all


def open_listeners(bind: str, http_port: int, https_port: int, workers: int) -> Listeners:
    """Bind everything; UsageError names the address and port that cannot be had. Port 0 becomes a free one."""
    addresses = listen_addresses(bind)
    with contextlib.ExitStack() as undo:
        http, http_port = _open_port("--http-port", addresses, http_port, workers, undo)
        https, https_port = _open_port("--https-port", addresses, https_port, workers, undo)
        undo.pop_all()
    sockets = tuple(WorkerSockets(plain, tls) for plain, tls in zip(http, https, strict=True))
    return Listeners(sockets, http_port, https_port)


def listen_addresses(bind: str) -> tuple[str, ...]:
    """The addresses of `bind`, which separates them by commas. Empty: all, of IPv6 too where this machine has it."""
    named = tuple(part.strip().strip("[]") for part in bind.split(",") if part.strip())
    return named or ((ANY_IPV4, ANY_IPV6) if _has_ipv6() else (ANY_IPV4,))


def bind_socket(
    address: str, port: int, *, option: str, shared: bool, kind: socket.SocketKind = socket.SOCK_STREAM
) -> socket.socket:
    """A bound socket. `shared`: others of this process may bind the same. `option` is the flag to blame."""
    try:
        info = socket.getaddrinfo(address, port, type=kind, flags=socket.AI_NUMERICHOST)
    except OSError as error:
        raise UsageError(f"--bind {address}: expected IP addresses separated by commas") from error
    family, kind, protocol, _, target = info[0]
    sock = socket.socket(family, kind, protocol)
    try:
        if kind == socket.SOCK_STREAM:  # two sockets of UDP with it would share a port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(target)
    except OSError as error:
        sock.close()
        raise UsageError(_refusal(error, address, port, option)) from error
    sock.setblocking(False)
    return sock


def _open_port(
    option: str, addresses: Sequence[str], port: int, workers: int, undo: contextlib.ExitStack
) -> tuple[list[tuple[socket.socket, ...]], int]:
    sockets: list[list[socket.socket]] = [[] for _ in range(workers)]
    for address in addresses:
        if port:
            # SO_REUSEPORT would let a second instance of the same user in without a word: ask without it first.
            bind_socket(address, port, option=option, shared=False).close()
        for row in sockets:
            sock = undo.enter_context(contextlib.closing(bind_socket(address, port, option=option, shared=True)))
            port = sock.getsockname()[1]
            row.append(sock)
    return [tuple(row) for row in sockets], port


def _refusal(error: OSError, address: str, port: int, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {address} is in use by another process; choose another with {option}"
    if error.errno == errno.EACCES:
        return f"port {port} on {address} needs a privilege (NET_BIND_SERVICE); choose one above 1023 with {option}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--bind {address}: this machine has no such address"
    return f"cannot listen on {address} port {port}: {error.strerror}"


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True
