"""The audit's rounds: at first until all that is listed has been told of, then every minute, and soon after a re-list.

What was missed is repaired: ghosts are forgotten, and a watch that is dead is begun anew.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from serin.cluster.api import Api, ApiError, ApiUnreachableError
from serin.cluster.audit import Auditor, Comparison, Difference, Identity, is_behind, is_rewound
from serin.cluster.follow import pages
from serin.cluster.intake import Intake
from serin.cluster.inventory import Entry
from serin.cluster.scope import Feed
from serin.cluster.told import Told
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
PATIENCE = 2.0
"""Seconds without any of the objects that are waited for, until they are listed anew."""
AGAIN = 1.0
SILENCE = 60.0
"""Seconds in which a watch that has objects to tell of may say nothing while everything is listed."""
LISTING = 10.0
"""Seconds since listed objects were told of, or since the watch began, before it can count as dead."""
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
    """`supervisor` runs the watch; `rewound` is called when the API server's data went back in time."""

    def __init__(
        self,
        api: Api,
        feeds: tuple[Feed, ...],
        intake: Intake,
        supervisor: Supervisor,
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
        self._rewound = rewound
        self._clock = clock
        self._random = random
        self._auditors = {feed: Auditor() for feed in feeds}
        self._covered = asyncio.Event()
        self._awaited: dict[Ref, Identity] = {}
        self._progress = asyncio.Event()
        self._listed_at = self._told_at = float("-inf")
        self._complained_at = float("-inf")
        self._soon = asyncio.Event()
        intake.told.append(self._told)

    async def covered(self) -> None:
        """Until every object of every list has been told of."""
        await self._covered.wait()

    async def run(self) -> None:
        """Until cancelled."""
        if not self._covered.is_set():
            for feed in self._feeds:
                await self._cover(feed)
            self._covered.set()
            log.event(_log, log.CLUSTER_SYNCED, objects=len(self._intake.inventory))
        wait = EVERY
        while True:
            await self._pause(wait * (0.9 + 0.1 * self._random()))
            wait = SOON if await self._round() else EVERY

    async def _pause(self, seconds: float) -> None:
        self._soon.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._soon.wait()
        while (rest := self._listed_at + AFTER_RELIST - self._clock()) > 0:
            await asyncio.sleep(rest)

    def _told(self, told: Told) -> None:
        self._told_at = self._clock()
        if told.listed:
            self._listed_at = self._told_at
            if self._covered.is_set():
                self._soon.set()
        awaited = self._awaited.get(told.ref)
        if awaited is not None and (told.parsed is None or not is_behind(self._entry(told.ref), awaited)):
            del self._awaited[told.ref]
            self._progress.set()

    def _entry(self, ref: Ref) -> Entry | None:
        return self._intake.inventory.find(ref)

    async def _cover(self, feed: Feed) -> None:
        """Until everything that is listed has been told of."""
        while True:
            try:
                difference, _ = await self._difference(feed)
            except SerinError as error:
                self._failed(feed, error)
                await asyncio.sleep(AGAIN)
                continue
            if difference is None or not difference.behind:
                return
            self._awaited = dict(difference.behind)
            # Told while the difference was made.
            for ref in [ref for ref, identity in self._awaited.items() if not is_behind(self._entry(ref), identity)]:
                del self._awaited[ref]
            with contextlib.suppress(TimeoutError):
                while self._awaited:
                    self._progress.clear()
                    async with asyncio.timeout(PATIENCE):
                        await self._progress.wait()
            if not self._awaited:
                return
            self._awaited = {}
            if self._clock() - max(self._told_at, self._supervisor.began_at) > SILENCE:
                self._supervisor.restart(f"nothing was told of for {SILENCE:g} s, though there are {feed}")

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
        return soon or failures > 0

    async def _audit(self, feed: Feed) -> bool:
        began = self._intake.inventory.sequence
        difference, version = await self._difference(feed)
        served = feed in self._supervisor.feeds
        if difference is None or not served:
            return self._absent(feed, served, known=difference is not None)
        entries = self._entries(feed)
        if is_rewound(entries.values(), version, began):
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
        return verdict.again or bool(verdict.dead)

    async def _difference(self, feed: Feed) -> tuple[Difference | None, str]:
        """Of the list and what is known, and the list's version; None when there is no such kind to read."""
        began = self._intake.inventory.sequence
        comparison = Comparison(self._entries(feed))
        version = ""
        try:
            async with aclosing(pages(self._api, feed)) as listing:
                async for listed, version in listing:  # noqa: B007 - the same with every page
                    comparison.page({ref: found for ref, found in listed.items() if self._intake.interest.keeps(ref)})
        except ApiError as error:
            if feed.optional and error.status in ABSENT:
                return None, ""
            raise
        return comparison.difference(began), version

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
        self.counts.failures += 1
        if isinstance(error, ApiUnreachableError) and self._clock() - self._complained_at < EVERY:
            return
        self._complained_at = self._clock()
        log.event(_log, log.AUDIT_FAILED, level=logging.WARNING, feed=str(feed), error=str(error))
