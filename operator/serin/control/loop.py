"""Waits: for changes, for a batch to be due, for the next writing of the figures. What is done then is the engine's."""

import asyncio
import contextlib
import gc
import logging
import os
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from serin.compile.options import Options
from serin.control.engine import CheckPattern, Engine, Observer
from serin.control.figures import metrics_text
from serin.control.ingress_figures import IngressFigures
from serin.control.lasting import lasting, together
from serin.control.publish import Blocks, Publisher
from serin.control.quarantine import QuarantineWatch
from serin.control.refused_ports import read_refused_ports
from serin.objects.store import Snapshot, Store
from serin.objects.views import View
from serin.problems import Problem
from serin.refs import Ref
from serin.render.atomic import write_file
from serin.render.rundir import RunDirectory
from serin.telemetry import log
from serin.telemetry.figure import Figure
from serin.telemetry.told import Told

FIGURES_EVERY = 3.0
"""Seconds between two writings of plan/metrics."""
FIGURES_MODE = 0o640
_log = logging.getLogger("serin.control")


class Changes(Protocol):
    @property
    def applied(self) -> tuple[View, ...]: ...
    @property
    def deleted(self) -> tuple[Ref, ...]: ...


@dataclass(frozen=True, slots=True)
class Added:
    applied: tuple[View, ...]
    deleted: tuple[Ref, ...] = ()


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
    """`run_dir` is created and locked already. `figures`: what other parts have to tell beside the engine;
    `texts`: what is told of the objects, in the format of plan/metrics.
    """

    def __init__(
        self,
        source: Source,
        options: Options,
        run_dir: RunDirectory,
        blocks: Blocks,
        check_pattern: CheckPattern,
        clock: Callable[[], float] = time.monotonic,
        observers: Sequence[Observer] = (),
        figures: Callable[[], Iterable[Figure]] = tuple,
        told: Told = Told(),  # noqa: B008
        election: str = "",
        texts: Callable[[Snapshot], str] = lambda _: "",
    ) -> None:
        self._source = source
        self._store = Store()
        self._run_dir = run_dir
        self._clock = clock
        self._changed = asyncio.Event()
        self._others = figures
        self._texts = texts
        self._of_ingresses = IngressFigures(told, election)
        self._quarantine = QuarantineWatch(run_dir.state / "quarantine.json", self._refused)
        self._ports = QuarantineWatch(
            run_dir.state / "refused-ports.json", self._refused_ports, lambda data: read_refused_ports(data, options)
        )
        self._of_nginx: tuple[Problem, ...] = ()
        self._of_ports: tuple[Problem, ...] = ()
        self.plane_problems: tuple[Problem, ...] = ()
        """What the data plane refused."""
        publisher = Publisher(blocks, run_dir, clock)
        self.engine = Engine(self._store, options, publisher, check_pattern, clock, observers)

    def start(self) -> None:
        """Read, compile and publish what is there. OSError when it cannot be written."""
        self.load()
        self.publish()

    def load(self) -> None:
        """Read and compile what is there; nothing is published."""
        self.take(self._source.load())

    def reads(self) -> frozenset[Ref]:
        """Secrets and ConfigMaps that the last compile looked at, existing or not."""
        compiled = self.engine.compiled
        return frozenset() if compiled is None else compiled.reads

    def knows(self, ref: Ref) -> bool:
        return self.engine.snapshot.find(ref) is not None

    def add(self, views: Iterable[View]) -> None:
        """Objects beside those of the source."""
        self.take(Added(tuple(views)))

    def publish(self) -> None:
        """Bring into force what was loaded and taken since. OSError when it cannot be written."""
        self.engine.publish()
        self._write_figures()
        # What was just read stays; without this every full collection walks all of it, a tenth of a second long.
        gc.collect()
        gc.freeze()

    async def run(self) -> None:
        """Follow the source and tell figures until cancelled."""
        await together(self.follow(), self.tell())

    async def follow(self) -> None:
        """Follow the source until cancelled; after `publish`."""
        await together(
            lasting("follow", self._follow),
            lasting("publish", self._publish),
            lasting("quarantine", self._quarantine.run),
            lasting("refused ports", self._ports.run),
        )

    async def tell(self) -> None:
        """Write the figures every few seconds until cancelled, also before anything is loaded: they say we live."""
        await lasting("figures", self._figures)

    async def _follow(self) -> None:
        async for changes in self._source.changes():
            # First: should a compile fail, the batch that is due brings into force what it can.
            self._changed.set()
            self.take(changes)

    def take(self, changes: Changes) -> None:
        """The source has handed the changes over and will not again: one that fails must not take others with it."""
        for ref in changes.deleted:
            self._store.delete(ref)
        for view in changes.applied:
            try:
                self._store.apply(view)
            except Exception as error:
                text = "".join(traceback.format_exception(error))
                log.event(_log, log.CONTROL_FAILED, level=logging.ERROR, error=text, object=str(view.meta.ref))
        self._tell_engine()

    def _refused(self, problems: tuple[Problem, ...]) -> None:
        self._of_nginx = problems
        self._plane_told()

    def _refused_ports(self, problems: tuple[Problem, ...]) -> None:
        self._of_ports = problems
        self._plane_told()

    def _plane_told(self) -> None:
        self.plane_problems = (*self._of_nginx, *self._of_ports)
        self._changed.set()
        self._tell_engine()

    def _tell_engine(self) -> None:
        of_source = self._source.problems
        self.engine.changed((*of_source, *self.plane_problems) if self.plane_problems else of_source)

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
            self._write_figures()
            await asyncio.sleep(FIGURES_EVERY)

    def _write_figures(self) -> None:
        engine, path = self.engine, self._run_dir.plan / "metrics"
        others, counts = tuple(self._others()), engine.counts
        text = self._of_ingresses.told.line + metrics_text(counts, engine.plan, engine.problems, time.time(), others)
        checks = (counts.compiles - counts.compile_failures, counts.compile_failures)
        text += self._of_ingresses.text(engine.plan, engine.snapshot, others, checks)
        text += self._texts(engine.snapshot)
        try:
            write_file(path, text.encode(), FIGURES_MODE)
        except OSError as error:
            log.event(_log, log.RUN_DIRECTORY_FAILED, level=logging.WARNING, error=str(error))
            with contextlib.suppress(OSError):  # on a full disk at least their time: who looks at it must see us live
                os.utime(path)
