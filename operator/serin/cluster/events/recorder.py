"""Writes the Events that the ledger says are due. Never raises: what fails is tried again later, or expires unseen."""

import asyncio
import logging
import random as randomness
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from serin.cluster.api import Api, ApiError, ApiUnreachableError
from serin.cluster.events.body import COMPONENT, counted_on, event_name, namespace_of, new_event, read_event
from serin.cluster.events.ledger import Ledger, Told, Write
from serin.cluster.events.notes import About, Concerned, Note, notes_of, passing_note, sync_note
from serin.cluster.kinds import EVENT, POD
from serin.cluster.own_pod import OwnPodReader
from serin.cluster.pace import TokenBucket
from serin.problems import Problem, Severity
from serin.refs import Ref, Source
from serin.telemetry import log
from serin.telemetry.figure import Figure

BURST, RATE = 100, 5.0
"""Calls at once, and a second, of all Events: 5,000 Ingresses with a problem each are told in 20 minutes."""
IDLE = 1.0
"""Seconds between two looks whether we lead."""
SETTLE = 0.25
"""Seconds between news and what is made of it, so that many changes make one."""
LOOK_AGAIN = 1.0
"""Seconds between two looks at the ledger while something waits: of 10,000 Events one takes some ms."""
PRUNE_EVERY = 60.0
BACK_OFF = 10.0
BUSY = (429, 503, 504)
"""Answers of an API server, or of a proxy before it, that more calls would make no better."""
COMPLAIN_EVERY = 30.0
_CHUNK = 200

_log = logging.getLogger("serin.cluster.events")


class Identity(Protocol):
    @property
    def uid(self) -> str: ...
    @property
    def api_version(self) -> str: ...


class Known(Protocol):
    """What is known of objects (serin.cluster.source.ClusterSource)."""

    def identity(self, ref: Ref) -> Identity | None: ...


def _nobody(_: Ref) -> Iterable[Ref]:
    return ()


class EventRecorder:
    """`namespace` is that of --watch-namespace; `instance` names this replica; `sync`: tell Events of type Normal."""

    def __init__(
        self,
        api: Api,
        leading: Callable[[], bool],
        source: Known,
        own: OwnPodReader,
        *,
        instance: str,
        namespace: str = "",
        sync: bool = True,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        self._api = api
        self._leading = leading
        self._source = source
        self._own_reader = own
        self._own: About | None = None
        self._instance = instance
        self._namespace = namespace
        self._sync = sync
        self._clock = clock
        self._wall = wall
        self._random = random
        self._ledger = Ledger()
        self._bucket = TokenBucket(RATE, BURST)
        self._problems: tuple[Sequence[Problem], Concerned] | None = None
        self._taken: tuple[Sequence[Problem], Concerned] | None = None
        self._about_us: dict[str, tuple[str, ...]] = {}
        self._look_at: float | None = None
        self._synced: set[Ref] = set()
        self._happened: list[Note] = []
        self._news = asyncio.Event()
        self._knows_former = False
        self._pruned_at = clock()
        self._counts: Counter[str] = Counter()
        self._complained_at: float | None = None

    def observe(self, problems: Sequence[Problem], concerned: Concerned = _nobody) -> None:
        """All problems there are now, and who names an object (serin.compile.concerned). Returns at once."""
        self._problems = (problems, concerned)
        self._news.set()

    def about_us(self, code: str, texts: Sequence[str]) -> None:
        """What is wrong with this controller itself, told on its own pod; replaces what had this code before."""
        self._about_us[code] = tuple(texts)
        self._problems = self._problems or self._taken or ((), _nobody)
        self._news.set()

    def synced(self, refs: Iterable[Ref]) -> None:
        """Ingresses of ours that came, or were changed by their users. Returns at once."""
        if self._sync and self._leading():
            self._synced.update(refs)
            self._news.set()

    def happened(self, ref: Ref, reason: str, message: str, *, warning: bool) -> None:
        """Something happened to an object, once. Returns at once; forgotten when the object is not there any more."""
        about = self._find(ref)
        if about is not None and self._leading():
            self._happened.append(passing_note(about, reason, message, warning=warning))
            self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._news.clear()
            try:
                wait = await self._round()
            except (ApiError, ApiUnreachableError) as error:
                self._failed(error)
                wait = BACK_OFF * (1 + self._random())
                # News would only fail the same way.
                await asyncio.sleep(wait)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._news.wait()
                    await asyncio.sleep(SETTLE)

    def figures(self) -> list[Figure]:
        about = "Events by how the call ended; dropped: Normal ones for which there was no time."
        counts = {**self._counts, "dropped": self._ledger.dropped}
        return [
            Figure("events_waiting", "gauge", "Events that are due and wait for their turn.", self._ledger.waiting),
            *(
                Figure("events_total", "counter", about, counts.get(result, 0), (("result", result),))
                for result in ("created", "counted", "failed", "dropped")
            ),
        ]

    # --- one round after the other ---

    async def _round(self) -> float:
        """Tells what is due; seconds until there may be more. ApiError, ApiUnreachableError: nothing can be told."""
        await self._learn_own()
        if await self._take_in():
            self._look_at = self._clock()
        self._prune()
        if not self._leading():
            self._knows_former = False
            return IDLE
        if not self._knows_former:
            await self._learn_former()
            self._look_at = self._clock()
        if self._look_at is not None and self._look_at <= self._clock():
            await self._tell_due()
        return IDLE if self._look_at is None else min(IDLE, max(0.0, self._look_at - self._clock()))

    async def _tell_due(self) -> None:
        now = self._clock()
        writes, next_at = self._ledger.due(now, min(_CHUNK, self._bucket.available(now)))
        # What becomes of these decides when there is more to do.
        self._look_at = now + LOOK_AGAIN if writes or next_at == now else next_at
        for write in writes:
            if not self._leading():
                return
            self._bucket.take(self._clock())
            await self._tell(write)

    def _prune(self) -> None:
        now = self._clock()
        if now >= self._pruned_at + PRUNE_EVERY:
            self._pruned_at = now
            self._ledger.prune(now)

    async def _take_in(self) -> bool:
        """False when there is no news. Lets others work in between."""
        given, self._problems = self._problems, None
        synced, self._synced = self._synced, set()
        if given is not None:
            problems, concerned = self._taken = given
            notes: set[Note] = set()
            for at in range(0, len(problems), _CHUNK):
                for problem in problems[at : at + _CHUNK]:
                    notes.update(notes_of(problem, self._find, concerned, self._own))
                await asyncio.sleep(0)
            notes.update(self._own_notes())
            self._ledger.observe(notes, self._clock())
        found = (self._find(ref) for ref in sorted(synced))
        happened, self._happened = self._happened, []
        self._ledger.happened([sync_note(about) for about in found if about is not None], self._clock())
        self._ledger.happened(happened, self._clock())
        return given is not None or bool(synced) or bool(happened)

    def _own_notes(self) -> Iterator[Note]:
        own = self._own
        if own is not None:
            for code, texts in self._about_us.items():
                for text in texts:
                    yield from notes_of(
                        Problem(Source(own.ref), code, Severity.WARNING, text), self._find, _nobody, own
                    )

    def _find(self, ref: Ref) -> About | None:
        if self._own is not None and ref == self._own.ref:
            return self._own
        identity = self._source.identity(ref)
        return None if identity is None else About(ref, identity.uid, identity.api_version)

    async def _tell(self, write: Write) -> None:
        """ApiUnreachableError, and a server that is busy, end the round; a refusal is this Event's own affair."""
        note, now = write.note, self._clock()
        folder = EVENT.path(namespace_of(note))
        try:
            if write.told is not None:
                await self._api.patch(f"{folder}/{write.told.name}", counted_on(write.count, self._wall()))
                told = Told(write.told.name, write.count, now)
            else:
                told = await self._create(folder, write, now)
        except ApiError as error:
            if error.status == 404 and write.told is not None:
                self._ledger.expired(write)
                return
            self._ledger.failed(write, now)
            self._counts["failed"] += 1
            if error.status in BUSY:
                raise
            self._failed(error)
            return
        except ApiUnreachableError:
            self._counts["failed"] += 1
            raise
        self._counts["created" if write.told is None else "counted"] += 1
        self._ledger.written(write, told)

    async def _create(self, folder: str, write: Write, now: float) -> Told:
        name, wall = event_name(write.note), self._wall()
        first = wall - (now - write.first)
        try:
            await self._api.create(folder, new_event(write.note, write.count, first, wall, self._instance))
            return Told(name, write.count, now)
        except ApiError as error:
            if error.status != 409:
                raise
        # A former leader told the same, and we could not list what it told.
        found = await self._api.patch(f"{folder}/{name}", {"lastTimestamp": counted_on(0, wall)["lastTimestamp"]})
        return Told(name, int(found.get("count") or write.count), now)

    async def _learn_own(self) -> None:
        """Outages are no reason not to look at problems."""
        if self._own is None and self._own_reader.inside and self._leading():
            try:
                pod = await self._own_reader.read()
            except ApiError as error:
                self._failed(error)
                return
            if pod is not None:
                self._own = About(pod.ref, pod.uid, POD.api_version)
                self._problems = self._problems or self._taken

    async def _learn_former(self) -> None:
        """Read what our predecessor told. Not being allowed to costs one repetition of each Event."""
        try:
            listing = await self._api.list(EVENT.path(self._namespace), field_selector=f"source={COMPONENT}")
        except ApiError as error:
            if error.status not in (403, 404):
                raise
            self._failed(error)
            self._knows_former = True
            return
        now, wall = self._clock(), self._wall()
        for at in range(0, len(listing.items), _CHUNK):
            found = [read for raw in listing.items[at : at + _CHUNK] if (read := read_event(raw)) is not None]
            self._ledger.seed(
                (note, Told(name, count, now - max(0.0, wall - last))) for note, name, count, last in found
            )
            await asyncio.sleep(0)
        self._knows_former = True

    def _failed(self, error: Exception) -> None:
        """Of many that fail alike, some are told."""
        now = self._clock()
        if self._complained_at is None or now >= self._complained_at + COMPLAIN_EVERY:
            self._complained_at = now
            log.event(_log, log.EVENT_FAILED, level=logging.WARNING, error=str(error))
