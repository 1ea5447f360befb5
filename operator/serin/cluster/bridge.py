"""Changes told by a watch of our own while kopf lists.

kopf tells of no change until it has worked off its list, which takes seconds at a few thousand objects. Where we have
read everything ourselves this watch goes on from there, and ends once kopf is through. What both tell counts once. It
may fail: kopf's list and the audit tell the same later.
"""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from serin.cluster.api import Api
from serin.cluster.intake import Intake
from serin.cluster.scope import Feed
from serin.cluster.told import Told, read_object, ref_of
from serin.errors import SerinError

LONGEST = 60.0
"""Seconds, also when kopf lists nothing: of kinds without objects it never does."""
PEACE = 1.0
"""Seconds without a listed object after which kopf is through with a kind."""
CHANGES = frozenset(("ADDED", "MODIFIED", "DELETED"))


class Bridge:
    def __init__(self, api: Api, intake: Intake, clock: Callable[[], float]) -> None:
        self._api = api
        self._intake = intake
        self._clock = clock
        self._listed: dict[Feed, float] = {}
        self._following: dict[Feed, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        intake.told.append(self._told)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await asyncio.Event().wait()
        finally:
            self._tasks = None
            self._following.clear()

    def begin(self, feed: Feed, version: str) -> None:
        """All of that version is known. Takes the place of one that was begun before."""
        if self._tasks is None:
            return
        before = self._following.pop(feed, None)
        if before is not None:
            before.cancel()
        self._following[feed] = self._tasks.create_task(self._bridge(feed, version))

    def _told(self, told: Told) -> None:
        if told.listed:
            self._listed[told.feed] = self._clock()

    async def _bridge(self, feed: Feed, version: str) -> None:
        following = asyncio.create_task(self._follow(feed, version))
        began = self._clock()
        try:
            while (rest := self._rest(feed, began)) > 0 and not following.done():
                await asyncio.wait((following,), timeout=min(rest, PEACE))
        finally:
            if not following.done():
                following.cancel()
                await asyncio.wait((following,))
        if not following.cancelled():
            following.result()

    def _rest(self, feed: Feed, began: float) -> float:
        """Seconds until kopf is through, if it lists nothing more."""
        listed = self._listed.get(feed, float("-inf"))
        return (listed + PEACE if listed >= began else began + LONGEST) - self._clock()

    async def _follow(self, feed: Feed, version: str) -> None:
        watch = self._api.watch(
            feed.path, version=version, label_selector=feed.labels, field_selector=feed.fields, timeout=LONGEST
        )
        with contextlib.suppress(SerinError):
            async with aclosing(watch) as events:
                async for event in events:
                    if not isinstance(event, dict) or event.get("type") == "ERROR":
                        return
                    self._take(feed, event)

    def _take(self, feed: Feed, event: dict[str, Any]) -> None:
        raw = event.get("object")
        ref = ref_of(feed, raw)
        if ref is None or not isinstance(raw, dict) or event.get("type") not in CHANGES:
            return
        if self._intake.interest.keeps(ref):
            self._intake.apply(read_object(feed, ref, raw, event["type"]))
