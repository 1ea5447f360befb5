"""When nginx may be reloaded: the first time at once, then not more often than its interval. Pure: no clock here."""

from collections.abc import Callable

INTERVAL = 1.0
"""Seconds between two reloads: each leaves old workers behind until their connections end."""


class Pace:
    """`jitter` gives seconds that are waited besides, so that replicas do not all reload at the same moment.

    Times are seconds of any clock that does not go back.
    """

    def __init__(self, interval: float = INTERVAL, jitter: Callable[[], float] = lambda: 0.0) -> None:
        self._interval = interval
        self._jitter = jitter
        self._last: float | None = None

    def due(self, now: float) -> float:
        """When a reload that is wanted now may begin. Each call draws its own jitter."""
        earliest = now if self._last is None else max(now, self._last + self._interval)
        return earliest + self._jitter()

    def done(self, now: float) -> None:
        """A reload began."""
        self._last = now
