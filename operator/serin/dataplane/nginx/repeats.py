"""Lines of nginx's error log about requests: a dead endpoint or a client that sends nonsense makes it repeat itself.

Of lines that say the same of one host, one in ten seconds is passed on, with the number of those that were not. The
access log has a line for each request anyway.
"""

import re
from collections.abc import Callable

SECONDS = 10.0
MOST = 500
"""Kinds of lines remembered; clients and endpoints choose the words of some."""
_ABOUT_REQUEST = re.compile(r"(?:\*\d+ )?(.*?), client: [^,]*(?:, server: ([^,]*))?", re.DOTALL)
_NUMBER = re.compile(r"\d+")

Kind = tuple[str, str]


class Repeats:
    """`clock`: monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kinds: dict[Kind, tuple[float, int]] = {}

    def left_out(self, message: str) -> int | None:
        """How many like this one were left out before it; None when it is to be left out, too."""
        found = _ABOUT_REQUEST.match(message)
        if found is None:
            return 0
        kind = (_NUMBER.sub("#", found[1])[:200], found[2] or "")
        now = self._clock()
        passed, repeated = self._kinds.get(kind, (now - SECONDS, 0))
        if now - passed < SECONDS:
            self._kinds[kind] = (passed, repeated + 1)
            return None
        if kind not in self._kinds and len(self._kinds) >= MOST:
            self._kinds.clear()
        self._kinds[kind] = (now, 0)
        return repeated
