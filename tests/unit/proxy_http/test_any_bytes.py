"""Whatever bytes come from either side, every exchange ends once, nothing escapes, and nothing is forwarded twice over.

The bytes are pieces of HTTP put together and damaged at random, from a fixed seed: such come closer to the edges than
noise does.
"""

import asyncio
import random

import pytest
from unit.proxy_http.http_rig import ANSWER, HOST, Rig, Visit, until

from serin.dataplane.proxy.connection_settings import UpstreamSettings

REQUEST_PIECES = [
    b"GET / HTTP/1.1\r\n",
    b"POST /p HTTP/1.1\r\n",
    b"PUT http://b.example/x HTTP/1.1\r\n",
    b"GET / HTTP/1.0\r\n",
    b"HEAD /h HTTP/1.1\r\n",
    HOST.encode(),
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"Connection: keep-alive\r\n",
    b"Expect: 100-continue\r\n",
    b"X: y\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"hello",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"3;x=y\r\nabc\r\n",
]
ANSWER_PIECES = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"X: y\r\n",
    b"\r\n",
    b"hello",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    ANSWER,
]
GOOD_HEADS = [
    f"GET / HTTP/1.1\r\n{HOST}\r\n",
    f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhello",
    f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    f"GET / HTTP/1.1\r\n{HOST}Connection: upgrade\r\nUpgrade: x\r\n\r\n",
]
ROUNDS = 150


def compose(chance: random.Random, pieces: list[bytes]) -> bytes:
    data = bytearray(b"".join(chance.choices(pieces, k=chance.randint(1, 9))))
    for _ in range(chance.choice((0, 0, 0, 1, 3))):
        if data:
            data[chance.randrange(len(data))] = chance.choice((0, 9, 10, 13, 32, 58, 59, 127, 200, 48))
    return bytes(data)


def compose_request(chance: random.Random) -> bytes:
    good = [head.encode() for head in chance.choices(GOOD_HEADS, k=chance.randint(0, 2))]
    return b"".join([*good, compose(chance, REQUEST_PIECES)])


async def send_cut(peer_send, data: bytes, chance: random.Random) -> None:  # type: ignore[no-untyped-def]
    at = 0
    while at < len(data):
        step = chance.choice((1, 7, 50, 1000))
        await peer_send(data[at : at + step])
        at += step
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(4))
async def test_any_bytes(rig: Rig, seed: int) -> None:
    await rig.serve(
        header_timeout=0.05, body_timeout=0.05, keepalive_timeout=0.05, linger_timeout=0.05, linger_time=0.1, sweep=0.01
    )
    rig.upstream = UpstreamSettings(
        read_timeout=0.05, retry_on=frozenset({"error", "timeout", "invalid_header", "http_204"}), tries=2
    )
    chance = random.Random(seed)

    async def script(visit: Visit) -> None:
        for _ in range(4):
            async with asyncio.timeout(0.5):
                if not await visit.request():
                    return
            await send_cut(visit.send, compose(chance, ANSWER_PIECES), chance)

    async def careful(visit: Visit) -> None:
        try:
            await script(visit)
        except TimeoutError:
            return

    rig.endpoint.script = careful
    await rig.add_endpoint(careful)

    async def one() -> None:
        caller = await rig.call()
        try:
            await send_cut(caller.send, compose_request(chance), chance)
            if chance.random() < 0.3:
                caller.cut()
            await caller.read_to_end()
        except (ConnectionError, RuntimeError):
            pass
        caller.close()

    for _ in range(ROUNDS // 10):
        await asyncio.gather(*(one() for _ in range(10)))
    await until(lambda: not rig.server.active, "all connections to end")
    await rig.settled()
    forwarded = [r for r in rig.records if r.upstream_addr]
    assert len(forwarded) <= len(rig.choices)
    assert len(rig.choices) >= ROUNDS // 10  # a fair part of it was HTTP
    assert all(r.status for r in rig.records)
