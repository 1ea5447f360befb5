"""Rows of the shared memory that nginx's workers took: free again when the worker is gone.

A worker that ends in order frees its own; one that was killed leaves it, with what it had in flight. A number that the
kernel has given to another process since counts as gone.
"""

import os
from collections.abc import Collection

from serin.dataplane.nginx import processes
from serin.dataplane.plane import SharedState

ROWS = 256
"""More than the proxy has: every reload leaves old workers behind until their last connection ends."""

MOST_LEAVING = ROWS // 2
"""Old workers whose connections may end in their own time. A worker without a row answers 503 to everybody, so that a
WebSocket held over each of many reloads would otherwise end in serving nobody."""


class Leaving:
    """Old workers in the order in which they were told to go."""

    def __init__(self, most: int = MOST_LEAVING) -> None:
        self._most = most
        self._known: list[int] = []

    def see(self, pids: Collection[int]) -> tuple[int, ...]:
        """All that live now; gives those that have to end at once, the oldest first."""
        self._known = [pid for pid in self._known if pid in pids] + [pid for pid in pids if pid not in self._known]
        return tuple(self._known[: max(0, len(self._known) - self._most)])


class Rows:
    def __init__(self, state: SharedState) -> None:
        self._state = state

    def sweep(self, groups: Collection[int]) -> int:
        """Free the rows of processes that live no more or are of none of these process groups; how many."""
        freed = 0
        for index, pid in enumerate(self._state.pids()):
            if not pid or pid == os.getpid():
                continue
            entry = processes.entry(pid)
            if entry is not None and entry.group in groups:
                continue
            if self._state.pids()[index] == pid:  # else it freed its row in ending, and another may have taken it
                self._state.release_worker(index)
                freed += 1
        return freed
