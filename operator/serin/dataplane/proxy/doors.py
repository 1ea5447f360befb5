"""The ports of HTTP and HTTPS as a worker listens on them, as the plan in force asks for it.

Mostly asyncio accepts by itself. With the PROXY protocol, or where TLS of some hosts is passed on unread, connections
are taken as bare sockets, and given to asyncio when their first bytes were looked at. It knows no routes.
"""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Protocol

from serin.dataplane.proxy import client_hello, proxy_protocol
from serin.dataplane.proxy.accepting import Accepting
from serin.dataplane.proxy.client_hello import server_name
from serin.dataplane.proxy.downstream import Downstream
from serin.dataplane.proxy.networks import Networks
from serin.dataplane.proxy.prelude import peek
from serin.dataplane.proxy.proxy_protocol import Address, BadLineError, ProxyLine, read_line
from serin.dataplane.proxy.relay import Relays, local_address
from serin.dataplane.proxy.server import Server
from serin.dataplane.proxy.stream_session import StreamSession
from serin.dataplane.sockets import BACKLOG
from serin.errors import CorruptFileError
from serin.routing.beside import Beside
from serin.routing.plan import Globals

HTTPS = 443
HANDSHAKE_SECONDS = 30.0
"""For a ClientHello, and for the handshake."""


class Listened(Protocol):
    """A plan in force (proxy.site.Site)."""

    @property
    def globals(self) -> Globals: ...

    def passthrough_of(self, name: str) -> Beside | None:
        """Who gets TLS connections for a name unread; CorruptFileError when the host cannot be read."""


class Doors:
    """`http` and `https` are inherited descriptors, open until `close`; `ports` what clients see of them."""

    def __init__(
        self,
        server: Server,
        relays: Relays,
        http: Sequence[int],
        https: Sequence[int],
        context: ssl.SSLContext | None,
        ports: tuple[int, int],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = server
        self._relays = relays
        self._fds = (tuple(http), tuple(https))
        self._context = context
        self._ports = ports
        self._site: Listened | None = None
        self._mode: tuple[bool, bool] | None = None
        self._open: list[asyncio.Server | Accepting] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._one = asyncio.Lock()

    async def follow(self, site: Listened) -> None:
        """Listen as this plan asks for it. Connections that are there stay as they are."""
        self._site = site
        async with self._one:
            mode = (site.globals.forwarding.proxy_protocol, site.globals.passthrough)
            if mode == self._mode:
                return
            before, self._open = self._open, []
            self._mode = mode
            for fd in self._fds[0]:
                self._open.append(await self._listen(fd, None, guarded=mode[0]))
            for fd in self._fds[1]:
                self._open.append(await self._listen(fd, self._context, guarded=any(mode)))
            for one in before:
                one.close()  # the parent's copy of the socket stays: what waits there is taken by the others

    async def close(self) -> None:
        """Take no new connection; those that are just arriving get a moment, as idle ones do while draining.

        The inherited descriptors go, too: while one is open the kernel takes connections that nobody would serve.
        """
        for one in self._open:
            one.close()
        self._open = []
        for fd in (fd for fds in self._fds for fd in fds):
            os.close(fd)
        self._fds = ((), ())
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=self._server.settings.drain_idle)
        for task in tuple(self._tasks):
            task.cancel()

    async def _listen(self, fd: int, context: ssl.SSLContext | None, *, guarded: bool) -> asyncio.Server | Accepting:
        sock = socket.socket(fileno=os.dup(fd))
        tls, port = context is not None, self._ports[context is not None]
        if guarded:
            most = self._server.settings.max_connections

            async def handle(client: socket.socket, peer: Address) -> None:
                await self._arrived(client, peer, context, port)

            return Accepting(self._loop, sock, handle, self._tasks, most)
        return await self._loop.create_server(
            self._server.protocol_factory(tls=tls, server_port=port),
            sock=sock,
            backlog=BACKLOG,
            ssl=context,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if tls else None,
        )

    async def _arrived(self, sock: socket.socket, peer: Address, context: ssl.SSLContext | None, port: int) -> None:
        """A new connection: whose it is, then who gets it. OSError when it is gone."""
        site = self._site
        assert site is not None
        forwarding = site.globals.forwarding
        client = peer
        begun = time.monotonic()
        if forwarding.proxy_protocol:
            line = await take_line(self._loop, sock, forwarding.line_timeout)
            if line is None:
                sock.close()
                return
            if line.source is not None and peer[0] in _networks(forwarding.proxies):
                client = line.source
                if line.destination is not None and line.destination[1] == HTTPS:
                    port = HTTPS  # TLS was ended in front of us
        if context is not None and site.globals.passthrough:
            name = await peek(self._loop, sock, server_name, most=client_hello.MOST, seconds=HANDSHAKE_SECONDS)
            beside = _passed(name, site)
            if beside is not None:
                session = StreamSession("TCP", client, local_address(sock), beside.name, name, begun=begun)
                session.told = forwarding.proxy_protocol
                await self._relays.join(sock, session, beside)
                return
        await self._loop.connect_accepted_socket(
            self._factory(context is not None, port, client),
            sock,
            ssl=context,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if context is not None else None,
        )

    def _factory(self, tls: bool, port: int, client: Address) -> Callable[[], Downstream]:
        return self._server.protocol_factory(tls=tls, server_port=port, client=client)


def _passed(name: str, site: Listened) -> Beside | None:
    """Who gets connections for a name unread; None: their TLS is ended here."""
    try:
        return site.passthrough_of(name) if name else None
    except CorruptFileError:
        return None  # whose requests are answered with an error then


async def take_line(loop: asyncio.AbstractEventLoop, sock: socket.socket, seconds: float) -> ProxyLine | None:
    """Takes a PROXY line off a connection. None: there is none, and the connection is to be closed."""
    try:
        line = await peek(loop, sock, read_line, most=proxy_protocol.MOST, seconds=seconds)
    except BadLineError:
        return None
    left = line.length
    while left:
        taken = len(sock.recv(left))  # all of it was seen, so that this does not wait
        if not taken:
            return None
        left -= taken
    return line


@lru_cache(maxsize=8)
def _networks(texts: tuple[str, ...]) -> Networks:
    return Networks(text for text in texts if text != "unix:")
