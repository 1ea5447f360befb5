"""The peer of bench/proxy.py: the reverse proxy that one writes with aiohttp in an evening. Not part of Serin."""

import sys

import aiohttp
import uvloop
from aiohttp import web

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


def main(port: int, target: str) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP}
        headers["X-Forwarded-For"] = request.remote or ""
        session: aiohttp.ClientSession = request.app["session"]
        async with session.request(
            request.method, target + request.raw_path, headers=headers, data=await request.read() or None
        ) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    async def app() -> web.Application:
        made = web.Application()
        made["session"] = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), auto_decompress=False, skip_auto_headers=("User-Agent",)
        )
        made.router.add_route("*", "/{path:.*}", handle)
        return made

    uvloop.install()
    web.run_app(app(), host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
