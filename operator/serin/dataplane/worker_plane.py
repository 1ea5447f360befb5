"""The built-in proxy as a plane: worker processes on sockets that the parent opened."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence

from serin.dataplane.children import Child, spawn
from serin.dataplane.fallback_certificate import certificate_path
from serin.dataplane.handing import Handing, pair
from serin.dataplane.plane import PlaneFigures, SharedState
from serin.dataplane.proxy.settings import VARIABLE, WorkerSettings
from serin.dataplane.readiness import WorkerView
from serin.dataplane.refused_ports import RefusedPorts
from serin.dataplane.settings import DataPlaneSettings
from serin.dataplane.sockets import Listeners, WorkerSockets, listen_addresses
from serin.dataplane.stream_sockets import StreamSockets
from serin.dataplane.workers import Worker, Workers
from serin.errors import SerinError
from serin.render.rundir import RunDirectory

RETRY_SECONDS = 1.0
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
        self._streams = StreamSockets(listen_addresses(settings.bind), len(listeners.workers))
        self._refused = RefusedPorts(RunDirectory(settings.run_dir).state)
        self._handings: dict[int, tuple[int, Handing]] = {}
        self._retrying: asyncio.TimerHandle | None = None
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
        """The workers see for themselves; sockets of TCP and UDP are opened for them."""
        with contextlib.suppress(SerinError, OSError):  # they say so, and go on with the plan before
            self._streams.follow(RunDirectory(self._settings.run_dir).read_index().globals.streams)
            self._hand_over()

    async def restart(self) -> None:
        await self.workers.restart()

    def reopen_logs(self) -> None:
        self.workers.send(signal.SIGUSR1)

    async def drain(self) -> bool:
        ending = asyncio.ensure_future(self.workers.drain())
        await asyncio.sleep(0)  # the workers are told before the last reference to their sockets may go
        self._listeners.close()
        self._streams.close()
        if self._retrying is not None:
            self._retrying.cancel()
        return await ending

    def kill(self) -> None:
        self.workers.kill()

    def figures(self) -> PlaneFigures:
        connections: Counter[str] = Counter({"active": 0, "waiting": 0, "upstream_idle": 0})
        for worker in self.workers.alive:
            active, waiting, upstream = worker.connections
            connections.update({"active": active, "waiting": waiting, "upstream_idle": upstream})
        w = self.workers
        return PlaneFigures(len(w.alive), w.died, w.replaced, connections, came=w.came)

    def _hand_over(self) -> None:
        """To all workers; again in a second where one does not read, or a port could not be had."""
        told = [handing.sync(self._streams.places[place]) for place, handing in self._handings.values()]
        self._refused.put(self._streams.refused)
        if self._retrying is not None:
            self._retrying.cancel()
            self._retrying = None
        if not all(told) or not self._streams.complete:
            self._retrying = asyncio.get_running_loop().call_later(RETRY_SECONDS, self._retry)

    def _retry(self) -> None:
        self._streams.open()
        self._hand_over()

    def _start_worker(self, sockets: WorkerSockets, row: int, heard: Callable[[str], None]) -> Child:
        ours, theirs = pair()
        with contextlib.closing(theirs):
            try:
                child = self._spawn(sockets, row, heard, theirs.fileno())
            except BaseException:
                ours.close()
                raise
        place = next(i for i, own in enumerate(self._listeners.workers) if own is sockets)
        self._handings[child.pid] = (place, Handing(ours))
        child.exited.add_done_callback(lambda _: self._handings.pop(child.pid)[1].close())
        self._hand_over()
        return child

    def _spawn(self, sockets: WorkerSockets, row: int, heard: Callable[[str], None], handing_fd: int) -> Child:
        s = self._settings

        def environment(status_fd: int) -> dict[str, str]:
            given = WorkerSettings(
                run_dir=str(s.run_dir),
                index=row,
                http_fds=tuple(sock.fileno() for sock in sockets.http),
                https_fds=tuple(sock.fileno() for sock in sockets.https),
                status_fd=status_fd,
                handing_fd=handing_fd,
                visible_http_port=s.visible_http_port,
                visible_https_port=s.visible_https_port,
                default_certificate=str(certificate_path(s.run_dir)),
                access_log=s.access_log.value,
                access_log_path=s.access_log_path,
                log_level=s.log_level,
                shutdown_grace=s.shutdown_grace,
            )
            return {**os.environ, VARIABLE: given.to_json()}

        fds = [*(sock.fileno() for sock in sockets.all), handing_fd]
        return spawn(self._command, environment=environment, pass_fds=fds, heard=heard)


def _view(worker: Worker | None) -> WorkerView | None:
    if worker is None:
        return None
    return WorkerView(worker.child.pid, worker.generation, worker.kept, worker.connections, worker.leaving)
