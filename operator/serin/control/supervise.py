"""A container's first process: it runs a command again whenever it ends, and does nothing else.

So a controller that crashes again and again never takes the pod out of its Service: the container itself runs on.
Imports stay within the standard library and small: this process is there for as long as the pod is. Signals are taken
one by one (sigtimedwait), none in a handler, so that the process works as PID 1, where orphans are its to reap too.
"""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serin.telemetry import log

FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
STEADY = 60.0
"""A command that ran for so many seconds is started again after the first delay."""
LOOK_EVERY = 1.0
"""Seconds between two looks at the heartbeat."""
ABORT_GRACE = 5.0
"""Seconds from SIGABRT, which makes a Python process say where it hangs, to SIGKILL."""
WRONG_LINE = 2
"""Exit code of a command that cannot be carried out as it was given."""
NOT_FOUND = 127
TAKEN = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)

_log = logging.getLogger("serin.supervise")


@dataclass(slots=True)
class Backoff:
    """Seconds to wait before the next start, given how long the command ran."""

    _next: float = FIRST_DELAY

    def after(self, ran: float) -> float:
        if ran >= STEADY:
            self._next = FIRST_DELAY
        delay, self._next = self._next, min(self._next * 2, LONGEST_DELAY)
        return delay


@dataclass(slots=True)
class Heartbeat:
    """Whether a file stays as it is for longer than `limit` seconds. `stamp` gives its time of change, None without.

    Compared with what was seen before, by a clock that does not jump: the file's own time is never taken for now.
    """

    stamp: Callable[[], int | None]
    limit: float
    _seen: int | None = field(default=None, init=False)
    _since: float = field(default=0.0, init=False)

    def begin(self, now: float) -> None:
        """A command was started: it has the whole limit, whatever the one before left."""
        self._seen, self._since = self.stamp(), now

    def silent(self, now: float) -> float:
        """Seconds since the file last changed."""
        stamp = self.stamp()
        if stamp != self._seen:
            self._seen, self._since = stamp, now
        return now - self._since


def stamp_of(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def heartbeat_of(line: Sequence[str]) -> Path | None:
    """Where a controller with this command line writes its figures: plan/metrics of its --run-dir."""
    for at, word in enumerate(line):
        flag, equals, value = word.partition("=")
        if flag == "--run-dir":
            value = value if equals else "".join(line[at + 1 : at + 2])
            return Path(value) / "plan" / "metrics" if value else None
    return None


class Supervisor:
    """`line` is the command; `wait(seconds)` gives the next signal, or None when none came."""

    def __init__(
        self,
        line: Sequence[str],
        heartbeat: Heartbeat | None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], int | None] | None = None,
    ) -> None:
        self._line = tuple(line)
        self._heartbeat = heartbeat
        self._clock = clock
        self._wait = wait or _next_signal
        self._backoff = Backoff()
        self._child = 0
        self._ending = False
        self._aborted: float | None = None

    def run(self) -> int:
        """Until SIGTERM or SIGINT; then the code of the command that was asked to end, or 0 when none was running."""
        while True:
            started = self._clock()
            code = self._once(started)
            if self._ending:
                return code
            delay = self._backoff.after(self._clock() - started)
            log.event(
                _log,
                log.COMMAND_ENDED,
                level=logging.ERROR,
                command=self._line[0],
                exit_code=code,
                why=_why(code),
                restart_seconds=delay,
            )
            if self._pause(self._clock() + delay):
                return 0

    def _once(self, started: float) -> int:
        """Start the command and stay with it. 128 + N when a signal ended it, as shells say."""
        try:
            self._child = os.posix_spawnp(self._line[0], self._line, os.environ, setpgroup=0, setsigmask=())
        except OSError as error:
            log.event(_log, log.COMMAND_FAILED, level=logging.ERROR, command=self._line[0], error=error.strerror)
            return NOT_FOUND
        log.event(_log, log.COMMAND_STARTED, command=self._line[0], pid=self._child)
        self._aborted = None
        if self._heartbeat is not None:
            self._heartbeat.begin(started)
        while True:
            number = self._wait(LOOK_EVERY)
            if number in (signal.SIGTERM, signal.SIGINT):
                self._ending = True
                self._send(signal.Signals(number))
            status = reap().get(self._child)
            if status is not None:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            self._check_heartbeat()

    def _pause(self, until: float) -> bool:
        """Wait; True when asked to end meanwhile."""
        while (left := until - self._clock()) > 0:
            if self._wait(left) in (signal.SIGTERM, signal.SIGINT):
                return True
            reap()
        return False

    def _check_heartbeat(self) -> None:
        if self._heartbeat is None:
            return
        now = self._clock()
        silent = self._heartbeat.silent(now)
        if self._aborted is not None:
            if now >= self._aborted + ABORT_GRACE:
                self._send(signal.SIGKILL)
        elif silent > self._heartbeat.limit:
            self._aborted = now
            log.event(_log, log.COMMAND_HUNG, level=logging.ERROR, pid=self._child, silent_seconds=round(silent, 1))
            self._send(signal.SIGABRT)

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, number)


def reap() -> Mapping[int, int]:
    """Statuses of the processes that have ended, by id; orphans among them when this is PID 1."""
    ended: dict[int, int] = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended[pid] = status
    return ended


def supervise(line: Sequence[str], heartbeat: Path | None, limit: float) -> int:
    """Run `line` under supervision. `heartbeat` None: the one its --run-dir tells, if any. `limit` in seconds."""
    path = heartbeat or heartbeat_of(line)
    watched = Heartbeat(lambda: stamp_of(path), limit) if path is not None else None
    signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN)
    return Supervisor(line, watched).run()


def _next_signal(seconds: float) -> int | None:
    found = signal.sigtimedwait(TAKEN, seconds)
    return found.si_signo if found is not None else None


def _why(code: int) -> str:
    if code == WRONG_LINE:
        return "the command cannot be carried out as it was given: its flags need a change; what it said is above"
    if code == NOT_FOUND:
        return "the command cannot be started"
    if code > 128:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(code - 128).name}"
    return "it ended by itself"
