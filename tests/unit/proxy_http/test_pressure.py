"""Back-pressure: a slow side stops the fast one, and nothing is gathered in between."""

import asyncio
import resource
import socket
import time
from typing import Any

import pytest
from unit.proxy_http.http_rig import ANSWER, HOST, Caller, Rig, Visit, answering, until

from serin.dataplane.proxy.answers import AnswerHead
from serin.dataplane.proxy.client_link import ClientLink
from serin.dataplane.proxy.connection_settings import UpstreamSettings
from serin.dataplane.proxy.exchange import Forward
from serin.dataplane.proxy.upstream import Upstream

GET = f"GET / HTTP/1.1\r\n{HOST}\r\n"
SIZE = 64 << 20
PIECE = b"x" * 65536
SMALL = {"limit": 4096}


def resident() -> int:
    """Largest resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def pour(visit: Visit, poured: list[int]) -> None:
    """Send SIZE bytes, noting how many have left."""
    while poured[0] < SIZE:
        await visit.send(PIECE)
        poured[0] += len(PIECE)


async def stalled(moved: list[int]) -> None:
    """Wait until no byte moves any more."""
    last, still = -1, 0
    while still < 20:
        still = still + 1 if moved[0] == last else 0
        last = moved[0]
        await asyncio.sleep(0.005)


def narrow(caller: Caller) -> Caller:
    link = caller.writer.get_extra_info("socket")
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    return caller


async def swallow(caller: Caller, count: int) -> None:
    while count:
        async with asyncio.timeout(45):
            part = await caller.reader.read(min(count, 1 << 20))
        assert part
        count -= len(part)


async def test_a_slow_client_stops_the_endpoint(rig: Rig) -> None:
    poured = [0]

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        await pour(visit, poured)
        assert await visit.request()
        await visit.send(ANSWER)

    rig.endpoint.script = script
    caller = narrow(await rig.call(GET, **SMALL))
    before = resident()
    await caller.head()
    await stalled(poured)
    assert poured[0] < SIZE // 2
    await swallow(caller, SIZE)
    assert resident() - before < SIZE // 2
    assert (await caller.ask(GET)).status == 200
    assert len(rig.endpoint.visits) == 1
    assert rig.records[0].body_bytes == SIZE


class LastPart:
    """A transfer whose client takes no more once the whole answer has come."""

    settings = UpstreamSettings()
    bodiless = False
    judged: frozenset[int] = frozenset()
    body_done = True

    def __init__(self, upstream: Upstream, forward: Forward) -> None:
        self.upstream = upstream
        self.forward = forward

    def answered(self, answer: AnswerHead, part: bytes, *, whole: bool) -> None:
        assert whole
        self.upstream.pause_reading()

    def complete(self, now: float) -> None:
        pass


async def test_a_pause_with_the_last_part_does_not_outlive_the_exchange(rig: Rig) -> None:
    assert (await rig.ask(GET)).status == 200
    upstream = rig.server.pool.take(rig.choices[0], rig.upstream)
    assert upstream is not None
    last = LastPart(upstream, rig.forward(rig.heads[0], rig.clients[0]))
    rig.choices.pop()
    upstream.begin(last, f"GET / HTTP/1.1\r\n{HOST}\r\n".encode(), time.monotonic() + 10)  # type: ignore[arg-type]
    await until(lambda: rig.server.pool.idle == 1, "the answer")
    assert (await rig.ask(GET)).status == 200
    assert len(rig.endpoint.visits) == 1


async def test_a_slow_client_stops_a_chunked_answer(rig: Rig) -> None:
    poured = [0]

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % SIZE)
        await pour(visit, poured)
        await visit.send(b"\r\n0\r\n\r\n")
        await visit.read_to_end()

    rig.endpoint.script = script
    caller = narrow(await rig.call(GET, **SMALL))
    await caller.head()
    await stalled(poured)
    assert poured[0] < SIZE // 2
    got = 0
    while part := await caller.chunk():
        got += len(part)
    assert got == SIZE


async def test_a_slow_endpoint_stops_the_client(rig: Rig) -> None:
    go = asyncio.Event()
    sent = [0]

    async def script(visit: Visit) -> None:
        await visit.request()
        await go.wait()
        left = SIZE
        while left:
            left -= len(await visit.reader.read(left))
        await visit.send(ANSWER)

    rig.endpoint.script = script
    rig.forward_options = {"max_body": 0}
    caller = await rig.call(f"PUT / HTTP/1.1\r\n{HOST}Content-Length: {SIZE}\r\n\r\n")

    async def upload() -> None:
        while sent[0] < SIZE:
            await caller.send(PIECE)
            sent[0] += len(PIECE)

    before = resident()
    task = asyncio.create_task(upload())
    await until(lambda: rig.endpoint.requests, "the head at the endpoint")
    await stalled(sent)
    assert sent[0] < SIZE // 2
    go.set()
    await task
    assert (await caller.answer()).status == 200
    assert resident() - before < SIZE // 2


async def test_nothing_is_read_ahead_of_a_connection(rig: Rig) -> None:
    """While the gate waits, what a client sends is read up to a bound only."""
    go = asyncio.Event()
    sent = [0]

    async def waits(head, client):  # type: ignore[no-untyped-def]
        await go.wait()
        return rig.forward(head, client)

    async def script(visit: Visit) -> None:
        await visit.request()
        left = SIZE
        while left:
            left -= len(await visit.reader.read(left))
        await visit.send(ANSWER)

    rig.gate = waits
    rig.endpoint.script = script
    rig.forward_options = {"max_body": 0}
    caller = await rig.call(f"PUT / HTTP/1.1\r\n{HOST}Content-Length: {SIZE}\r\n\r\n")

    async def upload() -> None:
        while sent[0] < SIZE:
            await caller.send(PIECE)
            sent[0] += len(PIECE)

    task = asyncio.create_task(upload())
    await until(lambda: rig.heads, "the gate to be asked")
    await stalled(sent)
    assert sent[0] < SIZE // 2
    go.set()
    await task
    assert (await caller.answer()).status == 200


async def test_pipelined_requests_wait_for_a_slow_client(rig: Rig) -> None:
    """Own answers are not gathered for a client that does not read them, nor are its requests."""
    await rig.serve(keepalive_requests=1 << 30)
    rig.gate = answering(200, headers=[(b"X-Long", b"x" * 4000)])
    count = 20_000
    caller = narrow(await rig.call(limit=16384))
    sent = [0]

    async def ask() -> None:
        while sent[0] < count:
            await caller.send(GET * 100)
            sent[0] += 100

    task = asyncio.create_task(ask())
    handled = [0]

    async def watch() -> None:
        last, still = -1, 0
        while still < 20:
            handled[0] = len(rig.records)
            still = still + 1 if handled[0] == last else 0
            last = handled[0]
            await asyncio.sleep(0.005)

    await watch()
    assert 0 < handled[0] < count // 2
    for _ in range(count):
        await caller.answer()
    await task
    assert len(rig.records) == count


TINY = 100_000
TINY_CHUNKS = b"1\r\na\r\n" * TINY + b"0\r\n\r\n"


def noted(monkeypatch: pytest.MonkeyPatch, kind: type[ClientLink] | type[Upstream]) -> list[object]:
    """Each connection of that kind that goes on reading after others had their turn."""
    turns: list[object] = []
    go_on: Any = kind._go_on

    def noting(connection: object) -> None:
        turns.append(connection)
        go_on(connection)

    monkeypatch.setattr(kind, "_go_on", noting)
    return turns


async def test_others_come_between_the_reads_of_a_body_in_tiny_chunks(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = noted(monkeypatch, ClientLink)
    sizes = []

    async def script(visit: Visit) -> None:
        await visit.request()
        sizes.append(len(await visit.chunked()))
        await visit.send(ANSWER)

    rig.endpoint.script = script
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n")
    assert (await caller.ask(TINY_CHUNKS)).status == 200
    assert sizes == [TINY]
    assert turns


async def test_others_come_between_the_reads_of_an_answer_in_tiny_chunks(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = noted(monkeypatch, Upstream)

    async def script(visit: Visit) -> None:
        while await visit.request():
            await visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + TINY_CHUNKS)

    rig.endpoint.script = script
    caller = await rig.call()
    for _ in range(2):
        assert (await caller.ask(GET)).body == b"a" * TINY
    assert turns
    assert len(rig.endpoint.visits) == 1
