"""Waiting for a condition instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LONGEST = 60.0


def until(condition: Callable[[], T], what: str, *, seconds: float = LONGEST, every: float = 0.01) -> T:
    """The condition's first true value; AssertionError naming `what` when none comes in `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s for {what}")
        time.sleep(every)
