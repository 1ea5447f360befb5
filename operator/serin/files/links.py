"""Symbolic links on the way to a path: a change of any of them may lead the path elsewhere.

Kubernetes mounts a ConfigMap as links through one link, `..data`, and swaps that one to change all files at once.
"""

import os
from pathlib import PurePath

from serin.files.watches import Watches

_MAX_LINKS = 40


class Links:
    """Watches the places over which paths lead. A root is followed whole, other paths within their folder."""

    def __init__(self, watches: Watches) -> None:
        self._watches = watches
        self._paths: dict[tuple[int, str], set[str]] = {}
        self._places: dict[str, list[tuple[int, str]]] = {}

    def over(self, watch: int, name: str) -> set[str]:
        """The paths that lead over this name in the watched folder."""
        return self._paths.get((watch, name), set())

    def follow(self, path: str, *, root: bool) -> None:
        """Watches where the path leads now, and no longer where it led before."""
        found = []
        for folder, name in _steps(path, root=root):
            try:
                found.append((self._watches.add(folder), name))
            except OSError:
                # The place is gone or closed to us; the places before it are watched and tell when that changes.
                break
        old = self._places.pop(path, [])
        for place in old:
            paths = self._paths.get(place, set())
            paths.discard(path)
            if not paths:
                self._paths.pop(place, None)
        for place in found:
            self._paths.setdefault(place, set()).add(path)
        if found:
            self._places[path] = found
        for watch, _ in old:
            self._watches.release(watch)


def is_loop(path: str) -> bool:
    """Whether the link at the path leads to a folder that holds it, so that following it would never end."""
    target = os.path.realpath(path)
    folder = os.path.dirname(path)
    while True:
        if os.path.realpath(folder) == target:
            return True
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent


def _steps(path: str, *, root: bool) -> list[tuple[str, str]]:
    """(folder, name) of each link on the way and of the end, or of the first name that does not exist."""
    if root:
        current, todo = "/", list(reversed(PurePath(path).parts))
    elif os.path.islink(path):
        current, todo = os.path.realpath(os.path.dirname(path)), [os.path.basename(path)]
    else:
        return []
    found: list[tuple[str, str]] = []
    while todo and len(found) < _MAX_LINKS:
        name = todo.pop()
        step = os.path.join(current, name)
        if os.path.islink(step):
            found.append((current, name))
            todo += reversed(PurePath(os.readlink(step)).parts)
        elif name in ("/", ".", "..") or (todo and os.path.isdir(step)):
            current = os.path.realpath(step)
        else:
            found.append((current, name))
            break
    return found
