"""When a batch of changes goes out: soon after the first one, never later than a bound, not one by one in between.

Pure: the clock is an argument, so that every rule here is tested without waiting.
"""

from dataclasses import dataclass, field

FIRST = 0.02
QUIET = 0.1
MOST = 1.0


@dataclass(slots=True)
class Holdoff:
    """Times in seconds of a monotonic clock.

    A change after `most` of peace goes out after `first`, which is enough for a folder's worth of renames to arrive
    together. Changes after that wait for `quiet` without another, and never longer than `most`.
    """

    first: float = FIRST
    quiet: float = QUIET
    most: float = MOST
    _since: float | None = field(default=None, init=False)
    _latest: float = field(default=0.0, init=False)
    _sent: float = field(default=float("-inf"), init=False)

    def changed(self, now: float) -> None:
        if self._since is None:
            self._since = now
        self._latest = now

    def published(self, now: float) -> None:
        self._since = None
        self._sent = now

    @property
    def due(self) -> float | None:
        """When to publish; None while there is nothing to."""
        if self._since is None:
            return None
        if self._since - self._sent >= self.most:
            return self._since + self.first
        return min(self._latest + self.quiet, self._since + self.most)
