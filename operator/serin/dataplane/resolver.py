"""Keeps the external names of the plan resolved, so that no request ever waits for DNS.

The parent asks; workers read the result from shared memory. What was good stays in force when a name server fails.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from serin.dataplane.lookup import Answer, LookupFailedError
from serin.routing.addresses import refusal
from serin.telemetry import log

LOOK_SECONDS = 1.0
"""How often the names in force are looked at."""
RETRY_FIRST = 1.0
RETRY_LONGEST = 30.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Name:
    """One name. `addresses` is None before the first answer; `due` when to ask again, on the loop's clock."""

    cell: int
    addresses: tuple[str, ...] | None = None
    due: float = 0.0
    failures: int = 0
    asking: bool = False


class Resolver:
    """`names` gives those in force with their cells; `find` answers one; `write` puts its addresses into its cell.

    `standalone`: loopback addresses are allowed.
    """

    def __init__(
        self,
        names: Callable[[], Mapping[str, int]],
        find: Callable[[str], Awaitable[Answer]],
        write: Callable[[int, str, tuple[str, ...]], None],
        *,
        standalone: bool,
        at_once: int = 16,
    ) -> None:
        self._names = names
        self._find = find
        self._write = write
        self._standalone = standalone
        self._slots = asyncio.Semaphore(at_once)
        self._known: dict[str, Name] = {}
        self._asking: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    self.look()
                except Exception as error:  # a fault of ours; without a next look no name would ever change again
                    log.event(_log, log.RESOLVER_FAILED, level=logging.ERROR, error=repr(error))
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for task in self._asking:
                task.cancel()

    def look(self) -> None:
        """Ask for all names that are new or due, forget those that are gone."""
        now = asyncio.get_running_loop().time()
        wanted = self._names()
        for gone in self._known.keys() - wanted.keys():
            del self._known[gone]
        for text, cell in wanted.items():
            name = self._known.setdefault(text, Name(cell))
            if name.cell != cell:
                name.cell = cell
                self._put(text, name)
            if not name.asking and name.due <= now:
                name.asking = True
                task = asyncio.create_task(self._ask(text, name))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)

    async def settle(self, seconds: float) -> None:
        """Wait until every name was asked once, `seconds` at most: before the first request needs one."""
        self.look()
        if self._asking:
            await asyncio.wait(tuple(self._asking), timeout=seconds)

    def state(self) -> dict[str, Name]:
        """For metrics: every name in force."""
        return dict(self._known)

    async def _ask(self, text: str, name: Name) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with self._slots:
                answer = await self._find(text)
        except LookupFailedError as error:
            name.failures += 1
            delay = min(RETRY_FIRST * 2.0 ** min(name.failures - 1, 16), RETRY_LONGEST)
            if name.failures == 1:
                kept = ",".join(name.addresses or ())
                log.event(_log, log.NAME_FAILED, level=logging.WARNING, name=text, error=str(error), kept=kept)
            name.due = loop.time() + delay
        else:
            name.failures = 0
            name.due = loop.time() + answer.ttl
            self._take(text, name, answer)
        finally:
            name.asking = False

    def _take(self, text: str, name: Name, answer: Answer) -> None:
        refused = {address: refusal(address, standalone=self._standalone) for address in answer.addresses}
        allowed = tuple(address for address, why in refused.items() if not why)
        if name.addresses == allowed or self._known.get(text) is not name:
            return
        for address, why in refused.items():
            if why:
                log.event(_log, log.ADDRESS_REFUSED, level=logging.WARNING, name=text, address=address, why=why)
        name.addresses = allowed
        self._put(text, name)
        log.event(_log, log.NAME_RESOLVED, name=text, addresses=",".join(allowed), ttl=answer.ttl)

    def _put(self, text: str, name: Name) -> None:
        if name.addresses is not None:
            self._write(name.cell, text, name.addresses)
