"""A worker process as its parent sees it: started, spoken to by signals, heard by a pipe, gone.

Knows nothing of plans or ports. A child never outlives its parent: the kernel kills it (PR_SET_PDEATHSIG), or an
orphan would keep the ports.
"""

import asyncio
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence

from serin.errors import SerinError

_PR_SET_PDEATHSIG = 1
_MAX_LINE = 4096
_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    """One process. `exited` is done with its status when it is gone: the exit code, or the negative signal."""

    def __init__(self, process: subprocess.Popen[bytes], status_fd: int, heard: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        self.pid = process.pid
        self.started = loop.time()
        self.exited: asyncio.Future[int] = loop.create_future()
        self._process = process
        self._heard = heard
        self._rest = b""
        self._status_fd = status_fd
        self._pidfd = os.pidfd_open(process.pid)
        os.set_blocking(status_fd, False)
        loop.add_reader(status_fd, self._read)
        loop.add_reader(self._pidfd, self._reap)

    @property
    def running(self) -> bool:
        return not self.exited.done()

    def send(self, number: signal.Signals) -> None:
        """Nothing happens when it is already gone."""
        if self.running:
            signal.pidfd_send_signal(self._pidfd, number)

    def _read(self) -> bool:
        """Take in what the child has said; False when there is no more for now."""
        try:
            data = os.read(self._status_fd, 65536)
        except BlockingIOError:
            return False
        if not data:
            self._close_status()
            return False
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-_MAX_LINE:]
        for line in lines:
            self._heard(line.decode("ascii", "replace"))
        return True

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        while self._status_fd >= 0 and self._read():
            pass
        self._close_status()
        os.close(self._pidfd)
        self.exited.set_result(self._process.wait())

    def _close_status(self) -> None:
        if self._status_fd >= 0:
            asyncio.get_running_loop().remove_reader(self._status_fd)
            os.close(self._status_fd)
            self._status_fd = -1


def spawn(
    command: Sequence[str],
    *,
    environment: Callable[[int], Mapping[str, str]],
    pass_fds: Sequence[int],
    heard: Callable[[str], None],
) -> Child:
    """Start a process that is told the descriptor of its status pipe by `environment`, and heard line by line.

    It gets a process group of its own: Ctrl-C in a terminal is the parent's to handle, in order.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    try:
        process = subprocess.Popen(  # noqa: S603  the command is this program's own
            list(command),
            env=dict(environment(writing)),
            pass_fds=(*pass_fds, writing),
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=lambda: die_with(parent, signal.SIGKILL),
        )
    except OSError as error:
        os.close(reading)
        raise SerinError(f"cannot start {command[0]}: {error.strerror}") from error
    finally:
        os.close(writing)
    return Child(process, reading, heard)


def describe_exit(status: int) -> str:
    """`exit code 1`, `killed by SIGKILL`."""
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


class RestartDelay:
    """How long to wait before a dead worker's successor: not at all, but for workers that die again and again.

    Doubles from 0.1 s to 5 s; a worker that lived 10 s starts the count anew. The bound is low because connections
    that the kernel gave to the worker's socket wait for the successor.
    """

    FIRST = 0.1
    LONGEST = 5.0
    LIVED = 10.0

    def __init__(self) -> None:
        self._deaths = 0

    def after(self, lived: float) -> float:
        """Seconds to wait, given how long the worker lived."""
        self._deaths = 1 if lived >= self.LIVED else self._deaths + 1
        if self._deaths == 1:
            return 0.0
        return min(self.FIRST * 2.0 ** min(self._deaths - 2, 16), self.LONGEST)


def die_with(parent: int, number: signal.Signals) -> None:
    """In the child, before exec: get this signal when the parent ends. It may have ended before the call already."""
    _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
