"""Files read once and compiled as `serin serve` would: for commands that only look."""

import argparse
from dataclasses import dataclass

from serin.cli.paths import existing
from serin.cli.selection import options
from serin.compile.compiler import compile_snapshot
from serin.control.patterns import check_pattern
from serin.files import FileSource
from serin.objects.store import Store
from serin.problems import Problem
from serin.routing.plan import Plan


@dataclass(frozen=True, slots=True)
class Looked:
    plan: Plan
    problems: tuple[Problem, ...]


def look(arguments: argparse.Namespace) -> Looked:
    """UsageError when a path is not there."""
    source, store = FileSource(existing(arguments.paths)), Store()
    try:
        for view in source.load().applied:
            store.apply(view)
        compiled = compile_snapshot(store.snapshot(), options(arguments, standalone=True), check_pattern)
        return Looked(compiled.plan, tuple(sorted({*source.problems, *compiled.problems})))
    finally:
        source.close()
