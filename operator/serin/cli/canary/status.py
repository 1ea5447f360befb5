"""`serin canary status`: one rollout, once or as it changes."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from serin.cli.canary.document import Document
from serin.cli.canary.places import Place, place
from serin.cli.canary.view import Look, lines
from serin.cli.terminal import Paint
from serin.errors import SerinError, UsageError

HOME_AND_CLEAR = "\x1b[H\x1b[J"


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with place(arguments) as where:
        if arguments.json:
            document = await where.found(arguments.namespace, arguments.name)
            print(json.dumps(dict(document.raw), indent=2))
        elif arguments.watch:
            await watch(where, arguments)
        else:
            document = await where.found(arguments.namespace, arguments.name)
            print("\n".join(lines(Look(document, time.time()), Paint(sys.stdout), prog(arguments))))
    return 0


async def watch(where: Place, arguments: argparse.Namespace, clock: Callable[[], float] = time.time) -> None:
    """Until it is interrupted, or the CanaryRoute is gone. A call that fails is said, and tried again.

    Where nothing can be drawn over, in a pipe, what is the same as before is not printed again.
    """
    paint, look, printed = Paint(sys.stdout), None, None
    while True:
        try:
            document = await where.found(arguments.namespace, arguments.name)
        except UsageError:
            raise
        except SerinError as error:
            if look is None:
                raise
            told = str(error)
        else:
            look, told = _next(look, document, clock()), ""
        text = [*lines(look, paint, prog(arguments)), *(("", paint("error", told)) if told else ())]
        if paint.on:
            print(HOME_AND_CLEAR + "\n".join(text), flush=True)
        elif printed != (look.document.raw, told):
            print("\n".join(text) + "\n", flush=True)
        printed = look.document.raw, told
        await asyncio.sleep(max(0.2, arguments.every))


def _next(look: Look | None, document: Document, now: float) -> Look:
    """The look after `look`, which remembers the last status that was another one."""
    if look is None:
        return Look(document, now)
    if look.document.status == document.status:
        return replace(look, document=document, at=now)
    return Look(document, now, replace(look, before=None), now)


def prog(arguments: argparse.Namespace) -> str:
    """What to type before a verb."""
    return str(arguments.parser.prog).rpartition(" ")[0]
