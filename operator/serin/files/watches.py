"""inotify watches on folders, shared by those who need them. Knows folders, not what is in them."""

from inotify_simple import INotify, flags

from serin.errors import SerinError

GONE: int = flags.MOVED_FROM | flags.DELETE
COMPLETE: int = flags.MOVED_TO | flags.CLOSE_WRITE
CREATED: int = flags.CREATE
TOUCHED: int = flags.ATTRIB
IS_FOLDER: int = flags.ISDIR
_MASK = GONE | COMPLETE | CREATED | TOUCHED | flags.ONLYDIR


class EventsLostError(SerinError):
    """The kernel's queue overflowed: only a new look at everything tells what changed."""


class Watches:
    """The kernel gives one watch for a folder however often it is asked; it is kept until the last user is done."""

    def __init__(self) -> None:
        self._inotify = INotify(nonblocking=True)
        self._users: dict[int, int] = {}
        self._folder: dict[int, str] = {}

    def fileno(self) -> int:
        return int(self._inotify.fileno())

    def close(self) -> None:
        self._inotify.close()

    def add(self, folder: str) -> int:
        """The folder's watch, used once more. Raises OSError."""
        watch = int(self._inotify.add_watch(folder, _MASK))
        self._users[watch] = self._users.get(watch, 0) + 1
        self._folder[watch] = folder
        return watch

    def release(self, watch: int) -> None:
        users = self._users.get(watch, 0) - 1
        if users > 0:
            self._users[watch] = users
        elif users == 0:
            self._forget(watch)
            try:
                self._inotify.rm_watch(watch)
            except OSError:
                # The folder went away, and the kernel took the watch with it.
                return

    def folder(self, watch: int) -> str:
        """A path under which the folder was known; empty when it is not any more."""
        return self._folder.get(watch, "")

    def events(self) -> list[tuple[int, int, str, int]]:
        """(watch, mask, name, move) of what has happened; does not block. Raises EventsLostError.

        `move` is the same number for both ends of a rename, else 0.
        """
        found = []
        for event in self._inotify.read(timeout=0):
            if event.mask & flags.Q_OVERFLOW:
                raise EventsLostError("inotify queue overflow")
            if event.mask & flags.IGNORED:
                self._forget(event.wd)
            elif event.name:
                found.append((event.wd, event.mask, event.name, event.cookie))
        return found

    def _forget(self, watch: int) -> None:
        self._users.pop(watch, None)
        self._folder.pop(watch, None)
