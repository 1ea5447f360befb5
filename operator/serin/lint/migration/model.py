"""The report as values. A verdict is about one data plane; a line holds one for each plane that was asked for."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from serin.lint.note import Note
from serin.problems import Problem
from serin.refs import Ref


class Verdict(StrEnum):
    """SAME: as in ingress-nginx. DIFFERENT: honoured, and something is not alike. REFUSED: not honoured, `what` says
    what happens instead. NONE: it asks for nothing that is done, here as there."""

    SAME = "same"
    DIFFERENT = "different"
    REFUSED = "refused"
    NONE = "no effect"

    @property
    def rank(self) -> int:
        """The higher, the more there is to look at."""
        return (Verdict.SAME, Verdict.NONE, Verdict.DIFFERENT, Verdict.REFUSED).index(self)


@dataclass(frozen=True, slots=True)
class Judged:
    """`what` happens, `do` about it; `code` of the problem that says so, with a page of its own."""

    verdict: Verdict
    what: str = ""
    do: str = ""
    code: str = ""


SAME = Judged(Verdict.SAME)
Planes = Mapping[str, Judged]
"""By data plane: proxy, nginx."""


@dataclass(frozen=True, slots=True)
class Line:
    """One annotation, option or flag. `value` is shortened."""

    name: str
    value: str
    by_plane: Planes

    def verdict(self, plane: str) -> Verdict:
        return self.by_plane[plane].verdict


@dataclass(frozen=True, slots=True)
class Subject:
    """An object, or the flags (`ref` None), with all its lines.

    `problems`: by plane those that no line tells of; `notes`: what surprises, and what differs though nothing asks for
    it. `served`: whether the Ingress is one that this controller would serve at all.
    """

    ref: Ref | None
    hosts: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def title(self) -> str:
        return "flags" if self.ref is None else str(self.ref)

    def verdict(self, plane: str, refusing: frozenset[str] = frozenset()) -> Verdict:
        """The one that asks for most attention. `refusing`: codes of problems that are no news to the user."""
        found = [line.verdict(plane) for line in self.lines]
        found = [Verdict.SAME if verdict is Verdict.NONE else verdict for verdict in found]
        if any(problem.code not in refusing for problem in self.problems.get(plane, ())):
            found.append(Verdict.DIFFERENT)
        if any(note.differs for note in self.notes):
            found.append(Verdict.DIFFERENT)
        return max(found, key=lambda verdict: verdict.rank, default=Verdict.SAME)


@dataclass(frozen=True, slots=True)
class Report:
    """`others`: Ingresses of other classes, which are not judged. `advice`: how to start Serin in its place."""

    planes: tuple[str, ...]
    ingresses: tuple[Subject, ...]
    config_maps: tuple[Subject, ...] = ()
    flags: Subject | None = None
    others: tuple[Ref, ...] = ()
    advice: tuple[str, ...] = ()
    old_news: frozenset[str] = frozenset()
    """Codes of problems that ingress-nginx's users had as well."""

    def ingress_totals(self, plane: str) -> Counter[Verdict]:
        return Counter(subject.verdict(plane, self.old_news) for subject in self.ingresses)

    def line_totals(self, plane: str) -> Counter[Verdict]:
        return _lines(self.ingresses, plane)

    def option_totals(self, plane: str) -> Counter[Verdict]:
        return _lines(self.config_maps, plane)

    def flag_totals(self, plane: str) -> Counter[Verdict]:
        return _lines(() if self.flags is None else (self.flags,), plane)

    def refuses(self) -> bool:
        """Whether anything is refused in every plane that was asked for."""
        subjects = (*self.ingresses, *self.config_maps, *(() if self.flags is None else (self.flags,)))
        return any(
            all(line.verdict(plane) is Verdict.REFUSED for plane in self.planes)
            for subject in subjects
            for line in subject.lines
        )


def _lines(subjects: Iterable[Subject], plane: str) -> Counter[Verdict]:
    return Counter(line.verdict(plane) for subject in subjects for line in subject.lines)
