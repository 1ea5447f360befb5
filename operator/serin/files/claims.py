"""Which file's object is in force when several files hold one of the same name: the one read first.

Keeps the order in which objects were first met, by file and name, so that an edit does not change an object's age.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from serin.objects.store import same_content
from serin.objects.views import View
from serin.problems import Problem, Severity
from serin.refs import Ref, Source


@dataclass(frozen=True, slots=True)
class _Claim:
    """`read` is the view as the file gave it, `view` the same with its order."""

    path: str
    read: View
    view: View


@dataclass(slots=True)
class Outcome:
    """What a file's new content changes: views in force, names no longer held, files whose duplicates are others."""

    applied: list[View] = field(default_factory=list)
    deleted: list[Ref] = field(default_factory=list)
    files: set[str] = field(default_factory=set)


class Claims:
    def __init__(self) -> None:
        self._next_order = 1
        self._by_file: dict[str, dict[Ref, _Claim]] = {}
        self._by_ref: dict[Ref, tuple[_Claim, ...]] = {}
        self._losing: dict[str, set[Ref]] = {}

    def put(self, path: str, views: Iterable[View]) -> Outcome:
        """The file now holds these views, one for each name. No views: the file is gone."""
        old = self._by_file.get(path, {})
        new = {view.meta.ref: self._claim(path, view, old.get(view.meta.ref)) for view in views}
        if new:
            self._by_file[path] = new
        else:
            self._by_file.pop(path, None)
        outcome = Outcome()
        for ref, claim in old.items():
            if ref not in new:
                self._settle(ref, claim, None, outcome)
        for ref, claim in new.items():
            if claim is not old.get(ref):
                self._settle(ref, old.get(ref), claim, outcome)
        return outcome

    def duplicates(self, path: str, show: Callable[[str], str] = str) -> tuple[Problem, ...]:
        """A problem for each object of the file that another file holds in force; `show` gives a path as to be read."""
        found = []
        for ref in sorted(self._losing.get(path, ())):
            winner = show(self._by_ref[ref][0].path)
            text = f"it stands in {winner} and in {show(path)}; the one in {winner} was read first and is in force"
            found.append(Problem(Source(ref), "duplicate-object", Severity.ERROR, text))
        return tuple(found)

    def _claim(self, path: str, view: View, old: _Claim | None) -> _Claim:
        if old is not None and old.read is view:
            return old
        if old is None:
            order = self._next_order
            self._next_order += 1
        else:
            order = old.view.meta.order
        ordered = replace(view, meta=replace(view.meta, order=order))
        if old is not None and same_content(old.view, ordered):
            ordered = old.view
        return _Claim(path, view, ordered)

    def _settle(self, ref: Ref, old: _Claim | None, new: _Claim | None, outcome: Outcome) -> None:
        before = self._by_ref.get(ref, ())
        after = [claim for claim in before if claim is not old]
        if new is not None:
            after.append(new)
            after.sort(key=lambda claim: claim.view.meta.order)
        if after:
            self._by_ref[ref] = tuple(after)
            if not before or before[0].view is not after[0].view:
                outcome.applied.append(after[0].view)
        else:
            self._by_ref.pop(ref, None)
            outcome.deleted.append(ref)
        if len(before) > 1 or len(after) > 1:
            self._note_losers(ref, before, after, outcome)

    def _note_losers(self, ref: Ref, before: Iterable[_Claim], after: list[_Claim], outcome: Outcome) -> None:
        for claim in before:
            self._losing.get(claim.path, set()).discard(ref)
            outcome.files.add(claim.path)
        for claim in after[1:]:
            self._losing.setdefault(claim.path, set()).add(ref)
            outcome.files.add(claim.path)
