"""kopf's own log lines in ours: warnings and worse, each kind of line at most every so often.

While an API server is away kopf says so for every kind and attempt. One line is cut altogether: at its end kopf prints
the uid of every object that had an event waiting, which may be hundreds of kB. Others are said better elsewhere.
"""

import logging
import re
import time
from collections.abc import Callable

from serin.telemetry import log

EVERY = 30.0
"""Seconds between two lines of one kind."""
_SHOWN = 400
_CUT = (
    "Unprocessed streams left",
    "OS signals are ignored",
    "Unresolved resources cannot be served",  # said by us, as kind-absent
    "Cleanup activity is",  # there is none
)

_PASSWORD = re.compile(r"//[^/@\s]*@")
"""Name and password of a proxy, in the URL that aiohttp's errors show."""

_log = logging.getLogger("serin.cluster.watch")


class Said(logging.Handler):
    """`kind` of a line: who says it and how it begins, up to the first figure."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._clock = clock
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        text = _PASSWORD.sub("//…@", record.getMessage())
        if text.startswith(_CUT):
            return
        kind = (record.name, text[:24].split("#")[0])
        now = self._clock()
        last, unsaid = self._told.get(kind, (float("-inf"), 0))
        if now - last < EVERY:
            self._told[kind] = (last, unsaid + 1)
            return
        self._told[kind] = (now, 0)
        # What kopf calls an error is for us a wait: it ends only by the supervisor's word.
        log.event(_log, log.WATCH_SAID, level=logging.WARNING, text=text[:_SHOWN], unsaid=unsaid)


def quiet_kopf() -> None:
    """Once for the process; more often does no harm."""
    logger = logging.getLogger("kopf")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    if not any(isinstance(handler, Said) for handler in logger.handlers):
        logger.addHandler(Said())
