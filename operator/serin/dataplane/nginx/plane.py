"""An nginx as a plane: what its parent asks of it, and what is to be looked after once a second."""

import asyncio
import contextlib
import logging
import os
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from serin.dataplane.nginx import process, processes, standard_output
from serin.dataplane.nginx.adoption import Former, regain
from serin.dataplane.nginx.components import Components
from serin.dataplane.nginx.error_log import ErrorLog
from serin.dataplane.nginx.following import Applies, Following
from serin.dataplane.nginx.master import Master
from serin.dataplane.nginx.pace import Pace
from serin.dataplane.nginx.process import NginxProcess
from serin.dataplane.nginx.rows import Leaving, Rows
from serin.dataplane.nginx.sockets import Listening, remember
from serin.dataplane.nginx.status import Connections, StatusSocket
from serin.dataplane.plane import PlaneFigures, SharedState
from serin.dataplane.readiness import WorkerView
from serin.dataplane.settings import DataPlaneSettings
from serin.telemetry import log
from serin.telemetry.access_log import LogFormat
from serin.telemetry.nginx_figures import NginxFigures

LOOK_SECONDS = 1.0
SILENT_LOOKS = 3
"""So many questions in a row without an answer make an nginx that is not ready."""
_WORKER_DIED = re.compile(r"worker process (\d+) exited (?:on signal \d+|with fatal code \d+)")
_log = logging.getLogger(__name__)


class NginxPlane:
    subject = "nginx"

    def __init__(
        self,
        settings: DataPlaneSettings,
        parts: Components,
        prefix: Path,
        listening: Listening,
        state: SharedState,
        status: StatusSocket,
        applier: Applies,
        pace: Pace,
        weights_changed: Callable[[], bool] | None = None,
    ) -> None:
        self._settings = settings
        self._parts = parts
        self._prefix = prefix
        self._listening = listening
        self._rows = Rows(state)
        self._status = status
        self._errors = ErrorLog(prefix, self._heard)
        self._changed: Callable[[], None] = lambda: None
        self._connections = Connections(0, 0)
        self._silent = 0
        self._workers_died = 0
        self._workers: tuple[int, ...] = ()
        self._leaving = 0
        self._old = Leaving()
        self._tasks = [asyncio.create_task(self._look_after())]
        self.master = Master(self._launch, status, broken=self._broken, changed=self._news)
        self.following = Following(applier, self.master, pace, self._news, weights_changed)

    def adopt(self, former: Former) -> None:
        """Take over what serves already. Orphaned workers do until a master of ours does."""
        running = process.attach(former.master) if former.master else None
        if running is not None:
            self.master.adopt(running)
            log.event(_log, log.NGINX_ADOPTED, pid=running.pid, sockets=len(self._listening.fds))
        elif former.group:
            self.master.orphans.add(former.group)
            log.event(_log, log.NGINX_ORPHANS, level=logging.WARNING, group=former.group)

    @property
    def ports(self) -> tuple[int, int]:
        return self._listening.ports

    @property
    def places(self) -> tuple[WorkerView | None, ...]:
        """One. While a dead master is replaced its workers stand for it: they serve."""
        f, master = self.following, self.master
        figures = (self._connections.active, self._connections.waiting, 0)
        if master.orphans and not master.digest:
            return (WorkerView(min(master.orphans), f.generation, f.kept, figures, why=f.why),)
        if master.process is None:
            return (None,)
        generation = f.generation if master.digest else ""
        silent = self._silent >= SILENT_LOOKS
        return (WorkerView(master.process.pid, generation, f.kept, figures, why=f.why, silent=silent),)

    def start(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._listening.listen()
        self._tasks.append(asyncio.create_task(self.following.run()))

    def planned(self, generation: str) -> None:
        self.following.planned(generation)

    async def restart(self) -> None:
        await self.following.restart()

    def reopen_logs(self) -> None:
        self.master.reopen_logs()

    async def drain(self) -> bool:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        ending = asyncio.ensure_future(self.master.drain(self._settings.shutdown_grace))
        await asyncio.sleep(0)  # nginx is told before the last reference to its sockets may go
        self._listening.close()
        clean = await ending
        self._rows.sweep(())
        self._errors.close()
        log.event(_log, log.NGINX_ENDED, clean=clean)
        return clean

    def kill(self) -> None:
        self.master.kill()

    def figures(self) -> PlaneFigures:
        f = self.following
        nginx = NginxFigures(
            version=self._parts.version_text,
            version_advised=self._parts.advised,
            lua=self._parts.lua,
            digest=self.master.digest,
            reloads=dict(f.reloads),
            last=f.last,
            quarantined=f.quarantined,
            masters_died=self.master.died,
            old_processes=self._leaving,
            log_lines_dropped=self._errors.dropped,
        )
        connections = {"active": self._connections.active, "waiting": self._connections.waiting}
        came = self._connections.accepted, self._connections.handled
        return PlaneFigures(len(self._workers), self._workers_died, 0, connections, nginx, came)

    def _launch(self) -> NginxProcess:
        """Start a master on our sockets. SerinError, OSError."""
        regain(self._listening, self.master.orphans)
        for name in (self._status.path.name, "tls.sock", "passed.sock"):
            self._status.path.with_name(name).unlink(missing_ok=True)  # a killed nginx leaves it in the next one's way
        remember(self._listening, self._prefix)
        logs_there = self._settings.access_log_path == "-" and self._settings.access_log is not LogFormat.OFF
        with standard_output.for_nginx() if logs_there else contextlib.nullcontext(None) as stdout:
            stderr = self._errors.writing_end()
            try:
                fds = self._listening.fds
                return process.start(self._parts, self._prefix, fds, stdout=stdout, stderr=stderr)
            finally:
                os.close(stderr)

    def _heard(self, level: str, pid: int, message: str) -> None:
        self.master.heard(level, pid, message)
        found = _WORKER_DIED.search(message)
        if found is not None and level == "alert":
            self._workers_died += 1
            log.event(_log, log.WORKER_DIED, level=logging.ERROR, pid=int(found[1]), how=message)
            self._sweep()

    def _broken(self) -> None:
        self.following.broken()

    def _news(self) -> None:
        self._changed()

    def _sweep(self) -> None:
        try:
            self._rows.sweep(self.master.groups)
        except OSError as error:
            log.event(_log, log.RUN_DIRECTORY_FAILED, level=logging.ERROR, error=str(error))

    async def _look_after(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:  # a fault of ours must not end all looking
                _log.exception(log.LOOKING_FAILED)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        connections = await self._status.connections() if self.master.digest else None
        silent = self._silent + 1 if connections is None and self.master.digest else 0
        told = (silent >= SILENT_LOOKS) != (self._silent >= SILENT_LOOKS)
        self._connections = connections or replace(self._connections, active=0, waiting=0)
        self._silent = silent
        self._see_processes()
        self.master.settle()
        self._sweep()
        if told:
            self._changed()

    def _see_processes(self) -> None:
        orphans = [pid for number in self.master.orphans for pid in processes.group(number)]
        running = self.master.process
        own = processes.children(running.pid) if running is not None else ()
        self._workers = (*own, *orphans)
        leaving = [pid for pid in own if processes.title(pid) == processes.LEAVING]
        self._leaving = len(orphans) + len(leaving)
        for pid in self._old.see(leaving):
            log.event(_log, log.NGINX_KILLED, level=logging.WARNING, pid=pid, text="too many old workers are left")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
