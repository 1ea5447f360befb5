"""Programs of a cluster as processes: started, recorded, and only those that were recorded are ended.

A record holds pid and start time, so that a number that the kernel gave to somebody else is never signalled. A
program either ends with the thread that started it (tests) or outlives this process (`up`).
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from localkube.errors import LocalKubeError

_PR_SET_PDEATHSIG = 1
_STATE, _START_TIME = 0, 19
_libc = ctypes.CDLL(None, use_errno=True)
# They live for minutes on a machine whose processors are scarcer than its memory.
_RARELY_COLLECTED = {"GOGC": "300"}


class Program:
    """A running process by its record."""

    def __init__(self, pid: int, started: int, record: Path, child: subprocess.Popen[bytes] | None = None) -> None:
        self.pid = pid
        self.record = record
        self._started = started
        self._child = child

    @property
    def running(self) -> bool:
        if self._child is not None and self._child.poll() is not None:
            return False
        stat = _stat(self.pid)
        return stat is not None and stat[_STATE] not in "ZX" and int(stat[_START_TIME]) == self._started

    def send(self, number: signal.Signals) -> None:
        """Nothing happens when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            if self.running:
                os.kill(self.pid, number)

    def stop(self, grace: float = 10.0) -> None:
        """SIGTERM, after `grace` seconds SIGKILL; its record is removed."""
        self.send(signal.SIGTERM)
        if not self._gone(grace):
            self.send(signal.SIGCONT)
            self.send(signal.SIGKILL)
            self._gone(10.0)
        if self._child is not None:
            self._child.wait(10.0)
        self.record.unlink(missing_ok=True)

    def _gone(self, seconds: float) -> bool:
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            return not self.running or bool(poll.poll(seconds * 1000))
        finally:
            os.close(descriptor)


def start(
    command: Sequence[str | Path],
    *,
    record: Path,
    log: Path,
    lasting: bool = False,
) -> Program:
    """Start a program that writes to `log` and stands in `record`.

    Not `lasting`: the kernel kills it when the thread that called this ends, however that happens.
    """
    parent = os.getpid()
    record.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(  # noqa: S603
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_RARELY_COLLECTED | os.environ,
                start_new_session=True,
                preexec_fn=None if lasting else lambda: _die_with(parent),
            )
        except OSError as error:
            raise LocalKubeError(f"cannot start {command[0]}: {error.strerror}") from error
    return Program(child.pid, _keep(child.pid, record), record, child)


def record_self(record: Path) -> None:
    """So that others can see whether this process still runs."""
    _keep(os.getpid(), record)


def _keep(pid: int, record: Path) -> int:
    stat = _stat(pid)
    started = int(stat[_START_TIME]) if stat else 0
    record.write_text(json.dumps({"pid": pid, "started": started}))
    return started


def recorded(record: Path) -> Program | None:
    """The program of a record, also one that another process started; None when there is no such record."""
    try:
        told = json.loads(record.read_text())
        return Program(told["pid"], told["started"], record)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on (proc(5)): the name before them may hold blanks and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _die_with(parent: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
