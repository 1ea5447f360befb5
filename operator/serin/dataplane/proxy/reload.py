"""Taking a new plan: the index is read, hosts in use are made ready, then the site is changed between two requests.

Work is cut into slices, so that requests go on meanwhile. A plan that cannot be read changes nothing: the last good one
stays in force, the log says why, and it is tried again each second.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from serin.dataplane.proxy.site import LoadedHosts, Site
from serin.errors import CorruptFileError
from serin.render.rundir import RunDirectory
from serin.telemetry import log

SLICE_SECONDS = 0.001
"""After this much work on a new plan requests have their turn again."""

_log = logging.getLogger(__name__)


class PlanTaker:
    """One for a worker. `took` gets each new site and makes it the one that is served; `kept`: one was refused."""

    def __init__(
        self,
        run_dir: RunDirectory,
        loaded: LoadedHosts,
        took: Callable[[Site], None],
        kept: Callable[[], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._run_dir = run_dir
        self._loaded = loaded
        self._took = took
        self._kept = kept
        self._clock = clock
        self._site: Site | None = None
        self._task: asyncio.Task[None] | None = None
        self._again = False
        self._failed = ""
        self._doubts: set[str] = set()

    @property
    def idle(self) -> bool:
        """Nothing is being read."""
        return self._task is None

    def look(self) -> None:
        """There may be a new plan: called when the generation changed."""
        if self._task is not None:
            self._again = True
            return
        self._task = asyncio.get_running_loop().create_task(self._take_all())

    def doubt(self, why: str) -> None:
        """A request met something that does not fit the plan in force. Cheap, since every request of a route may."""
        self._doubts.add(why)

    def tick(self) -> None:
        """Called each second: what failed is tried again, and doubts are told and looked into."""
        self._loaded.retry()
        doubts, self._doubts = self._doubts, set()
        for why in sorted(doubts):
            log.event(_log, log.PLAN_DOUBTED, level=logging.ERROR, why=why)
        if self._failed or doubts:
            self.look()

    async def _take_all(self) -> None:
        try:
            self._again = True
            while self._again:
                self._again = False
                await self._take()
        finally:
            self._task = None

    async def _take(self) -> None:
        try:
            index = self._run_dir.read_index()
            if self._site is not None and index.generation == self._site.generation:
                self._failed = ""
                return
            site = Site(index, self._loaded)
            names = tuple(self._site.used) if self._site is not None else ()
            began = self._clock()
            for _ in site.warm(names):
                if self._clock() - began >= SLICE_SECONDS:
                    await asyncio.sleep(0)
                    began = self._clock()
        except CorruptFileError as error:
            self._say(str(error))
            return
        except Exception as error:  # a fault of ours, and no reason to stop looking
            self._say(repr(error))
            return
        self._failed = ""
        self._site = site
        self._took(site)
        self._loaded.keep(site.digests())

    def _say(self, text: str) -> None:
        """Once for each reason: it is tried again each second."""
        if text != self._failed:
            self._failed = text
            in_force = 0 if self._site is None else self._site.generation
            log.event(_log, log.PLAN_REFUSED, level=logging.ERROR, error=text, in_force=in_force)
            self._kept()
