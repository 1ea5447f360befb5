"""One change at a time: from the API server's answer to the write until the first request that it decides."""

import asyncio
import random
import statistics
import time

from cluster_api import Api
from cluster_objects import INGRESSES, MAIN, SLICES, address, application, endpoints, host, weight_patch
from cluster_serin import Client, Controller, is_from
from propagation import report
from rig import verdict

CANARY = 9
"""The version that the canary's endpoint tells."""
BAR_MS = 50
NEW_HOST_BAR_MS = 1000


class Changes:
    """The objects `main`, `canary` and `moving` have to be there; the canary has the weight 0."""

    def __init__(self, api: Api, controller: Controller) -> None:
        self._api = api
        self._client = Client(controller.port)
        self._new = random.randrange(1 << 30)

    async def weights(self, count: int) -> list[float]:
        taken = []
        for n in range(count):
            weight, version = ((100, CANARY), (0, 0))[n % 2]
            await _rest()
            moment = await self._api.patch(f"{INGRESSES}/canary", weight_patch(weight))
            taken.append(await self._client.until(MAIN, is_from(address(version)), moment))
        return taken

    async def endpoints(self, count: int) -> list[float]:
        taken = []
        for n in range(count):
            version = 1 + n % 2
            await _rest()
            moment = await self._api.patch(f"{SLICES}/moving-1", {"endpoints": endpoints(version)})
            taken.append(await self._client.until(host("moving"), is_from(address(version)), moment))
        return taken

    async def new_hosts(self, count: int) -> list[float]:
        taken = []
        for n in range(count):
            name = f"new-{self._new}-{n}"
            *others, (path, ingress) = application(name)
            await self._api.create(others)
            await asyncio.sleep(0.3)
            moment, _ = await self._api.call("POST", path, ingress)
            taken.append(await self._client.until(host(name), is_from(address(0)), moment))
        return taken

    async def measure(self, count: int) -> float:
        """Prints; the median of the weight changes."""
        weights = await self.weights(count)
        report("weight change", weights, BAR_MS)
        report("endpoint change", await self.endpoints(count), BAR_MS)
        report("new host", await self.new_hosts(max(5, count // 15)), NEW_HOST_BAR_MS)
        return statistics.median(weights)


async def _rest() -> None:
    """As if changes came at any time."""
    await asyncio.sleep(random.uniform(0.02, 0.08))


async def grow(api: Api, controller: Controller, first: int, count: int) -> float:
    """So many more applications, written at once; seconds from the last answer until all of them are served."""
    await api.create(put for n in range(first, first + count) for put in application(f"i{n}"))
    written, client = time.monotonic(), Client(controller.port)
    for n in range(first, first + count):
        await client.until(host(f"i{n}"), is_from(address(0)), written)
    return time.monotonic() - written


def compare(beside_few: float, beside_many: float) -> None:
    verdict("weight change, beside 5,000 as times of beside 50 (medians)", beside_many / beside_few, 3, at_most=True)
