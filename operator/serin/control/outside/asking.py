"""Asks what is due, in the background, and tells what is known: no CanaryRoute waits for another one's server.

An answer belongs to the step that it was asked in; with the next step, weight or run it is forgotten.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from serin.control.outside import prometheus, webhook
from serin.control.outside.allowed import Allowed
from serin.control.outside.calling import NotAllowedError, NotReachedError, call
from serin.control.outside.credentials import Credentials, NoCredentialsError, read_credentials
from serin.control.outside.names import Lookups
from serin.control.outside.prometheus import QueryError
from serin.control.outside.run import AskedRun, asked_run
from serin.errors import SerinError
from serin.objects.views import CanaryCheck, CanaryRoute, CheckType, View
from serin.refs import Ref
from serin.rollout.facts import OutsideResult

AT_ONCE = 32
"""Calls under way at a time, of all."""
AT_ONCE_EACH = 4
"""The same, of one namespace."""

Lookup = Callable[[Ref], Awaitable[View | None]]


@dataclass(slots=True)
class _Asked:
    """A check in a step. `at`: when it was asked last, on the caller's clock; 0: never."""

    of: Hashable
    at: float = 0.0
    task: "asyncio.Task[None] | None" = None
    result: OutsideResult | None = None


class Outside:
    """`secrets` fetches one Secret, None when there is none."""

    def __init__(self, secrets: Lookup, allowed: Allowed, clock: Callable[[], float] = time.monotonic) -> None:
        self._secrets = secrets
        self._allowed = allowed
        self._clock = clock
        self._known: dict[tuple[Ref, str], _Asked] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._slots_of: dict[str, asyncio.Semaphore] = {}

    def look(self, view: CanaryRoute, now: float) -> Mapping[str, OutsideResult]:
        """The newest answers in the running step by name of the check, the same one until there is another.

        Asks those that are due, each `interval` after the time before. `now`: seconds since the epoch; `at` of a result
        is in whole ones, as a status has them, so that an answer is known again.
        """
        ref, run = view.meta.ref, asked_run(view)
        checks = () if run is None or view.rollout is None else view.rollout.checks
        outside = {check.name: check for check in checks if check.type.outside}
        for key in [key for key in self._known if key[0] == ref and key[1] not in outside]:
            self._forget(key)
        judged = {} if view.status is None else {check.name: check.checked_at for check in view.status.checks}
        for check in outside.values():
            assert run is not None
            self._ask(check, run, (ref, check.name), now, judged.get(check.name, 0.0))
        found = {name: self._known[ref, name].result for name in outside}
        return {name: result for name, result in found.items() if result is not None}

    def keep(self, refs: Collection[Ref]) -> None:
        """Forget all other CanaryRoutes."""
        for key in [key for key in self._known if key[0] not in refs]:
            self._forget(key)
        spaces = {ref.namespace for ref in refs}
        self._slots_of = {name: slots for name, slots in self._slots_of.items() if name in spaces}

    async def close(self) -> None:
        tasks = [asked.task for asked in self._known.values() if asked.task is not None]
        for key in list(self._known):
            self._forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ask(self, check: CanaryCheck, run: AskedRun, key: tuple[Ref, str], now: float, judged_at: float) -> None:
        asked = self._known.get(key)
        if asked is None or asked.of != (check, run):
            self._forget(key)
            asked = self._known[key] = _Asked((check, run))
        before = max(asked.at, judged_at)
        # A clock that was put back must not keep a check from being asked.
        if asked.task is None and not 0 <= now - before < check.interval:
            asked.at = now
            asked.task = asyncio.create_task(self._answer(check, run, asked, now))

    async def _answer(self, check: CanaryCheck, run: AskedRun, asked: _Asked, now: float) -> None:
        began = self._clock()
        lookups, held = Lookups(), ExitStack()
        try:
            for slots in (self._slots_of.setdefault(run.namespace, asyncio.Semaphore(AT_ONCE_EACH)), self._slots):
                await slots.acquire()
                held.callback(slots.release)
            result = await self._result(check, run, lookups, lambda: float(math.ceil(now + self._clock() - began)))
        except Exception as error:  # our own fault, which is no reason to take anything back
            at = float(math.ceil(now + self._clock() - began))
            result = OutsideResult("NeedsData", "", f"it could not be asked: {error!r}"[:200], at)
        finally:
            lookups.then(held.close)  # a thread that still looks up a name counts as a call
        asked.result = result
        asked.task = None

    async def _result(
        self, check: CanaryCheck, run: AskedRun, lookups: Lookups, at: Callable[[], float]
    ) -> OutsideResult:
        query = ""
        try:
            credentials = await self._credentials(check, run.namespace)
            if check.type is CheckType.PROMETHEUS:
                asked, query = prometheus.call_of(check, run, credentials)
                return prometheus.read(check, await call(asked, self._allowed, lookups), query, at())
            asked = webhook.call_of(check, run, credentials)
            return webhook.read(await call(asked, self._allowed, lookups), at())
        except NotReachedError as error:
            return OutsideResult("Fail", "", str(error), at(), query)
        except (NotAllowedError, NoCredentialsError, QueryError) as error:  # says nothing about the version
            return OutsideResult("NeedsData", "", str(error), at(), query)

    async def _credentials(self, check: CanaryCheck, namespace: str) -> Credentials:
        if not check.secret:
            return Credentials()
        try:
            found = await self._secrets(Ref("Secret", namespace, check.secret))
        except SerinError as error:
            raise NoCredentialsError(f"the Secret {check.secret} cannot be read: {error}") from error
        return read_credentials(check.secret, found)

    def _forget(self, key: tuple[Ref, str]) -> None:
        asked = self._known.pop(key, None)
        if asked is not None and asked.task is not None:
            asked.task.cancel()
