"""A port of UDP passed on: a socket to the endpoint for each client, as long as answers are due.

As nginx does with ingress-nginx's settings: an answer for each datagram ends the session, and the client's next one
goes to the next endpoint. Sessions without answers end after a time, and there is a bound to their number.
"""

import asyncio
import contextlib
import socket
import time

from serin.dataplane.proxy.proxy_protocol import Address, plain_address
from serin.dataplane.proxy.relay import BAD_GATEWAY, IDLE_SECONDS, OK, Chosen, Relays
from serin.routing.beside import Beside

MOST_SESSIONS = 4096
"""Of one port in one worker; datagrams of further clients are dropped."""
MOST_EARLY = 64
"""Datagrams that wait for a session's socket."""
ANSWERS = 1
"""For each datagram of a client (proxy-stream-responses)."""
SWEEP_SECONDS = 1.0


class DatagramPort(asyncio.DatagramProtocol):
    """One bound socket. `beside` may be replaced at any time: the next session goes there."""

    def __init__(self, loop: asyncio.AbstractEventLoop, relays: Relays, beside: Beside) -> None:
        self.beside = beside
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = False
        self._loop = loop
        self._relays = relays
        self._sessions: dict[Address, _Session] = {}
        self._timer = loop.call_later(SWEEP_SECONDS, self._sweep)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        if self._closed:
            transport.close()

    def answer(self, data: bytes, client: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, client)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        session = self._sessions.get(addr)
        if session is None:
            if len(self._sessions) >= MOST_SESSIONS:
                return
            choice = self._relays.choose(self.beside, (plain_address(addr[0]), addr[1]))
            if choice is None:
                return
            session = self._sessions[addr] = _Session(self, addr, choice)
            session.open(self._loop)
        session.send(data)

    def error_received(self, exc: Exception) -> None:
        """A client's port is closed: nothing to do."""

    def over(self, client: Address) -> None:
        self._sessions.pop(client, None)

    def close(self) -> None:
        """Take no more, and end all sessions."""
        self._closed = True
        self._timer.cancel()
        for session in tuple(self._sessions.values()):
            session.close()
        if self._transport is not None:
            self._transport.close()

    def _sweep(self) -> None:
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        now = time.monotonic()
        for session in tuple(self._sessions.values()):
            if session.deadline < now:
                session.close()


class _Session(asyncio.DatagramProtocol):
    def __init__(self, port: DatagramPort, client: Address, choice: Chosen) -> None:
        self._port = port
        self._client = client
        self._choice = choice
        self._transport: asyncio.DatagramTransport | None = None
        self._early: list[bytes] = []
        self._asked = 0
        self._answered = 0
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self.deadline = time.monotonic() + IDLE_SECONDS

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        self._task = loop.create_task(self._connect(loop))

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> None:
        choice = self._choice
        family = socket.AF_INET6 if ":" in choice.address else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            with contextlib.ExitStack() as undo:
                undo.callback(sock.close)
                sock.connect((choice.address, choice.port))
                await loop.create_datagram_endpoint(lambda: self, sock=sock)
                undo.pop_all()
        except OSError:
            self.close(BAD_GATEWAY)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        early, self._early = self._early, []
        for data in early:
            self._transport.sendto(data)  # type: ignore[union-attr]

    def send(self, data: bytes) -> None:
        self._asked += 1
        self.deadline = time.monotonic() + IDLE_SECONDS
        if self._transport is not None:
            self._transport.sendto(data)
        elif len(self._early) < MOST_EARLY:
            self._early.append(data)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._answered += 1
        self.deadline = time.monotonic() + IDLE_SECONDS
        self._port.answer(data, self._client)
        if self._answered >= ANSWERS * self._asked:
            self.close()

    def error_received(self, exc: Exception) -> None:
        """The endpoint's port is closed."""
        self.close(BAD_GATEWAY)

    def close(self, status: int = OK) -> None:
        if self._closed:
            return
        self._closed = True
        self._port.over(self._client)
        self._choice.done(status, failed=status == BAD_GATEWAY)
        if self._transport is not None:
            self._transport.close()
        elif self._task is not None:
            self._task.cancel()
