"""The worker processes: one for each place (its sockets), a dead one replaced, a living one replaced in order.

Each process has a row in the shared memory as long as it lives, so a successor has another row than the one it follows.
Knows nothing of ports, plans or HTTP.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from serin.dataplane.children import Child, RestartDelay, describe_exit
from serin.dataplane.sockets import WorkerSockets
from serin.errors import SerinError
from serin.telemetry import log

START_SECONDS = 60.0
"""A successor that is not ready after this time is given up; the old one goes on."""
ROWS = 64
"""Rows of the shared memory: processes that may be there at once. When all are taken a successor waits for one."""
KILL_MARGIN = 2.0
"""Seconds beyond the grace that a worker itself observes, before it is killed."""

_log = logging.getLogger(__name__)

Start = Callable[[WorkerSockets, int, Callable[[str], None]], Child]
"""Starts a process on these sockets, with this row; hands on the lines it says."""


@dataclass(slots=True, eq=False)
class Worker:
    """One process. `generation` is the plan that it serves, empty until it has one."""

    place: int
    row: int
    child: Child
    generation: str = ""
    kept: str = ""
    """A newer generation that it could not take: it goes on with `generation`."""
    connections: tuple[int, int, int] = (0, 0, 0)
    """Client connections in an exchange, those waiting (keep-alive), idle ones to endpoints."""
    came: tuple[int, int] = (0, 0)
    """Client connections since its start: all, and those that were not closed at once."""
    leaving: bool = False
    ready: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class Place:
    sockets: WorkerSockets
    delay: RestartDelay = field(default_factory=RestartDelay)
    worker: Worker | None = None
    successor: Worker | None = None


class Workers:
    """All of them. `release` zeroes the row of a process that is gone; `changed` is called when any has news."""

    def __init__(
        self,
        sockets: tuple[WorkerSockets, ...],
        start: Start,
        release: Callable[[int], None],
        *,
        grace: float,
        changed: Callable[[], None],
    ) -> None:
        self.places = tuple(Place(s) for s in sockets)
        self.died = 0
        self.replaced = 0
        """Workers replaced since the start: after their death, and in order."""
        self._start_process = start
        self._release = release
        self._grace = grace
        self._changed = changed
        self._draining = False
        self._cut = False
        self._alive: set[Worker] = set()
        self._came = (0, 0)
        """Of the processes that are gone, as they told last."""
        self._rows = set(range(ROWS))
        self._row_freed = asyncio.Event()
        self._follows: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._restarting = asyncio.Lock()

    @property
    def alive(self) -> frozenset[Worker]:
        """All processes, those that are leaving too."""
        return frozenset(self._alive)

    @property
    def came(self) -> tuple[int, int]:
        """Client connections since the start: all, and those that were not closed at once."""
        all_, kept = zip(self._came, *(worker.came for worker in self._alive), strict=True)
        return sum(all_), sum(kept)

    def start(self) -> None:
        for number in range(len(self.places)):
            self._task(self._fill(number, 0.0), self._tasks)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to every process."""
        for worker in self._alive:
            worker.child.send(number)

    async def restart(self) -> None:
        """Replace them one by one: the successor first, on the same sockets, then the old one drains."""
        async with self._restarting:
            for number in range(len(self.places)):
                if not self._draining:
                    await self._replace(number)

    async def drain(self) -> bool:
        """End all, with the grace for what is in flight. False when some were killed."""
        self._draining = True
        for task in self._tasks:
            task.cancel()
        for worker in self._alive:
            worker.leaving = True
        self.send(signal.SIGTERM)
        if not await self._gone(self._grace + KILL_MARGIN):
            self.kill()
            await self._gone(None)
        return not self._cut

    def kill(self) -> None:
        """Cut everything now; `drain` then has nothing left to wait for."""
        self._draining = True
        for worker in self._alive:
            self._cut = True
            log.event(_log, log.WORKER_KILLED, level=logging.WARNING, pid=worker.child.pid)
        self.send(signal.SIGKILL)

    async def _gone(self, seconds: float | None) -> bool:
        """Wait until all processes are gone and their rows zeroed."""
        if not self._follows:
            return True
        _, left = await asyncio.wait(tuple(self._follows), timeout=seconds)
        return not left

    async def _fill(self, number: int, delay: float) -> None:
        """Put a process on an empty place after `delay` seconds; when it cannot even be started, try again."""
        place = self.places[number]
        while place.worker is None:
            await asyncio.sleep(delay)
            try:
                place.worker = await self._begin(number)
            except SerinError as error:
                delay = place.delay.after(0.0)
                log.event(
                    _log, log.WORKER_DIED, level=logging.ERROR, place=number, error=str(error), restart_after=delay
                )

    async def _begin(self, number: int) -> Worker:
        while not self._rows:
            self._row_freed.clear()
            await self._row_freed.wait()
        row = min(self._rows)
        worker: Worker | None = None

        def heard(line: str) -> None:
            if worker is not None:
                self._heard(worker, line)

        child = self._start_process(self.places[number].sockets, row, heard)
        self._rows.discard(row)
        worker = Worker(number, row, child)
        self._alive.add(worker)
        self._task(self._follow(worker), self._follows)
        log.event(_log, log.WORKER_STARTED, place=number, pid=child.pid, row=row)
        return worker

    async def _follow(self, worker: Worker) -> None:
        """Wait for the end of a process and do what its place then needs."""
        status = await worker.child.exited
        self._came = self._came[0] + worker.came[0], self._came[1] + worker.came[1]
        self._alive.discard(worker)
        self._release(worker.row)
        self._rows.add(worker.row)
        self._row_freed.set()
        place = self.places[worker.place]
        lived = asyncio.get_running_loop().time() - worker.child.started
        if worker.leaving:
            log.event(_log, log.WORKER_ENDED, place=worker.place, pid=worker.child.pid, how=describe_exit(status))
        else:
            self._died(worker, place, status, lived)
        self._changed()

    def _died(self, worker: Worker, place: Place, status: int, lived: float) -> None:
        delay = place.delay.after(lived) if place.worker is worker else 0.0
        log.event(
            _log,
            log.WORKER_DIED,
            level=logging.ERROR,
            place=worker.place,
            pid=worker.child.pid,
            how=describe_exit(status),
            lived=round(lived, 3),
            restart_after=delay,
        )
        if place.worker is not worker:
            return
        self.died += 1
        place.worker, place.successor = place.successor, None
        self._changed()
        if place.worker is None:
            self._task(self._fill(worker.place, delay), self._tasks)

    async def _replace(self, number: int) -> None:
        place = self.places[number]
        old = place.worker
        if old is None:
            return
        try:
            successor = place.successor = await self._begin(number)
        except SerinError as error:
            log.event(_log, log.WORKER_DIED, level=logging.ERROR, place=number, error=str(error))
            return
        ready = asyncio.ensure_future(successor.ready.wait())
        try:
            ends = (ready, successor.child.exited)
            await asyncio.wait(ends, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if place.successor is not successor:
            return  # the old one died meanwhile and this one has taken its place, or is gone too
        place.successor = None
        if successor.ready.is_set() and successor.child.running:
            place.worker = successor
            self.replaced += 1
            self._retire(old)
        else:
            self._retire(successor)

    def _retire(self, worker: Worker) -> None:
        worker.leaving = True
        worker.child.send(signal.SIGTERM)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._grace + KILL_MARGIN, worker.child.send, signal.SIGKILL)
        worker.child.exited.add_done_callback(lambda _: timer.cancel())

    def _heard(self, worker: Worker, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word in ("ready", "plan"):
            worker.generation = rest
            worker.kept = ""
            if word == "ready":
                log.event(_log, log.WORKER_READY, place=worker.place, pid=worker.child.pid, generation=rest)
                worker.ready.set()
        elif word == "kept":
            worker.kept = rest
        elif word == "connections" and len(figures := rest.split()) == 5 and all(f.isdecimal() for f in figures):
            active, waiting, upstream, came, kept = (int(figure) for figure in figures)
            worker.connections, worker.came = (active, waiting, upstream), (came, kept)
            return
        else:
            log.event(_log, log.WORKER_SAID, level=logging.WARNING, pid=worker.child.pid, line=line)
        self._changed()

    @staticmethod
    def _task(work: Coroutine[Any, Any, None], kept: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        kept.add(task)
        task.add_done_callback(kept.discard)
