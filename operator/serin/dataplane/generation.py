"""The generation of the plan in force: the text of plan/generation, which a publisher replaces last, by rename.

Told by inotify and looked at again every second, since a mount may come late and an event may be lost.
"""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from inotify_simple import INotify, flags

LOOK_SECONDS = 1.0


def read_generation(run_dir: Path) -> str:
    """Without its line end; empty when there is no plan yet."""
    try:
        return (run_dir / "plan" / "generation").read_text("ascii", "replace").strip()
    except OSError:
        return ""


class GenerationWatch:
    """Calls `changed` with each new generation, from the event loop, until closed."""

    def __init__(self, run_dir: Path, changed: Callable[[str], None]) -> None:
        self._run_dir = run_dir
        self._changed = changed
        self._known = ""
        self._loop = asyncio.get_running_loop()
        self._inotify = INotify(nonblocking=True)
        self._loop.add_reader(self._inotify.fileno(), self._told)
        self._timer = self._loop.call_soon(self._look)

    def close(self) -> None:
        self._timer.cancel()
        self._loop.remove_reader(self._inotify.fileno())
        self._inotify.close()

    def _look(self) -> None:
        self._follow()
        self._check()
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def _follow(self) -> None:
        """Watch the directories that are at the paths now; watching one again changes nothing."""
        for path in (self._run_dir, self._run_dir / "plan"):
            with contextlib.suppress(OSError):
                self._inotify.add_watch(str(path), flags.CREATE | flags.MOVED_TO | flags.CLOSE_WRITE)

    def _told(self) -> None:
        for _ in self._inotify.read(timeout=0):
            pass
        self._follow()
        self._check()

    def _check(self) -> None:
        generation = read_generation(self._run_dir)
        if generation and generation != self._known:
            self._known = generation
            self._changed(generation)
