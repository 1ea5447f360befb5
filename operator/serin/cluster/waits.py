"""Seconds between attempts, longer each time, with jitter, so that replicas do not ask in step."""

from collections.abc import Callable


class Waits:
    """`first`, doubled up to `longest`; half of each by chance. `random` gives numbers from 0 to 1."""

    def __init__(self, random: Callable[[], float], first: float = 0.5, longest: float = 15.0) -> None:
        self._random = random
        self._first = first
        self._longest = longest
        self._wait = first

    @property
    def fresh(self) -> bool:
        """None was asked for since the beginning, or the last reset."""
        return self._wait == self._first

    def reset(self) -> None:
        self._wait = self._first

    def next(self) -> float:
        wait, self._wait = self._wait, min(self._wait * 2, self._longest)
        return wait * (0.5 + self._random() / 2)
