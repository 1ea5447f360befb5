"""Rights that are not needed for serving: which of them are missing, told in the log and as Events on our own pod.

They can be given and taken while we run, so they are asked for again; what is repaired is not complained of any more.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from serin.cluster.api import ApiError, ApiUnreachableError
from serin.telemetry import log

EVERY = 600.0
"""Seconds between two times that it is asked for all rights."""
CODE = "access-missing"

_log = logging.getLogger("serin.control")


class OptionalRights:
    """`check` gives a sentence for each right that is missing; `tell` takes them all each time, with the code."""

    def __init__(
        self, check: Callable[[], Awaitable[Sequence[str]]], tell: Callable[[str, Sequence[str]], None]
    ) -> None:
        self._check = check
        self._tell = tell
        self._missing: frozenset[str] = frozenset()

    async def ask(self) -> None:
        """Each sentence comes into the log once while it holds. ApiError, ApiUnreachableError."""
        found = await self._check()
        for sentence in found:
            if sentence not in self._missing:
                log.event(_log, log.ACCESS_MISSING, level=logging.WARNING, why=sentence)
        self._missing = frozenset(found)
        self._tell(CODE, found)

    async def run(self) -> None:
        """Until cancelled. What holds while the API server does not say is what it said last."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.ask()
            except (ApiError, ApiUnreachableError) as error:
                log.event(_log, log.CONTROL_FAILED, level=logging.WARNING, work="rights", error=str(error))
