"""Two connections joined after an Upgrade: bytes go through as they are, both ways, until both sides have ended.

The protocols of both transports are replaced, so that nothing of the HTTP side sees these bytes. Half-closed tunnels go
on in the other direction; one without a byte in either direction for the route's read time-out is closed.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from serin.dataplane.proxy.upstream import NEVER, Upstream

if TYPE_CHECKING:
    from serin.dataplane.proxy.downstream import Downstream
    from serin.dataplane.proxy.transfer import Transfer


class Joined(Protocol):
    """Two connections joined, as sweep and drain see them; `deadline` on time.monotonic()'s clock."""

    deadline: float

    def expired(self, now: float) -> None: ...
    def abort(self) -> None: ...


class Tunnel:
    """The pair, as the sweep and the transfer see it."""

    __slots__ = ("_client", "_connections", "_endpoint", "_idle", "_over", "_transfer", "_tunnels", "deadline")

    def __init__(
        self, transfer: "Transfer", client: asyncio.Transport, endpoint: asyncio.Transport, tunnels: set[Joined]
    ) -> None:
        self._transfer = transfer
        self._idle = transfer.settings.read_timeout
        self._client = TunnelEnd(self, client)
        self._endpoint = TunnelEnd(self, endpoint)
        self._client.other, self._endpoint.other = self._endpoint, self._client
        self._over = False
        self._connections = 2
        self._tunnels = tunnels
        self.deadline = time.monotonic() + self._idle
        tunnels.add(self)

    @property
    def waiting(self) -> int:
        """Bytes read from one side and not yet taken by the other."""
        return sum(end.transport.get_write_buffer_size() for end in (self._client, self._endpoint))

    def start(self) -> None:
        self._client.transport.set_protocol(self._client)
        self._endpoint.transport.set_protocol(self._endpoint)

    def send(self, to_client: bytes, to_endpoint: bytes) -> None:
        self._client.write(to_client)
        if to_endpoint:
            self._endpoint.write(to_endpoint)

    def moved(self) -> None:
        """A byte went through."""
        self.deadline = time.monotonic() + self._idle

    def ended(self) -> None:
        """One side has ended; the tunnel is over when both have."""
        if self._client.ended and self._endpoint.ended:
            self._client.transport.close()
            self._endpoint.transport.close()
            self._settle(failed=False)

    def lost(self, end: "TunnelEnd", exc: Exception | None) -> None:
        """One connection is gone; what was read of it still goes out on the other."""
        self._connections -= 1
        if self._connections:
            end.other.transport.close()
        else:
            self._tunnels.discard(self)
        self._settle(failed=exc is not None and end is self._endpoint)

    def expired(self, now: float) -> None:
        self.deadline = NEVER
        self.abort()

    def abort(self) -> None:
        self._client.transport.abort()
        self._endpoint.transport.abort()

    def _settle(self, *, failed: bool) -> None:
        if not self._over:
            self._over = True
            self._transfer.tunnel_closed(self._endpoint.received, failed=failed)


class TunnelEnd(asyncio.Protocol):
    __slots__ = ("_paused", "_tunnel", "ended", "other", "received", "transport")

    other: "TunnelEnd"

    def __init__(self, tunnel: Tunnel, transport: asyncio.Transport) -> None:
        self._tunnel = tunnel
        self._paused = False
        self.transport = transport
        self.received = 0
        self.ended = False

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self._tunnel.moved()
        self.other.write(data)

    def write(self, data: bytes) -> None:
        try:  # noqa: SIM105 - contextlib.suppress costs as much as a small write
            self.transport.write(data)
        except RuntimeError:  # uvloop: closed, connection_lost not yet called
            pass

    def eof_received(self) -> bool:
        """Pass the end on and keep the other direction open, where TLS does not forbid it."""
        self.ended = True
        other = self.other.transport
        if not other.can_write_eof() or not self.transport.can_write_eof():
            return False
        if not other.is_closing():
            other.write_eof()
        self._tunnel.ended()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self._tunnel.lost(self, exc)

    def pause_writing(self) -> None:
        if not self._paused:
            self._paused = True
            if not self.other.transport.is_closing():
                self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._paused:
            self._paused = False
            if not self.other.transport.is_closing():
                self.other.transport.resume_reading()


def open_tunnel(transfer: "Transfer", down: "Downstream", upstream: Upstream, head: bytes) -> None:
    """Join the two; `head` is the 101 answer and what came behind it.

    What the client sent before the answer goes to the endpoint now.
    """
    early = down.switch()
    endpoint = upstream.take_transport()
    tunnel = Tunnel(transfer, down.transport, endpoint, down.tunnels)
    tunnel.start()
    tunnel.send(head, early)
