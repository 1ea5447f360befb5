"""Listening sockets for nginx: bound here, one for each address and port, and handed over by the variable NGINX.

This process keeps them open, so that connections wait while a killed master is replaced. After a supervisor was killed
its successor takes them out of the nginx that still serves, where the kernel permits that.
"""

import contextlib
import ctypes
import json
import os
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path

from serin.dataplane.settings import DataPlaneSettings
from serin.dataplane.sockets import BACKLOG, bind_socket, listen_addresses
from serin.errors import UsageError

RECORD = "listening.json"
_PIDFD_GETFD = 438
"""The system call's number, the same on all architectures."""
_libc = ctypes.CDLL(None, use_errno=True)

Place = tuple[str, int]
"""Address and port."""


@dataclass(slots=True)
class Listening:
    """Where nginx listens. `sockets` is empty when only nginx itself has them."""

    http: tuple[Place, ...]
    https: tuple[Place, ...]
    sockets: tuple[socket.socket, ...] = field(default=())

    @property
    def ports(self) -> tuple[int, int]:
        return self.http[0][1], self.https[0][1]

    @property
    def http_texts(self) -> tuple[str, ...]:
        """As `listen` in nginx.conf has them."""
        return tuple(map(_text, self.http))

    @property
    def https_texts(self) -> tuple[str, ...]:
        return tuple(map(_text, self.https))

    @property
    def fds(self) -> tuple[int, ...]:
        return tuple(sock.fileno() for sock in self.sockets)

    def listen(self) -> None:
        for sock in self.sockets:
            sock.listen(BACKLOG)

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()
        self.sockets = ()

    def bind(self) -> None:
        """Open the same ones again, when the nginx that had them alone is gone. UsageError when one is taken."""
        with contextlib.ExitStack() as undo:
            opened = []
            for option, places in (("--http-port", self.http), ("--https-port", self.https)):
                for address, port in places:
                    sock = bind_socket(address, port, option=option, shared=False)
                    opened.append(undo.enter_context(contextlib.closing(sock)))
            undo.pop_all()
        self.sockets = tuple(opened)


def open_sockets(settings: DataPlaneSettings, before: Listening | None = None) -> Listening:
    """Bind everything; UsageError names the address and port that cannot be had.

    Port 0 becomes a free one; that of `before`, if it is still free, for which configurations have been made.
    """
    addresses = listen_addresses(settings.bind)
    if before is not None and sorted(addresses) == sorted(address for address, _ in before.http):
        again = replace(before)
        if all(asked in (0, had) for asked, had in zip(_asked(settings), before.ports, strict=True)):
            with contextlib.suppress(UsageError):
                again.bind()
                return again
    places: list[tuple[Place, ...]] = []
    opened: list[socket.socket] = []
    with contextlib.ExitStack() as undo:
        for option, port in zip(("--http-port", "--https-port"), _asked(settings), strict=True):
            chosen = port
            for address in addresses:
                sock = bind_socket(address, chosen, option=option, shared=False)
                opened.append(undo.enter_context(contextlib.closing(sock)))
                chosen = sock.getsockname()[1]
            places.append(tuple((address, chosen) for address in addresses))
        undo.pop_all()
    return Listening(places[0], places[1], tuple(opened))


def _asked(settings: DataPlaneSettings) -> tuple[int, int]:
    return settings.http_port, settings.https_port


def remember(listening: Listening, prefix: Path) -> None:
    """Leave for the next supervisor where this nginx listens."""
    if is_remembered(listening, prefix):
        return
    path = prefix / RECORD
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"http": listening.http, "https": listening.https}) + "\n")
    fresh.replace(path)


def remembered(prefix: Path) -> Listening | None:
    try:
        told = json.loads((prefix / RECORD).read_bytes())
        http, https = (tuple((str(address), int(port)) for address, port in told[name]) for name in ("http", "https"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Listening(http, https) if http and https else None


def is_remembered(listening: Listening, prefix: Path) -> bool:
    """Whether what was made for this folder before was made for the same addresses and ports."""
    return remembered(prefix) == replace(listening, sockets=())


def take(listening: Listening, pid: int) -> bool:
    """Get the listening sockets out of that process; whether all were had. It needs the right to trace it."""
    wanted = {*listening.http, *listening.https}
    found: dict[Place, socket.socket] = {}
    with contextlib.ExitStack() as undo:
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return False
        undo.callback(os.close, pidfd)
        for fd in _descriptors(pid):
            sock = _copy(pidfd, fd)
            if sock is None:
                continue
            place = _listens(sock)
            if place in wanted and place not in found:
                found[place] = sock
            else:
                sock.close()
    if set(found) != wanted:
        for sock in found.values():
            sock.close()
        return False
    listening.sockets = tuple(found[place] for place in (*listening.http, *listening.https))
    return True


def _descriptors(pid: int) -> tuple[int, ...]:
    """Those that are sockets."""
    found = []
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                if str(path.readlink()).startswith("socket:"):
                    found.append(int(path.name))
    return tuple(found)


def _copy(pidfd: int, fd: int) -> socket.socket | None:
    copied = _libc.syscall(_PIDFD_GETFD, pidfd, fd, 0)
    if copied < 0:
        return None
    try:
        return socket.socket(fileno=copied)
    except OSError:
        os.close(copied)
        return None


def _listens(sock: socket.socket) -> Place | None:
    """Address and port of a listening TCP socket."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return None
    address, port = sock.getsockname()[:2]
    return str(address), int(port)


def _text(place: Place) -> str:
    address, port = place
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
