"""Work that goes on for as long as the process does, whatever happens in it.

An exception in such work is a bug of ours, or an outage that its own code did not expect: it is told, what is in force
stays, and the work begins anew. Nothing in here ends the process.
"""

import asyncio
import logging
import random
import time
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

from serin.telemetry import log

AGAIN = 1.0
"""Seconds after a failure until the work begins anew; doubled with each further one."""
LONGEST = 30.0
STEADY = 60.0
"""After so many seconds of work the next failure counts as the first."""

_log = logging.getLogger("serin.control")


def delay(failures: int, jitter: float) -> float:
    """Seconds to wait after so many failures in a row (1 or more); `jitter`, from 0 to 1, adds up to a quarter."""
    return float(min(AGAIN * 2.0 ** min(failures - 1, 16), LONGEST)) * (1 + jitter / 4)


async def lasting(
    name: str,
    work: Callable[[], Coroutine[Any, Any, None]],
    clock: Callable[[], float] = time.monotonic,
    jitter: Callable[[], float] = random.random,
) -> None:
    """Do `work` until cancelled; `name` says in the log which one failed."""
    failures = 0
    while True:
        started = clock()
        try:
            await work()
        except Exception as error:
            failures = 1 if clock() - started > STEADY else failures + 1
            pause = delay(failures, jitter())
            text = "".join(traceback.format_exception(error))
            log.event(
                _log, log.CONTROL_FAILED, level=logging.ERROR, work=name, error=text, again_seconds=round(pause, 2)
            )
        else:
            failures, pause = 0, AGAIN
        await asyncio.sleep(pause)


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """All of them until one fails or this is cancelled; none is left running."""
    async with asyncio.TaskGroup() as tasks:
        for work in works:
            tasks.create_task(work)
