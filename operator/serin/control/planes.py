"""The data plane as the controller sees it: a child of its own, or a process that somebody else runs.

Either way the controller outlives it: while it drains, the endpoints of its last requests still have to be right.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from serin.control.child import DataPlane
from serin.dataplane import lock
from serin.render.rundir import RunDirectory
from serin.telemetry import log

LOOK_EVERY = 0.2
"""Seconds between two looks whether a data plane still runs."""
KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TERM", "NO_COLOR", "VIRTUAL_ENV"),
    *("LC_", "PYTHON", "LD_", "SSL_CERT_", "MALLOC_", "GLIBC_TUNABLES", "XDG_RUNTIME_DIR", "COVERAGE_", "SERIN_"),
)
"""What a data plane's environment may begin with: nothing that says where the API server is, or who we are to it."""

_log = logging.getLogger("serin.control")


class Plane(Protocol):
    async def run(self) -> int:
        """Until it has ended: its exit code. It ends by itself only when it cannot be started."""

    def end(self) -> None:
        """It has to drain; a second time: to stop now."""


class OwnPlane:
    """A child without the token: no variable of ours, no descriptor.

    `lasting`: it serves on should this process be killed; otherwise it then drains and ends. The one that a killed
    controller left on this run directory is taken over as it is: it has the ports, and it serves. `takes_over` may
    decline one by its process id and our command; then ours is started, and says that the other one is in its way.
    """

    def __init__(
        self,
        command: Sequence[str],
        run_dir: RunDirectory,
        *,
        lasting: bool = True,
        takes_over: Callable[[int, Sequence[str]], bool] | None = None,
    ) -> None:
        self._run_dir = run_dir
        self._command = command
        self._takes_over = takes_over or (lambda pid, ours: True)
        environment = clean_environment(os.environ)
        self._child = DataPlane(command, self._listens, lasting=lasting, environment=environment)
        self._adopted: int | None = None
        self._ending = False

    async def run(self) -> int:
        while not self._ending and (pid := lock.holder(self._run_dir.path)) and self._takes_over(pid, self._command):
            await self._follow(pid)
        return 0 if self._ending else await self._child.run()

    def end(self) -> None:
        self._ending = True
        if self._adopted is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._adopted, signal.SIGTERM)
        self._child.end(signal.SIGTERM)

    async def _follow(self, pid: int) -> None:
        """Until a process that is no child of ours has ended."""
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:  # it has ended meanwhile
            await asyncio.sleep(LOOK_EVERY)
            return
        loop.add_reader(pidfd, gone.set)
        try:
            if lock.holder(self._run_dir.path) == pid:
                self._adopted = pidfd
                log.event(_log, log.DATA_PLANE_ADOPTED, pid=pid, ports=self._ports())
                await gone.wait()
        finally:
            self._adopted = None
            loop.remove_reader(pidfd)
            os.close(pidfd)

    def _listens(self, pid: int) -> bool:
        return self._ports().get("pid") == pid

    def _ports(self) -> Mapping[str, int]:
        with contextlib.suppress(OSError, ValueError):
            told: dict[str, int] = json.loads((self._run_dir.state / "ports.json").read_bytes())
            return told
        return {}


class OtherPlane:
    """`serin data-plane` in another container, told to end by the same SIGTERM as we are.

    Its lock on state/ says whether it runs, across containers and however it ends. `grace` in seconds bounds how long
    its end is waited for.
    """

    def __init__(self, run_dir: RunDirectory, grace: float, runs: Callable[[], bool] | None = None) -> None:
        self._grace = grace
        self._runs = runs or (lambda: lock.is_held(run_dir.path))
        self._told = asyncio.Event()
        self._cut = asyncio.Event()

    async def run(self) -> int:
        await self._told.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                while self._runs() and not self._cut.is_set():
                    await asyncio.sleep(LOOK_EVERY)
        return 0

    def end(self) -> None:
        if self._told.is_set():
            self._cut.set()
        self._told.set()


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(KEPT)}
