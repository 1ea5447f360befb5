"""Where log lines go: a file or standard output, written by a thread of its own.

A reader of the log that stands still must not stand in the way of requests: what it does not take is kept up to a
bound and then dropped and counted. Lines of several processes on one pipe stay whole.
"""

import logging
import os
import queue
import stat
import threading
from collections.abc import Callable

from serin.telemetry import log

MAX_PENDING = 16 * 1024 * 1024
"""Bytes waiting for the reader before lines are dropped."""

STDOUT = "-"
_log = logging.getLogger(__name__)


class LineSink:
    """Takes blocks of whole lines from one thread and writes them in order. `-` is standard output."""

    def __init__(self, path: str, *, max_pending: int = MAX_PENDING) -> None:
        self._path = path
        self._max_pending = max_pending
        self._pending = 0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._fd = _open(path)
        self._reopen = False
        self._failing = False
        self._thread: threading.Thread | None = None
        self.dropped = 0
        """Lines that were dropped so far."""

    def write(self, block: bytes) -> None:
        """Never blocks. `block` ends with a line end."""
        with self._lock:
            full = self._pending + len(block) > self._max_pending
            if not full:
                self._pending += len(block)
        if full:
            self._drop(block)
            return
        self._start()
        self._queue.put(block)

    def reopen(self) -> None:
        """Open the file anew before the next block (it was renamed by a log rotation)."""
        self._reopen = True

    def close(self, timeout: float = 5.0) -> None:
        """Write what is left, waiting `timeout` seconds at most for a slow reader."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout)
            if self._thread.is_alive():
                return
        if self._fd > 2:
            os.close(self._fd)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (block := self._queue.get()) is not None:
            try:
                self._renew()
                self._put(block)
                self._failing = False
            except OSError as error:
                self._drop(block)
                if not self._failing:
                    log.event(_log, log.ACCESS_LOG_FAILED, path=self._path, error=str(error))
                self._failing = True
            with self._lock:
                self._pending -= len(block)

    def _renew(self) -> None:
        if self._reopen and self._path != STDOUT:
            self._reopen = False
            fresh = _open(self._path)
            os.close(self._fd)
            self._fd = fresh

    def _put(self, block: bytes) -> None:
        if stat.S_ISREG(os.fstat(self._fd).st_mode):
            _write_all(self._fd, block)
            return
        begin = 0
        while begin < len(block):
            end = piece_end(block, begin)
            _write_all(self._fd, block[begin:end])
            begin = end

    def _drop(self, block: bytes) -> None:
        with self._lock:
            self.dropped += block.count(b"\n")


def piece_end(block: bytes, begin: int, size: int = 4096) -> int:
    """End of the whole lines from `begin` that fit in `size` bytes, or of the first line when not even that one fits.

    Writes of up to PIPE_BUF (4096 bytes on Linux) are atomic on a pipe (POSIX write), so lines of other processes
    never come between.
    """
    if len(block) - begin <= size:
        return len(block)
    end = block.rfind(b"\n", begin, begin + size)
    if end < 0:
        end = block.find(b"\n", begin)
    return end + 1 or len(block)


class MovingSink:
    """A sink whose path may change while lines are written. A file that cannot be opened leaves it where it is."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._sink = LineSink(path)

    def write(self, block: bytes) -> None:
        self._sink.write(block)

    def move(self, path: str, flush: Callable[[], None]) -> None:
        """`flush` hands on what was gathered for the former place."""
        if path == self._path:
            return
        try:
            fresh = LineSink(path)
        except OSError as error:
            log.event(_log, log.ACCESS_LOG_FAILED, path=path, error=str(error))
            return
        flush()
        before, self._sink, self._path = self._sink, fresh, path
        before.close(timeout=1.0)

    def reopen(self) -> None:
        self._sink.reopen()

    def close(self) -> None:
        self._sink.close()


def _open(path: str) -> int:
    if path == STDOUT:
        return 1
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
