"""One run of kopf, in a thread with a loop of its own.

kopf ends as a whole: by our word, or by an error that it does not get over. Then this is over, and another begins.
"""

import asyncio
import contextlib
import logging
import threading
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from serin.cluster.inbox import Inbox
from serin.cluster.scope import Feed, Interest
from serin.cluster.server import Connection
from serin.cluster.told import IsKnown, read_event, read_known
from serin.cluster.watch.login import Login
from serin.cluster.watch.said import quiet_kopf
from serin.cluster.watch.settings import namespaces_of, pipe_settings
from serin.telemetry import log

END_TIMEOUT = 10.0
"""Seconds that kopf may take to end; its thread is left alone after that, and nothing that it tells counts."""
LISTED_EVERY = 0.05
"""Seconds in which listed objects are gathered before the main loop is woken."""
LOGIN_TASK = "credentials retriever"
"""kopf's name for it."""
CANCELS = 8
CANCEL_EVERY = 0.25
"""Seconds between two rounds of cancelling kopf's tasks."""
IDENTITY = "serin"
"""kopf would ask the operating system for the user's name, which fails where there is none."""

_log = logging.getLogger("serin.cluster.watch")


class Pipe:
    """Made and awaited in the main loop."""

    def __init__(
        self,
        feeds: tuple[Feed, ...],
        connection: Callable[[], Connection],
        interest: Interest,
        inbox: Inbox,
        is_known: IsKnown,
        random: Callable[[], float],
    ) -> None:
        self._feeds = feeds
        self._connection = connection
        self._interest = interest
        self._inbox = inbox
        self._is_known = is_known
        self._random = random
        self._main = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._why = ""
        self._alive = True
        self._ringing = self._ringing_later = False
        self._asked = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._in_thread, name="kopf", daemon=True)

    async def run(self) -> str:
        """Until kopf ends; why it did. Cancelled: kopf is ended first."""
        quiet_kopf()
        self._thread.start()
        try:
            await self._ended.wait()
        except asyncio.CancelledError:
            self._end()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_TIMEOUT):
                    await self._ended.wait()
            raise
        finally:
            self._alive = False
        return self._why

    def _end(self) -> None:
        self._asked.set()
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stop.set)

    def _in_thread(self) -> None:
        loop = asyncio.SelectorEventLoop()
        try:
            self._why = loop.run_until_complete(self._operate())
        except BaseException as error:
            self._why = f"{type(error).__name__}: {error}"
        finally:
            # Not by asyncio.run, which waits for every task to end: kopf leaves some that do not.
            loop.close()
            self._inbox.ring()  # for what waited for a ring that will not come
        with contextlib.suppress(RuntimeError):
            self._main.call_soon_threadsafe(self._ended.set)

    async def _operate(self) -> str:
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._unhandled)
        login = Login(self._connection)
        try:
            return await self._kopf(login, self._stop)
        finally:
            self._alive = False
            await _cancel_all()
            await login.close()

    async def _kopf(self, login: Login, stop: asyncio.Event) -> str:
        """Until one of its tasks ends, which none does in peace; why.

        kopf's own waiting for the end is not used: after an error in one watch it waits for the others, for ever.
        """
        if self._asked.is_set():
            return ""
        namespaces = namespaces_of(self._feeds)
        tasks = await kopf.spawn_tasks(
            registry=self._registry(login),
            settings=pipe_settings(self._feeds, self._random),
            memo=_Shared(),
            identity=_identity(),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=stop,
        )
        # The one that logs in is not among them, and without it all others wait.
        login_tasks = {task for task in asyncio.all_tasks() if task.get_name() == LOGIN_TASK}
        done, _ = await asyncio.wait({*tasks, *login_tasks}, return_when=asyncio.FIRST_COMPLETED)
        errors = [error for task in done if not task.cancelled() and (error := task.exception()) is not None]
        return "; ".join(f"{type(error).__name__}: {error}" for error in errors) or "kopf ended"

    def _registry(self, login: Login) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry, id="login")(login.login)
        for feed in self._feeds:
            kind = feed.kind
            on_event = kopf.on.event(
                group=kind.group,
                version=kind.version,
                plural=kind.plural,
                registry=registry,
                when=self._filter(feed),
            )
            on_event(self._handler(feed))
        return registry

    def _filter(self, feed: Feed) -> Callable[..., bool]:
        """Whether the handler has to be called: not for the thousands that a list repeats. To call it is half of what
        kopf does for an object.
        """

        def is_news(event: Any, **_: object) -> bool:
            told = read_known(feed, event, self._is_known)
            if told is not None and self._alive:
                self._inbox.put(told)
                self._ring_soon(at_once=False)
            return told is None

        return is_news

    def _handler(self, feed: Feed) -> Callable[..., Awaitable[None]]:
        async def tell(event: Any, **_: object) -> None:
            try:
                if self._alive and (told := read_event(feed, self._interest, event)) is not None:
                    self._inbox.put(told)
                    self._ring_soon(at_once=not told.listed)
            except Exception as error:
                # Ours, and not to be repeated by kopf; the audit sees that the object is missing.
                text = "".join(traceback.format_exception(error))
                log.event(_log, log.WATCH_FAILED, level=logging.ERROR, feed=str(feed), error=text)

        return tell

    def _unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio has to say about tasks; of the end, nothing."""
        if self._alive:
            error, text = context.get("exception"), str(context.get("message", ""))
            text += f": {error!r}" if error is not None else ""
            log.event(_log, log.WATCH_SAID, level=logging.WARNING, text=text, unsaid=0)

    def _ring_soon(self, *, at_once: bool) -> None:
        """Changes that arrived together are told together; listed objects, which come by the thousand, a few times a
        second.
        """
        loop = self._loop
        assert loop is not None
        if at_once and not self._ringing:
            self._ringing = True
            loop.call_soon(self._ring)
        elif not at_once and not self._ringing_later:
            self._ringing_later = True
            loop.call_later(LISTED_EVERY, self._ring_later)

    def _ring(self) -> None:
        self._ringing = False
        self._inbox.ring()

    def _ring_later(self) -> None:
        self._ringing_later = False
        self._inbox.ring()


class _Shared(kopf.Memo):
    """kopf keeps a copy of the memo for each object; this one is the same for all."""

    def __copy__(self) -> "_Shared":
        return self


def _identity() -> Any:
    return IDENTITY


async def _cancel_all() -> None:
    """Cancel every other task of this loop, again and again for a while; what does not end is left."""
    for _ in range(CANCELS):
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if not rest:
            return
        for task in rest:
            task.cancel()
        await asyncio.wait(rest, timeout=CANCEL_EVERY)
