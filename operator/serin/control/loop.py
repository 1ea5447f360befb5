"""Waits: for changes, for a batch to be due, for the next writing of the figures. What is done then is the engine's."""

import asyncio
import contextlib
import gc
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol

from serin.compile.options import Options
from serin.control.engine import CheckPattern, Engine
from serin.control.figures import metrics_text
from serin.control.publish import Blocks, Publisher
from serin.objects.store import Store
from serin.objects.views import View
from serin.problems import Problem
from serin.refs import Ref
from serin.render.atomic import write_file
from serin.render.rundir import RunDirectory
from serin.telemetry import log

FIGURES_EVERY = 3.0
"""Seconds between two writings of plan/metrics."""
FIGURES_MODE = 0o640
AGAIN = 1.0
"""Seconds after a failure of our own until the work begins anew."""

_log = logging.getLogger("serin.control")


class Changes(Protocol):
    @property
    def applied(self) -> tuple[View, ...]: ...
    @property
    def deleted(self) -> tuple[Ref, ...]: ...


class Source(Protocol):
    """Where objects come from (serin.files.FileSource)."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the source itself, and with what it cannot make objects of."""

    def load(self) -> Changes:
        """Everything that is there; called once, before `changes`."""

    def changes(self) -> AsyncIterator[Changes]:
        """What changes from then on."""


class Control:
    """`run_dir` is created and locked already."""

    def __init__(
        self,
        source: Source,
        options: Options,
        run_dir: RunDirectory,
        blocks: Blocks,
        check_pattern: CheckPattern,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._store = Store()
        self._run_dir = run_dir
        self._clock = clock
        self._changed = asyncio.Event()
        self.engine = Engine(self._store, options, Publisher(blocks, run_dir, clock), check_pattern, clock)

    def start(self) -> None:
        """Read, compile and publish what is there. OSError when it cannot be written."""
        self._take(self._source.load())
        self.engine.publish()
        self._write_figures()
        # What was just read stays; without this every full collection walks all of it, a tenth of a second long.
        gc.collect()
        gc.freeze()

    async def run(self) -> None:
        """Follow the source until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for work in (self._follow, self._publish, self._figures):
                tasks.create_task(self._lasting(work))

    async def _lasting(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """An exception in here is a bug of ours: it is told, and what is in force stays while the work begins anew."""
        while True:
            try:
                await work()
            except Exception as error:
                text = "".join(traceback.format_exception(error))
                log.event(_log, log.CONTROL_FAILED, level=logging.ERROR, error=text, again_seconds=AGAIN)
            await asyncio.sleep(AGAIN)

    async def _follow(self) -> None:
        async for changes in self._source.changes():
            self._take(changes)
            self._changed.set()

    def _take(self, changes: Changes) -> None:
        """The source has handed the changes over and will not again: one that fails must not take others with it."""
        for ref in changes.deleted:
            self._store.delete(ref)
        for view in changes.applied:
            try:
                self._store.apply(view)
            except Exception as error:
                text = "".join(traceback.format_exception(error))
                log.event(_log, log.CONTROL_FAILED, level=logging.ERROR, error=text, object=str(view.meta.ref))
        self.engine.changed(self._source.problems)

    async def _publish(self) -> None:
        while True:
            due = self.engine.due
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else max(0.0, due - self._clock())):
                    await self._changed.wait()
            self._changed.clear()
            self.engine.run_due()

    async def _figures(self) -> None:
        while True:
            await asyncio.sleep(FIGURES_EVERY)
            self._write_figures()

    def _write_figures(self) -> None:
        text = metrics_text(self.engine.counts, self.engine.plan, self.engine.problems, time.time())
        try:
            write_file(self._run_dir.plan / "metrics", text.encode(), FIGURES_MODE)
        except OSError as error:
            log.event(_log, log.RUN_DIRECTORY_FAILED, level=logging.WARNING, error=str(error))
