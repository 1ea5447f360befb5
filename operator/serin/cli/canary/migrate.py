"""`serin canary migrate`: the CanaryRoutes that canary Ingresses amount to, as YAML to be applied.

What decides otherwise is a comment that begins with `differs`, and the exit code is then 3.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from serin.cli.offline import look
from serin.control.patterns import check_pattern
from serin.lint.canary_migration import Migrated, migrate
from serin.problems import Problem, Severity

DIFFERS = 3


class _Quoted(yaml.SafeDumper):
    """Mappings and lists within each other, the innermost on one line, in the order given."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def run(arguments: argparse.Namespace) -> int:
    arguments.watch_namespace = arguments.namespace
    looked = look(arguments)
    found = [made for made in migrate(looked.plan, check_pattern) if arguments.namespace in ("", made.main.namespace)]
    lost = [problem for problem in looked.problems if _about_a_canary(problem, arguments.namespace)]
    print("---\n".join(_text(made) for made in found), end="")
    for problem in lost:
        print(f"# differs: {problem.source}: {problem.text}")
    if not found:
        print("no canary Ingress takes part in anything here, so there is nothing to print", file=sys.stderr)
    return DIFFERS if lost or any(made.differs for made in found) else 0


def _about_a_canary(problem: Problem, namespace: str) -> bool:
    """Something that was asked for of a canary Ingress and has no effect today, either."""
    ref = problem.source.ref
    asked = problem.code.startswith("canary-") and problem.severity is Severity.ERROR
    return asked and ref.kind == "Ingress" and namespace in ("", ref.namespace)


def _text(made: Migrated) -> str:
    return "\n".join([*_comments(made), dump(made.document)])


def _comments(made: Migrated) -> Iterator[str]:
    canaries = " and ".join(f"{ref.namespace}/{ref.name}" for ref in made.canaries)
    yield f"# What Ingress {made.main.namespace}/{made.main.name} and its canary {canaries} do, as one object."
    yield "# Apply it first: from then on the canary Ingress has no effect, and can be deleted."
    for text in made.notes:
        yield f"# note: {text}"
    for text in made.differs:
        yield f"# differs: {text}"


def dump(document: Any) -> str:
    lines: Sequence[str] = yaml.dump(
        document, Dumper=_Quoted, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True
    ).splitlines()
    return "\n".join(lines) + "\n"
