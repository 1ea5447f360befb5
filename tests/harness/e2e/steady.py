"""Constant load from inside a node's network namespace, bounded in count and time, each request accounted for."""

import collections
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.load import Result
from harness.waiting import until

_CLIENT = Path(__file__).with_name("steady_client.py")
# What a proxy answers when it could not get an answer from a backend.
_GATEWAY = (502, 503, 504)


class Steady:
    """A client that runs, and what it has seen so far."""

    def __init__(self, enter: Sequence[str], url: str, headers: Mapping[str, str], rate: float, seconds: float) -> None:
        told = [part for name, value in headers.items() for part in ("--header", f"{name}={value}")]
        command = [*enter, sys.executable, str(_CLIENT), url, f"--rate={rate}", f"--seconds={seconds}", *told]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._results: list[Result] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def results(self) -> list[Result]:
        """In the order in which answers came."""
        return list(self._results)

    @property
    def sent(self) -> int:
        return len(self._results)

    @property
    def lost(self) -> list[Result]:
        """No answer, or one that says that no backend gave one."""
        return [each for each in self.results if each.lost or each.status in _GATEWAY]

    @property
    def longest(self) -> float:
        """Seconds that the slowest answer took."""
        return max((each.done - each.sent for each in self.results), default=0.0)

    @property
    def gap(self) -> float:
        """Seconds from the first lost request's start to the last one's: 0 when none was lost."""
        times = [each.sent for each in self.lost]
        return max(times) - min(times) if times else 0.0

    def answers(self, since: float = 0.0) -> collections.Counter[str]:
        """`STATUS BACKEND`, or the error, of the requests sent after a moment of time.monotonic()."""
        return collections.Counter(
            each.error or f"{each.status} {each.backend}" for each in self.results if each.sent >= since
        )

    def more(self, count: int, seconds: float = 30.0) -> None:
        """Wait until `count` more requests that began from now on have ended."""
        begun = time.monotonic()
        until(
            lambda: sum(each.sent >= begun for each in self._results) >= count,
            f"{count} more answers",
            seconds=seconds,
            every=0.05,
        )

    def stop(self) -> None:
        """Comes back when the requests under way have ended."""
        if self._child.poll() is None:
            self._child.terminate()
        self._child.wait(60)
        self._reader.join()

    def figures(self) -> dict[str, str]:
        """For the report."""
        told = {"sent": f"{self.sent:,}", "lost": str(len(self.lost)), "slowest": f"{self.longest * 1000:.0f} ms"}
        if not self.lost:
            return told
        first = self.lost[0].sent - min(each.sent for each in self.results)
        return told | {"lost within": f"{self.gap:.1f} s", "from second": f"{first:.1f}"}

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._results.append(Result(*json.loads(line)))


@contextlib.contextmanager
def steady(
    enter: Sequence[str], url: str, headers: Mapping[str, str], *, rate: float, seconds: float
) -> Iterator[Steady]:
    """Runs until the block ends, and for `seconds` at most."""
    running = Steady(enter, url, headers, rate, seconds)
    try:
        running.more(5)
        yield running
    finally:
        running.stop()
