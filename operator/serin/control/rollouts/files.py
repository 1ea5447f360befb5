"""Status without a cluster: in the store, and in RUN_DIR/plan/canary/ for the next start and for who looks.

A source of objects around another one: CanaryRoutes from files get the status that was kept of them, and the action
that was asked for last. A status that gives a version more is on disk before it is in force, so that one who starts
again never goes back; judging and taking back wait for no disk, and are kept as soon as there is one.
"""

import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from serin.control.loop import Added, Source
from serin.control.loop import Changes as SourceChanges
from serin.control.rollouts.document import read_document, reread, to_object
from serin.objects.canary_status import WHOLE, CanaryStatus
from serin.objects.canaryroute import ACTION
from serin.objects.views import CanaryRoute, View
from serin.problems import Problem
from serin.refs import Ref
from serin.render.atomic import write_file
from serin.telemetry import log

MODE = 0o640

_log = logging.getLogger("serin.control.rollouts")


@dataclass(frozen=True, slots=True)
class Kept:
    """`action`: the one in force; `written`: the annotation of the file, which counts when it becomes another one."""

    status: CanaryStatus | None = None
    action: str = ""
    written: str = ""


class FileStatuses:
    """Source and Statuses at once. `folder` is RUN_DIR/plan/canary; `put` takes views into the store."""

    def __init__(self, source: Source, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._kept: dict[Ref, Kept] = {}
        self._unsaved: set[Ref] = set()
        self.put: Callable[[Iterable[View]], None] = lambda _: None

    # --- as a source ---

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self._source.problems

    def load(self) -> SourceChanges:
        self._kept = self._read_all()
        changes = self._taken(self._source.load())
        there = {view.meta.ref for view in changes.applied if isinstance(view, CanaryRoute)}
        for ref in self._kept.keys() - there:
            self._drop(ref)
        return changes

    async def changes(self) -> AsyncIterator[SourceChanges]:
        async for changes in self._source.changes():
            yield self._taken(changes)

    # --- as the place of status ---

    def known(self, view: CanaryRoute) -> CanaryRoute:
        if view.meta.ref in self._unsaved:
            with contextlib.suppress(OSError):
                self._store(view, self._kept[view.meta.ref])
        return view

    async def write(self, view: CanaryRoute, status: CanaryStatus) -> None:
        """OSError: nothing is in force, and the version was to get more than it has."""
        # As the next start would read it.
        status = reread(view.meta.ref, status)
        kept = replace(self._kept.get(view.meta.ref, Kept()), status=status)
        told = replace(view, status=status)
        try:
            self._store(told, kept)
        except OSError as error:
            if _parts(status) > _parts(view.status):
                raise
            if view.meta.ref not in self._unsaved:
                log.event(_log, log.RUN_DIRECTORY_FAILED, level=logging.WARNING, error=str(error))
            self._unsaved.add(view.meta.ref)
        self._kept[view.meta.ref] = kept
        self.put((told,))

    def forget(self, refs: frozenset[Ref]) -> None:
        """What is kept of them went with the objects."""

    def act(self, view: CanaryRoute, action: str) -> None:
        """The user asks for this, as by an annotation."""
        ref = view.meta.ref
        self._kept[ref] = replace(self._kept.get(ref, Kept()), action=action)
        self.put((replace(view, action=action),))

    # --- inside ---

    def _taken(self, changes: SourceChanges) -> Added:
        for ref in changes.deleted:
            if ref.kind == "CanaryRoute":
                self._drop(ref)
        return Added(tuple(self._with_kept(view) for view in changes.applied), tuple(changes.deleted))

    def _with_kept(self, view: View) -> View:
        if not isinstance(view, CanaryRoute):
            return view
        ref = view.meta.ref
        before = self._kept.get(ref, Kept())
        action = view.action if view.action not in ("", before.written) else before.action
        kept = self._kept[ref] = replace(before, action=action, written=view.action)
        found = replace(view, status=kept.status, action=kept.action)
        with contextlib.suppress(OSError):  # for those who look; a status that cannot be written is told of
            self._store(found, kept)
        return found

    def _store(self, view: CanaryRoute, kept: Kept) -> None:
        text = json.dumps(to_object(view, kept.written), indent=1)
        write_file(self._path(view.meta.ref), text.encode() + b"\n", MODE)
        self._unsaved.discard(view.meta.ref)

    def _drop(self, ref: Ref) -> None:
        self._kept.pop(ref, None)
        self._unsaved.discard(ref)
        with contextlib.suppress(OSError):
            self._path(ref).unlink()

    def _path(self, ref: Ref) -> Path:
        return self._folder / f"{ref.namespace}.{ref.name}.json"

    def _read_all(self) -> dict[Ref, Kept]:
        """What the controller before this one left. Of a file that cannot be read the run begins anew."""
        found: dict[Ref, Kept] = {}
        for path in sorted(self._folder.glob("*.json")):
            try:
                ref, status, annotations = read_document(path.read_bytes())
            except (OSError, ValueError) as error:
                log.event(_log, log.OBJECT_UNREADABLE, level=logging.WARNING, file=path.name, error=str(error))
                continue
            found[ref] = Kept(status, annotations.get(ACTION, ""), annotations.get(ACTION + "-written", ""))
        return found


def _parts(status: CanaryStatus | None) -> int:
    """What the candidate has of 100,000."""
    run = status.run if status is not None else None
    if run is None:
        return 0
    return WHOLE if run.outcome == "Promoted" else run.weight
