"""Requests at a steady rate from a process of its own: how late they are answered while something else happens."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from cluster_serin import Client
from propagation import percentile

RATE = 100.0
CONNECTIONS = 8
INSIDE = "import cluster_steady; cluster_steady.ask_on({0}, {1!r})"


@dataclass(frozen=True)
class Lateness:
    """Milliseconds from when a request was due until it was answered, of `asked` ones; `bad` were not answered 200."""

    asked: int
    bad: int
    p50: float
    p99: float
    worst: float

    def __str__(self) -> str:
        return f"p50 {self.p50:.1f}  p99 {self.p99:.1f}  worst {self.worst:.1f} ms, {self.bad} of {self.asked} failed"


class Steady:
    """begin() and end(), as often as wanted."""

    def __init__(self, port: int, host: str) -> None:
        self._command = [sys.executable, "-c", INSIDE.format(port, host)]
        self._process: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def end(self) -> Lateness:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        text, _ = self._process.communicate()
        return Lateness(**json.loads(text))


def ask_on(port: int, host: str) -> None:
    """Until SIGTERM, or our parent is gone."""
    asyncio.run(_ask_on(port, host, os.getppid()))


async def _ask_on(port: int, host: str, parent: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    idle = [Client(port) for _ in range(CONNECTIONS)]
    taken: list[float] = []
    bad = 0

    async def one(due: float) -> None:
        nonlocal bad
        client = idle.pop() if idle else Client(port)
        status, _ = await client.ask(host)
        taken.append((time.monotonic() - due) * 1000)
        bad += status != 200
        idle.append(client)

    sys.stdout.write("asking\n")
    sys.stdout.flush()
    due = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        while not stop.is_set() and os.getppid() == parent:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            tasks.create_task(one(due))
            due += 1 / RATE
    found = Lateness(len(taken), bad, percentile(taken, 0.5), percentile(taken, 0.99), max(taken))
    print(json.dumps(found.__dict__))
