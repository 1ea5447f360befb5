"""Problems as people read them, and as programs do."""

from collections.abc import Iterable, Sequence
from typing import Any

from serin.cli.terminal import Paint
from serin.lint.note import Note
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


def example(note: Note) -> dict[str, str]:
    """What a note has beside its problem, as JSON."""
    return {"request": note.request, "serin": note.here, "ingressNginx": note.there or note.here}


def example_line(note: Note) -> str:
    """`GET http://shop.example/x: web; ingress-nginx: 404`."""
    there = f"; ingress-nginx: {note.there}" if note.there else ""
    return f"{note.request}: {note.here}{there}"


def summary(problems: Sequence[Problem], notes: Sequence[Note] = ()) -> str:
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    warnings = len(problems) - errors
    said = f"{errors} {'error' if errors == 1 else 'errors'}, {warnings} {'warning' if warnings == 1 else 'warnings'}"
    return f"{said}, {len(notes)} {'note' if len(notes) == 1 else 'notes'}" if notes else said
