"""The audit's rounds: everything is read once, before the watch begins; then compared every minute and after a re-list.

What was missed is repaired: ghosts are forgotten, what changed unseen is read, and a watch that is dead is begun anew.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from serin.cluster.api import Api, ApiError, ApiUnreachableError
from serin.cluster.audit import Auditor, Comparison, Difference, is_rewound
from serin.cluster.follow import pages
from serin.cluster.intake import Intake
from serin.cluster.inventory import Entry
from serin.cluster.reading import read_pages
from serin.cluster.scope import Feed
from serin.cluster.told import Told
from serin.cluster.waits import Waits
from serin.cluster.watch.supervisor import Supervisor
from serin.errors import SerinError
from serin.refs import Ref
from serin.telemetry import log

EVERY = 60.0
"""Seconds between two rounds, less a tenth of it by chance."""
SOON = 5.0
"""Seconds until the next round when this one left something open."""
AFTER_RELIST = 1.0
"""Seconds of peace after listed objects were told of, so that the round does not find half of them."""
FRESH = 10.0
"""Seconds since listed objects of a feed were told of, or all of them read, after which more of them are a re-list."""
LONGEST_PEACE = 15.0
"""Seconds that a round waits for a re-list to be over: one that never ends must not keep it from its work."""
SILENCE = 30.0
"""Seconds in which a watch that has objects to tell of may say nothing since it began."""
LONGEST_WAIT = 5.0
"""Seconds between two attempts to read everything at the start."""
LONGEST_TRY = 2.0
"""Seconds between two attempts to read what was listed anew, or changed while the API server was away."""
LISTING = 10.0
"""Seconds since listed objects were told of, or since the watch began, before it can count as dead."""
COMPLAIN_EVERY = 60.0
ABSENT = (403, 404)

_log = logging.getLogger("serin.cluster.watch")


@dataclass(slots=True)
class Counts:
    audits: int = 0
    failures: int = 0
    refused: int = 0
    finished_at: float | None = None
    """Of the last round that failed nowhere."""


class Rounds:
    """`supervisor` runs the watch; `read` is called with each feed of which all was read, and the list's version;
    `rewound` when the API server's data went back in time.
    """

    def __init__(
        self,
        api: Api,
        feeds: tuple[Feed, ...],
        intake: Intake,
        supervisor: Supervisor,
        read: Callable[[Feed, str], None],
        rewound: Callable[[], None],
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self.counts = Counts()
        self.ghosts: Counter[str] = Counter()
        self._api = api
        self._feeds = feeds
        self._intake = intake
        self._supervisor = supervisor
        self._tell_read = read
        self._rewound = rewound
        self._clock = clock
        self._random = random
        self._auditors = {feed: Auditor() for feed in feeds}
        self._covered = asyncio.Event()
        self._listed: dict[Feed, float] = {}
        self._read: dict[Feed, float] = {}
        self._relisted: list[Feed] = []
        self._listed_at = float("-inf")
        self._recovered_at = float("-inf")
        self._waits = Waits(random, longest=LONGEST_TRY)
        self._complained_at: dict[str, float] = {}
        self._soon = asyncio.Event()
        intake.told.append(self._told)

    async def covered(self) -> None:
        """Until every object of every list is known."""
        await self._covered.wait()

    def recovered(self) -> None:
        """The API server answers again: what it told meanwhile, or is now, may be something else."""
        if self._clock() >= self._recovered_at + SOON:
            self._recovered_at = self._clock()
            self._relisted = list(self._feeds)
            self._soon.set()

    async def cover(self) -> None:
        """Read everything, once: before the watch begins. Failures are waited out."""
        if self._covered.is_set():
            return
        async with asyncio.TaskGroup() as reading:
            for feed in self._feeds:
                reading.create_task(self._cover(feed))
        self._covered.set()
        log.event(_log, log.CLUSTER_SYNCED, objects=len(self._intake.inventory))

    async def run(self) -> None:
        """Until cancelled."""
        await self._covered.wait()
        wait = EVERY
        while True:
            await self._pause(wait * (0.9 + 0.1 * self._random()))
            wait = SOON if await self._round() else EVERY

    async def _pause(self, seconds: float) -> None:
        """Until then, or until a re-list is over; what is listed anew is read meanwhile."""
        await self._news(seconds)
        longest = self._clock() + LONGEST_PEACE
        while True:
            while self._relisted:
                await self._catch_up(self._relisted.pop(0))
            rest = min(self._listed_at + AFTER_RELIST, longest) - self._clock()
            if rest <= 0:
                return
            await self._news(rest)

    async def _news(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._soon.wait()
        self._soon.clear()

    def _told(self, told: Told) -> None:
        if not told.listed or told.feed not in self._auditors:
            return
        now, before = self._clock(), self._listed.get(told.feed, float("-inf"))
        self._listed[told.feed] = self._listed_at = now
        if not self._covered.is_set():
            return
        if max(before, self._read.get(told.feed, float("-inf"))) + FRESH < now and told.feed not in self._relisted:
            self._relisted.append(told.feed)
        self._soon.set()

    async def _cover(self, feed: Feed) -> None:
        waits = Waits(self._random, longest=LONGEST_WAIT)
        while True:
            try:
                await self._difference(feed, read=True)
                return
            except SerinError as error:
                self._failed(feed, error)
                await asyncio.sleep(waits.next())

    async def _catch_up(self, feed: Feed) -> None:
        """kopf begins to list anew what it lost sight of, and takes its time: nobody has to wait for it."""
        try:
            await self._audit(feed, read=True)
            self._waits.reset()
        except SerinError as error:
            self._failed(feed, error)
            if isinstance(error, ApiUnreachableError):
                await asyncio.sleep(self._waits.next())
                if feed not in self._relisted:
                    self._relisted.append(feed)

    async def _round(self) -> bool:
        """Whether another one is wanted soon."""
        soon, failures = False, 0
        for feed in self._feeds:
            try:
                soon |= await self._audit(feed)
            except SerinError as error:
                failures += 1
                self._failed(feed, error)
                if isinstance(error, ApiUnreachableError):
                    break
        self.counts.audits += 1
        if not failures:
            self.counts.finished_at = self._clock()
            self._hear()
        return soon or failures > 0

    def _hear(self) -> None:
        began, feeds = self._supervisor.began_at, self._supervisor.feeds
        if self._listed_at < began < self._clock() - SILENCE and any(map(self._entries, feeds)):
            self._supervisor.restart(f"nothing was told of for {SILENCE:g} s, though there are objects")

    async def _audit(self, feed: Feed, *, read: bool = False) -> bool:
        if not self._supervisor.runs:  # what it can read is not known yet
            return True
        began = self._intake.inventory.sequence
        difference, version = await self._difference(feed, read=read)
        served = feed in self._supervisor.feeds
        if difference is None or not served:
            return self._absent(feed, served, known=difference is not None)
        entries = self._entries(feed)
        if difference.rewound or is_rewound(entries.values(), version, began):
            log.event(_log, log.HISTORY_REWOUND, level=logging.WARNING, feed=str(feed), version=version)
            self._intake.inventory.forget_versions(entries)
            self._rewound()
            self._supervisor.restart("the API server's data went back in time")
            return True
        verdict = self._auditors[feed].judge(difference, entries, self._clock())
        self._remove(feed, verdict.remove)
        if verdict.doubted:
            self.counts.refused += 1
            log.event(_log, log.GHOSTS_REFUSED, level=logging.ERROR, feed=str(feed), objects=verdict.doubted)
        if verdict.dead and self._should_have_told():
            shown = " ".join(map(str, verdict.dead[:3]))
            log.event(
                _log, log.WATCH_DEAD, level=logging.WARNING, feed=str(feed), objects=len(verdict.dead), some=shown
            )
            self._supervisor.restart(f"{feed}: {len(verdict.dead)} changes were not told of, as of {verdict.dead[0]}")
            self._intake.inventory.exhume(verdict.dead)
            await self._difference(feed, read=True)
        return verdict.again or bool(verdict.dead)

    async def _difference(self, feed: Feed, *, read: bool = False) -> tuple[Difference | None, str]:
        """Of the list and what is known, and the list's version; None when there is no such kind to read.

        `read`: what is behind is read, too, and known then.
        """
        began = self._intake.inventory.sequence
        comparison = Comparison(self._entries(feed))
        version = ""
        if read:
            self._read[feed] = self._clock()
        try:
            listing = read_pages(self._api, feed, self._intake) if read else pages(self._api, feed)
            async with aclosing(listing):
                async for listed, version in listing:  # noqa: B007 - the same with every page
                    comparison.page({ref: found for ref, found in listed.items() if self._intake.interest.keeps(ref)})
        except ApiError as error:
            if feed.optional and error.status in ABSENT:
                return None, ""
            raise
        if read:
            self._tell_read(feed, version)
        return comparison.difference(began, self._entries(feed)), version

    def _entries(self, feed: Feed) -> Mapping[Ref, Entry]:
        """Secrets come by two feeds."""
        entries = self._intake.inventory.entries(feed.kind.name)
        if feed.kind.name != "Secret":
            return entries
        return {ref: entry for ref, entry in entries.items() if entry.feed is feed}

    def _absent(self, feed: Feed, served: bool, *, known: bool) -> bool:
        """An optional kind has come, or gone, or neither."""
        if known and not served:
            self._supervisor.restart(f"{feed} can be read now")
        elif served and not known:
            self._supervisor.restart(f"{feed} cannot be read any more")
        return known != served

    def _remove(self, feed: Feed, refs: tuple[Ref, ...]) -> None:
        for ref in refs:
            self._intake.forget(ref)
        if refs:
            self.ghosts[str(feed)] += len(refs)
            shown = " ".join(map(str, refs[:3]))
            log.event(_log, log.GHOSTS_REMOVED, level=logging.WARNING, feed=str(feed), objects=len(refs), some=shown)

    def _should_have_told(self) -> bool:
        """Not while it lists: then it is merely slow."""
        return self._clock() - max(self._listed_at, self._supervisor.began_at) >= LISTING

    def _failed(self, feed: Feed, error: SerinError) -> None:
        """Of an outage, and of what one kind is refused, one line a minute."""
        self.counts.failures += 1
        of = "" if isinstance(error, ApiUnreachableError) else str(feed)
        if self._clock() - self._complained_at.get(of, float("-inf")) < COMPLAIN_EVERY:
            return
        self._complained_at[of] = self._clock()
        log.event(_log, log.AUDIT_FAILED, level=logging.WARNING, feed=str(feed), error=str(error))
