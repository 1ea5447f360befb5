"""Problems as people read them, and as programs do."""

from collections.abc import Iterable, Sequence
from typing import Any

from serin.cli.terminal import Paint
from serin.problems import Problem, Severity


def lines(problems: Iterable[Problem], paint: Paint) -> list[str]:
    """`error some-code Ingress shop/web: spec.rules[0]: what was expected and what happens instead`."""
    return [
        f"{paint(problem.severity.value, problem.severity.value)} {paint('bold', problem.code)} "
        f"{problem.source}: {problem.text}"
        for problem in problems
    ]


def as_json(problem: Problem) -> dict[str, Any]:
    ref = problem.source.ref
    return {
        "severity": problem.severity.value,
        "code": problem.code,
        "kind": ref.kind,
        "namespace": ref.namespace,
        "name": ref.name,
        "field": problem.source.field,
        "text": problem.text,
    }


def summary(problems: Sequence[Problem]) -> str:
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    warnings = len(problems) - errors
    return f"{errors} {'error' if errors == 1 else 'errors'}, {warnings} {'warning' if warnings == 1 else 'warnings'}"
