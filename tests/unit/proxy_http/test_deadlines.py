"""Time-outs, with small values: each side that stands still is let go, and who is to blame is told."""

import asyncio
import time

import pytest
from unit.proxy_http.http_rig import ANSWER, HOST, Caller, Rig, Visit, answering, friendly, until

from serin.dataplane.proxy.connection_settings import UpstreamSettings

GET = f"GET / HTTP/1.1\r\n{HOST}\r\n"
SHORT = 0.1


async def keep_sending(caller: Caller, piece: bytes) -> None:
    """Send pieces with pauses until the proxy cuts the connection."""
    end = time.monotonic() + 5
    try:
        while time.monotonic() < end:
            await caller.send(piece)
            await asyncio.sleep(0.005)
    except ConnectionError:
        return
    raise AssertionError("the proxy goes on reading")


async def test_a_connection_that_says_nothing(rig: Rig) -> None:
    await rig.serve(header_timeout=SHORT)
    assert await rig.refusal(b"") == b""
    assert not rig.records


async def test_a_head_that_trickles_in(rig: Rig) -> None:
    """Slowloris: each byte does not buy more time."""
    await rig.serve(header_timeout=SHORT)
    caller = await rig.call(GET[:-2])
    await keep_sending(caller, b"X: 1\r\n")
    await until(lambda: rig.records, "the record")
    assert rig.records[0].status == 408
    await until(lambda: not rig.server.active, "the connection to be gone")


async def test_idle_connections(rig: Rig) -> None:
    await rig.serve(keepalive_timeout=SHORT)
    caller = await rig.call()
    assert (await caller.ask(GET)).status == 200
    assert await caller.read_to_end() == b""
    assert len(rig.records) == 1


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
async def test_a_body_that_stops(rig: Rig, framing: str) -> None:
    await rig.serve(body_timeout=SHORT)
    got = []

    async def script(visit: Visit) -> None:
        await visit.request()
        got.append(await visit.read_to_end())

    rig.endpoint.script = script
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}{framing}\r\n\r\n5\r\n")
    assert await caller.read_to_end() == b""
    await until(lambda: got, "the endpoint's connection to be closed")
    assert rig.records[0].status == 408
    assert rig.choices[0].finished == [(0, False)]


async def test_the_rest_of_a_body_that_stops(rig: Rig) -> None:
    await rig.serve(body_timeout=SHORT)
    rig.gate = answering(401)
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 10\r\n\r\nabc")
    assert (await caller.answer()).status == 401
    assert await caller.read_to_end() == b""


async def test_an_endpoint_that_does_not_answer(rig: Rig) -> None:
    rig.upstream = UpstreamSettings(read_timeout=SHORT, tries=2)

    async def silent(visit: Visit) -> None:
        await visit.request()
        await visit.read_to_end()

    rig.endpoint.script = silent
    caller = await rig.call()
    reply = await caller.ask(GET)
    assert (reply.status, reply.body) == (504, b"<page 504>")
    assert rig.choices[0].finished == [(504, True)]
    await rig.add_endpoint(friendly)
    assert (await caller.ask(GET)).status == 200
    assert rig.records[1].earlier[0].status == 504
    assert rig.records[1].earlier[0].seconds >= SHORT


async def test_an_endpoint_that_stops_in_its_answer(rig: Rig) -> None:
    rig.upstream = UpstreamSettings(read_timeout=SHORT)

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        await visit.read_to_end()

    rig.endpoint.script = script
    got = await rig.refusal(GET)
    assert got.endswith(b"\r\n\r\nabc")
    assert rig.choices[0].finished == [(200, True)]


async def test_a_slow_upload_is_no_silence_of_the_endpoint(rig: Rig) -> None:
    rig.upstream = UpstreamSettings(read_timeout=SHORT)

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.read(10)
        await visit.send(ANSWER)

    rig.endpoint.script = script
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 10\r\n\r\n")
    for _ in range(10):
        await asyncio.sleep(SHORT / 5)
        await caller.send(b"x")
    assert (await caller.answer()).status == 200


async def test_an_endpoint_that_does_not_take_the_body(rig: Rig) -> None:
    rig.upstream = UpstreamSettings(send_timeout=SHORT, tries=1)
    rig.forward_options = {"max_body": 0}
    ended = asyncio.Event()

    async def script(visit: Visit) -> None:
        await visit.request()
        await ended.wait()

    rig.endpoint.script = script
    size = 32 << 20
    caller = await rig.call(f"PUT / HTTP/1.1\r\n{HOST}Content-Length: {size}\r\n\r\n")

    async def upload() -> None:
        for _ in range(size // 65536):
            await caller.send(b"x" * 65536)

    task = asyncio.create_task(upload())
    assert (await caller.answer()).status == 504
    ended.set()
    caller.cut()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_client_that_does_not_take_the_answer(rig: Rig) -> None:
    await rig.serve(send_timeout=SHORT)
    ended = []

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 << 20))
        try:
            for _ in range(1024):
                await visit.send(b"x" * 65536)
        finally:
            ended.append(True)

    rig.endpoint.script = script
    await rig.call(GET, limit=1024)
    await until(lambda: ended, "the endpoint's connection to be closed")
    await until(lambda: not rig.server.active, "the client's connection to be cut")
    assert rig.records[0].status == 200


async def test_a_refused_client_that_goes_on_sending(rig: Rig) -> None:
    await rig.serve(linger_timeout=5.0, linger_time=SHORT)
    caller = await rig.call(f"GET nope HTTP/1.1\r\n{HOST}\r\n")
    assert (await caller.answer()).status == 400
    await keep_sending(caller, b"x" * 1000)
    await until(lambda: not rig.server.active, "the connection to be gone")


async def test_idle_endpoint_connections_are_closed(rig: Rig) -> None:
    await rig.serve(pool_timeout=SHORT)
    assert (await rig.ask(GET)).status == 200
    assert rig.server.pool.idle == 1
    await until(lambda: rig.endpoint.lost, "the idle connection to be closed")
    assert rig.server.pool.idle == 0
