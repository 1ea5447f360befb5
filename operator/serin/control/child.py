"""A data plane as child process: started, started again when it dies, ended in order.

It is in a process group of its own: a Ctrl-C on the terminal reaches it only through its parent, once.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from serin.dataplane.children import die_with
from serin.telemetry import log

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
STEADY = 30.0
"""A child that lived so many seconds is started again without delay."""

_log = logging.getLogger("serin.control")


class DataPlane:
    """One child at a time. `settled` says whether it has come so far that its death is worth another start.

    `lasting`: should this process be killed, the child serves on with what it has; otherwise it then drains and ends.
    `environment` None: this process's own. No descriptor of ours is open in the child.
    """

    def __init__(
        self,
        command: Sequence[str],
        settled: Callable[[int], bool],
        *,
        lasting: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = command
        self._settled = settled
        self._lasting = lasting
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._ending = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def run(self) -> int:
        """Keep one running. The exit code of the one that was asked to end, or of one that never settled."""
        loop = asyncio.get_running_loop()
        delay, settled = FIRST_DELAY, False
        while not self._ending:
            started = loop.time()
            try:
                pid, code = await self._one()
            except OSError as error:  # no memory or no process left for another one, for now
                if not settled:
                    raise
                delay = min(delay * 2, LONGEST_DELAY)
                log.event(_log, log.DATA_PLANE_DIED, level=logging.ERROR, error=error.strerror, restart_seconds=delay)
            else:
                settled = settled or self._settled(pid)
                if self._ending or not settled:
                    return code
                delay = FIRST_DELAY if loop.time() - started > STEADY else min(delay * 2, LONGEST_DELAY)
                log.event(_log, log.DATA_PLANE_DIED, level=logging.ERROR, pid=pid, status=code, restart_seconds=delay)
            await asyncio.sleep(delay)
        return 0

    async def _one(self) -> tuple[int, int]:
        """One child from its start to its end: its id and its exit code. OSError when it cannot be started."""
        before_exec = None if self._lasting else partial(die_with, os.getpid(), signal.SIGTERM)
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command, process_group=0, preexec_fn=before_exec, env=self._environment
        )
        if self._ending:  # asked to while it was being started
            self.end()
        return process.pid, await process.wait()

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask the child to drain; a second time it cuts."""
        self._ending = True
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
