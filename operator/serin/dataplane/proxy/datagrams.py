"""A port of UDP passed on: a socket to the endpoint for each client, as long as answers are due.

As nginx does with ingress-nginx's settings: an answer for each datagram ends the session, and the client's next one
goes to the next endpoint. Sessions without answers end after a time, and there is a bound to their number.
"""

import asyncio
import contextlib
import socket
import time

from serin.dataplane.proxy.proxy_protocol import Address, plain_address
from serin.dataplane.proxy.relay import BAD_GATEWAY, OK, Chosen, Relays, shown
from serin.dataplane.proxy.stream_session import EndpointTry, StreamSession
from serin.routing.beside import Beside
from serin.routing.stream_log import upstream_name
from serin.routing.wide import Passing

MOST_SESSIONS = 4096
"""Of one port in one worker; datagrams of further clients are dropped."""
MOST_EARLY = 64
"""Datagrams that wait for a session's socket."""
SWEEP_SECONDS = 1.0


class DatagramPort(asyncio.DatagramProtocol):
    """One bound socket. `beside` may be replaced at any time: the next session goes there. `server`: its address."""

    def __init__(self, loop: asyncio.AbstractEventLoop, relays: Relays, beside: Beside, server: Address) -> None:
        self.beside = beside
        self._server = server
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
            client = (plain_address(addr[0]), addr[1])
            told = StreamSession("UDP", client, self._server, upstream_name("UDP", self.beside.name))
            choice = self._relays.choose(self.beside, client)
            if choice is None:
                told.received = len(data)
                self._relays.over(told, BAD_GATEWAY)
                return
            told.tries.append(EndpointTry(shown(choice)))
            session = self._sessions[addr] = _Session(self, addr, choice, self._relays.rules, told)
            session.open(self._loop)
        session.send(data)

    def error_received(self, exc: Exception) -> None:
        """A client's port is closed: nothing to do."""

    def over(self, client: Address, told: StreamSession, status: int) -> None:
        self._sessions.pop(client, None)
        self._relays.over(told, status)

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
    def __init__(
        self, port: DatagramPort, client: Address, choice: Chosen, rules: Passing, told: StreamSession
    ) -> None:
        self._rules = rules
        self._told = told
        self._port = port
        self._client = client
        self._choice = choice
        self._transport: asyncio.DatagramTransport | None = None
        self._early: list[bytes] = []
        self._asked = 0
        self._answered = 0
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self.deadline = time.monotonic() + rules.timeout

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
        tried = self._told.tries[-1]
        tried.connected = tried.since()
        for data in early:
            self._send(transport, data)  # type: ignore[arg-type]
        self._end_answered()

    def send(self, data: bytes) -> None:
        self._asked += 1
        self._told.received += len(data)
        self.deadline = time.monotonic() + self._rules.timeout
        if self._transport is not None:
            self._send(self._transport, data)
            self._end_answered()
        elif len(self._early) < MOST_EARLY:
            self._early.append(data)

    def _send(self, transport: asyncio.DatagramTransport, data: bytes) -> None:
        self._told.tries[-1].sent += len(data)
        transport.sendto(data)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        tried = self._told.tries[-1]
        if not self._answered:
            tried.first_byte = tried.since()
        self._answered += 1
        self._told.sent += len(data)
        tried.received += len(data)
        self.deadline = time.monotonic() + self._rules.timeout
        self._port.answer(data, self._client)
        self._end_answered()

    def _end_answered(self) -> None:
        if self._answered >= self._rules.responses * self._asked:
            self.close()

    def error_received(self, exc: Exception) -> None:
        """The endpoint's port is closed."""
        self.close(BAD_GATEWAY)

    def close(self, status: int = OK) -> None:
        if self._closed:
            return
        self._closed = True
        self._choice.done(status, failed=status == BAD_GATEWAY)
        self._port.over(self._client, self._told, status)
        if self._transport is not None:
            self._transport.close()
        elif self._task is not None:
            self._task.cancel()
