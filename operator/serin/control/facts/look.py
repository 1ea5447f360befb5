"""One look at the counts of every replica, so that a leader judges by all of the traffic, or says whose it lacks.

Both are a serin.control.rollouts.ports.FactsSource: OwnFacts for a controller that has no other replicas; AllFacts asks
those behind the chart's own Service. Our own counts are read where they lie.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Protocol

from serin.control.facts.client import TIMEOUT, FactsClient, NoAnswerError
from serin.control.facts.replicas import Replica
from serin.control.facts.secret import NoSecretError, SharedSecret
from serin.control.facts.wire import Answer, Read
from serin.errors import SerinError
from serin.rollout.facts import Facts
from serin.telemetry import log

NO_COUNTS = "its data plane does not run yet, or has no counts that can be read"

_log = logging.getLogger("serin.control.facts")


class Listing(Protocol):
    """serin.control.facts.replicas.Replicas."""

    @property
    def known(self) -> tuple[Replica, ...]: ...
    async def look(self) -> tuple[Replica, ...]: ...


class OwnFacts:
    """`read` is called in a thread; `in_force` gives the trials that our data plane has the weights of."""

    def __init__(self, read: Read, in_force: Callable[[], frozenset[str]]) -> None:
        self._read = read
        self._in_force = in_force

    async def look(self, trials: Collection[str] | None = None) -> Facts:
        return _facts([await self.answer(trials)], [])

    async def answer(self, trials: Collection[str] | None) -> Answer | str:
        """A text says why there is none."""
        try:
            found = Answer(await asyncio.to_thread(self._read, trials), self._in_force())
            return found if found.counts.instance else f"this replica: {NO_COUNTS}"
        except Exception as error:  # the file's fault or ours: either way the counts are not known
            log.event(_log, log.FACTS_FAILED, level=logging.ERROR, error=repr(error))
            return f"this replica: its counts cannot be read: {error}"

    def programmed(self, trial: str) -> tuple[int, int]:
        return int(not trial or trial in self._in_force()), 1

    async def close(self) -> None:
        return


class AllFacts:
    """Ours and those of `replicas`, asked all at once: 2 s at most, 4 s where the list of them is late, too."""

    def __init__(self, own: OwnFacts, replicas: Listing, secret: SharedSecret, client: FactsClient) -> None:
        self._own = own
        self._replicas = replicas
        self._secret = secret
        self._client = client
        self._in_force: list[frozenset[str]] = []
        self._silent = 0
        self._told: frozenset[str] = frozenset()

    async def look(self, trials: Collection[str] | None = None) -> Facts:
        replicas, why = await self._list()
        answers = await asyncio.gather(self._own.answer(trials), *(self._ask(each, trials) for each in replicas))
        own, others = answers[0], answers[1:]
        instance = own.counts.instance if isinstance(own, Answer) else ""
        # Ourselves, where nobody told us the name of our pod.
        kept = [a for a in others if not (isinstance(a, Answer) and instance and a.counts.instance == instance)]
        self._in_force = [a.in_force for a in kept if isinstance(a, Answer)]
        self._silent = sum(isinstance(a, str) and a != "" for a in kept)
        facts = _facts([own, *kept], why)
        self._tell(facts.missing)
        return facts

    def programmed(self, trial: str) -> tuple[int, int]:
        """Replicas that are being deleted do not count."""
        have, of = self._own.programmed(trial)
        others = sum(not trial or trial in each for each in self._in_force)
        return have + others, of + len(self._in_force) + self._silent

    async def close(self) -> None:
        await self._client.close()

    async def _list(self) -> tuple[tuple[Replica, ...], list[str]]:
        """Without a new list those of the last one are asked; whether these are all nobody knows then."""
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._replicas.look(), []
        except (SerinError, TimeoutError) as error:
            return self._replicas.known, [f"which replicas there are cannot be read: {error or 'no answer in time'}"]

    async def _ask(self, replica: Replica, trials: Collection[str] | None) -> Answer | str:
        """A text says why there is none; an empty one, that none has to be there."""
        try:
            found = await self._client.ask(replica, self._secret.look(), trials)
            if found.counts.instance:
                return found
            why = NO_COUNTS
        except (NoAnswerError, NoSecretError) as error:
            why = str(error)
        return "" if replica.leaving else f"{replica.name}: {why}"

    def _tell(self, missing: tuple[str, ...]) -> None:
        for why in missing:
            if why not in self._told:
                log.event(_log, log.FACTS_MISSING, level=logging.WARNING, why=why)
        self._told = frozenset(missing)


def _facts(answers: Collection[Answer | str], missing: Collection[str]) -> Facts:
    found = tuple(a.counts for a in answers if isinstance(a, Answer))
    return Facts(found, (*missing, *(a for a in answers if isinstance(a, str) and a)))
