"""Slows one answer down (limit-rate): bytes go out as fast as nginx's rule allows, what came too early waits.

The endpoint is not read while something waits, so no more than one read of it is held. Knows no HTTP.
"""

import asyncio
import time
from collections.abc import Callable

from serin.routing.answers import Bandwidth

_PART = 4096
_SHORTEST, _LONGEST = 0.05, 0.5
"""Seconds between two writes, which take _PART bytes where that is between them: a stream still, and cheap."""


class Pacer:
    """`write` is the client's connection; `waiting` is told True when something has to wait, False when nothing has."""

    __slots__ = (
        "_after",
        "_at",
        "_begun",
        "_clock",
        "_pause",
        "_paused",
        "_queue",
        "_rate",
        "_sent",
        "_timer",
        "_waiting",
        "_write",
    )

    def __init__(
        self,
        bandwidth: Bandwidth,
        write: Callable[[bytes], None],
        waiting: Callable[[bool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = bandwidth.rate
        self._after = bandwidth.after
        self._pause = min(_LONGEST, max(_SHORTEST, _PART / bandwidth.rate))
        self._write = write
        self._waiting = waiting
        self._clock = clock
        self._begun = clock()
        self._sent = 0
        self._queue = b""
        self._at = 0
        """So much of the queue is sent already."""
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def empty(self) -> bool:
        return not self._queue

    def write(self, data: bytes) -> None:
        if self._queue:
            self._queue = self._queue[self._at :] + data
            self._at = 0
            return
        most = self._allowed()
        if len(data) <= most and not self._paused:
            self._sent += len(data)
            self._write(data)
            return
        self._queue = data
        self._waiting(True)
        self._tick()

    def pause(self, *, on: bool) -> None:
        """The client takes nothing for now, or does again."""
        self._paused = on
        if not on and self._queue:
            self._tick()

    def stop(self) -> None:
        """Nobody wants the rest."""
        self._queue = b""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _allowed(self) -> int:
        """Bytes that may go out now: nginx counts from a second before the answer begins."""
        elapsed = self._clock() - self._begun + 1.0
        return max(0, int(self._after + self._rate * elapsed) - self._sent)

    def _tick(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._paused:
            return
        most = self._allowed()
        if most:
            part = self._queue[self._at : self._at + most]
            self._at += len(part)
            self._sent += len(part)
            self._write(part)
        if self._at < len(self._queue):
            self._timer = asyncio.get_running_loop().call_later(self._pause, self._tick)
        else:
            self._queue, self._at = b"", 0
            self._waiting(False)
