"""The data plane's first process: holds ports and the plane, serves nothing but the probes.

Waits for a plan, starts what serves it, ends it in order. SIGTERM and SIGINT drain, perhaps after a delay (a second one
cuts), SIGHUP replaces the serving processes, SIGUSR1 opens the access log anew. Which plane it is, is not known here.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from serin.dataplane import lock, ports_file
from serin.dataplane.ending import signals
from serin.dataplane.fallback_certificate import certificate_path, keep_certificate
from serin.dataplane.figures import Figures, dataplane_figures
from serin.dataplane.generation import GenerationWatch
from serin.dataplane.health import make_app, serve
from serin.dataplane.lookup import SystemLookup
from serin.dataplane.low_ports import low_ports
from serin.dataplane.plane import MakeState, Plane, SharedState
from serin.dataplane.readiness import View, reasons
from serin.dataplane.resolver import Resolver
from serin.dataplane.settings import DataPlaneSettings
from serin.dataplane.sockets import bind_socket, listen_addresses, open_listeners
from serin.dataplane.worker_plane import WORKER_COMMAND, WorkerPlane
from serin.dataplane.workers import ROWS
from serin.errors import RunDirectoryError
from serin.native.names import ExternalNames
from serin.telemetry import log

NAMES_SECONDS = 2.0
"""How long the first processes wait for external names to be resolved."""
_log = logging.getLogger(__name__)


async def run(
    settings: DataPlaneSettings,
    make_state: MakeState,
    *,
    stop: asyncio.Event | None = None,
    command: Sequence[str] = WORKER_COMMAND,
) -> int:
    """Run the built-in proxy until SIGTERM, SIGINT or `stop`; 0 when all requests in flight were answered, else 1.

    UsageError when a port cannot be had, RunDirectoryError when the directory cannot be used.
    """
    with contextlib.ExitStack() as held:
        held.callback(os.close, lock.hold(settings.run_dir))
        with low_ports():
            listeners = open_listeners(settings.bind, settings.http_port, settings.https_port, settings.workers)
            held.callback(listeners.close)
            probes = open_probes(settings, held)
        state = open_state(settings.run_dir, make_state, held)
        # What an nginx refused that served here before: it is told of as long as it is there.
        (settings.run_dir / "state" / "quarantine.json").unlink(missing_ok=True)
        plane = WorkerPlane(settings, listeners, state, command)
        return await Parent(settings, plane, state).run(probes, stop or asyncio.Event())


class Parent:
    """One run of a data plane; everything it needs is open already."""

    def __init__(self, settings: DataPlaneSettings, plane: Plane, state: SharedState) -> None:
        self._settings = settings
        self._plane = plane
        self._state = state
        self._loop = asyncio.get_running_loop()
        self._generation = ""
        self._plans = 0
        self._newest_since = 0.0
        self._planned = asyncio.Event()
        self._leaving = False
        self._draining = False
        self._cut = asyncio.Event()
        self._ever_ready = False
        self._reasons: tuple[str, ...] = ("starting",)
        self._figures = Figures(settings.run_dir)
        self._resolver = Resolver(
            ExternalNames(settings.run_dir).current,
            SystemLookup().find,
            state.put_name,
            standalone=settings.standalone,
        )
        self._one_page = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, probes: tuple[socket.socket, ...], stop: asyncio.Event) -> int:
        watch = GenerationWatch(self._settings.run_dir, self._new_generation)
        runner = await serve(make_app(self.view, self._metrics), probes)
        with signals(stop, cut=self._kill, restart=self._restart, reopen=self._plane.reopen_logs):
            try:
                self._tell_ports(probes[0].getsockname()[1])
                if not self._generation:
                    log.event(_log, log.WAITING_FOR_PLAN, run_dir=str(self._settings.run_dir))
                if await self._either(self._planned, stop):
                    await self._resolver.settle(NAMES_SECONDS)
                    self._task(self._resolver.run())
                    self._plane.start(self._judge)
                await stop.wait()
                await self._leave()
            finally:
                code = await self._end()
                watch.close()
                await runner.cleanup()
                ports_file.remove(self._settings.run_dir)
        return code

    def view(self) -> View:
        """The data plane as it is now."""
        return View(
            workers=self._plane.places,
            generation=self._generation,
            since=self._loop.time() - self._newest_since,
            leaving=self._leaving,
            draining=self._draining,
            ever_ready=self._ever_ready,
            subject=self._plane.subject,
        )

    async def _metrics(self) -> bytes:
        """In a thread, one at a time: it reads much at once."""
        async with self._one_page:
            now = dataplane_figures(self.view(), self._plane.figures(), self._resolver.state(), self._plans)
            pids = tuple(pid for pid in self._state.pids() if pid)
            return await asyncio.to_thread(self._figures.page, now, pids)

    def _new_generation(self, generation: str) -> None:
        self._generation = generation
        self._plans += 1
        self._newest_since = self._loop.time()
        self._plane.planned(generation)
        self._planned.set()
        self._judge()

    def _judge(self) -> None:
        """Say so when readiness has changed."""
        found = reasons(self.view())
        if found == self._reasons:
            return
        if not found:
            self._ever_ready = True
            log.event(_log, log.READY, generation=self._generation, workers=self._settings.workers)
        elif self._ever_ready and not (self._leaving or self._draining):
            log.event(_log, log.NOT_READY, level=logging.WARNING, reasons="; ".join(found))
        self._reasons = found

    def _restart(self) -> None:
        log.event(_log, log.RESTARTING, workers=self._settings.workers)
        self._task(self._plane.restart())

    def _kill(self) -> None:
        self._cut.set()
        self._plane.kill()

    async def _leave(self) -> None:
        """Serve on for the delay, not ready: a port that closes before load balancers know costs their requests."""
        delay = self._settings.shutdown_delay
        if not delay or not self._planned.is_set():
            return
        self._leaving = True
        self._judge()
        log.event(_log, log.LEAVING, seconds=delay)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._cut.wait(), delay)

    async def _end(self) -> int:
        self._draining = True
        self._judge()
        processes = self._plane.figures().processes
        log.event(_log, log.DRAINING, workers=processes, grace=self._settings.shutdown_grace)
        for task in self._tasks:
            task.cancel()
        clean = await self._plane.drain()
        log.event(_log, log.STOPPED, clean=clean)
        return 0 if clean else 1

    async def _either(self, wanted: asyncio.Event, stop: asyncio.Event) -> bool:
        """Wait for one of the two; whether it was the wanted one."""
        waits = [asyncio.ensure_future(event.wait()) for event in (wanted, stop)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return not stop.is_set()

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell_ports(self, healthz: int) -> None:
        http, https = self._plane.ports
        ports_file.write(self._settings.run_dir, http=http, https=https, healthz=healthz)
        log.event(_log, log.LISTENING, http=http, https=https, healthz=healthz)


def open_state(
    run_dir: Path, make_state: MakeState, held: contextlib.ExitStack, *, rows: int = ROWS, keep: bool = False
) -> SharedState:
    """Leave in state/ what the serving processes need; closed with `held`. RunDirectoryError when it cannot be."""
    try:
        ports_file.remove(run_dir)
        keep_certificate(certificate_path(run_dir))
        state = make_state(run_dir, rows, keep=keep)
    except OSError as error:
        raise RunDirectoryError(f"{run_dir}: state/ cannot be prepared: {error}") from error
    held.callback(state.close)
    return state


def open_probes(settings: DataPlaneSettings, held: contextlib.ExitStack) -> tuple[socket.socket, ...]:
    """Sockets of the port for probes, closed with `held`."""
    sockets: list[socket.socket] = []
    port = settings.healthz_port
    for address in listen_addresses(settings.bind):
        sock = bind_socket(address, port, option="--healthz-port", shared=False)
        held.callback(sock.close)
        sockets.append(sock)
        port = sock.getsockname()[1]
    return tuple(sockets)
