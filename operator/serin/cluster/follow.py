"""Names and versions of a feed's objects, by metadata alone: as they are now, and as they change.

What differs from kopf's watch: payloads never get here, and whoever follows sees the list as a whole.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from serin.cluster.api import Api, ApiError, ApiUnreachableError
from serin.cluster.audit import Identity
from serin.cluster.scope import Feed
from serin.cluster.told import DELETED, identity_of, ref_of
from serin.cluster.waits import Waits
from serin.refs import Ref

GONE = 410
TOO_MANY = 429
PAGE = 200
"""Objects at once: some milliseconds of parsing, for which the loop stands still."""
STREAM_SECONDS = 300.0
RECONNECT = 0.2


@dataclass(frozen=True, slots=True)
class Step:
    ref: Ref
    identity: Identity
    gone: bool


async def pages(api: Api, feed: Feed) -> AsyncGenerator[tuple[dict[Ref, Identity], str], None]:
    """All that are there, and the version to go on from (the same with every page). ApiError, ApiUnreachableError."""
    listing = api.pages(
        feed.path, label_selector=feed.labels, field_selector=feed.fields, metadata_only=True, limit=PAGE
    )
    async for page in listing:
        yield {ref: identity_of(raw) for raw in page.items if (ref := ref_of(feed, raw)) is not None}, page.version


async def steps(api: Api, feed: Feed, version: str, random: Callable[[], float]) -> AsyncGenerator[Step, None]:
    """What changes from `version` on, through broken connections; ends when that version is too old to go on from.

    ApiError when the API server refuses.
    """
    waits = Waits(random)
    while True:
        try:
            async with aclosing(_stream(api, feed, version, STREAM_SECONDS * (0.8 + 0.2 * random()))) as stream:
                async for event in stream:
                    waits.reset()
                    raw = event["object"]
                    version = identity_of(raw)[1] or version
                    ref = ref_of(feed, raw)
                    if ref is not None and event["type"] != "BOOKMARK":
                        yield Step(ref, identity_of(raw), event["type"] == DELETED)
            await asyncio.sleep(RECONNECT)
        except ApiUnreachableError:
            await asyncio.sleep(waits.next())
        except ApiError as error:
            if error.status == GONE:
                return
            if error.status < 500 and error.status != TOO_MANY:
                raise
            await asyncio.sleep(waits.next())


async def _stream(api: Api, feed: Feed, version: str, seconds: float) -> AsyncGenerator[dict[str, Any], None]:
    """One connection's events. An event of type ERROR is raised as what it says."""
    watch = api.watch(
        feed.path,
        version=version,
        label_selector=feed.labels,
        field_selector=feed.fields,
        metadata_only=True,
        timeout=seconds,
    )
    async with aclosing(watch) as events:
        async for event in events:
            if event.get("type") == "ERROR":
                status = event.get("object") or {}
                raise ApiError(int(status.get("code") or 500), str(status.get("reason")), str(status.get("message")))
            yield event
