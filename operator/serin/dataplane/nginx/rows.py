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
