"""Upgraded connections: bytes both ways, half-closed ends, refusals, idle time-outs."""

import asyncio

import pytest
from unit.proxy_http.http_rig import ANSWER, HOST, Rig, Visit, always, until

from serin.dataplane.proxy.connection_settings import UpstreamSettings
from serin.dataplane.proxy.tunnel import Tunnel

UPGRADE = (
    f"GET /ws HTTP/1.1\r\n{HOST}Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: k\r\n\r\n"
)
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: a\r\n\r\n"
)


async def echo(visit: Visit) -> None:
    """Switches, and sends back what comes until the other side ends."""
    await visit.request()
    await visit.send(SWITCHED)
    while part := await visit.reader.read(65536):
        await visit.send(part)
    await visit.send(b"bye")


async def test_upgrade(rig: Rig) -> None:
    rig.endpoint.script = echo
    rig.forward_options = {"answer_prelude": b"X-Own: 1\r\n", "on_choice": lambda choice: b"Set-Cookie: c=3\r\n"}
    caller = await rig.call(UPGRADE)
    reply = await caller.head()
    assert reply.status == 101
    assert reply.headers == {
        "upgrade": "websocket",
        "connection": "upgrade",
        "sec-websocket-accept": "a",
        "x-own": "1",
        "set-cookie": "c=3",
    }
    head = rig.endpoint.requests[0].decode()
    assert "\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n" in head
    await caller.send(b"ping\r\n\r\nGET /")
    assert await caller.read(13) == b"ping\r\n\r\nGET /"
    assert rig.server.active == 1
    caller.writer.write_eof()
    assert await caller.read_to_end() == b"bye"
    await rig.settled()
    assert rig.choices[0].finished == [(101, False)]
    assert [(r.status, r.body_bytes) for r in rig.records] == [(101, 16)]
    await until(lambda: not rig.server.active, "the tunnel to be gone")


async def test_early_bytes_both_ways(rig: Rig) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(SWITCHED + b"hello")
        assert await visit.read(5) == b"early"
        await visit.send(b"got it")

    rig.endpoint.script = script
    caller = await rig.call(UPGRADE + "early")
    await caller.head()
    assert await caller.read_to_end() == b"hellogot it"


async def test_large_transfers_through_a_slow_side(rig: Rig) -> None:
    size = 128 << 20
    sent = [0]
    rig.endpoint.script = echo
    caller = await rig.call(UPGRADE, limit=4096)
    await caller.head()

    async def upload() -> None:
        while sent[0] < size:
            await caller.send(b"x" * 65536)
            sent[0] += 65536

    task = asyncio.create_task(upload())
    last = -1
    still = 0
    while still < 20:
        still = still + 1 if sent[0] == last else 0
        last = sent[0]
        await asyncio.sleep(0.005)
    assert sent[0] < size
    (tunnel,) = rig.server.tunnels
    assert isinstance(tunnel, Tunnel)
    assert tunnel.waiting < 1 << 20
    got = 0
    while got < size:
        got += len(await caller.reader.read(1 << 20))
    await task


@pytest.mark.parametrize("early", ["", "GET /next HTTP/1.1\r\nHost: a.example\r\n\r\n"])
async def test_a_refused_upgrade_is_an_ordinary_answer(rig: Rig, early: str) -> None:
    rig.endpoint.script = always(ANSWER)
    caller = await rig.call(UPGRADE + early)
    reply = await caller.answer()
    assert (reply.status, reply.body) == (200, b"ok")
    if early:
        assert await caller.read_to_end() == b""  # bytes meant for a tunnel are no requests
        assert len(rig.heads) == 1
    else:
        assert (await caller.ask(f"GET / HTTP/1.1\r\n{HOST}\r\n")).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
    ],
)
async def test_what_is_no_upgrade(rig: Rig, headers: str) -> None:
    assert (await rig.ask(f"GET / HTTP/1.1\r\n{HOST}{headers}\r\n")).status == 200
    assert b"pgrade" not in rig.endpoint.requests[0]


async def test_the_endpoint_ends_first(rig: Rig) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(SWITCHED + b"last words")
        visit.writer.write_eof()
        heard.append(await visit.read_to_end())

    heard: list[bytes] = []
    rig.endpoint.script = script
    caller = await rig.call(UPGRADE)
    await caller.head()
    assert await caller.read_to_end() == b"last words"
    await caller.send(b"still heard")
    caller.close()
    await until(lambda: heard, "the endpoint to hear the end")
    assert heard == [b"still heard"]


@pytest.mark.parametrize("who", ["client", "endpoint"])
async def test_a_cut_side_cuts_the_other(rig: Rig, who: str) -> None:
    rig.endpoint.script = echo
    caller = await rig.call(UPGRADE)
    await caller.head()
    if who == "client":
        caller.cut()
    else:
        rig.endpoint.visits[0].cut()
        assert await caller.read_to_end() == b""
        caller.close()
    await rig.settled()
    await until(lambda: rig.endpoint.lost, "the endpoint's connection to be closed")
    await until(lambda: not rig.server.active, "the tunnel to be gone")


async def test_idle_tunnels_are_closed(rig: Rig) -> None:
    rig.upstream = UpstreamSettings(read_timeout=0.1)
    rig.endpoint.script = echo
    caller = await rig.call(UPGRADE)
    await caller.head()
    for _ in range(10):  # bytes in either direction keep it open, beyond one time-out
        await asyncio.sleep(0.02)
        await caller.send(b"x")
        assert await caller.read(1) == b"x"
    assert await caller.read_to_end() == b""
    await rig.settled()
