"""Connections to endpoints: opened with a time-out, kept while idle, handed out last in first out.

Keyed by address and the TLS settings, never by address alone: a connection opened with TLS must not carry a request of
a route that speaks plain HTTP. It must not know what is sent on them.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable

from serin.dataplane.proxy.answers import AnswerReader
from serin.dataplane.proxy.connection_settings import ConnectionSettings, UpstreamSettings
from serin.dataplane.proxy.exchange import Choice
from serin.dataplane.proxy.upstream import PoolKey, Upstream

_log = logging.getLogger(__name__)


class UpstreamPool:
    """One for a worker."""

    def __init__(self, settings: ConnectionSettings, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        self._loop = loop
        self._size = settings.pool_size
        self._timeout = settings.pool_timeout
        self._idle: defaultdict[PoolKey, list[Upstream]] = defaultdict(list)
        """The one that is idle for longest first."""
        self.idle = 0
        """How many there are."""
        self.answers = AnswerReader()
        self.head_limit = settings.head
        self.longest_life = settings.pool_time
        self.open: set[Upstream] = set()
        self._connecting: set[asyncio.Task[None]] = set()

    def configure(self, settings: ConnectionSettings) -> None:
        """From now on by these settings; what is idle stays as long as it was to."""
        self._settings = settings
        self._size = settings.pool_size
        self._timeout = settings.pool_timeout
        self.head_limit = settings.head
        self.longest_life = settings.pool_time

    def take(self, choice: Choice, settings: UpstreamSettings) -> Upstream | None:
        """An idle connection to that endpoint, or None."""
        kept = self._idle.get((choice.address, choice.port, settings.key))
        while kept:
            upstream = kept.pop()
            self.idle -= 1
            if not upstream.closing:
                return upstream
        return None

    def give_back(self, upstream: Upstream, now: float) -> None:
        """Keep a connection whose exchange is over and which may carry another one."""
        if upstream.served >= self._settings.pool_requests or now > upstream.expires:
            upstream.close()
            return
        upstream.deadline = now + self._timeout
        self._idle[upstream.key].append(upstream)
        self.idle += 1
        if self.idle > self._size:
            oldest = min((kept[0] for kept in self._idle.values() if kept), key=lambda u: u.deadline)
            oldest.close()

    def forget(self, upstream: Upstream) -> None:
        """It is no longer there to be taken."""
        kept = self._idle.get(upstream.key)
        if kept is not None:
            if upstream in kept:
                kept.remove(upstream)
                self.idle -= 1
            if not kept:
                del self._idle[upstream.key]

    def connect(
        self,
        choice: Choice,
        settings: UpstreamSettings,
        opened: Callable[[Upstream], None],
        failed: Callable[[str], None],
    ) -> "asyncio.Task[None]":
        """Open a connection; `failed` gets nginx's word, error or timeout. Cancelling the task gives it up."""
        task = self._loop.create_task(self._open(choice, settings, opened, failed))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return task

    async def _open(
        self,
        choice: Choice,
        settings: UpstreamSettings,
        opened: Callable[[Upstream], None],
        failed: Callable[[str], None],
    ) -> None:
        upstream = Upstream(self, (choice.address, choice.port, settings.key))
        word = "cancelled"
        try:
            async with asyncio.timeout(settings.connect_timeout):
                transport, _ = await self._loop.create_connection(
                    lambda: upstream,
                    choice.address,
                    choice.port,
                    ssl=settings.tls,
                    server_hostname=settings.server_name if settings.tls else None,
                )
                if settings.check is not None:
                    settings.check(transport.get_extra_info("ssl_object"))
            word = ""
        except TimeoutError:
            word = "timeout"
        except Exception as error:  # the exchange must get its answer, whatever the event loop raises
            word = "error"
            if not isinstance(error, OSError):  # ssl.SSLError is one
                _log.exception("connecting to %s failed", upstream.name)
        finally:
            if word and upstream.connected:
                upstream.close()
        if word:
            failed(word)
        else:
            opened(upstream)

    def sweep(self, now: float) -> None:
        for upstream in tuple(self.open):
            if upstream.deadline < now:
                upstream.expired(now)

    def close(self) -> None:
        """Cut every connection, busy or not."""
        for task in tuple(self._connecting):
            task.cancel()
        for upstream in tuple(self.open):
            upstream.abort()
