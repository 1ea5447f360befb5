"""Tells of each problem twice: when it appears and when it is gone.

What is gone is told without its text, so one whose text alone changed must not be told as gone: whoever reads code,
object and field would take it for solved.
"""

import logging
from collections.abc import Iterable
from typing import Any

from serin.problems import Problem, Severity
from serin.refs import Source
from serin.telemetry import log

LEVELS = {Severity.ERROR: logging.ERROR, Severity.WARNING: logging.WARNING, Severity.INFO: logging.INFO}


class Journal:
    """Remembers what it has told; `logger` gets events with code, object, field and text."""

    def __init__(self, logger: logging.Logger) -> None:
        self._log = logger
        self._known: frozenset[Problem] = frozenset()
        self._told: Iterable[Problem] = ()

    def record(self, problems: Iterable[Problem]) -> None:
        """`problems`: all there are now."""
        if problems is self._told:
            return
        self._told = problems
        current = frozenset(problems)
        for problem in sorted(current - self._known):
            level = LEVELS[problem.severity]
            log.event(self._log, log.PROBLEM, level=level, text=problem.text, **_fields(problem))
        left = {_place(problem) for problem in current}
        gone = {_place(problem): problem for problem in sorted(self._known - current) if _place(problem) not in left}
        for problem in gone.values():
            log.event(self._log, log.PROBLEM_GONE, **_fields(problem))
        self._known = current


def _place(problem: Problem) -> tuple[str, Source]:
    return problem.code, problem.source


def _fields(problem: Problem) -> dict[str, Any]:
    return {"code": problem.code, "object": str(problem.source.ref), "field": problem.source.field}
