"""Brings each new plan into force: files, then a reload where one is needed, then proof that nginx serves it.

At most one reload a second, and what comes meanwhile goes with the next one. What cannot be brought into force leaves
the last good configuration serving, which is said once, and is tried again when there is a chance.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from serin.dataplane.nginx.apply import Applied
from serin.dataplane.nginx.master import Master, Outcome
from serin.dataplane.nginx.pace import Pace
from serin.errors import SerinError
from serin.telemetry import log
from serin.telemetry.nginx_figures import Reload

AGAIN_SECONDS = 1.0
"""Until another try, when files could not be written or read."""
WEIGHTS_SECONDS = 0.25
"""How often stock mode looks whether weights or endpoints have changed; after a change it rests for AGAIN_SECONDS, so
that files which cannot be read cost no more than that."""
ADOPTED_SECONDS = 5.0
"""How long an nginx of before may take to say what it serves, before plans are followed all the same."""
FORMER = "former"
"""In place of a generation: what nginx served before this process, nobody knows of which plan."""
_log = logging.getLogger(__name__)


class Applies(Protocol):
    """serin.dataplane.nginx.apply.Applier."""

    def apply(self, *, full: bool = False) -> Applied: ...

    def confirmed(self, digest: str) -> None: ...

    def restore(self) -> bool: ...


class Following:
    """`changed` is called when `generation`, `kept` or `why` have changed.

    `weights_changed` is asked in stock mode, where weights are in the file; None in Lua mode.
    """

    def __init__(
        self,
        applier: Applies,
        master: Master,
        pace: Pace,
        changed: Callable[[], None],
        weights_changed: Callable[[], bool] | None = None,
    ) -> None:
        self.generation = ""
        """That nginx serves."""
        self.kept = ""
        """A newer one that it does not, for the reason in `why`."""
        self.why = ""
        self.reloads: Counter[str] = Counter()
        self.last: Reload | None = None
        self.quarantined = 0
        self._applier = applier
        self._master = master
        self._pace = pace
        self._changed = changed
        self._weights_changed = weights_changed
        self._newest = ""
        self._wanted = asyncio.Event()
        self._refused = ""
        self._one = asyncio.Lock()

    def planned(self, generation: str) -> None:
        """There is a newer plan."""
        self._newest = generation
        self._wanted.set()

    async def run(self) -> None:
        """For ever."""
        async with contextlib.AsyncExitStack() as ending:
            if self._weights_changed is not None:
                watch = asyncio.create_task(self._watch_weights(self._weights_changed))
                ending.callback(watch.cancel)
            if self._master.process is not None:
                await self._adopted()
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                if not await self._try_round():
                    asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._wanted.set)

    def broken(self) -> None:
        """nginx did not start with the files that are there."""
        self._wanted.set()

    async def restart(self) -> None:
        """Other workers, whatever the plan says."""
        async with self._one:
            self._note(await self._master.reload(self._master.digest))

    async def _adopted(self) -> None:
        """An nginx of before serves: learn what."""
        outcome = await self._master.serves("", ADOPTED_SECONDS)
        if outcome.taken and self._master.digest:
            await self._confirm(self._master.digest)
            self._set(FORMER)

    async def _try_round(self) -> bool:
        try:
            return await self._round()
        except Exception as error:  # a fault of ours must not end all following of plans
            self._fault("in following plans", error)
            return False

    async def _round(self) -> bool:
        """Bring the newest plan into force; False when it is to be tried again."""
        async with self._one:
            newest = self._newest
            applied = await self._apply()
            if applied is not None and self._needs_reload(applied):
                await self._at_pace()
                if self._wanted.is_set():
                    self._wanted.clear()
                    newest = self._newest
                    applied = await self._apply()
            if applied is None:
                await self._without(newest)
                return False
            if await self._in_force(applied):
                self._set(str(applied.generation))
            else:
                self._set(self.generation, newest, self.why)
            return not applied.again

    def _needs_reload(self, applied: Applied) -> bool:
        return self._master.process is not None and applied.digest != self._master.digest

    async def _at_pace(self) -> None:
        due = self._pace.due(time.monotonic())
        while (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)

    async def _apply(self, *, full: bool = False) -> Applied | None:
        try:
            applied = await asyncio.to_thread(self._applier.apply, full=full)
        except (OSError, SerinError) as error:
            self._failed(str(error))
            return None
        except Exception as error:  # a fault of ours: what is in force stays
            self._fault("in making nginx's files", error)
            return None
        self._refused = ""
        self.quarantined = len(applied.quarantined)
        return applied

    def _failed(self, text: str) -> bool:
        """Say so, unless it was said; whether it was not."""
        if text == self._refused:
            return False
        self._refused = text
        log.event(_log, log.CONFIGURATION_FAILED, level=logging.ERROR, error=text)
        return True

    def _fault(self, where: str, error: Exception) -> None:
        if self._failed(f"fault {where}: {error!r}"):
            _log.exception(log.CONFIGURATION_FAILED)

    async def _without(self, newest: str) -> None:
        """No configuration can be made of the newest plan. Where nothing serves yet, the last good one is to."""
        if not self._master.digest:
            with contextlib.suppress(OSError):
                if await asyncio.to_thread(self._applier.restore):
                    log.event(_log, log.CONFIGURATION_OF_BEFORE, level=logging.WARNING)
                    self._master.start()
                    if (await self._master.serves("")).taken:
                        self.generation = self.generation or FORMER
        self._set(self.generation, newest, self._refused)

    async def _in_force(self, applied: Applied) -> bool:
        """Have nginx serve it, and see that it does."""
        if not self._master.started:
            self._master.start()
            outcome = await self._master.serves(applied.digest)
        elif self._master.digest != applied.digest:
            outcome = await self._reload(applied.digest)
        else:
            outcome = Outcome("taken")
        if not outcome.taken:
            self.why = outcome.said or "nginx did not say that it serves it"
            again = await self._apply(full=True)
            if again is None:
                return False
            applied = again
            await self._at_pace()
            if self._master.digest != applied.digest and not (await self._reload(applied.digest)).taken:
                return False
        await self._confirm(applied.digest)
        return True

    async def _reload(self, digest: str) -> Outcome:
        self._pace.done(time.monotonic())
        outcome = await self._master.reload(digest)
        self._note(outcome)
        return outcome

    def _note(self, outcome: Outcome) -> None:
        self.reloads[outcome.result] += 1
        self.last = Reload(outcome.result, time.time(), outcome.seconds)
        seconds = round(outcome.seconds, 3)
        if outcome.taken:
            log.event(_log, log.NGINX_RELOADED, digest=self._master.digest, seconds=seconds)
        else:
            log.event(
                _log,
                log.NGINX_REFUSED,
                level=logging.ERROR,
                result=outcome.result,
                error=outcome.said,
                seconds=seconds,
            )

    async def _confirm(self, digest: str) -> None:
        try:
            await asyncio.to_thread(self._applier.confirmed, digest)
        except OSError as error:
            log.event(_log, log.CONFIGURATION_FAILED, level=logging.ERROR, error=str(error))

    def _set(self, generation: str, kept: str = "", why: str = "") -> None:
        self.generation, self.kept, self.why = generation, kept, why
        self._changed()

    async def _watch_weights(self, changed: Callable[[], bool]) -> None:
        while True:
            await asyncio.sleep(WEIGHTS_SECONDS)
            try:
                if self.generation and changed():
                    self._wanted.set()
                    await asyncio.sleep(AGAIN_SECONDS)
            except Exception as error:
                self._fault("in looking at weights", error)
