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
        self._due: float | None = None

    @property
    def due(self) -> float | None:
        """When to reload; None: nothing asks for it."""
        return self._due

    def want(self, now: float) -> float:
        """Something asks for a reload; gives when. One that waits already is for this as well."""
        if self._due is None:
            earliest = now if self._last is None else max(now, self._last + self._interval)
            self._due = earliest + self._jitter()
        return self._due

    def done(self, now: float) -> None:
        """A reload began."""
        self._last, self._due = now, None

    def unwanted(self) -> None:
        """What asked for it is as it was."""
        self._due = None
