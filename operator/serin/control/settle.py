"""Before the first publication: everything that the objects refer to is there, or known not to be.

A plan that was made while its certificates were still on the way would be half a plan, and replace the whole one that
an earlier controller left. What is referred to is known only by compiling, so this goes round until nothing new is
wanted. What the API server refuses to give counts as absent; while it does not answer, or is busy, nothing is decided.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from serin.cluster.api import ApiError, ApiUnreachableError
from serin.objects.views import View
from serin.refs import Ref
from serin.telemetry import log

ROUNDS = 8
"""Secrets refer to nothing, so that two rounds are enough for what is known today."""
AT_ONCE = 16
"""Objects asked for at the same time."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
TRIES = 10
"""How often an object is asked for that the API server fails on (5xx) before it counts as absent: about a minute."""
BUSY = (401, 408, 425, 429)
"""Refusals that say nothing about the object: a token that is being replaced, a server with too much to do."""

_log = logging.getLogger("serin.control")


class Table(Protocol):
    """The objects known so far, and what they make of it."""

    def reads(self) -> frozenset[Ref]:
        """Secrets and ConfigMaps that are looked at, existing or not."""

    def knows(self, ref: Ref) -> bool: ...

    def add(self, views: Iterable[View]) -> None: ...


Fetch = Callable[[Ref], Awaitable[View | None]]
Want = Callable[[frozenset[Ref]], None]


async def settle(table: Table, fetch: Fetch, want: Want = lambda refs: None) -> None:
    """Returns when nothing is looked at any more that was not asked for. `want` is told of all of it, each round."""
    asked: set[Ref] = set()
    for _ in range(ROUNDS):
        wanted = table.reads()
        want(wanted)
        new = [ref for ref in sorted(wanted - asked) if not table.knows(ref)]
        asked |= wanted
        if not new:
            return
        gate = asyncio.Semaphore(AT_ONCE)
        found = await asyncio.gather(*(_fetched(ref, fetch, gate) for ref in new))
        table.add([view for view in found if view is not None])


async def _fetched(ref: Ref, fetch: Fetch, gate: asyncio.Semaphore) -> View | None:
    pause, failures = FIRST_PAUSE, 0
    while True:
        try:
            async with gate:
                return await fetch(ref)
        except ApiUnreachableError as error:
            level, text = logging.WARNING, str(error)
        except ApiError as error:
            failures += error.status not in BUSY
            if error.status not in BUSY and (error.status < 500 or failures >= TRIES):
                log.event(_log, log.OBJECT_UNREADABLE, level=logging.WARNING, object=str(ref), error=str(error))
                return None
            level, text = logging.INFO, str(error)
        log.event(_log, log.CLUSTER_WAITING, level=level, object=str(ref), why=text, again_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
