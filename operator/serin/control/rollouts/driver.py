"""The loop of whoever leads: for each CanaryRoute in its turn facts → engine → status → what is told.

One whose turn fails keeps no other from its own. Nothing is decided on a status that is known to be old, and whatever
was decided is in force only when it has been written; should somebody else have written first, it is decided anew.
"""

import asyncio
import logging
import math
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from serin.cluster.canaries.writer import ChangedError
from serin.cluster.pace import TokenBucket
from serin.compile.options import Options
from serin.control.rollouts.changes import Changes
from serin.control.rollouts.ports import FactsSource, OutsideSource, Seen, Statuses
from serin.control.rollouts.ready import ready_endpoints
from serin.errors import SerinError
from serin.objects.store import Key
from serin.objects.views import CanaryRoute
from serin.refs import Ref
from serin.rollout.facts import Facts
from serin.rollout.judging import Judging
from serin.rollout.machine import advance
from serin.rollout.situation import Advance, Situation
from serin.rollout.standing import standing
from serin.rollout.status_document import to_document
from serin.telemetry import log

LEAST, MOST = 1.0, 15.0
"""Bounds of the seconds between two looks at a CanaryRoute; its checks' shortest interval within them."""
IDLE = 0.25
"""Longest pause in seconds between two looks whether we lead, and whether something is due."""
BETWEEN = 0.05
"""Seconds between a write and the next turn of the same CanaryRoute, whatever happens meanwhile."""
NOT_YET = 0.5
"""Seconds until the next look while replicas do not have the shares in force yet."""
AT_ONCE = 8
"""CanaryRoutes whose status is written at the same time."""
ATTEMPTS = 3
"""How often one is decided anew in one turn because its object changed meanwhile."""
AGAIN, LONGEST = 1.0, 30.0
"""Seconds after a failure until the next turn; doubled with each further one."""
COMPLAIN_EVERY, COMPLAINTS = 15.0, 5
"""Seconds between two lines of the log about failures, and how many may come at once: an outage is everybody's."""

Written = Callable[[CanaryRoute, Advance], None]
"""Told of what was written and the object it was written to; must return at once."""

_log = logging.getLogger("serin.control.rollouts")


@dataclass(slots=True)
class _Turn:
    due: float = 0.0
    not_before: float = 0.0
    written_at: float = 0.0
    failures: int = 0


class Rollouts:
    """`most`: longest time in seconds between two looks. `numbers`: seconds after which newer numbers alone are
    written, where that is sooner than the engine would. `clock` for pauses, `wall` for what status says.
    """

    def __init__(
        self,
        state: Callable[[], Seen | None],
        options: Options,
        facts: FactsSource,
        outside: OutsideSource,
        statuses: Statuses,
        leading: Callable[[], bool],
        written: Iterable[Written] = (),
        *,
        most: float = MOST,
        numbers: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._options = options
        self._facts = facts
        self._outside = outside
        self._statuses = statuses
        self._leading = leading
        self._written = tuple(written)
        self._most = most
        self._numbers = numbers
        self._clock = clock
        self._wall = wall
        self._judgement = Judging()
        self._changes = Changes()
        self._turns: dict[Key, _Turn] = {}
        self._led = False
        self._news = asyncio.Event()
        self._complaints = TokenBucket(1 / COMPLAIN_EVERY, COMPLAINTS)

    def news(self, *_: object) -> None:
        """Something was compiled, or found out. Returns at once."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._news.clear()
            pause = await self.round()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()

    async def round(self) -> float:
        """Everybody's turn that is due; the seconds until somebody's is."""
        seen = self._state() if self._leading() else None
        if seen is None:
            self._led = False
            return IDLE
        if not self._led:
            # Whatever was known when we led before may be old.
            self._led, self._changes = True, Changes()
            self._turns.clear()
        due = self._due(seen)
        if due:
            facts = await self._look(seen, due)
            gate = asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(self._tend(key, facts, gate) for key in due))
        now = self._clock()
        return max(0.0, min((turn.due - now for turn in self._turns.values()), default=IDLE))

    def _due(self, seen: Seen) -> list[Key]:
        routes, now = seen.snapshot.canary_routes, self._clock()
        gone = self._turns.keys() - routes.keys()
        for key in gone:
            del self._turns[key]
        if gone or len(self._turns) < len(routes):
            refs = frozenset(view.meta.ref for view in routes.values())
            self._statuses.forget(frozenset(Ref("CanaryRoute", *key) for key in gone))
            self._outside.keep(refs)
        for key in self._changes.changed(seen):
            turn = self._turns.setdefault(key, _Turn())
            turn.due = max(turn.not_before, now)
        return [key for key, turn in self._turns.items() if turn.due <= now]

    async def _look(self, seen: Seen, due: Iterable[Key]) -> Facts:
        routes = seen.snapshot.canary_routes
        views = [self._statuses.known(routes[key]) for key in due if key in routes]
        trials = frozenset(trial for view in views if (trial := _trial(view)))
        try:
            return await self._facts.look(trials)
        except Exception as error:  # a bug: without facts nothing is judged, and nothing goes on
            self._failed("", error)
            return Facts(missing=("all: the counts could not be read",))

    async def _tend(self, key: Key, facts: Facts, gate: asyncio.Semaphore) -> None:
        """One CanaryRoute's turn. Whatever fails in it is its own affair."""
        turn = self._turns[key]
        try:
            async with gate:
                await asyncio.sleep(0)  # a thousand of them must not hold up the loop
                turn.due = await self._decide(key, facts, turn)
            turn.failures = 0
        except Exception as error:
            turn.failures += 1
            turn.due = self._clock() + min(LONGEST, AGAIN * 2.0 ** min(turn.failures - 1, 16))
            turn.not_before = turn.due  # however often the object changes
            self._failed("/".join(key), error)

    async def _decide(self, key: Key, facts: Facts, turn: _Turn) -> float:
        """When the next turn is."""
        for _ in range(ATTEMPTS):
            # Anew each time: whatever was waited for, objects may have changed, or somebody else may lead.
            seen = self._state() if self._leading() else None
            view = None if seen is None else seen.snapshot.canary_routes.get(key)
            if seen is None or view is None:
                return self._clock() + IDLE
            view = self._statuses.known(view)
            situation = self._situation(seen, view, facts, turn.written_at)
            decided = advance(situation)
            if not decided.write or _is_shown(view, decided):
                return self._next(situation)
            try:
                await self._statuses.write(view, decided.status)
            except ChangedError:
                continue
            turn.written_at = self._wall()
            for told in self._written:
                told(view, decided)
            # The engine goes on from what was written, one state after the other.
            turn.not_before = self._clock() + BETWEEN
            return turn.not_before
        return self._clock() + LEAST

    def _situation(self, seen: Seen, view: CanaryRoute, facts: Facts, written_at: float) -> Situation:
        now = self._wall()
        return Situation(
            view=view,
            now=now,
            judgement=self._judgement,
            ready=ready_endpoints(seen.snapshot, seen.compiled, view, self._options),
            facts=facts,
            outside=self._outside.look(view, now),
            serving=self._facts.programmed(_trial(view)),
            problems=self._changes.problems(view.meta.ref),
            written_at=written_at if now < written_at + self._numbers else 0.0,
        )

    def _next(self, situation: Situation) -> float:
        """On a grid, so that all that have the same interval share one look at the facts; sooner for a step's end."""
        now, wall, view = self._clock(), self._wall(), situation.view
        checks = view.rollout.checks if view.rollout is not None else ()
        every = min(self._most, max(LEAST, min((check.interval for check in checks), default=self._most)))
        due = (math.floor(now / every) + 1) * every
        run = view.status.run if view.status is not None else None
        if run is not None and not run.outcome and run.next_at > wall:
            due = min(due, now + run.next_at - wall)
        have, there = situation.serving
        return due if have >= there else min(due, now + NOT_YET)

    def _failed(self, of: str, error: Exception) -> None:
        if self._complaints.take(self._clock()):
            return
        expected = isinstance(error, (SerinError, OSError, TimeoutError))
        text = f"{error}" if expected else "".join(traceback.format_exception(error))
        level = logging.WARNING if expected else logging.ERROR
        log.event(_log, log.ROLLOUT_FAILED, level=level, object=of, error=text)


def _is_shown(view: CanaryRoute, decided: Advance) -> bool:
    """Whether the object says all of it already: a write would change nothing."""
    return view.status is not None and to_document(view.status) == to_document(decided.status)


def _trial(view: CanaryRoute) -> str:
    found = standing(view)
    return "" if found is None else found.trial
