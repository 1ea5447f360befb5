"""Delivers notices: one after the other to each sink, tried a few times, then left with a line in the log."""

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from yarl import URL

from serin.control.notices.message import Notice, cloud_event, notice, slack
from serin.control.notices.sinks import LONGEST, Sink, SinksError, read_sinks
from serin.control.outside.allowed import Allowed, read_allowed
from serin.control.outside.calling import Call, NotAllowedError, NotReachedError, Said, call
from serin.objects.views import CanaryRoute
from serin.rollout.situation import Advance
from serin.telemetry import log
from serin.telemetry.figure import Figure

WAITING = 256
"""Notices that wait to be looked at, and deliveries under way; beyond, notices are left."""
PAUSES = (1.0, 5.0, 15.0)
"""Seconds after a failure until it is tried again; then it is left."""
TIMEOUT = 10.0
MOST = 1024
_AGAIN = (408, 425, 429)

_log = logging.getLogger("serin.control.notices")

Send = Callable[[Call, Allowed], Awaitable[Said]]


class Notices:
    """`file` is read at each notice, so that a Secret that changed counts at once. `standalone`: loopback is taken."""

    def __init__(
        self,
        file: Path,
        wall: Callable[[], float] = time.time,
        send: Send = call,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        standalone: bool = False,
    ) -> None:
        self._file = file
        self._wall = wall
        self._send = send
        self._sleep = sleep
        self._standalone = standalone
        self._waiting: deque[Notice] = deque()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By sink: a lock is given in the order in which it was asked for."""
        self._under_way = 0
        self._news = asyncio.Event()
        self._complaint = ""
        self._sent = 0
        self._left = 0

    def __call__(self, view: CanaryRoute, decided: Advance) -> None:
        """What was written of a CanaryRoute. Returns at once."""
        for told in decided.events:
            if len(self._waiting) >= WAITING:
                self._leave(self._waiting.popleft(), "", "too many notices wait")
            self._waiting.append(notice(view, decided.status, told, self._wall()))
        if self._waiting:
            self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._news.wait()
                self._news.clear()
                while self._waiting:
                    told = self._waiting.popleft()
                    for sink in self._sinks():
                        if sink.wants(told.namespace, told.reason):
                            self._begin(tasks, sink, told)

    def figures(self) -> list[Figure]:
        counts = {"sent": self._sent, "left": self._left}
        text = "Notices of rollouts, by what became of them."
        return [Figure("notices_total", "counter", text, counts[name], (("result", name),)) for name in counts]

    def _begin(self, tasks: asyncio.TaskGroup, sink: Sink, told: Notice) -> None:
        if self._under_way >= WAITING:
            self._leave(told, sink.name, "too many notices wait")
            return
        self._under_way += 1
        tasks.create_task(self._in_turn(sink, told)).add_done_callback(self._ended)

    def _ended(self, _: object) -> None:
        self._under_way -= 1

    async def _in_turn(self, sink: Sink, told: Notice) -> None:
        async with self._turns[sink.name]:
            await self._deliver(sink, told)

    async def _deliver(self, sink: Sink, told: Notice) -> None:
        why = ""
        for pause in (*PAUSES, None):
            try:
                status = (await self._send(self._call(sink, told), self._allowed(sink))).status
                if 200 <= status < 300:
                    self._sent += 1
                    return
                why = f"it answered {status}"
                again = status >= 500 or status in _AGAIN
            except NotReachedError as error:
                why, again = str(error), True
            except (NotAllowedError, ValueError) as error:
                why, again = str(error), False
            if pause is None or not again:
                break
            await self._sleep(pause)
        self._leave(told, sink.name, why)

    def _call(self, sink: Sink, told: Notice) -> Call:
        events = sink.format == "cloudevents"
        return Call(
            "POST",
            sink.url,
            TIMEOUT,
            MOST,
            body=cloud_event(told) if events else slack(told),
            content="application/cloudevents+json" if events else "application/json",
            authorization=f"Bearer {sink.token}" if sink.token else "",
        )

    def _allowed(self, sink: Sink) -> Allowed:
        """The host that the controller's owner wrote down, but for addresses that nobody may name."""
        return read_allowed([URL(sink.url).raw_host or ""], standalone=self._standalone)

    def _sinks(self) -> tuple[Sink, ...]:
        """None when the file cannot be used, which is said once for each reason."""
        try:
            with self._file.open("rb") as file:
                sinks = read_sinks(file.read(LONGEST + 1))
        except (OSError, SinksError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            if why != self._complaint:
                log.event(_log, log.NOTICES_REFUSED, level=logging.ERROR, file=str(self._file), why=why)
            self._complaint = why
            return ()
        self._complaint = ""
        return sinks

    def _leave(self, told: Notice, sink: str, why: str) -> None:
        self._left += 1
        of = f"{told.namespace}/{told.name}"
        log.event(_log, log.NOTICE_LEFT, level=logging.WARNING, object=of, reason=told.reason, sink=sink, why=why)
