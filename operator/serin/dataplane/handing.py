"""Sockets handed from the parent to a running worker, by a pair of UNIX sockets: opened, or taken back.

Each message is a line, `open TCP 9000 127.0.0.1` with the socket, or `close TCP 9000 127.0.0.1`. The parent alone
writes. What a socket is for is the plan's.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping

SocketKey = tuple[str, int, str]
"""Protocol (TCP or UDP), port and address."""
_LONGEST = 256


def pair() -> tuple[socket.socket, socket.socket]:
    """The parent's end, and the worker's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


class Handing:
    """The parent's end, for one worker."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._there: dict[SocketKey, socket.socket] = {}

    def sync(self, sockets: Mapping[SocketKey, socket.socket]) -> bool:
        """Bring the worker to have these; False when it does not read, and it is to be tried again."""
        try:
            for key in [key for key, sock in self._there.items() if sockets.get(key) is not sock]:
                self._sock.send(_line("close", key))
                del self._there[key]
            for key, sock in sockets.items():
                if key not in self._there:
                    socket.send_fds(self._sock, [_line("open", key)], [sock.fileno()])
                    self._there[key] = sock
        except BlockingIOError:
            return False
        except OSError:
            return True  # it is gone
        return True

    def close(self) -> None:
        self._sock.close()


class Received:
    """The worker's end. `sockets` has what is there now; `changed` is called when that is another."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int, changed: Callable[[], None]) -> None:
        self.sockets: dict[SocketKey, socket.socket] = {}
        self._loop = loop
        self._changed = changed
        self._sock = socket.socket(fileno=fd)
        self._sock.setblocking(False)
        loop.add_reader(fd, self._read)

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, fds, _, _ = socket.recv_fds(self._sock, _LONGEST, 1)
                if not data:
                    self.close()
                    break
                word, protocol, port, address = data.decode("ascii").split(" ")
                key = (protocol, int(port), address)
                before = self.sockets.pop(key, None)
                if word == "open" and fds:
                    self.sockets[key] = socket.socket(fileno=fds[0])
                self._changed()
                if before is not None:
                    before.close()
        self._changed()


def _line(word: str, key: SocketKey) -> bytes:
    return f"{word} {key[0]} {key[1]} {key[2]}".encode("ascii")
