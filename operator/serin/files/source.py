"""Objects from manifest files, and what changes in them from then on.

A file that cannot be read leaves its last good state in force. Nothing here knows what the objects are for.
"""

import asyncio
import contextlib
import os
import stat
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from serin.files.claims import Claims
from serin.files.manifest import Manifest, file_source, read_manifest
from serin.files.tree import Dirty, Tree
from serin.files.yamltext import UnreadableError
from serin.objects.views import View
from serin.problems import Problem, Severity
from serin.refs import Ref

_ROOT_FAULTS = ("path-missing", "path-empty")
MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reading changed. Names in `deleted` are never in `applied`.

    `problems`: for each file looked at, all its problems as they are now; empty when it has none any more.
    """

    applied: tuple[View, ...] = ()
    deleted: tuple[Ref, ...] = ()
    problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.applied or self.deleted or self.problems)


class FileSource:
    """`paths` are files and folders; folders are read with all below them: *.yaml, *.yml, *.json, no hidden names.

    Call `load` once, then `poll` whenever `fileno()` is readable or `wait()` seconds are over; or iterate `changes()`.
    """

    def __init__(self, paths: Sequence[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._shown = {os.path.abspath(path): os.path.normpath(path) for path in paths}
        self._tree = Tree(_outermost(self._shown), clock)
        self._claims = Claims()
        self._manifests: dict[str, Manifest] = {}
        self._faults: dict[str, tuple[Problem, ...]] = {}
        self._unfollowed: set[str] = set()
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._loaded = False

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong now, by file."""
        return tuple(problem for path in sorted(self._problems) for problem in self._problems[path])

    def fileno(self) -> int:
        return self._tree.fileno()

    def wait(self) -> float | None:
        """Seconds until `poll` has something to do without an event; None when it has not."""
        return self._tree.wait()

    def close(self) -> None:
        self._tree.close()

    def load(self) -> Changes:
        """Reads everything. The order of names decides the order read."""
        self._loaded = True
        return self._take(self._tree.scan())

    def poll(self) -> Changes:
        """Reads what events tell of; does not wait for any."""
        return self._take(self._tree.changes())

    async def changes(self) -> AsyncGenerator[Changes, None]:
        """The first reading, then every change as it happens. One iteration at a time."""
        if not self._loaded:
            yield self.load()
        while True:
            await self._something()
            found = self.poll()
            if found:
                yield found

    async def _something(self) -> None:
        """Waits for an event or for what is held back. The reader is there only while waiting: it would spin else."""
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        loop.add_reader(self.fileno(), event.set)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.wait()):
                    await event.wait()
        finally:
            loop.remove_reader(self.fileno())

    def _take(self, dirty: Dirty) -> Changes:
        looked_at: set[str] = set()
        applied: dict[Ref, View] = {}
        deleted: dict[Ref, None] = {}
        for path in [*dirty.gone, *dirty.read, *sorted(dirty.touched & self._faults.keys())]:
            outcome = self._claims.put(path, self._views(path, gone=path in dirty.gone))
            looked_at |= {path, *outcome.files}
            for ref in outcome.deleted:
                applied.pop(ref, None)
                deleted[ref] = None
            for view in outcome.applied:
                deleted.pop(view.meta.ref, None)
                applied[view.meta.ref] = view
        looked_at |= self._followed_again()
        for folder, why in dirty.unwatched.items():
            self._faults[folder] = (_unwatched(self._show(folder), why),)
            self._unfollowed.add(folder)
            looked_at.add(folder)
        looked_at |= self._roots()
        return Changes(tuple(applied.values()), tuple(deleted), self._settled(looked_at))

    def _views(self, path: str, *, gone: bool) -> Iterable[View]:
        """The file's objects as they are to be from now on."""
        self._faults.pop(path, None)
        if gone:
            self._manifests.pop(path, None)
            return ()
        last = self._manifests.get(path, Manifest())
        shown = self._show(path)
        try:
            manifest = read_manifest(shown, _content(path), last.pieces)
        except FileNotFoundError:
            # Gone since the event; the event of that is on its way.
            return last.views
        except UnreadableError as e:
            self._faults[path] = (_unreadable(shown, e, known=path in self._manifests),)
            return last.views
        except OSError as e:
            text = f"expected a file that can be read: {e.strerror or e}"
            fault = UnreadableError("file-unreadable", text)
            self._faults[path] = (_unreadable(shown, fault, known=path in self._manifests),)
            return last.views
        self._manifests[path] = manifest
        return manifest.views

    def _followed_again(self) -> set[str]:
        """Folders that are followed by now, or gone."""
        again = {path for path in self._unfollowed if self._tree.is_followed(path) or not os.path.isdir(path)}
        self._unfollowed -= again
        for path in again:
            self._faults.pop(path, None)
        return again

    def _roots(self) -> set[str]:
        """Those where something is to be read now and was not before, or the other way round."""
        changed = set()
        for root in self._tree.roots:
            before = self._faults.get(root, ())
            now = self._root_fault(root)
            if now != before and (now or before[0].code in _ROOT_FAULTS):
                changed.add(root)
                if now:
                    self._faults[root] = now
                else:
                    del self._faults[root]
        return changed

    def _root_fault(self, root: str) -> tuple[Problem, ...]:
        where = file_source(self._show(root))
        if not os.path.exists(root):
            text = "expected a file or a folder; what was read from here is gone until there is one"
            return (Problem(where, "path-missing", Severity.ERROR, text),)
        if os.path.isdir(root) and not self._tree.has_files(root):
            text = "expected files *.yaml, *.yml or *.json; there is none to read"
            return (Problem(where, "path-empty", Severity.WARNING, text),)
        return ()

    def _settled(self, looked_at: set[str]) -> dict[str, tuple[Problem, ...]]:
        """The problems, as they are now, of the files whose problems changed."""
        found = {}
        for path in sorted(looked_at):
            manifest = self._manifests.get(path, Manifest())
            now = (*self._faults.get(path, ()), *manifest.problems, *self._claims.duplicates(path, self._show))
            if now != self._problems.get(path, ()):
                found[self._show(path)] = now
            if now:
                self._problems[path] = now
            else:
                self._problems.pop(path, None)
        return found

    def _show(self, path: str) -> str:
        """The path as the user would write it."""
        for root, shown in self._shown.items():
            if path == root:
                return shown
            if path.startswith(root + "/"):
                return os.path.join(shown, os.path.relpath(path, root))
        return path


def _outermost(roots: Collection[str]) -> list[str]:
    """Without those that another one holds."""
    known = set(roots)
    return [root for root in roots if not any(str(folder) in known for folder in PurePath(root).parents)]


def _content(path: str) -> bytes:
    """The file's bytes. Raises OSError and UnreadableError; never waits, as opening a named pipe would."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise UnreadableError("file-unreadable", "expected a regular file")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UnreadableError("file-too-large", f"expected at most {MAX_BYTES // 1024 // 1024} MiB")
    return data


def _unreadable(shown: str, fault: UnreadableError, *, known: bool) -> Problem:
    instead = "the file's last good state stays in force" if known else "nothing of the file is in force"
    text = f"{fault.text}; {instead}"
    return Problem(file_source(shown, fault.line, fault.column), fault.code, Severity.ERROR, text)


def _unwatched(shown: str, why: str) -> Problem:
    text = f"expected a folder that can be followed ({why}); changes in it are not noticed"
    return Problem(file_source(shown), "folder-unwatched", Severity.WARNING, text)
