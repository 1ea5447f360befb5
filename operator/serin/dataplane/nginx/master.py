"""Keeps one nginx master running: starts it, starts another when it dies, reloads and ends it.

Orphaned workers of a dead master go on serving on the same sockets, and are told to end once the new master serves: no
client finds the door closed. What is in the configuration is not known here.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from serin.dataplane.children import RestartDelay, describe_exit
from serin.dataplane.nginx import processes
from serin.dataplane.nginx.process import NginxProcess
from serin.dataplane.nginx.status import StatusSocket
from serin.errors import SerinError
from serin.telemetry import log

START_SECONDS = 60.0
RELOAD_SECONDS = 30.0
"""How long nginx may take until it serves a configuration."""
REFUSED_SECONDS = 0.5
"""After an [emerg] of the master it is asked this long yet whether it serves the new configuration all the same."""
KILL_MARGIN = 2.0
"""Seconds beyond the grace, which nginx itself observes, before what is left is cut."""
_POLL = 0.02
_POLL_SLOW = 0.25
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of a start or a reload: `taken`, `refused` or `late`, what nginx said, and how long it took."""

    result: str
    said: str = ""
    seconds: float = 0.0

    @property
    def taken(self) -> bool:
        return self.result == "taken"


class Master:
    """`launch` starts a process (SerinError: it cannot); `broken` is called when one ended before it served.

    `changed` is called when there is news of `process` or `digest`.
    """

    def __init__(
        self,
        launch: Callable[[], NginxProcess],
        status: StatusSocket,
        *,
        broken: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self.process: NginxProcess | None = None
        self.digest = ""
        """Of the configuration that the living process serves; empty while none does."""
        self.died = 0
        self.orphans: set[int] = set()
        """Process groups whose master is dead."""
        self._launch = launch
        self._status = status
        self._broken = broken
        self._changed = changed
        self._delay = RestartDelay()
        self._emergency = ""
        self._ending = False
        self._cut = False
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """From now on there is to be a master; again is nothing."""
        if self._keeper is None and not self._ending:
            self._keeper = asyncio.create_task(self._keep())

    def adopt(self, process: NginxProcess) -> None:
        self.process = process
        self.start()

    @property
    def started(self) -> bool:
        """Whether there is to be a master, even if it is just being replaced."""
        return self._keeper is not None

    def heard(self, level: str, pid: int, message: str) -> None:
        """A line of nginx's error log."""
        if level == "emerg" and self.process is not None and pid in (0, self.process.pid):
            self._emergency = message

    async def serves(self, digest: str, seconds: float = START_SECONDS) -> Outcome:
        """Wait until this configuration is served, or it is clear that it will not be. Empty: any configuration."""
        begun = time.monotonic()
        limit = begun + seconds
        pause = _POLL
        said = ""
        while (now := time.monotonic()) < limit:
            await self._ask()
            if self.digest and digest in ("", self.digest):
                return Outcome("taken", "", time.monotonic() - begun)
            if self._emergency and not said:
                said = self._emergency
                limit = min(limit, now + REFUSED_SECONDS)
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, _POLL_SLOW)
        return Outcome("refused" if said else "late", said, time.monotonic() - begun)

    async def reload(self, digest: str) -> Outcome:
        """Have the configuration on disk taken, whose digest this is.

        One that is just starting is not signalled before it serves: it would be killed, and it reads the files anyway.
        """
        if not self.digest:
            started = await self.serves("", RELOAD_SECONDS)
            if not started.taken or self.digest == digest:
                return started
        self._emergency = ""
        self.send(signal.SIGHUP)
        return await self.serves(digest, RELOAD_SECONDS)

    def reopen_logs(self) -> None:
        """One that is just starting opens them anyway, and the signal would kill it."""
        if self.digest:
            self.send(signal.SIGUSR1)

    def send(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send(number)

    @property
    def groups(self) -> frozenset[int]:
        """Process groups that are ours."""
        return frozenset(self.orphans | ({self.process.pid} if self.process is not None else set()))

    async def drain(self, grace: float) -> bool:
        """End all; False when something was cut.

        `grace` in seconds: after these nginx cuts by itself, and tells nobody; 0 leaves that to us.
        """
        begun = time.monotonic()
        self._ending = True
        if self._keeper is not None:
            self._keeper.cancel()
        self.send(signal.SIGQUIT)
        self._to_orphans(signal.SIGQUIT)
        if not await self._gone(grace + KILL_MARGIN):
            self.kill()
            await self._gone(None)
        return not self._cut and (not grace or time.monotonic() - begun < grace)

    def kill(self) -> None:
        """Cut everything now."""
        self._ending = True
        for number in self.groups:
            if processes.group(number) or self._is_running(number):
                self._cut = True
                log.event(_log, log.NGINX_KILLED, level=logging.WARNING, group=number)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(number, signal.SIGKILL)

    def settle(self) -> None:
        """Let orphans end that are not needed any more, and forget those that have."""
        for number in tuple(self.orphans):
            _reap(number)
            if not processes.group(number):
                self.orphans.discard(number)
        if self.digest:
            self._to_orphans(signal.SIGQUIT)

    async def _keep(self) -> None:
        while True:
            if self.process is None:
                await self._begin()
            assert self.process is not None
            await self._follow(self.process)

    async def _begin(self) -> None:
        """Start one; when that cannot even be tried, try again more and more slowly."""
        delay = 0.0
        while self.process is None:
            await asyncio.sleep(delay)
            self._emergency = ""
            try:
                self.process = self._launch()
            except (SerinError, OSError) as error:
                delay = self._delay.after(0.0) or RestartDelay.FIRST
                log.event(_log, log.NGINX_DIED, level=logging.ERROR, error=str(error), restart_after=delay)
        log.event(_log, log.NGINX_STARTED, pid=self.process.pid)
        self._changed()

    async def _follow(self, process: NginxProcess) -> None:
        """Until it has ended and what is then to be done is done."""
        serving = asyncio.create_task(self._until_served(process))
        try:
            status = await asyncio.shield(process.exited)
        finally:
            serving.cancel()
        lived = asyncio.get_running_loop().time() - process.since
        served = bool(self.digest)
        self.process, self.digest = None, ""
        self.died += 1
        self.orphans.add(process.pid)
        delay = self._delay.after(lived if served else 0.0)
        how = describe_exit(status) if status is not None else "of unknown cause"
        log.event(
            _log,
            log.NGINX_DIED,
            level=logging.ERROR,
            pid=process.pid,
            how=how,
            lived=round(lived, 3),
            restart_after=delay,
            **({"said": self._emergency} if self._emergency else {}),
        )
        if not served:
            self._broken()
        self._changed()
        await asyncio.sleep(delay)

    async def _until_served(self, process: NginxProcess) -> None:
        pause = _POLL
        while not self.digest:
            await self._ask()
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, _POLL_SLOW)
        log.event(_log, log.NGINX_SERVES, pid=process.pid, digest=self.digest)
        self.settle()
        self._changed()

    async def _ask(self) -> None:
        asked = self.process
        digest = await self._status.digest()
        if digest and asked is not None and asked is self.process and asked.running:
            self.digest = digest

    def _to_orphans(self, number: signal.Signals) -> None:
        for group in self.orphans:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, number)

    async def _gone(self, seconds: float | None) -> bool:
        limit = None if seconds is None else time.monotonic() + seconds
        while self._alive():
            if limit is not None and time.monotonic() >= limit:
                return False
            await asyncio.sleep(_POLL)
        return True

    def _alive(self) -> bool:
        for number in self.orphans:
            _reap(number)
        return any(self._is_running(number) or processes.group(number) for number in self.groups)

    def _is_running(self, number: int) -> bool:
        """Whether it is our master's; one that has just been started does not yet call itself nginx."""
        return self.process is not None and self.process.pid == number and self.process.running


def _reap(number: int) -> None:
    """Workers whose master died may have become our children: in a container the first process gets them."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-number, os.WNOHANG)[0]:
            pass
