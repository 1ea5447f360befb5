"""The generation of the plan in force: the text of plan/generation, which a publisher replaces last, by rename.

Told by inotify and looked at again every second, since a mount may come late and an event may be lost. Where the kernel
has no inotify instance left, of which all containers of one user on a node share 128, looking alone has to do.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from inotify_simple import INotify, flags

from serin.telemetry import log

LOOK_SECONDS = 1.0
_log = logging.getLogger(__name__)


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
        self._inotify = _inotify()
        if self._inotify is not None:
            self._loop.add_reader(self._inotify.fileno(), self._told, self._inotify)
        self._timer = self._loop.call_soon(self._look)

    def close(self) -> None:
        self._timer.cancel()
        if self._inotify is not None:
            self._loop.remove_reader(self._inotify.fileno())
            self._inotify.close()

    def _look(self) -> None:
        if self._inotify is not None:
            self._follow(self._inotify)
        self._check()
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def _follow(self, inotify: INotify) -> None:
        """Watch the directories that are at the paths now; watching one again changes nothing."""
        for path in (self._run_dir, self._run_dir / "plan"):
            with contextlib.suppress(OSError):
                inotify.add_watch(str(path), flags.CREATE | flags.MOVED_TO | flags.CLOSE_WRITE)

    def _told(self, inotify: INotify) -> None:
        for _ in inotify.read(timeout=0):
            pass
        self._follow(inotify)
        self._check()

    def _check(self) -> None:
        generation = read_generation(self._run_dir)
        if generation and generation != self._known:
            self._known = generation
            self._changed(generation)


def _inotify() -> INotify | None:
    try:
        return INotify(nonblocking=True)
    except OSError as error:
        log.event(_log, log.NO_INOTIFY, level=logging.WARNING, error=error.strerror, looks_every=f"{LOOK_SECONDS:g} s")
        return None
