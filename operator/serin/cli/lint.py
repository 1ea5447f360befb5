"""`serin lint`: what is wrong with manifests, or on a cluster; what surprises; what a code means."""

import argparse
import difflib
import json
import sys
from typing import Any

from serin.cli import problems
from serin.cli.offline import Looked, look
from serin.cli.terminal import Paint
from serin.errors import UsageError
from serin.lint.codes import CODES
from serin.lint.note import Note
from serin.lint.notes import notes_of
from serin.problems import Severity


def run(arguments: argparse.Namespace) -> int:
    """1 if anything that was asked for does not happen."""
    if arguments.explain is not None:
        return _explain(arguments.explain)
    if arguments.former is not None:
        from serin.cli import migrate

        return migrate.run(arguments)
    for flag, value in (("--args", arguments.args), ("--format", arguments.format)):
        if value is not None:
            raise UsageError(f"{flag} belongs to --from ingress-nginx")
    arguments.plane = arguments.plane or "proxy"
    looked = look(arguments)
    notes = () if arguments.quiet else notes_of(looked.compiled)
    if arguments.json:
        print(json.dumps(_as_json(looked, notes), indent=2))
    else:
        _print(looked, notes)
    return int(any(problem.severity is Severity.ERROR for problem in looked.problems))


def _as_json(looked: Looked, notes: tuple[Note, ...]) -> list[dict[str, Any]]:
    """Problems as ever; notes have the severity info, and an example beside it."""
    found = [problems.as_json(problem) for problem in looked.problems]
    return found + [{**problems.as_json(note.problem), **problems.example(note)} for note in notes]


def _print(looked: Looked, notes: tuple[Note, ...]) -> None:
    paint = Paint(sys.stdout)
    for line in problems.lines(looked.problems, paint):
        print(line)
    for note in notes:
        (line,) = problems.lines((note.problem,), paint)
        print(line)
        print(f"  {paint('dim', problems.example_line(note))}")
    print(problems.summary(looked.problems, notes))
    codes = {problem.code for problem in (*looked.problems, *(note.problem for note in notes))}
    if codes:
        print(paint("dim", f"`serin lint --explain CODE` tells more, as of {min(codes)}"))


def _explain(code: str) -> int:
    """The page of a code, which is made here: it needs no file."""
    from serin.lint import pages

    if code not in CODES:
        near = difflib.get_close_matches(code, CODES, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"--explain {code}: there is no such code{hint}")
    print(pages.page(CODES[code]), end="")
    return 0
