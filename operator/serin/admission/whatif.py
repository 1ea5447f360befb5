"""The candidate compiled beside all other objects, and which problems it brings: its own, and others' that are new.

Pure. What is compiled here comes from the engine's memo and is thrown away; the engine never sees it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from serin.admission.candidate import Candidate
from serin.compile.canaries import CheckPattern
from serin.compile.compiler import Compiled, compile_snapshot
from serin.objects.store import Snapshot
from serin.objects.views import View
from serin.problems import Problem
from serin.refs import Ref

_INDEX = re.compile(r"\[\d+\]")

Known = frozenset[tuple[str, str, str]]
"""Problems of an object wherever in its lists they are: code, field and text without indices."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The plan without the candidate's change, and with it."""

    before: Compiled
    after: Compiled


@dataclass(frozen=True, slots=True)
class Brought:
    """`own`: all problems of the candidate. `known`: those that the stored object has as well.

    `others`: problems of other objects that they do not have without the candidate.
    """

    own: tuple[Problem, ...]
    known: Known
    others: tuple[Problem, ...]

    def is_new(self, problem: Problem) -> bool:
        """Whether the candidate makes things worse by it: nobody is locked out of an object stored long ago."""
        return _identity(problem) not in self.known


def compile_both(
    candidate: Candidate,
    snapshot: Snapshot,
    compiled: Compiled,
    check: CheckPattern,
    secrets: Mapping[Ref, View | None],
) -> WhatIf:
    """`secrets` were fetched for the candidate (None: there is none) and are there in both plans."""
    for ref, secret in secrets.items():
        snapshot = snapshot.without(ref) if secret is None else snapshot.with_view(secret)
    stored = candidate.stored
    without = snapshot.without(candidate.ref) if stored is None else snapshot.with_view(stored)
    before = compile_snapshot(without, compiled.memo.options, check, compiled)
    after = compile_snapshot(without.with_view(candidate.view), compiled.memo.options, check, before)
    return WhatIf(before, after)


def brought_by(candidate: Candidate, what_if: WhatIf) -> Brought:
    before, after = what_if.before.problems, what_if.after.problems
    own = {*candidate.problems, *_of(candidate.ref, after)}
    known = {*candidate.stored_problems, *_of(candidate.ref, before)} if candidate.stored is not None else ()
    others = tuple(p for p in _fresh(before, after) if p.source.ref != candidate.ref)
    return Brought(tuple(sorted(own)), frozenset(_identity(p) for p in known), others)


def _fresh(before: Sequence[Problem], after: Sequence[Problem]) -> list[Problem]:
    """Those whose place and code had no problem before. There may be many thousands, and nearly all are the same."""
    if after is before:
        return []
    same = {id(problem) for problem in before}
    fresh = [problem for problem in after if id(problem) not in same]
    codes = {problem.code for problem in fresh}
    there = {(p.source, p.code) for p in before if p.code in codes} if fresh else set()
    return [problem for problem in fresh if (problem.source, problem.code) not in there]


def _of(ref: Ref, problems: Iterable[Problem]) -> list[Problem]:
    name = ref.name  # far fewer share it, and texts compare fast
    return [problem for problem in problems if problem.source.ref.name == name and problem.source.ref == ref]


def _identity(problem: Problem) -> tuple[str, str, str]:
    return (problem.code, _INDEX.sub("[]", problem.source.field), _INDEX.sub("[]", problem.text))
