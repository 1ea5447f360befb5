"""The folder tree, followed by inotify: which files to read again, and which are gone. Reads no file's content.

A file counts as changed when it is closed after writing or moved into place, never while it is being written.
What disappears is held back for a moment: editors and version control replace a file by removing it first.
"""

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from serin.files.links import Links, is_loop
from serin.files.watches import COMPLETE, CREATED, GONE, IS_FOLDER, TOUCHED, EventsLostError, Watches

# Seconds. Long enough for a file to come back, short enough that a removal still takes effect within 50 ms.
GRACE = 0.03
_MAX_FOLDERS = 20_000
_MAX_DEPTH = 100
_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(slots=True)
class Dirty:
    """`read`: files to read, in the order found. `touched`: files whose permissions may have changed.

    `unwatched`: folders that are not followed, and why.
    """

    read: dict[str, None] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    unwatched: dict[str, str] = field(default_factory=dict)


class Tree:
    """`roots` are files (taken whatever their names) and folders (their manifests, without hidden names)."""

    def __init__(self, roots: Iterable[str], clock: Callable[[], float]) -> None:
        self.roots = tuple(roots)
        self._clock = clock
        self._watches = Watches()
        self._links = Links(self._watches)
        self._files: set[str] = set()
        self._watch_of: dict[str, int] = {}
        self._folders: dict[int, set[str]] = {}
        self._children: dict[str, set[str]] = {}
        self._leaving: dict[str, float] = {}

    def fileno(self) -> int:
        return self._watches.fileno()

    def close(self) -> None:
        self._watches.close()

    def has_files(self, folder: str) -> bool:
        """Whether there is any manifest below the folder."""
        return any(path.startswith(folder.rstrip("/") + "/") for path in self._files)

    def is_followed(self, folder: str) -> bool:
        return folder in self._watch_of

    def scan(self) -> Dirty:
        """Everything that is there: at the start, and after events were lost."""
        dirty = Dirty()
        for root in self.roots:
            self._look(root, dirty)
        return dirty

    def wait(self) -> float | None:
        """Seconds until something held back is due; None when nothing is."""
        return max(0.0, min(self._leaving.values()) - self._clock()) if self._leaving else None

    def changes(self) -> Dirty:
        """What has happened since the last call. Does not block."""
        try:
            events = self._watches.events()
        except EventsLostError:
            dirty = self.scan()
        else:
            dirty = Dirty()
            moved: dict[int, list[str]] = {}
            for watch, mask, name, move in events:
                paths = self._event(watch, mask, name, dirty)
                if move and mask & GONE:
                    moved[move] = paths
                elif move and any(path in self._files or path in self._watch_of for path in paths):
                    self._moved_away(moved.pop(move, []), dirty)
        self._let_go(dirty)
        return dirty

    def _moved_away(self, paths: Iterable[str], dirty: Dirty) -> None:
        """Under its new name it is read already: held back, it would stand there twice for a moment."""
        for path in paths:
            if path in self._leaving and not os.path.lexists(path):
                del self._leaving[path]
                self._remove(path, dirty)

    def _event(self, watch: int, mask: int, name: str, dirty: Dirty) -> list[str]:
        """The paths that it is about."""
        met = os.path.join(self._watches.folder(watch), name)
        concerned = set(self._links.over(watch, name))
        for folder in self._folders.get(watch, ()):
            path = os.path.join(folder, name)
            if path in self._files or path in self._watch_of or _may_hold_manifests(path, mask):
                concerned.add(path)
        paths = sorted(concerned)
        for path in paths:
            if mask & GONE:
                self._leaving.setdefault(path, self._clock() + GRACE)
            elif mask & COMPLETE or (mask & CREATED and (mask & IS_FOLDER or _is_born_complete(met))):
                self._look(path, dirty)
            elif mask & TOUCHED and not mask & IS_FOLDER:
                dirty.touched.add(path)
            elif mask & TOUCHED and path not in self._watch_of:
                self._look(path, dirty)
        return paths

    def _look(self, path: str, dirty: Dirty) -> None:
        """Finds out what is at the path now, whatever was there before."""
        self._links.follow(path, root=path in self.roots)
        try:
            mode = os.stat(path).st_mode
        except OSError:
            self._leaving.setdefault(path, self._clock() + GRACE)
            return
        self._leaving.pop(path, None)
        if stat.S_ISDIR(mode):
            if path in self._files:
                self._remove(path, dirty)
            self._scan_folder(path, dirty)
            return
        if path in self._watch_of:
            self._remove(path, dirty)
        if path in self.roots or _is_manifest(os.path.basename(path)):
            self._found_file(path, dirty)

    def _found_file(self, path: str, dirty: Dirty) -> None:
        self._files.add(path)
        self._children.setdefault(os.path.dirname(path), set()).add(path)
        dirty.gone.pop(path, None)
        dirty.read[path] = None

    def _scan_folder(self, folder: str, dirty: Dirty) -> None:
        if not self._watch(folder, dirty):
            return
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return  # gone again; the event of that is on its way
        except OSError as e:
            self._unwatch(folder)
            dirty.unwatched[folder] = e.strerror or str(e)
            return
        present = set()
        for entry in entries:
            if entry.name.startswith("."):
                continue
            present.add(entry.path)
            if entry.is_symlink():
                if not is_loop(entry.path):
                    self._look(entry.path, dirty)
            elif entry.is_dir():
                self._look(entry.path, dirty)
            elif entry.is_file() and _is_manifest(entry.name):
                self._leaving.pop(entry.path, None)
                self._found_file(entry.path, dirty)
        for path in self._children.get(folder, set()) - present:
            self._leaving.setdefault(path, self._clock() + GRACE)

    def _watch(self, folder: str, dirty: Dirty) -> bool:
        """Follows the folder from now on; False when it must be left out."""
        if folder not in self._watch_of and (len(self._watch_of) >= _MAX_FOLDERS or folder.count("/") > _MAX_DEPTH):
            dirty.unwatched[folder] = f"more than {_MAX_FOLDERS} folders, or more than {_MAX_DEPTH} deep"
            return False
        self._unwatch(folder)
        try:
            watch = self._watches.add(folder)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as e:
            dirty.unwatched[folder] = e.strerror or str(e)
            return True
        self._watch_of[folder] = watch
        self._folders.setdefault(watch, set()).add(folder)
        self._children.setdefault(os.path.dirname(folder), set()).add(folder)
        return True

    def _unwatch(self, folder: str) -> None:
        watch = self._watch_of.pop(folder, None)
        if watch is None:
            return
        folders = self._folders[watch]
        folders.discard(folder)
        if not folders:
            del self._folders[watch]
        self._watches.release(watch)

    def _let_go(self, dirty: Dirty) -> None:
        """Takes away what was held back and has not come back."""
        now = self._clock()
        for path in [path for path, due in self._leaving.items() if due <= now]:
            del self._leaving[path]
            if not os.path.exists(path):
                self._remove(path, dirty)

    def _remove(self, path: str, dirty: Dirty) -> None:
        self._children.get(os.path.dirname(path), set()).discard(path)
        for child in self._children.pop(path, ()):
            self._leaving.pop(child, None)
            self._remove(child, dirty)
        self._unwatch(path)
        self._links.follow(path, root=path in self.roots)
        if path in self._files:
            self._files.discard(path)
            dirty.read.pop(path, None)
            dirty.gone[path] = None


def _is_manifest(name: str) -> bool:
    """Names that editors give to their copies begin with a dot or end otherwise."""
    return not name.startswith(".") and name.lower().endswith(_SUFFIXES)


def _may_hold_manifests(path: str, mask: int) -> bool:
    name = os.path.basename(path)
    return not name.startswith(".") and (_is_manifest(name) or bool(mask & IS_FOLDER) or os.path.islink(path))


def _is_born_complete(path: str) -> bool:
    """Symbolic and hard links have their content at once; a new file has it when it is closed."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISLNK(found.st_mode) or found.st_nlink > 1
