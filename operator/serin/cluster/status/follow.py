"""Notices that the addresses may have changed, so that Ingresses show it soon and not only at the next interval."""

import asyncio
import random as randomness
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from serin.cluster.api import Api, ApiError, ApiUnreachableError
from serin.cluster.own_pod import OwnPodReader
from serin.cluster.status.publish import Publish, followed

IDLE = 1.0
"""Seconds between two looks whether we lead."""
SHORTEST_WAIT, LONGEST_WAIT = 1.0, 60.0


async def follow(
    api: Api,
    publish: Publish,
    own: OwnPodReader,
    leading: Callable[[], bool],
    changed: Callable[[], None],
    random: Callable[[], float] = randomness.random,
) -> None:
    """Calls `changed` until cancelled. A watch that fails is begun again after 1 to 60 seconds, later each time."""
    wait = SHORTEST_WAIT
    while True:
        if not leading():
            await asyncio.sleep(IDLE)
            continue
        try:
            async with aclosing(_changes(api, publish, own)) as changes:
                async for _ in changes:
                    if not leading():
                        break
                    changed()
            wait = SHORTEST_WAIT
        except (ApiError, ApiUnreachableError):
            # Whoever reads the addresses tells of it, at each interval.
            wait = min(LONGEST_WAIT, wait * 2)
        await asyncio.sleep(wait * (1 + random()) / 2)


async def _changes(api: Api, publish: Publish, own: OwnPodReader) -> AsyncGenerator[None, None]:
    needs_pod = not publish.addresses and publish.service is None
    what = followed(publish, await own.read() if needs_pod else None)
    if what is None:
        await asyncio.sleep(LONGEST_WAIT)
        return
    path, labels, fields = what
    listing = await api.list(path, label_selector=labels, field_selector=fields, metadata_only=True)
    yield
    stream = api.watch(path, version=listing.version, label_selector=labels, field_selector=fields, metadata_only=True)
    async for event in stream:
        if event["type"] == "ERROR":
            return
        if event["type"] != "BOOKMARK":
            yield
