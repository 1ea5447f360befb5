"""The data plane's first process: holds ports and workers, serves nothing but the probes.

Waits for a plan, starts the workers, replaces them, ends them in order. SIGTERM and SIGINT drain (a second one cuts),
SIGHUP replaces the workers one by one, SIGUSR1 opens the access log anew.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from serin.dataplane import lock
from serin.dataplane.children import Child, spawn
from serin.dataplane.fallback_certificate import keep_certificate
from serin.dataplane.figures import Figures, dataplane_figures
from serin.dataplane.generation import GenerationWatch
from serin.dataplane.health import make_app, serve
from serin.dataplane.lookup import SystemLookup
from serin.dataplane.low_ports import low_ports
from serin.dataplane.proxy.settings import VARIABLE, WorkerSettings
from serin.dataplane.readiness import View, WorkerView, reasons
from serin.dataplane.resolver import Resolver
from serin.dataplane.settings import DataPlaneSettings
from serin.dataplane.sockets import Listeners, WorkerSockets, bind_socket, listen_addresses, open_listeners
from serin.dataplane.workers import ROWS, Worker, Workers
from serin.errors import RunDirectoryError
from serin.native.names import ExternalNames
from serin.telemetry import log

WORKER_COMMAND = (sys.executable, "-m", "serin.dataplane.proxy.worker")
CERTIFICATE = "default.pem"
PORTS = "ports.json"
NAMES_SECONDS = 2.0
"""How long the first workers wait for external names to be resolved."""
SAME_SIGNAL = 0.5
"""Seconds in which a second SIGTERM counts as the first one: whoever ends all processes of a group or unit sends it to
this one twice, by itself and by way of `serin serve`."""
_log = logging.getLogger(__name__)


class SharedState(Protocol):
    """Rows of worker processes and cells of external names (serin.native.state.StateFiles)."""

    def release_worker(self, index: int) -> None: ...

    def put_name(self, cell: int, name: str, addresses: Sequence[str]) -> None: ...

    def close(self) -> None: ...


async def run(
    settings: DataPlaneSettings,
    make_state: Callable[[Path, int], SharedState],
    *,
    stop: asyncio.Event | None = None,
    command: Sequence[str] = WORKER_COMMAND,
) -> int:
    """Run a data plane until SIGTERM, SIGINT or `stop`; 0 when all requests in flight were answered, else 1.

    UsageError when a port cannot be had, RunDirectoryError when the directory cannot be used.
    """
    with contextlib.ExitStack() as held:
        held.callback(os.close, lock.hold(settings.run_dir))
        with low_ports():
            listeners = open_listeners(settings.bind, settings.http_port, settings.https_port, settings.workers)
            held.callback(listeners.close)
            probes = _probe_sockets(settings)
        for sock in probes:
            held.callback(sock.close)
        state = _prepare(settings.run_dir, make_state)
        held.callback(state.close)
        parent = Parent(settings, listeners, state, command)
        return await parent.run(probes, stop or asyncio.Event())


class Parent:
    """One run of a data plane; everything it needs is open already."""

    def __init__(
        self, settings: DataPlaneSettings, listeners: Listeners, state: SharedState, command: Sequence[str]
    ) -> None:
        self._settings = settings
        self._listeners = listeners
        self._command = command
        self._loop = asyncio.get_running_loop()
        self._generation = ""
        self._newest_since = 0.0
        self._planned = asyncio.Event()
        self._draining = False
        self._told_to_end = float("-inf")
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
        self.workers = Workers(
            listeners.workers,
            self._start_worker,
            state.release_worker,
            grace=settings.shutdown_grace,
            changed=self._judge,
        )

    async def run(self, probes: tuple[socket.socket, ...], stop: asyncio.Event) -> int:
        watch = GenerationWatch(self._settings.run_dir, self._new_generation)
        runner = await serve(make_app(self.view, self._metrics), probes)
        with self._signals(stop):
            try:
                self._tell_ports(probes[0].getsockname()[1])
                if not self._generation:
                    log.event(_log, log.WAITING_FOR_PLAN, run_dir=str(self._settings.run_dir))
                if await self._either(self._planned, stop):
                    await self._resolver.settle(NAMES_SECONDS)
                    self._task(self._resolver.run())
                    self._listeners.listen()
                    self.workers.start()
                await stop.wait()
            finally:
                code = await self._end()
                watch.close()
                await runner.cleanup()
                (self._settings.run_dir / "state" / PORTS).unlink(missing_ok=True)
        return code

    def view(self) -> View:
        """The data plane as it is now."""
        return View(
            workers=tuple(_view(place.worker) for place in self.workers.places),
            generation=self._generation,
            since=self._loop.time() - self._newest_since,
            draining=self._draining,
            ever_ready=self._ever_ready,
        )

    async def _metrics(self) -> bytes:
        """In a thread, one at a time: it reads much at once."""
        async with self._one_page:
            now = dataplane_figures(self.view(), self.workers, self._resolver.state())
            return await asyncio.to_thread(self._figures.page, now)

    def _start_worker(self, sockets: WorkerSockets, row: int, heard: Callable[[str], None]) -> Child:
        s = self._settings

        def environment(status_fd: int) -> dict[str, str]:
            given = WorkerSettings(
                run_dir=str(s.run_dir),
                index=row,
                http_fds=tuple(sock.fileno() for sock in sockets.http),
                https_fds=tuple(sock.fileno() for sock in sockets.https),
                status_fd=status_fd,
                visible_http_port=s.visible_http_port,
                visible_https_port=s.visible_https_port,
                default_certificate=str(s.run_dir / "state" / CERTIFICATE),
                access_log=s.access_log.value,
                access_log_path=s.access_log_path,
                log_level=s.log_level,
                shutdown_grace=s.shutdown_grace,
            )
            return {**os.environ, VARIABLE: given.to_json()}

        fds = [sock.fileno() for sock in sockets.all]
        return spawn(self._command, environment=environment, pass_fds=fds, heard=heard)

    def _new_generation(self, generation: str) -> None:
        self._generation = generation
        self._newest_since = self._loop.time()
        self._planned.set()
        self._judge()

    def _judge(self) -> None:
        """Say so when readiness has changed."""
        found = reasons(self.view())
        if found == self._reasons:
            return
        if not found:
            self._ever_ready = True
            log.event(_log, log.READY, generation=self._generation, workers=len(self.workers.places))
        elif self._ever_ready and not self._draining:
            log.event(_log, log.NOT_READY, level=logging.WARNING, reasons="; ".join(found))
        self._reasons = found

    async def _end(self) -> int:
        self._draining = True
        self._judge()
        log.event(_log, log.DRAINING, workers=len(self.workers.alive), grace=self._settings.shutdown_grace)
        for task in self._tasks:
            task.cancel()
        ending = asyncio.ensure_future(self.workers.drain())
        await asyncio.sleep(0)  # the workers are told before the last reference to their sockets may go
        self._listeners.close()
        clean = await ending
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

    @contextlib.contextmanager
    def _signals(self, stop: asyncio.Event) -> Iterator[None]:
        def end() -> None:
            if not stop.is_set():
                self._told_to_end = self._loop.time()
                stop.set()
            elif self._loop.time() - self._told_to_end >= SAME_SIGNAL:
                self.workers.kill()

        def restart() -> None:
            log.event(_log, log.RESTARTING, workers=len(self.workers.places))
            self._task(self.workers.restart())

        handlers: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTERM: end,
            signal.SIGINT: end,
            signal.SIGHUP: restart,
            signal.SIGUSR1: lambda: self.workers.send(signal.SIGUSR1),
        }
        for number, handler in handlers.items():
            self._loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                self._loop.remove_signal_handler(number)

    def _tell_ports(self, healthz_port: int) -> None:
        ports = {"http": self._listeners.http_port, "https": self._listeners.https_port, "healthz": healthz_port}
        path = self._settings.run_dir / "state" / PORTS
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps({**ports, "pid": os.getpid()}) + "\n")
        fresh.replace(path)
        log.event(_log, log.LISTENING, **ports)


def _prepare(run_dir: Path, make_state: Callable[[Path, int], SharedState]) -> SharedState:
    """Leave in state/ what workers need."""
    try:
        (run_dir / "state" / PORTS).unlink(missing_ok=True)
        keep_certificate(run_dir / "state" / CERTIFICATE)
        return make_state(run_dir, ROWS)
    except OSError as error:
        raise RunDirectoryError(f"{run_dir}: state/ cannot be prepared: {error}") from error


def _probe_sockets(settings: DataPlaneSettings) -> tuple[socket.socket, ...]:
    sockets: list[socket.socket] = []
    port = settings.healthz_port
    try:
        for address in listen_addresses(settings.bind):
            sockets.append(bind_socket(address, port, option="--healthz-port", shared=False))
            port = sockets[0].getsockname()[1]
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return tuple(sockets)


def _view(worker: Worker | None) -> WorkerView | None:
    if worker is None:
        return None
    return WorkerView(worker.child.pid, worker.generation, worker.kept, worker.connections, worker.leaving)
