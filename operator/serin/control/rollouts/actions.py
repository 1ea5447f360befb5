"""Verbs without a cluster: files in RUN_DIR/actions/, put there by rename, taken one after the other.

`NAMESPACE.NAME.UNIQUE` holds the value that the annotation serin.dev/action would have. A file is removed when its
action was handled, so that one who is killed meanwhile handles it after the next start, once.
"""

import asyncio
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path

from serin.objects.store import Key
from serin.objects.views import CanaryRoute
from serin.telemetry import log

LOOK_EVERY = 0.05
PATIENCE = 10.0
"""Seconds until an action that nobody handles is taken away: its CanaryRoute cannot be used."""
MAX_BYTES = 1024
MAX_FILES = 1000
"""Looked at in one go; others wait."""

_log = logging.getLogger("serin.control.rollouts")


class Actions:
    """`find` gives a CanaryRoute with its status; `act` makes the value its action."""

    def __init__(
        self,
        folder: Path,
        find: Callable[[Key], CanaryRoute | None],
        act: Callable[[CanaryRoute, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._find = find
        self._act = act
        self._clock = clock
        self._since: dict[str, float] = {}
        self._stuck: set[str] = set()
        """Refused, told, and still there: a folder, say."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY)

    def look(self) -> None:
        """Of each CanaryRoute the oldest file: asks for it, or takes it away when it was handled."""
        busy: set[Key] = set()
        names = self._names()
        self._stuck.intersection_update(names)
        for name in names:
            if name in self._stuck:
                continue
            key = _key(name)
            if key is None:
                self._refuse(name, "expected a name like NAMESPACE.NAME.UNIQUE")
            elif key not in busy and not self._is_over(name, key):
                busy.add(key)
        self._since = {name: at for name, at in self._since.items() if name in names}

    def _names(self) -> list[str]:
        """The oldest first."""
        found = []
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.name))
                        if len(found) == MAX_FILES:
                            break
        except OSError:
            return []  # no folder, or one of them has just gone: look again
        return [name for _, name in sorted(found)]

    def _is_over(self, name: str, key: Key) -> bool:
        """Whether the next file's turn has come."""
        try:
            value = self._read(name)
        except (OSError, ValueError) as error:
            return self._refuse(name, str(error))
        view = self._find(key)
        if view is None:
            return self._refuse(name, f"there is no CanaryRoute {'/'.join(key)}")
        last = view.status.last_action if view.status is not None else None
        if last is not None and last.value == value:
            return self._remove(name)
        if self._clock() >= self._since.setdefault(name, self._clock()) + PATIENCE:
            return self._refuse(name, "nobody can do that now")
        if view.action != value:
            self._act(view, value)
        return False

    def _read(self, name: str) -> str:
        """OSError; ValueError when it is none of ours. Never waits."""
        fd = os.open(self._folder / name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise ValueError("expected a regular file")
            data = file.read(MAX_BYTES + 1)
        text = data.decode().strip()
        if not text or len(data) > MAX_BYTES or not text.isprintable():
            raise ValueError("expected one line, VERB or VERB/TOKEN")
        return text

    def _refuse(self, name: str, why: str) -> bool:
        log.event(_log, log.ACTION_UNREADABLE, level=logging.WARNING, file=name, why=why)
        return self._remove(name)

    def _remove(self, name: str) -> bool:
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            self._stuck.add(name)  # until it is gone: whatever it held was handled, or told
            log.event(_log, log.RUN_DIRECTORY_FAILED, level=logging.WARNING, error=str(error))
        return True


def _key(name: str) -> Key | None:
    namespace, _, rest = name.partition(".")
    of, _, unique = rest.rpartition(".")
    return (namespace, of) if namespace and of and unique else None
