"""The proxy of one worker: makes client connections, watches deadlines, ends in order.

Holds what all connections share. Listening sockets, processes and plans are the worker's own business.
"""

import asyncio
import time
from collections.abc import Callable

from serin.dataplane.proxy.completed import Completed
from serin.dataplane.proxy.connection_settings import ConnectionSettings
from serin.dataplane.proxy.downstream import Downstream
from serin.dataplane.proxy.exchange import Gate
from serin.dataplane.proxy.heads import ANY_NAME, PLAIN_NAME, UNDERSCORED_NAME, HeadReader
from serin.dataplane.proxy.pool import UpstreamPool
from serin.dataplane.proxy.proxy_protocol import Address
from serin.dataplane.proxy.tunnel import Joined


class Server:
    """`gate` may be replaced at any time: the next request goes to the new one.

    `on_complete` is called once for each exchange when it is over; its record is not to be kept. To be made in the
    thread of the event loop that its connections run on.
    """

    def __init__(
        self,
        gate: Gate,
        settings: ConnectionSettings,
        on_complete: Callable[[Completed], None],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.gate = gate
        self.settings = settings
        self.on_complete = on_complete
        self.draining = False
        self.came = 0
        """Client connections since the start."""
        self.kept = 0
        """Those of them that were not closed at once."""
        self.refused = 0
        """Connections closed at once because there were too many."""
        self.heads = head_reader(settings)
        self._loop = loop or asyncio.get_running_loop()
        self.pool = UpstreamPool(settings, self._loop)
        self.connections: set[Downstream] = set()
        self.tunnels: set[Joined] = set()
        """Connections joined to endpoints: of upgraded requests, and those that are passed on unread."""
        self._timer = self._loop.call_later(settings.sweep, self._sweep)

    def configure(self, settings: ConnectionSettings) -> None:
        """From now on by these settings. Connections that are open keep what they were opened with."""
        if settings == self.settings:
            return
        self.settings = settings
        self.heads = head_reader(settings)
        self.pool.configure(settings)

    @property
    def active(self) -> int:
        """Client connections, upgraded ones included."""
        return len(self.connections) + len(self.tunnels)

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """Client connections in an exchange or upgraded, those waiting, idle ones to endpoints; `came`, `kept`."""
        waiting = sum(connection.idle for connection in self.connections)
        return self.active - waiting, waiting, self.pool.idle, self.came, self.kept

    def protocol_factory(
        self, *, tls: bool, server_port: int = 0, client: Address | None = None
    ) -> Callable[[], Downstream]:
        """For loop.create_server. `server_port` is what clients see; 0 means 443 with TLS and 80 without.

        `client`: whose connection it is where the socket does not tell (a PROXY line did).
        """
        port = server_port or (443 if tls else 80)
        return lambda: Downstream(self, tls=tls, server_port=port, client=client)

    def admit(self, connection: Downstream) -> bool:
        self.came += 1
        if len(self.connections) >= self.settings.max_connections:
            self.refused += 1
            return False
        self.kept += 1
        self.connections.add(connection)
        return True

    def forget(self, connection: Downstream) -> None:
        self.connections.discard(connection)

    async def drain(self, timeout: float) -> int:
        """Finish what is in flight, for `timeout` seconds at most, then cut the rest: the number of those cut.

        The caller has stopped accepting. A connection between two requests may bring one more for a moment
        (ConnectionSettings.drain_idle), since its client may have sent one already.
        """
        self.draining = True
        now = time.monotonic()
        for connection in tuple(self.connections):
            connection.drain(now)
        end = now + timeout
        while self.active and time.monotonic() < end:
            await asyncio.sleep(min(self.settings.sweep, 0.1))
        left = self.active
        self.close()
        return left

    def close(self) -> None:
        """Cut everything."""
        self._timer.cancel()
        for connection in tuple(self.connections):
            connection.transport.abort()
        for tunnel in tuple(self.tunnels):
            tunnel.abort()
        self.pool.close()

    def _sweep(self) -> None:
        self._timer = self._loop.call_later(self.settings.sweep, self._sweep)
        now = time.monotonic()
        for connection in tuple(self.connections):
            if connection.deadline < now:
                connection.expired(now)
        for tunnel in tuple(self.tunnels):
            if tunnel.deadline < now:
                tunnel.expired(now)
        self.pool.sweep(now)


def head_reader(settings: ConnectionSettings) -> HeadReader:
    """The reader of request heads that these settings ask for."""
    usual = UNDERSCORED_NAME if settings.underscores else PLAIN_NAME
    return HeadReader(settings.header_line, usual if settings.ignore_invalid else ANY_NAME)
