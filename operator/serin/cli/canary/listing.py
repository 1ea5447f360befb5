"""`serin canary list`: one line for each CanaryRoute."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from serin.cli.canary.document import Document
from serin.cli.canary.places import place
from serin.cli.canary.tables import table
from serin.cli.terminal import Paint

HEAD = ("NAMESPACE", "NAME", "PHASE", "VERSION", "REVISION", "STEP", "WEIGHT", "VERDICT")


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with place(arguments) as where:
        namespace = "" if arguments.all_namespaces else arguments.namespace or where.default_namespace
        found = await where.listed(namespace)
    if arguments.json:
        print(json.dumps([dict(document.raw) for document in found], indent=2))
        return 0
    if not found:
        print(f"no CanaryRoutes in {f'namespace {namespace}' if namespace else 'any namespace'}", file=sys.stderr)
        return 0
    head, *lines = table(rows(found))
    print(Paint(sys.stdout)("dim", head))
    print("\n".join(lines))
    return 0


def rows(documents: Sequence[Document]) -> list[tuple[str, ...]]:
    return [HEAD, *(_row(document) for document in documents)]


def _row(document: Document) -> tuple[str, ...]:
    run_, rollout = document.run, document.spec.part("rollout")
    version = rollout.text("version") or run_.text("version")
    revision = rollout.text("revision") or run_.text("revision")
    cells = (version, revision, run_.text("stepText"), document.weight, run_.text("verdict"))
    phase = document.status.text("phase") or "-"
    return (document.namespace, document.name, phase, *(cell or "-" for cell in cells))
