"""TCP connections passed on unread: ports of TCP, and TLS by its name. Bytes go through both ways until both ends have.

The endpoint is connected before anything is read of the client, and counts as busy until the end. Another one is tried
while none could be connected. Each pair is swept and drained with the tunnels of upgraded requests.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

from serin.dataplane.proxy.proxy_protocol import Address, plain_address, write_line
from serin.dataplane.proxy.stream_session import EndpointTry, StreamSession
from serin.dataplane.proxy.tunnel import Joined
from serin.native.worker import KEYED
from serin.routing.beside import Beside
from serin.routing.wide import Passing

NEVER = float("inf")
CONNECT_SECONDS = 5.0
MOST_HANDLES = 4096
OK, BAD_REQUEST, BAD_GATEWAY, UNAVAILABLE = 200, 400, 502, 503
"""What nginx says of such a connection in its log."""


class Chosen(Protocol):
    """native.worker.Choice."""

    address: str
    port: int

    def retry(self) -> "Chosen | None": ...
    def done(self, status: int, *, failed: bool = False) -> None: ...


class Decides(Protocol):
    """A split as native gives it; the int is a negative SRN_* result."""

    def decide(self, forced: int = -1, excluded: int = 0, key: int = 0, flags: int = 0) -> Any: ...


class Relays:
    """All of a worker's. `split` opens one of the plan's splits; `joined` is swept and drained by the server.

    `most`: one more connection is closed at once, so that descriptors are left for requests. `tell` gets each session
    that is over.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        split: Callable[[str, tuple[str, ...]], Decides],
        hashed: Callable[[bytes], int],
        joined: set[Joined],
        most: int,
        tell: Callable[[StreamSession], None] = lambda session: None,
    ) -> None:
        self.rules = Passing()
        """Of the plan in force."""
        self.tell = tell
        self._most = most
        self._loop = loop
        self._split = split
        self._hashed = hashed
        self._joined = joined
        self._handles: dict[tuple[str, str], Decides] = {}

    def choose(self, beside: Beside, client: Address) -> Chosen | None:
        """An endpoint for a client; None: there is none."""
        key = (beside.split, beside.ident)
        handle = self._handles.get(key)
        if handle is None:
            if len(self._handles) >= MOST_HANDLES:
                self._handles.clear()  # most are of plans that are gone
            handle = self._handles[key] = self._split(beside.split, (beside.ident,))
        found = handle.decide(-1, 0, self._hashed(client[0].encode()), KEYED)
        return None if isinstance(found, int) else found

    async def join(
        self, client: socket.socket, session: StreamSession, beside: Beside, *, encode: bool = False
    ) -> None:
        """Connect an endpoint and pass everything on; returns when both are joined, or the client is closed.

        `encode`: the endpoint gets a PROXY line first. OSError when the client is gone meanwhile.
        """
        full = len(self._joined) >= self._most
        choice = None if full else self.choose(beside, session.client)
        endpoint = None if choice is None else await self._connected(choice, session)
        if choice is None or endpoint is None:
            client.close()
            self.over(session, UNAVAILABLE if full else BAD_GATEWAY)
            return
        prelude = write_line(session.client, session.server) if encode else b""
        session.tries[-1].sent = len(prelude)
        relay = Relay(choice, self._joined, self, session)
        try:
            await self._loop.connect_accepted_socket(lambda: relay.endpoint, endpoint)
            relay.endpoint.write(prelude)
            await self._loop.connect_accepted_socket(lambda: relay.client, client)
        except BaseException:
            relay.abort()
            endpoint.close()
            client.close()
            raise

    def over(self, session: StreamSession, status: int) -> None:
        session.ended(status)
        self.tell(session)

    async def _connected(self, choice: Chosen, session: StreamSession) -> socket.socket | None:
        """A connection to the chosen endpoint or to another one; None when there is none, and the choice is done."""
        begun = time.monotonic()
        while True:
            tried = EndpointTry(shown(choice))
            session.tries.append(tried)
            family = socket.AF_INET6 if ":" in choice.address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._loop.sock_connect(sock, (choice.address, choice.port))
            except OSError:
                sock.close()
                tried.ended = tried.since()
                if not self._may_retry(len(session.tries), begun) or choice.retry() is None:
                    break
            except BaseException:
                sock.close()
                choice.done(0)
                raise
            else:
                tried.connected = tried.since()
                return sock
        choice.done(BAD_GATEWAY, failed=True)
        return None

    def _may_retry(self, tried: int, begun: float) -> bool:
        rules = self.rules
        late = rules.tries_timeout and time.monotonic() - begun >= rules.tries_timeout
        return rules.next_upstream and not late and (not rules.tries or tried < rules.tries)


def shown(choice: Chosen) -> str:
    """An endpoint as logs have it."""
    return f"[{choice.address}]:{choice.port}" if ":" in choice.address else f"{choice.address}:{choice.port}"


def local_address(sock: socket.socket) -> Address:
    """Where the client came to."""
    name = sock.getsockname()
    return plain_address(name[0]), name[1]


class Relay:
    """A pair, as the sweep sees it."""

    __slots__ = ("_choice", "_idle", "_is_over", "_joined", "_relays", "_session", "client", "deadline", "endpoint")

    def __init__(self, choice: Chosen, joined: set[Joined], relays: Relays, session: StreamSession) -> None:
        self._choice = choice
        self._joined = joined
        self._relays = relays
        self._session = session
        self._idle = float(relays.rules.timeout)
        self._is_over = False
        self.client = RelayEnd(self)
        self.endpoint = RelayEnd(self)
        self.client.other, self.endpoint.other = self.endpoint, self.client
        self.deadline = time.monotonic() + self._idle
        joined.add(self)

    def moved(self) -> None:
        """A byte went through."""
        self.deadline = time.monotonic() + self._idle

    def answered(self) -> None:
        """The endpoint's first byte is there."""
        tried = self._session.tries[-1]
        tried.first_byte = tried.since()

    def ended(self) -> None:
        """One side has sent all; the relay is over when both have."""
        if self.client.ended and self.endpoint.ended:
            for end in (self.client, self.endpoint):
                if end.transport is not None:
                    end.transport.close()

    def lost(self, end: "RelayEnd") -> None:
        """One connection is gone; what was read of it still goes out on the other."""
        other = end.other
        if other.transport is not None and not other.gone:
            other.transport.close()
            self.deadline = min(self.deadline, time.monotonic() + self._idle)
        if other.gone or other.transport is None:
            self._over()

    def expired(self, now: float) -> None:
        self.deadline = NEVER
        self.abort()

    def abort(self) -> None:
        for end in (self.client, self.endpoint):
            if end.transport is not None:
                end.transport.abort()
        self._over()

    def _over(self) -> None:
        self._joined.discard(self)
        self._choice.done(OK)
        if self._is_over:
            return
        self._is_over = True
        session = self._session
        session.received, session.sent = self.client.received, self.endpoint.received
        session.tries[-1].sent += session.received
        session.tries[-1].received = session.sent
        self._relays.over(session, OK)


class RelayEnd(asyncio.Protocol):
    """One connection of a pair. The endpoint's comes first: what it says meanwhile waits for the client's."""

    __slots__ = ("_early", "_paused", "ended", "gone", "other", "received", "relay", "transport")

    other: "RelayEnd"

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.transport: asyncio.Transport | None = None
        self.ended = False
        self.gone = False
        self.received = 0
        self._early = b""
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        early, self._early = self._early, b""
        if early:
            self.write(early)
        other = self.other
        if other.gone:
            self.transport.close()  # type: ignore[union-attr]
        elif other.ended:
            self.end()
        elif other.transport is not None and not self._paused:
            other.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if not self.received and self is self.relay.endpoint:
            self.relay.answered()
        self.received += len(data)
        self.relay.moved()
        self.other.write(data)
        if self.other.transport is None and self.transport is not None:
            self.transport.pause_reading()

    def write(self, data: bytes) -> None:
        if self.transport is None:
            self._early += data
        elif data:
            with contextlib.suppress(RuntimeError):  # uvloop: closed, connection_lost not yet called
                self.transport.write(data)

    def eof_received(self) -> bool:
        """Pass the end on, and keep the other direction open."""
        self.ended = True
        if self.other.transport is not None:
            self.other.end()
        self.relay.ended()
        return True

    def end(self) -> None:
        """The other side has sent all."""
        transport = self.transport
        if transport is not None and not transport.is_closing():
            with contextlib.suppress(OSError, RuntimeError):
                transport.write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = self.gone = True
        self.relay.lost(self)

    def pause_writing(self) -> None:
        self._paused = True
        if self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        if self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()
