"""The API server is away, the world changes meanwhile, it comes back: seconds until what is served is right again.

Deletions count as the rest: a watch does not tell of what vanished while it was blind.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from cluster_api import Api
from cluster_objects import (
    INGRESSES,
    MAIN,
    SERVICES,
    SLICES,
    address,
    application,
    endpoints,
    host,
    other,
    weight_patch,
)
from cluster_serin import Answer, Client, Controller, is_from
from cluster_steady import Steady
from cluster_wire import Wire
from harness.kube import Kube
from rig import verdict

EACH = 50
"""Applications changed, added and deleted."""
GOAL_S = 5.0
LONGEST = 150.0
LOOK_EVERY = 0.02

Right = Callable[[Answer], bool]


def is_gone(answer: Answer) -> bool:
    return answer[0] == 404


@dataclass
class Outages:
    """`seconds` without API server, each time. The canary has the weight 0 before and after."""

    api: Api
    kube: Kube
    wire: Wire
    controller: Controller
    seconds: float
    first: int
    """Applications from this one on are there to be changed and deleted: 300 of them."""
    turn: int = 0

    async def measure(self) -> None:
        wire = self.wire
        await self._away("cut, history forgotten", wire.cut, wire.up, forget=True)
        await self._away("cut", wire.cut, wire.up)
        await self._away("held", wire.hold, wire.release)
        await self._killed()

    async def _away(
        self, name: str, begin: Callable[[], None], end: Callable[[], None], *, forget: bool = False
    ) -> None:
        steady = Steady(self.controller.port, MAIN)
        steady.begin()
        self.turn += 1
        begin()
        began = time.monotonic()
        wanted = await self._meanwhile()
        if forget:
            self.kube.compact()
            self.kube.stop()
            self.kube.start()
        await asyncio.sleep(began + self.seconds - time.monotonic())
        away = time.monotonic() - began
        end()
        taken = await self._until_right(wanted)
        parts = ", ".join(f"{what} {seconds:.1f}" for what, seconds in taken.items())
        print(f"  {name}, {away:.0f} s: seconds until all were right: {parts}")
        verdict(f"{name}: all is right again, s", max(taken.values()), GOAL_S, at_most=True)
        self._served(steady)

    async def _meanwhile(self) -> dict[str, dict[str, Right]]:
        """What is done, and what has to be answered then, by host."""
        version, first = 100 + self.turn, self.first + 2 * EACH * (self.turn - 1)
        deleted = [other(n) for n in range(first, first + EACH)]
        changed = [other(n) for n in range(first + EACH, first + 2 * EACH)]
        added = [f"added-{self.turn}-{n}" for n in range(EACH)]
        for name in deleted:
            for path in (f"{INGRESSES}/{name}", f"{SERVICES}/{name}", f"{SLICES}/{name}-1"):
                await self.api.call("DELETE", path)
        for name in changed:
            await self.api.patch(f"{SLICES}/{name}-1", {"endpoints": endpoints(version)})
        await self.api.create(put for name in added for put in application(name))
        return {
            "changed": {host(name): is_from(address(version)) for name in changed},
            "added": {host(name): is_from(address(0)) for name in added},
            "deleted": {host(name): is_gone for name in deleted},
        }

    async def _until_right(self, wanted: dict[str, dict[str, Right]]) -> dict[str, float]:
        """Seconds from now, by what was done."""
        since = time.monotonic()

        async def all_of(hosts: dict[str, Right]) -> float:
            client, last = Client(self.controller.port), since
            for name, right in hosts.items():
                while not right(answer := await client.ask(name)):
                    if time.monotonic() - since > LONGEST:
                        raise RuntimeError(f"{name} answers {answer} {LONGEST} s after the API server's return")
                    await asyncio.sleep(LOOK_EVERY)
                    last = time.monotonic()
            return last - since

        found = await asyncio.gather(*map(all_of, wanted.values()))
        return dict(zip(wanted, found, strict=True))

    async def _killed(self) -> None:
        """A new process on the same data; a change made as soon as it is ready."""
        steady = Steady(self.controller.port, MAIN)
        steady.begin()
        self.kube.stop()
        await asyncio.sleep(min(5.0, self.seconds))
        self.kube.start()
        ready = time.monotonic()
        await asyncio.sleep(0)
        moment = await self.api.patch(f"{INGRESSES}/canary", weight_patch(0))
        moment = await self.api.patch(f"{SLICES}/moving-1", {"endpoints": endpoints(200)})
        client = Client(self.controller.port)
        taken = await client.until(host("moving"), is_from(address(200)), moment, seconds=LONGEST)
        after = moment - ready
        print(f"  API server restarted: a change {after:.1f} s after it was ready was served {taken:.0f} ms later")
        verdict("restarted: all is right again, s", time.monotonic() - ready, GOAL_S, at_most=True)
        self._served(steady)

    def _served(self, steady: Steady) -> None:
        lateness = steady.end()
        print(f"  requests meanwhile: {lateness}")
        verdict("requests that failed", lateness.bad, 0, at_most=True)
