"""Accepts connections as bare sockets, each handled by a coroutine, for ports whose connections are not all HTTP's.

Whoever handles a socket owns it from then on; this only counts and ends the coroutines.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable

from serin.dataplane.proxy.proxy_protocol import Address, plain_address

AT_ONCE = 64
"""Connections taken before others have their turn."""
PAUSE = 0.1
"""Seconds without accepting when there are no descriptors."""
_log = logging.getLogger(__name__)

Handle = Callable[[socket.socket, Address], Awaitable[None]]


class Accepting:
    """One listening socket. `tasks` has what is being handled; the owner may cancel it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        handle: Handle,
        tasks: set[asyncio.Task[None]],
        most: int,
    ) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._sock = sock
        self._handle = handle
        self._tasks = tasks
        self._most = most
        self._timer: asyncio.TimerHandle | None = None
        loop.add_reader(sock.fileno(), self._accept)

    def close(self) -> None:
        """What is being handled goes on. The parent's copy of the socket stays: what waits there is another's."""
        if self._timer is not None:
            self._timer.cancel()
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                sock, peer = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _log.error("cannot accept a connection: %s", error)
                self._loop.remove_reader(self._sock.fileno())
                self._timer = self._loop.call_later(PAUSE, self._again)
                return
            if len(self._tasks) >= self._most:
                sock.close()
                continue
            sock.setblocking(False)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(self._handled(sock, (plain_address(peer[0]), peer[1])))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _again(self) -> None:
        self._timer = None
        self._loop.add_reader(self._sock.fileno(), self._accept)

    async def _handled(self, sock: socket.socket, peer: Address) -> None:
        try:
            await self._handle(sock, peer)
        except OSError:  # TimeoutError and SSLError are OSErrors: the client's part of the world
            sock.close()
        except asyncio.CancelledError:
            sock.close()
            raise
        except Exception:
            _log.exception("a connection could not be handled")
            sock.close()
