"""The verbs: left for the controller with a token of the run and step that the user saw, and its answer waited for.

The controller ignores a token of another run or step, so that nobody promotes twice by accident.
"""

import argparse
import asyncio
import sys
import time

from serin.cli.canary.document import Document, Part
from serin.cli.canary.places import Place, place
from serin.errors import UsageError

LOOK_EVERY = 0.25


def run(arguments: argparse.Namespace) -> int:
    """0 when the controller accepted it (or nothing was to be waited for), 1 when it ignored it or did not answer."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with place(arguments) as where:
        document = await where.found(arguments.namespace, arguments.name)
        value = action(document, arguments.action, time.time())
        await where.act(document, value)
        if not arguments.timeout:
            print(f"{arguments.action} of {_shown(document)} is left for the controller, as {value}")
            return 0
        told = await _answer(where, document, value, arguments.timeout)
    if told is None:
        print(
            f"no controller answered within {arguments.timeout:g} s; {value} is left for it. Is one running that has "
            f"the Lease and watches namespace {document.namespace}?",
            file=sys.stderr,
        )
        return 1
    message = told.text("message")
    if told.text("result") != "Accepted":
        print(f"{arguments.action} of {_shown(document)} was ignored: {message or 'no reason given'}", file=sys.stderr)
        return 1
    print(f"{arguments.action} of {_shown(document)}: accepted" + (f": {message}" if message else ""))
    return 0


def action(document: Document, verb: str, now: float) -> str:
    """VERB/RUN.STEP.SECONDS, another than the one before. UsageError where there is no run that could be meant."""
    run_ = document.run.text("runId")
    if not run_:
        if not document.spec.part("rollout") and document.spec:
            raise UsageError(f"{_shown(document)} has no rollout, so there is nothing to {verb}")
        raise UsageError(f"no run of {_shown(document)} has begun yet; `status` says what it waits for")
    value = f"{verb}/{run_}.{document.run.number('step')}.{int(now)}"
    return value if document.status.part("lastAction").text("value") != value else action(document, verb, now + 1)


async def _answer(where: Place, document: Document, value: str, timeout: float) -> Part | None:
    end = time.monotonic() + timeout
    while True:
        found = await where.found(document.namespace, document.name)
        told = found.status.part("lastAction")
        if told.text("value") == value:
            return told
        if time.monotonic() >= end:
            return None
        await asyncio.sleep(LOOK_EVERY)


def _shown(document: Document) -> str:
    return f"{document.namespace}/{document.name}"
