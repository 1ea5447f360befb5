"""What other threads tell the main loop, in the order told. The loop is woken once for a batch, not for each: a wake
costs more than a message, because it hands the interpreter over.

Nothing is decided here, and nothing waits: a writer never blocks, a reader takes what is there.
"""

import asyncio
import contextlib
from collections import deque

from serin.cluster.told import Told


class Inbox:
    """Belongs to the loop that waits for it; `put` and `ring` may be called by any thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told: deque[Told] = deque()
        self._rung = False
        self._something = asyncio.Event()

    def put(self, told: Told) -> None:
        """Without waking anybody: `ring` does."""
        self._told.append(told)

    def ring(self) -> None:
        """Wake the reader, unless it is on its way."""
        if not self._rung and self._told and self._loop is not None:
            self._rung = True
            # A loop that is closed has nobody left to tell.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._something.set)

    async def wait(self) -> None:
        """Until there is something to take."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            if self._told:
                return
        await self._something.wait()

    def take(self, most: int) -> list[Told]:
        """At most so many; `wait` does not wait while there are more."""
        self._something.clear()
        # Before looking: whatever is put from here on rings again.
        self._rung = False
        taken: list[Told] = []
        while self._told and len(taken) < most:
            taken.append(self._told.popleft())
        if self._told:
            self._something.set()
        return taken
