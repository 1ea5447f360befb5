"""Secrets and ConfigMaps by name: read when somebody refers to them, read again when they change.

Changes come from a watch of metadata alone, so that payloads of what nobody refers to never get here. TLS Secrets that
the main watch tells of need no reading. What cannot be read counts as absent until it can.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

from serin.cluster.api import Api, ApiError, ApiUnreachableError
from serin.cluster.audit import Identity
from serin.cluster.follow import RECONNECT, Step, pages, steps
from serin.cluster.intake import Intake
from serin.cluster.kinds import SECRET, path_of
from serin.cluster.scope import READ_BY_NAME, TLS_TYPE, Feed, Scope, by_name_feed
from serin.cluster.told import READ, Told, read_object, ref_of
from serin.cluster.waits import Waits
from serin.errors import SerinError
from serin.objects.views import View
from serin.problems import Problem, Severity
from serin.refs import Ref, Source
from serin.telemetry import log

FORBIDDEN = 403
READERS = 8
"""Objects read at once."""
FORBIDDEN_AGAIN = 60.0
"""Longest pause in seconds until what the API server forbids to read is asked for again."""
LONGEST = 15.0
"""The same for what fails otherwise."""

_log = logging.getLogger("serin.cluster.watch")


class Referred:
    """`tls` is the main watch's feed of TLS Secrets."""

    def __init__(self, api: Api, scope: Scope, tls: Feed, intake: Intake, random: Callable[[], float]) -> None:
        self._api = api
        self._scope = scope
        self._tls = tls
        self._intake = intake
        self._random = random
        self._queue: asyncio.Queue[Ref] = asyncio.Queue()
        self._queued: set[Ref] = set()
        self._untried: set[Ref] = set()
        self._all_tried = asyncio.Event()
        self._all_tried.set()
        self._waits: dict[Ref, Waits] = {}
        self._timers: dict[Ref, asyncio.TimerHandle] = {}
        self._following: dict[Feed, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        intake.forgotten.append(self._follow_for)

    @property
    def wanted(self) -> frozenset[Ref]:
        return self._intake.interest.wanted or frozenset()

    def want(self, refs: frozenset[Ref]) -> None:
        """Replaces what was wanted before."""
        interest, inventory = self._intake.interest, self._intake.inventory
        if refs == interest.wanted:
            return
        before, interest.wanted = self.wanted, refs
        for kind in READ_BY_NAME:
            for ref in [ref for ref in inventory.entries(kind) if ref not in refs]:
                self._intake.forget(ref)
        for ref in before - refs:
            self._leave(ref)
        for ref in refs - before:
            if inventory.find(ref) is None:
                self._untried.add(ref)
                self._all_tried.clear()
                self._ask(ref)

    async def settled(self) -> None:
        """Until everything wanted has been read, or tried in vain, at least once."""
        await self._all_tried.wait()

    async def fetch(self, ref: Ref) -> View | None:
        """As it is now; goes into the inventory, too, when it is wanted. ApiError, ApiUnreachableError."""
        asked = ref in self._queued
        # One reading is enough.
        self._queued.discard(ref)
        try:
            told = await self._read(ref)
        except BaseException:  # also when whoever waited for it gave up
            if asked:
                self._ask(ref)
            raise
        self._follow_for(ref)
        self._tried(ref)
        return told.parsed.view if told is not None and told.parsed is not None else None

    def read_all_again(self) -> None:
        """History began anew, at lower versions: nothing that was read or followed before has a meaning."""
        self._intake.inventory.forget_versions(self.wanted)
        for task in self._following.values():
            task.cancel()
        self._following.clear()
        for ref in self.wanted:
            self._ask(ref)
            self._follow_for(ref)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for ref in self.wanted:
                    self._follow_for(ref)
                for _ in range(READERS):
                    tasks.create_task(self._reader())
        finally:
            self._tasks = None
            self._following.clear()

    async def _reader(self) -> None:
        while True:
            ref = await self._queue.get()
            if ref not in self._queued or ref not in self.wanted:
                self._queued.discard(ref)
                continue
            # From here on another change asks for another reading.
            self._queued.discard(ref)
            try:
                await self._read(ref)
                self._waits.pop(ref, None)
            except SerinError as error:
                self._failed(ref, error)
            except Exception as error:  # our own fault, of which other objects must know nothing
                self._unreadable(ref, repr(error))
            self._follow_for(ref)
            self._tried(ref)

    async def _read(self, ref: Ref) -> Told | None:
        inventory = self._intake.inventory
        began = inventory.sequence
        raw = await self._api.get(path_of(ref))
        if raw is None:
            entry = inventory.find(ref)
            if ref in self.wanted and (entry is None or entry.sequence <= began):
                self._intake.absent(ref)
            return None
        feed = self._feed_of(ref, raw)
        if ref_of(feed, raw) != ref:
            raise ApiUnreachableError(f"asked for {ref}, the answer is no such object")
        told = read_object(feed, ref, raw, READ)
        if ref in self.wanted:
            self._intake.apply(told)
        return told

    def _feed_of(self, ref: Ref, raw: Mapping[str, Any]) -> Feed:
        """Who tells of changes of that object."""
        within = not self._tls.namespace or ref.namespace == self._tls.namespace
        of_tls = ref.kind == SECRET.name and raw.get("type") == TLS_TYPE
        return self._tls if of_tls and within else by_name_feed(self._scope, ref)

    def _failed(self, ref: Ref, error: SerinError) -> None:
        """What was read before stays: roles that are made anew forbid everything for a moment."""
        if not isinstance(error, ApiError) or error.status != FORBIDDEN:
            self._unreadable(ref, str(error))
        elif self._intake.inventory.find(ref) is not None:
            self._unreadable(ref, str(error), FORBIDDEN_AGAIN)
        else:
            text = f"the API server does not let this controller read it, so it counts as missing: {error.text}"
            self._intake.absent(ref, (Problem(Source(ref), "read-forbidden", Severity.ERROR, text),))
            self._later(ref, self._wait(ref, FORBIDDEN_AGAIN))

    def _unreadable(self, ref: Ref, why: str, longest: float = LONGEST) -> None:
        wait = self._wait(ref, longest)
        log.event(_log, log.OBJECT_UNREADABLE, level=logging.WARNING, object=str(ref), error=why, again_seconds=wait)
        self._later(ref, wait)

    def _wait(self, ref: Ref, longest: float) -> float:
        return min(self._waits.setdefault(ref, Waits(self._random, longest=FORBIDDEN_AGAIN)).next(), longest)

    def _later(self, ref: Ref, seconds: float) -> None:
        """One timer for each: there are other reasons to ask, and each answer sets another one."""
        self._forget_timer(ref)
        self._timers[ref] = asyncio.get_running_loop().call_later(seconds, self._ask, ref)

    def _forget_timer(self, ref: Ref) -> None:
        timer = self._timers.pop(ref, None)
        if timer is not None:
            timer.cancel()

    def _ask(self, ref: Ref) -> None:
        self._forget_timer(ref)
        if ref not in self._queued and ref in self.wanted:
            self._queued.add(ref)
            self._queue.put_nowait(ref)

    def _tried(self, ref: Ref) -> None:
        self._untried.discard(ref)
        if not self._untried:
            self._all_tried.set()

    def _leave(self, ref: Ref) -> None:
        self._waits.pop(ref, None)
        self._forget_timer(ref)
        self._tried(ref)
        feed = by_name_feed(self._scope, ref)
        if _is_single(feed) and feed in self._following:
            self._following.pop(feed).cancel()

    def _follow_for(self, ref: Ref) -> None:
        """Also for what is not there: a wanted Secret that went may come again as one of another type."""
        if self._tasks is None or ref not in self.wanted:
            return
        entry = self._intake.inventory.find(ref)
        feed = by_name_feed(self._scope, ref)
        if feed not in self._following and (entry is None or entry.feed is not self._tls):
            self._following[feed] = self._tasks.create_task(self._follow(feed))

    async def _follow(self, feed: Feed) -> None:
        waits = Waits(self._random, longest=FORBIDDEN_AGAIN)
        while True:
            try:
                began = self._intake.inventory.sequence
                listed, version = await self._list(feed)
                self._listed(feed, listed, began)
                waits.reset()
                async with aclosing(steps(self._api, feed, version, self._random)) as changes:
                    async for step in changes:
                        self._changed(feed, step)
                await asyncio.sleep(RECONNECT)
            except SerinError as error:
                forbidden = isinstance(error, ApiError) and error.status == FORBIDDEN
                wait = min(waits.next(), FORBIDDEN_AGAIN if forbidden else LONGEST)
                log.event(
                    _log, log.WATCH_FAILED, level=logging.WARNING, feed=str(feed), error=str(error), again_seconds=wait
                )
                # What cannot be followed is looked at again at least as often as this is tried.
                for ref in self._of(feed):
                    self._ask(ref)
                await asyncio.sleep(wait)

    async def _list(self, feed: Feed) -> tuple[dict[Ref, Identity], str]:
        """Of what is wanted alone."""
        listed: dict[Ref, Identity] = {}
        version = ""
        async with aclosing(pages(self._api, feed)) as listing:
            async for page, version in listing:  # noqa: B007 - that of the last one
                listed |= {ref: identity for ref, identity in page.items() if ref in self.wanted}
        return listed, version

    def _listed(self, feed: Feed, listed: Mapping[Ref, Identity], began: int) -> None:
        for ref in self._of(feed):
            entry = self._intake.inventory.find(ref)
            identity = listed.get(ref)
            if identity is not None:
                if entry is None or (entry.uid, entry.version) != identity:
                    self._ask(ref)
            elif entry is not None and entry.feed == feed and entry.sequence <= began:
                self._intake.forget(ref)

    def _of(self, feed: Feed) -> list[Ref]:
        return [ref for ref in self.wanted if by_name_feed(self._scope, ref) == feed]

    def _changed(self, feed: Feed, step: Step) -> None:
        if step.ref not in self.wanted:
            return
        if step.gone:
            self._intake.apply(Told(feed, step.ref, *step.identity, None))
        else:
            self._ask(step.ref)


def _is_single(feed: Feed) -> bool:
    return feed.fields.startswith("metadata.name=")
