"""The cluster as a source of objects (control.loop.Source): a watch, its audit, and what is read by name.

Everything runs in the main loop but kopf, which tells through the inbox. Nothing in here ends by an error of the API
server: what is known stays, and everything is tried again.
"""

import asyncio
import contextlib
import logging
import random as randomness
import time
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from serin.cluster.api import Api, ApiError
from serin.cluster.bridge import Bridge
from serin.cluster.inbox import Inbox
from serin.cluster.intake import Changes, Intake
from serin.cluster.kinds import KINDS
from serin.cluster.referred import Referred
from serin.cluster.rounds import ABSENT, Rounds
from serin.cluster.scope import Feed, Scope, watched_feeds
from serin.cluster.selection import Selection
from serin.cluster.server import Connection
from serin.cluster.waits import Waits
from serin.cluster.watch.supervisor import Supervisor
from serin.errors import SerinError
from serin.objects.views import View
from serin.problems import Problem
from serin.refs import Ref
from serin.telemetry import log
from serin.telemetry.figure import Figure

BATCH = 500
"""Objects taken in before others get their turn."""
LOOK_AGAIN = 5.0
"""Seconds between two looks at what the connection is made of."""
LOOK_FOR_KINDS = 10.0
"""Seconds between two looks whether a kind that was not served, or not for us, is served by now."""
AGAIN = 1.0

_log = logging.getLogger("serin.cluster.watch")


@dataclass(frozen=True, slots=True)
class Identity:
    """What an Event or a patch needs to name the very object that was looked at."""

    uid: str
    api_version: str
    version: str


class ClusterSource:
    """start(), ready(), load() once, then changes().

    `connection` reads anew what the connection is made of (UsageError while it cannot be). `random` gives 0 to 1.
    """

    def __init__(
        self,
        api: Api,
        connection: Callable[[], Connection],
        scope: Scope = Scope(),  # noqa: B008 - frozen
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        self._api = api
        self._connection = connection
        self._clock = clock
        self._random = random
        self._feeds = watched_feeds(scope)
        self._intake = Intake()
        self._inbox = Inbox()
        intake, inbox = self._intake, self._inbox
        known = intake.inventory.knows
        self._supervisor = Supervisor(self._serve, connection, intake.interest, inbox, known, clock, random)
        tls = next(feed for feed in self._feeds if feed.kind.name == "Secret")
        self._referred = Referred(api, scope, tls, self._intake, random)
        self._bridge = Bridge(api, intake, clock)
        begin, read_again = self._bridge.begin, self._referred.read_all_again
        self._rounds = Rounds(api, self._feeds, intake, self._supervisor, begin, read_again, clock, random)
        api.recovered.append(self._rounds.recovered)
        self._selection = Selection(api, self._feeds, self._intake, Waits(random)) if scope.selector else None
        self._selected = False
        self._events = 0
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Of what cannot be read from single objects, sorted."""
        return self._intake.inventory.problems

    async def start(self) -> None:
        """Begin to watch; does not wait for the API server."""
        works = [self._take_in, self._supervisor.run, self._rounds.run, self._referred.run]
        works += [self._bridge.run, self._look, self._look_for_kinds]
        if self._selection is not None:
            works.append(self._selection.run)
        self._tasks = [asyncio.create_task(self._lasting(work)) for work in works]

    async def ready(self) -> None:
        """Until everything that the API server lists is known, so that `load` gives no half-known table."""
        await self._rounds.covered()

    async def settled(self) -> None:
        """Until everything wanted has been read, or tried in vain, once; it comes through `changes`."""
        await self._referred.settled()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def load(self) -> Changes:
        """Everything that is there. TLS Secrets all come until `want` says which are wanted."""
        return self._intake.take()

    async def changes(self) -> AsyncIterator[Changes]:
        """What changes from then on, as soon as it is told."""
        while True:
            await self._intake.news.wait()
            yield self._intake.take()

    def want(self, refs: frozenset[Ref]) -> None:
        """The Secrets and ConfigMaps that are looked at, whether they exist or not; no other payload is kept.

        What is new is read, and comes through `changes`; what is not wanted any more is told as deleted.
        """
        self._referred.want(refs)

    async def fetch(self, ref: Ref) -> View | None:
        """One Secret or ConfigMap as it is now. ApiError, ApiUnreachableError."""
        return await self._referred.fetch(ref)

    def identity(self, ref: Ref) -> Identity | None:
        """None when the object is not known."""
        entry = self._intake.inventory.find(ref)
        return None if entry is None else Identity(entry.uid, KINDS[ref.kind].api_version, entry.version)

    def addresses(self, ref: Ref) -> tuple[Mapping[str, str], ...]:
        """An Ingress's status.loadBalancer.ingress as it was told last: ip or hostname of each entry."""
        return tuple(map(dict, self._intake.inventory.addresses(ref)))

    def figures(self) -> list[Figure]:
        counts, inventory = self._rounds.counts, self._intake.inventory
        objects = "Objects known, by kind."
        ghosts = "Objects that were gone without the watch telling of it, removed by the audit."
        found = [
            *(
                Figure("store_objects", "gauge", objects, len(inventory.entries(kind)), (("kind", kind),))
                for kind in inventory.kinds
            ),
            *(
                Figure(
                    "store_ghosts_removed_total",
                    "counter",
                    ghosts,
                    self._rounds.ghosts[str(feed)],
                    (("kind", str(feed)),),
                )
                for feed in self._feeds
            ),
            Figure("watch_events_total", "counter", "Events taken in, listed objects included.", self._events),
            Figure("watch_restarts_total", "counter", "Times the watch was begun anew.", self._supervisor.restarts),
            Figure("store_audits_total", "counter", "Comparisons of all lists with the store.", counts.audits),
            Figure("store_audit_failures_total", "counter", "Lists that could not be read for it.", counts.failures),
            Figure("store_audits_refused_total", "counter", "Removals doubted for their number.", counts.refused),
        ]
        if counts.finished_at is not None:
            about = "Seconds since an audit of everything ended."
            found.append(Figure("store_audit_age_seconds", "gauge", about, self._clock() - counts.finished_at))
        return found

    async def _take_in(self) -> None:
        while True:
            await self._inbox.wait()
            for told in self._inbox.take(BATCH):
                self._events += 1
                self._intake.apply(told)
            await asyncio.sleep(0)

    async def _serve(self) -> tuple[Feed, ...]:
        """The feeds that the API server has and lets us read. ApiUnreachableError.

        The first time everything is read before: nobody has to wait for kopf.
        """
        if self._selection is not None and not self._selected:
            await self._selection.begin()
            self._selected = True
        await self._rounds.cover()
        return tuple([feed for feed in self._feeds if not feed.optional or await self._is_served(feed)])

    async def _is_served(self, feed: Feed) -> bool:
        why = await self._why_absent(feed)
        if why:
            log.event(_log, log.KIND_ABSENT, kind=feed.kind.name, why=why)
        return not why

    async def _why_absent(self, feed: Feed) -> str:
        """Empty when it can be listed. ApiError, ApiUnreachableError."""
        try:
            return "" if await self._api.get(f"{feed.path}?limit=1") is not None else "the API server has no such kind"
        except ApiError as error:
            if error.status not in ABSENT:
                raise
            return error.text

    async def _look_for_kinds(self) -> None:
        """Definitions are installed, and rights given, at any time; whoever did it waits for the effect."""
        while True:
            await asyncio.sleep(LOOK_FOR_KINDS * (0.9 + 0.1 * self._random()))
            if self._supervisor.runs:
                for feed in [f for f in self._feeds if f.optional and f not in self._supervisor.feeds]:
                    with contextlib.suppress(SerinError):
                        if not await self._why_absent(feed):
                            self._supervisor.restart(f"{feed} can be read now")

    async def _look(self) -> None:
        """Another server, CA or client certificate: the watch goes on with it."""
        known = ""
        while True:
            try:
                found = self._connection().fingerprint
            except SerinError:
                # Being replaced; whoever connects says what is wrong with it.
                found = known
            if known and found != known:
                self._supervisor.restart("the connection's CA, certificate or server changed")
            known = found
            await asyncio.sleep(LOOK_AGAIN)

    async def _lasting(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """An exception in here is a fault of ours: it is told, and the work begins anew."""
        while True:
            try:
                await work()
            except Exception as error:
                text = "".join(traceback.format_exception(error))
                log.event(_log, log.WATCH_FAILED, level=logging.ERROR, error=text, again_seconds=AGAIN)
            await asyncio.sleep(AGAIN)
