"""The built-in proxy as a plane: worker processes on sockets that the parent opened."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence

from serin.dataplane.children import Child, spawn
from serin.dataplane.fallback_certificate import certificate_path
from serin.dataplane.plane import PlaneFigures, SharedState
from serin.dataplane.proxy.settings import VARIABLE, WorkerSettings
from serin.dataplane.readiness import WorkerView
from serin.dataplane.settings import DataPlaneSettings
from serin.dataplane.sockets import Listeners, WorkerSockets
from serin.dataplane.workers import Worker, Workers

WORKER_COMMAND = (sys.executable, "-P", "-m", "serin.dataplane.proxy.worker")


class WorkerPlane:
    """`command` starts a worker."""

    subject = "worker"

    def __init__(
        self, settings: DataPlaneSettings, listeners: Listeners, state: SharedState, command: Sequence[str]
    ) -> None:
        self._settings = settings
        self._listeners = listeners
        self._command = command
        self._changed: Callable[[], None] = lambda: None
        self.workers = Workers(
            listeners.workers,
            self._start_worker,
            state.release_worker,
            grace=settings.shutdown_grace,
            changed=lambda: self._changed(),
        )

    @property
    def ports(self) -> tuple[int, int]:
        return self._listeners.http_port, self._listeners.https_port

    @property
    def places(self) -> tuple[WorkerView | None, ...]:
        return tuple(_view(place.worker) for place in self.workers.places)

    def start(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._listeners.listen()
        self.workers.start()

    def planned(self, generation: str) -> None:
        """The workers see for themselves."""

    async def restart(self) -> None:
        await self.workers.restart()

    def reopen_logs(self) -> None:
        self.workers.send(signal.SIGUSR1)

    async def drain(self) -> bool:
        ending = asyncio.ensure_future(self.workers.drain())
        await asyncio.sleep(0)  # the workers are told before the last reference to their sockets may go
        self._listeners.close()
        return await ending

    def kill(self) -> None:
        self.workers.kill()

    def figures(self) -> PlaneFigures:
        connections: Counter[str] = Counter({"active": 0, "waiting": 0, "upstream_idle": 0})
        for worker in self.workers.alive:
            active, waiting, upstream = worker.connections
            connections.update({"active": active, "waiting": waiting, "upstream_idle": upstream})
        return PlaneFigures(len(self.workers.alive), self.workers.died, self.workers.replaced, connections)

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
                default_certificate=str(certificate_path(s.run_dir)),
                access_log=s.access_log.value,
                access_log_path=s.access_log_path,
                log_level=s.log_level,
                shutdown_grace=s.shutdown_grace,
            )
            return {**os.environ, VARIABLE: given.to_json()}

        fds = [sock.fileno() for sock in sockets.all]
        return spawn(self._command, environment=environment, pass_fds=fds, heard=heard)


def _view(worker: Worker | None) -> WorkerView | None:
    if worker is None:
        return None
    return WorkerView(worker.child.pid, worker.generation, worker.kept, worker.connections, worker.leaving)
