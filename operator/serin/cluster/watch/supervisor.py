"""Keeps a run of kopf going: another one whenever it ends, whenever the connection changes, and at the audit's word.

What is known of the objects stays as it is in between: kopf lists everything anew, and only what differs is news.
"""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable

from serin.cluster.inbox import Inbox
from serin.cluster.scope import Feed, Interest
from serin.cluster.server import Connection
from serin.cluster.told import IsKnown
from serin.cluster.waits import Waits
from serin.cluster.watch.pipe import Pipe
from serin.errors import SerinError
from serin.telemetry import log

PEACE = 60.0
"""Seconds of one run after which the next begins without a wait."""

_log = logging.getLogger("serin.cluster.watch")

Serve = Callable[[], Awaitable[tuple[Feed, ...]]]


class Supervisor:
    """`serve` tells which feeds the API server has now; it is asked before each run."""

    def __init__(
        self,
        serve: Serve,
        connection: Callable[[], Connection],
        interest: Interest,
        inbox: Inbox,
        is_known: IsKnown,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._serve = serve
        self._connection = connection
        self._interest = interest
        self._inbox = inbox
        self._is_known = is_known
        self._clock = clock
        self._random = random
        self._asked = asyncio.Event()
        self._reason = ""
        self._waits = Waits(random)
        self.feeds: tuple[Feed, ...] = ()
        self.began_at = float("-inf")
        """Of this run, or the last one."""
        self.runs = 0
        self.restarts = 0

    def restart(self, reason: str) -> None:
        """End this run soon; one reason is enough."""
        if not self._asked.is_set():
            self._reason = reason
            self._asked.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began = self._clock()
            asked, why = await self._one()
            if self._clock() - began > PEACE:
                self._waits.reset()
            wait = 0.0 if asked and self._waits.fresh else self._waits.next()
            level = logging.INFO if asked else logging.WARNING
            log.event(_log, log.WATCH_ENDED, level=level, reason=why, again_seconds=round(wait, 1))
            await asyncio.sleep(wait)

    async def _one(self) -> tuple[bool, str]:
        """Whether it ended by `restart`, and why."""
        try:
            self.feeds = await self._serve()
            self._asked.clear()
            self.began_at = self._clock()
            self.runs += 1
            self.restarts += self.runs > 1
            log.event(_log, log.WATCH_STARTED, feeds=" ".join(map(str, self.feeds)), run=self.runs)
            return await self._until_asked(
                Pipe(self.feeds, self._connection, self._interest, self._inbox, self._is_known, self._random)
            )
        except SerinError as error:
            return False, str(error)
        except Exception as error:
            return False, "".join(traceback.format_exception(error))

    async def _until_asked(self, pipe: Pipe) -> tuple[bool, str]:
        work = asyncio.create_task(pipe.run())
        asked = asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait((work, asked), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return False, work.result()
            return True, self._reason
        finally:
            for task in (work, asked):
                task.cancel()
            ended = asyncio.gather(work, asked, return_exceptions=True)
            try:
                await asyncio.shield(ended)
            except asyncio.CancelledError:  # ourselves, too: only once the thread is gone
                await ended
                raise
