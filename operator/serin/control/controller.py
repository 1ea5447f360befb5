"""A cluster's controller: from the first call to the API server to the end of its data plane.

Order is everything here. Nothing in plan/ is touched before everything is known; nothing is told to the API server
before it is in force; and at the end the writers go first, the follower of endpoints last. No failure in here ends the
process: what cannot be done is told and tried again, and the data plane never notices.
"""

import asyncio
import contextlib
import logging
import random
import signal
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from serin.control.lasting import delay, lasting, together
from serin.control.loop import Changes, Control
from serin.control.planes import Plane
from serin.control.settle import settle
from serin.errors import SerinError
from serin.objects.views import View
from serin.problems import Problem
from serin.refs import Ref
from serin.telemetry import log

LEAVING = 12.0
"""Seconds that each of the last writes (status, Lease) may take; each of them gives up before by itself."""
CLOSING = 5.0
"""Seconds that each part may take to close."""
LOOK_AGAIN = 5.0
"""Longest pause in seconds between two looks whether the cluster can be used: traffic may wait for it."""
TELL_AGAIN = 60.0
"""Seconds until what keeps us waiting is told once more, unless it changes."""

_log = logging.getLogger("serin.control")


class ClusterSource(Protocol):
    """Where objects come from (serin.cluster.source.ClusterSource)."""

    @property
    def problems(self) -> tuple[Problem, ...]: ...
    async def start(self) -> None: ...
    async def ready(self) -> None:
        """Every kind's list is covered by what the watch told."""

    def load(self) -> Changes: ...
    def changes(self) -> AsyncIterator[Changes]: ...
    def want(self, refs: frozenset[Ref]) -> None: ...
    async def fetch(self, ref: Ref) -> View | None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Work:
    """A part that runs for as long as the controller does, once there is a plan. `name` says which one failed."""

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Cluster:
    """The controller's side of a cluster. `missing` tells why it cannot be used yet, a sentence for each reason.

    `works` run once there is a plan; `leave` are the last writes, in order; `close` comes at the very end.
    """

    source: ClusterSource
    missing: Callable[[], Awaitable[Sequence[str]]]
    works: Sequence[Work]
    leave: Sequence[Callable[[], Awaitable[None]]]
    close: Sequence[Callable[[], Awaitable[None]]]


class Controller:
    """One run. `linger`: seconds from the end of the data plane to our own."""

    def __init__(self, control: Control, cluster: Cluster, plane: Plane, *, linger: float = 0.0) -> None:
        self._control = control
        self._cluster = cluster
        self._plane = plane
        self._linger = linger
        self._stop = asyncio.Event()
        self._cut = asyncio.Event()
        self._working = False

    async def run(self) -> int:
        """Until SIGTERM or SIGINT, then what the data plane's end was; a second signal cuts."""
        tasks = [asyncio.create_task(work) for work in (self._control.tell(), self._serve())]
        plane = asyncio.create_task(self._plane.run())
        try:
            with self._signals():
                await first(self._stop.wait(), *(asyncio.shield(task) for task in (plane, *tasks)))
                for task in tasks:
                    if task.done():  # nothing in there may end: a bug; whoever supervises us starts anew
                        return _broken(task)
                log.event(_log, log.CONTROLLER_ENDING)
                if self._working:
                    await first(self._leave(), self._cut.wait())
                code = await plane  # ended already when it could not be started: what it said is in the log
                if self._linger and self._stop.is_set():
                    await first(asyncio.sleep(self._linger), self._cut.wait())
                return code
        finally:
            plane.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(plane, *tasks, return_exceptions=True)
            for close in (self._cluster.source.close, *self._cluster.close):
                await bounded("close", close(), CLOSING)

    async def _serve(self) -> None:
        """From nothing to a plan in force; then everything that goes on."""
        source = self._cluster.source
        await persistent("access", self._usable)
        await persistent("watch", source.start)
        await persistent("sync", source.ready)
        await persistent("settle", self._settled)
        await persistent("publish", self._published)
        self._working = True
        await together(self._control.follow(), *(lasting(work.name, work.run) for work in self._cluster.works))

    async def _settled(self) -> None:
        self._control.load()
        await settle(self._control, self._cluster.source.fetch, self._cluster.source.want)

    async def _published(self) -> None:
        self._control.publish()

    async def _leave(self) -> None:
        """The last writes, each whatever became of the one before."""
        for write in self._cluster.leave:
            await bounded("leave", write(), LEAVING)

    async def _usable(self) -> None:
        """Wait for an API server that we may use. Not being allowed to is no reason to end: rights can be given."""
        failures, told, told_at = 0, frozenset[str](), 0.0
        while missing := await self._cluster.missing():
            failures += 1
            pause = min(delay(failures, random.random()), LOOK_AGAIN)  # noqa: S311  spreads replicas over time
            if told != set(missing) or time.monotonic() >= told_at + TELL_AGAIN:
                told, told_at = frozenset(missing), time.monotonic()
                for why in missing:
                    log.event(_log, log.CLUSTER_WAITING, level=logging.ERROR, why=why, again_seconds=round(pause, 1))
            await asyncio.sleep(pause)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()

        def end() -> None:
            if self._stop.is_set():
                self._cut.set()
            self._stop.set()
            self._plane.end()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


def _broken(task: "asyncio.Task[None]") -> int:
    error = None if task.cancelled() else task.exception()
    text = "it ended" if error is None else "".join(traceback.format_exception(error))
    log.event(_log, log.CONTROL_FAILED, level=logging.CRITICAL, work="controller", error=text)
    return 1


async def persistent(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do it once, trying again for as long as it fails."""
    failures = 0
    while True:
        try:
            await work()
            return
        except Exception as error:
            failures += 1
            pause = round(delay(failures, random.random()), 2)  # noqa: S311  spreads replicas over time
            expected = isinstance(error, (SerinError, OSError))
            text = str(error) if expected else "".join(traceback.format_exception(error))
            log.event(_log, log.CONTROL_FAILED, level=logging.ERROR, work=name, error=text, again_seconds=pause)
        await asyncio.sleep(pause)


async def bounded(name: str, work: Awaitable[None], seconds: float) -> None:
    """At the end nothing may take for ever, and nothing may fail."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except Exception as error:
        log.event(_log, log.CONTROL_FAILED, level=logging.WARNING, work=name, error=repr(error))


async def first(*works: Awaitable[object]) -> None:
    """Until one of them is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
