"""The same for exchanges that change what they pass on: whatever bytes come, each ends once and nothing escapes.

Error pages of a sick default backend, gzip, swaps, a speed limit and mirrors at once; bytes from a fixed seed.
"""

import asyncio
import random

import pytest
from unit.proxy_http.http_rig import Rig, Visit, until
from unit.proxy_http.test_any_bytes import ANSWER_PIECES, ROUNDS, compose, compose_request, send_cut
from unit.proxy_http.test_changed_answers import BESIDE, SOURCE, Beyond

from serin.dataplane.proxy.answer_swaps import Swaps
from serin.dataplane.proxy.changes import Changes
from serin.dataplane.proxy.compression import ReadyCompression
from serin.dataplane.proxy.connection_settings import UpstreamSettings
from serin.dataplane.proxy.error_pages import ReadyErrors
from serin.dataplane.proxy.mirroring import Mirrors, ReadyMirror
from serin.dataplane.proxy.subrequest import ReadyBeside, Subrequests
from serin.routing.answers import Bandwidth, ErrorPages, Swap
from serin.routing.beside import Mirror
from serin.routing.wide import Compression

CODES = (204, 400, 404, 408, 413, 502, 504)
PIECES = [
    *ANSWER_PIECES,
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    b"Content-Type: text/html\r\n",
    b"Set-Cookie: a=1; Path=/in; Domain=in.example\r\n",
    b"ETag: x\r\n",
]


@pytest.mark.parametrize("seed", range(3))
async def test_any_bytes_with_changes(rig: Rig, seed: int) -> None:
    await rig.serve(
        header_timeout=0.05, body_timeout=0.05, keepalive_timeout=0.05, linger_timeout=0.05, linger_time=0.1, sweep=0.01
    )
    rig.upstream = UpstreamSettings(
        read_timeout=0.05, retry_on=frozenset({"error", "timeout", "invalid_header", "http_404"}), tries=2
    )
    chance = random.Random(seed)

    async def script(visit: Visit) -> None:
        try:
            for _ in range(4):
                async with asyncio.timeout(0.5):
                    if not await visit.request():
                        return
                await send_cut(visit.send, compose(chance, PIECES), chance)
        except TimeoutError:
            return

    rig.endpoint.script = script
    await rig.add_endpoint(script)
    beyond = Beyond(b"")
    beyond.endpoint.script = script
    await beyond.start()
    beyond.split.others = [rig.endpoint.port]
    beside = ReadyBeside(beyond.split, rig.upstream, "ns-pages-80")
    mirror = Mirror(BESIDE, "$host", "/copy$request_uri", True, SOURCE)
    rig.forward_options = {
        "max_body": 4,
        "changes": Changes(
            errors=ReadyErrors(ErrorPages(CODES, BESIDE, SOURCE), beside),
            swaps=Swaps(Swap("in.example", "out.example"), Swap("/in", "/out"), Swap("/", "/x")),
            bandwidth=Bandwidth(150),
            compression=ReadyCompression(Compression(gzip=True, min_length=0)),
            mirror=ReadyMirror(mirror, beside, Mirrors(Subrequests(rig.server.pool)), {}),
        ),
    }

    async def one() -> None:
        caller = await rig.call()
        try:
            await send_cut(caller.send, compose_request(chance).replace(b"X: y", b"Accept-Encoding: gzip"), chance)
            if chance.random() < 0.3:
                caller.cut()
            async with asyncio.timeout(0.3):
                await caller.read_to_end()
        except (ConnectionError, RuntimeError, TimeoutError):
            pass
        caller.close()

    for _ in range(ROUNDS // 10):
        await asyncio.gather(*(one() for _ in range(10)))
    await until(lambda: not rig.server.active, "all connections to end")
    await rig.settled()
    assert len(rig.choices) >= ROUNDS // 10
    await until(lambda: all(len(c.finished) == 1 for c in beyond.split.choices), "pages and copies to be done")
    assert len(beyond.split.choices) >= ROUNDS // 10
    assert all(record.status for record in rig.records)
    await beyond.endpoint.stop()
