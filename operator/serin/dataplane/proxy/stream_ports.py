"""Ports of TCP and UDP as a worker serves them: sockets come from the parent while it runs, what they are for from the
plan in force.

A port is served when both are there, in whatever order they came.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Coroutine
from typing import Any

from serin.dataplane.handing import Received, SocketKey
from serin.dataplane.proxy.accepting import Accepting
from serin.dataplane.proxy.datagrams import DatagramPort
from serin.dataplane.proxy.doors import take_line
from serin.dataplane.proxy.proxy_protocol import Address
from serin.dataplane.proxy.relay import BAD_REQUEST, OK, Relays, local_address
from serin.dataplane.proxy.stream_session import StreamSession
from serin.routing.stream_log import upstream_name
from serin.routing.wide import Stream

MOST_ARRIVING = 4096
"""Connections of all these ports that wait for their PROXY line or their endpoint; one more is closed at once."""
_log = logging.getLogger(__name__)


class StreamPorts:
    """`handed` is the socket by which the parent hands sockets over, or -1 where there is none."""

    def __init__(self, relays: Relays, handed: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._relays = relays
        self._streams: dict[tuple[str, int], Stream] = {}
        self._serving: dict[SocketKey, tuple[socket.socket, Accepting | DatagramPort]] = {}
        self._arriving: set[asyncio.Task[None]] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._line_timeout = 0.0
        self._closed = False
        self._received = None if handed < 0 else Received(self._loop, handed, self._match)

    def follow(self, streams: tuple[Stream, ...], line_timeout: float) -> None:
        """Serve these from now on. Connections that are there stay as they are. `line_timeout` of PROXY lines."""
        self._line_timeout = line_timeout
        self._streams = {(stream.protocol, stream.port): stream for stream in streams}
        for key, (_, port) in self._serving.items():
            stream = self._streams.get(key[:2])
            if stream is not None and isinstance(port, DatagramPort):
                port.beside = stream.to
        self._match()

    def close(self) -> None:
        """Take nothing new, and leave the kernel no socket to take it for us."""
        self._closed = True
        if self._received is not None:
            self._received.close()
            for sock in self._received.sockets.values():
                sock.close()
        for task in (*self._arriving, *self._opening):
            task.cancel()
        for key in tuple(self._serving):
            self._end(key)

    def _match(self) -> None:
        """Serve what is named and there, and nothing else."""
        there = {} if self._received is None or self._closed else self._received.sockets
        for key, (sock, _) in tuple(self._serving.items()):
            if there.get(key) is not sock or key[:2] not in self._streams:
                self._end(key)
        for key, sock in there.items():
            if key[:2] in self._streams and key not in self._serving:
                self._begin(key, sock)

    def _begin(self, key: SocketKey, sock: socket.socket) -> None:
        own = socket.socket(fileno=os.dup(sock.fileno()))
        if key[0] == "TCP":

            async def handle(client: socket.socket, peer: Address) -> None:
                await self._arrived(key, client, peer)

            self._serving[key] = (sock, Accepting(self._loop, own, handle, self._arriving, MOST_ARRIVING))
            return
        port = DatagramPort(self._loop, self._relays, self._streams[key[:2]].to, local_address(sock))
        self._serving[key] = (sock, port)
        own.setblocking(False)
        self._task(self._open(own, port))

    async def _open(self, sock: socket.socket, port: DatagramPort) -> None:
        try:
            await self._loop.create_datagram_endpoint(lambda: port, sock=sock)
        except OSError as error:
            _log.error("a port of UDP cannot be served: %s", error)
            sock.close()

    def _end(self, key: SocketKey) -> None:
        self._serving.pop(key)[1].close()

    async def _arrived(self, key: SocketKey, sock: socket.socket, peer: Address) -> None:
        stream = self._streams.get(key[:2])
        if stream is None:
            sock.close()
            return
        name = upstream_name(stream.protocol, stream.to.name)
        session = StreamSession(stream.protocol, peer, local_address(sock), name)
        if stream.decode and not await self._told(sock, session):
            sock.close()
            return
        await self._relays.join(sock, session, stream.to, encode=stream.encode)

    async def _told(self, sock: socket.socket, session: StreamSession) -> bool:
        """Whether the connection begins with a PROXY line; its address is the client's."""
        try:
            line = await take_line(self._loop, sock, self._line_timeout)
        except OSError:
            self._relays.over(session, OK)  # as nginx has it, whose client is gone or late
            raise
        if line is None:
            self._relays.over(session, BAD_REQUEST)
            return False
        session.told = line.source is not None
        session.client = line.source or session.client
        return True

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
