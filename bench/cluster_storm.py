"""Endpoint changes by the hundred a second: how far what is served lags behind what was written."""

import asyncio
import itertools
import random
import time
from dataclasses import dataclass, field

from cluster_api import Api
from cluster_objects import MAIN, SLICES, endpoints, host, other, version_of
from cluster_serin import Client, Controller, cpu_seconds
from cluster_steady import Lateness, Steady
from propagation import percentile
from rig import resident_mib, verdict

SLICE_COUNT = 500
ENDPOINTS = 5
"""In each slice."""
CLIENTS = 16
WRITES_AT_ONCE = 16
LOOK_AGAIN = 0.25
"""Of the lag so far: whoever looks more often takes the time from those who work."""
LONGEST = 30.0
BAR_S = 1.0


@dataclass
class Storm:
    api: Api
    controller: Controller
    lags: list[float] = field(default_factory=list)
    late: int = 0
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WRITES_AT_ONCE))
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def run(self, rate: int, seconds: int) -> None:
        clients: asyncio.Queue[Client] = asyncio.Queue()
        for _ in range(CLIENTS):
            clients.put_nowait(Client(self.controller.port))
        names = [other(n) for n in range(SLICE_COUNT)]
        random.shuffle(names)
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for n, name in zip(range(rate * seconds), itertools.cycle(names), strict=False):
                await asyncio.sleep(max(0.0, began + n / rate - time.monotonic()))
                await self._room.acquire()
                tasks.create_task(self._change(name, 1 + n, clients))

    async def _change(self, name: str, version: int, clients: "asyncio.Queue[Client]") -> None:
        """A later version will do as well: each is larger than those before."""
        try:
            async with self._turns.setdefault(name, asyncio.Lock()):  # the last version has to be the largest
                moment = await self.api.patch(f"{SLICES}/{name}-1", {"endpoints": endpoints(version, ENDPOINTS)})
        finally:
            self._room.release()
        while True:
            client = await clients.get()
            asked = time.monotonic()
            status, answer = await client.ask(host(name))
            clients.put_nowait(client)
            if status == 200 and version_of(answer) >= version:
                self.lags.append(max(0.0, asked - moment))
                return
            if asked - moment > LONGEST:
                self.late += 1
                return
            await asyncio.sleep(max(0.005, LOOK_AGAIN * (time.monotonic() - moment)))


async def measure(api: Api, controller: Controller, rate: int, seconds: int, quiet: Lateness) -> None:
    pid, (_, worker) = controller.process.pid, controller.data_plane
    before = {p: cpu_seconds(p) for p in (pid, worker)}
    steady = Steady(controller.port, MAIN)
    steady.begin()
    storm, began = Storm(api, controller), time.monotonic()
    await storm.run(rate, seconds)
    wall = time.monotonic() - began
    lateness = steady.end()
    used = {p: (cpu_seconds(p) - before[p]) / wall for p in (pid, worker)}
    print(
        f"  {rate} changes a second of slices of {ENDPOINTS} endpoints, {len(storm.lags)} in {wall:.1f} s;"
        f" controller {used[pid]:.2f} cores, {resident_mib(pid):.0f} MiB; worker {used[worker]:.2f} cores"
    )
    print(f"  lag p50 {percentile(storm.lags, 0.5):.3f}  p99 {percentile(storm.lags, 0.99):.3f} s")
    verdict("changes not served within 30 s", storm.late, 0, at_most=True)
    verdict("changes a second, written and followed", len(storm.lags) / wall, rate * 0.95, at_most=False)
    verdict("largest lag of what is served, s", max(storm.lags), BAR_S, at_most=True)
    print(f"  other requests before:   {quiet}")
    print(f"  other requests meanwhile: {lateness}")
    verdict("other requests that failed", lateness.bad, 0, at_most=True)


async def quiet(controller: Controller, seconds: float = 5.0) -> Lateness:
    """The same requests while nothing happens."""
    steady = Steady(controller.port, MAIN)
    steady.begin()
    await asyncio.sleep(seconds)
    return steady.end()
