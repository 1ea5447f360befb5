"""A data plane's signals: SIGTERM and SIGINT drain, a second one cuts; SIGHUP and SIGUSR1 go to whom they concern."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

SAME_SIGNAL = 0.5
"""Seconds in which a second SIGTERM counts as the first one: whoever ends all processes of a group or unit sends it to
this one twice, by itself and by way of `serin serve`."""


@contextlib.contextmanager
def signals(
    stop: asyncio.Event, *, cut: Callable[[], None], restart: Callable[[], None], reopen: Callable[[], None]
) -> Iterator[None]:
    """Inside, the first SIGTERM or SIGINT sets `stop`, and a later one calls `cut`."""
    loop = asyncio.get_running_loop()
    told = float("-inf")

    def end() -> None:
        nonlocal told
        if not stop.is_set():
            told = loop.time()
            stop.set()
        elif loop.time() - told >= SAME_SIGNAL:
            cut()

    handlers = {signal.SIGTERM: end, signal.SIGINT: end, signal.SIGHUP: restart, signal.SIGUSR1: reopen}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
