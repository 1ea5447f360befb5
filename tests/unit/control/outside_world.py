"""CanaryRoutes in a run, and small servers to ask, for tests of outside checks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from aiohttp import web

from serin.objects.canary_status import CanaryStatus, CheckStatus, RunStatus
from serin.objects.views import CanaryCheck, CanaryRollout, CanaryRoute, CanaryVersion, CheckType, Meta, Secret
from serin.refs import Ref, Source
from serin.rollout.standing import run_id

REF = Ref("CanaryRoute", "shop", "web")
AT = Source(REF)
NOW = 1000.0


def prometheus(address: str, query: str = "up", **more: Any) -> CanaryCheck:
    return CanaryCheck(
        "orders",
        CheckType.PROMETHEUS,
        AT,
        **{"interval": 60.0, "least": 0.5, "address": address, "query": query, **more},
    )


def webhook(url: str, **more: Any) -> CanaryCheck:
    return CanaryCheck("gate", CheckType.WEBHOOK, AT, **{"interval": 60.0, "url": url, "timeout": 5.0, **more})


def route(*checks: CanaryCheck, ref: Ref = REF, judged: float = 1.0, asked: float = 0.0, **run: Any) -> CanaryRoute:
    """At step 2, 25 % of v2, each check judged last at `asked`."""
    view = CanaryRoute(
        Meta(ref),
        versions=(CanaryVersion("v1", "shop-v1", 80, 100, AT), CanaryVersion("v2", "shop-v2", 80, 0, AT)),
        rollout=CanaryRollout("v2", AT, revision="1.8", baseline="v1", checks=checks),
    )
    given = {
        "step": 2,
        "steps": 3,
        "weight": 25_000,
        "started_at": 1.0,
        "judged_since": judged,
        "baseline": "v1",
        **run,
    }
    status = CanaryStatus(
        run=RunStatus(run_id(view), "v2", **given), checks=tuple(CheckStatus(c.name, checked_at=asked) for c in checks)
    )
    return replace(view, status=status)


def secret(kind: str = "Opaque", **data: str) -> Secret:
    keys = {key.replace("_", "."): text.encode() for key, text in data.items()}
    return Secret(Meta(Ref("Secret", "shop", "keys")), kind, keys)


Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def listening(handle: Handle, **more: Any) -> AsyncIterator[int]:
    """Its port on loopback."""
    http = web.Server(handle, access_log=None)
    server = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0, **more)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await http.shutdown(0)
