"""The pages for probes and Prometheus, on a port of their own: /healthz, /readyz, /metrics.

Answered by the parent, which serves no traffic: a busy worker cannot make a probe fail.
"""

import socket
from collections.abc import Awaitable, Callable

from aiohttp import web

from serin.dataplane.readiness import View, alive, reasons, warnings
from serin.telemetry.exposition import CONTENT_TYPE


def make_app(view: Callable[[], View], metrics: Callable[[], Awaitable[bytes]]) -> web.Application:
    """`view` is asked at each probe; `metrics` makes the whole page."""

    async def healthz(_: web.Request) -> web.Response:
        now = view()
        return (
            web.Response(text="ok\n") if alive(now) else web.Response(status=500, text=f"no {now.subject} is running\n")
        )

    async def readyz(_: web.Request) -> web.Response:
        now = view()
        missing = reasons(now)
        if missing:
            return web.Response(status=503, text=_lines(missing))
        return web.Response(text=_lines(("ok", *warnings(now))))

    async def metrics_page(_: web.Request) -> web.Response:
        return web.Response(body=await metrics(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics_page)
    return app


async def serve(app: web.Application, sockets: tuple[socket.socket, ...]) -> web.AppRunner:
    """Serve on bound sockets until the runner's `cleanup`."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    for sock in sockets:
        await web.SockSite(runner, sock, backlog=128).start()
    return runner


def _lines(texts: tuple[str, ...]) -> str:
    return "".join(f"{text}\n" for text in texts)
