"""Draining, limits of connections, and the pool's own rules."""

import asyncio

import pytest
from unit.proxy_http.http_rig import ANSWER, HOST, Rig, Visit, always, friendly, until

from serin.dataplane.proxy.connection_settings import UpstreamSettings, affordable_connections

GET = f"GET / HTTP/1.1\r\n{HOST}\r\n"


class Held:
    """An endpoint that answers when told."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, visit: Visit) -> None:
        while await visit.request():
            await self.go.wait()
            await visit.send(ANSWER)


async def test_drain_finishes_what_is_in_flight(rig: Rig) -> None:
    await rig.serve(drain_idle=0.5)
    held = rig.endpoint.script = Held()
    busy = await rig.call(GET)
    idle = await rig.call()
    await until(lambda: rig.endpoint.requests, "the request at the endpoint")
    drained = asyncio.create_task(rig.server.drain(10))
    await until(lambda: rig.server.draining, "the drain to begin")
    late = asyncio.create_task(idle.ask(GET))
    await until(lambda: len(rig.endpoint.requests) == 2, "the late request at the endpoint")
    held.go.set()
    for reply in (await busy.answer(), await late):
        assert (reply.body, reply.headers["connection"]) == (b"ok", "close")
    assert await drained == 0
    assert await busy.read_to_end() == b""


async def test_drain_closes_idle_connections_and_keeps_no_one_longer_than_told(rig: Rig) -> None:
    await rig.serve(drain_idle=0.05)
    rig.endpoint.script = Held()
    idle = await rig.call()
    stuck = await rig.call(GET)
    await until(lambda: rig.endpoint.requests, "the request at the endpoint")
    drained = asyncio.create_task(rig.server.drain(0.4))
    assert await idle.read_to_end() == b""
    assert rig.server.active == 1
    assert await drained == 1
    assert await stuck.read_to_end() == b""
    await rig.settled()
    assert rig.choices[0].finished == [(0, False)]


async def test_connections_are_limited(rig: Rig) -> None:
    await rig.serve(max_connections=1)
    first = await rig.call()
    assert (await first.ask(GET)).status == 200
    assert await rig.refusal(GET) == b""
    assert rig.server.refused == 1
    assert (await first.ask(GET)).status == 200
    first.close()
    await until(lambda: not rig.server.active, "the first to be gone")
    assert (await rig.ask(GET)).status == 200


@pytest.mark.parametrize(("files", "connections"), [(64, 8), (1024, 488), (1048576, 16384), (-1, 16384), (10, 1)])
def test_no_more_connections_than_descriptors_are_for(files: int, connections: int) -> None:
    assert affordable_connections(files) == connections


async def test_last_in_first_out(rig: Rig) -> None:
    held = rig.endpoint.script = Held()
    callers = [await rig.call(GET) for _ in range(3)]
    await until(lambda: len(rig.endpoint.requests) == 3, "three requests at the endpoint")
    held.go.set()
    for caller in callers:
        await caller.answer()
    assert rig.server.pool.idle == 3
    for caller in callers * 4:
        assert (await caller.ask(GET)).status == 200
    assert sorted(upstream.served for upstream in rig.server.pool.open) == [1, 1, 13]


async def test_the_pool_is_bounded_and_drops_what_is_idle_for_longest(rig: Rig) -> None:
    await rig.serve(pool_size=2)
    held = rig.endpoint.script = Held()
    callers = [await rig.call(GET) for _ in range(4)]
    await until(lambda: len(rig.endpoint.requests) == 4, "four requests at the endpoint")
    held.go.set()
    for caller in callers:
        await caller.answer()
    await until(lambda: rig.endpoint.lost == 2, "two connections to be closed")
    assert rig.server.pool.idle == 2


async def test_connections_end_after_their_requests_and_their_time(rig: Rig) -> None:
    await rig.serve(pool_requests=2)
    caller = await rig.call()
    for _ in range(4):
        assert (await caller.ask(GET)).status == 200
    assert len(rig.endpoint.visits) == 2
    await rig.serve(pool_requests=100, pool_time=0.0)
    caller = await rig.call()
    for _ in range(2):
        assert (await caller.ask(GET)).status == 200
    assert len(rig.endpoint.visits) == 4


async def test_connections_are_shared_by_address_and_tls_key_only(rig: Rig) -> None:
    caller = await rig.call()
    assert (await caller.ask(GET)).status == 200
    rig.upstream = UpstreamSettings(read_timeout=5)
    assert (await caller.ask(GET)).status == 200
    assert len(rig.endpoint.visits) == 1
    rig.upstream = UpstreamSettings(tls_key="other")
    assert (await caller.ask(GET)).status == 200
    assert len(rig.endpoint.visits) == 2


async def test_pipelined_requests_use_one_endpoint_connection(rig: Rig) -> None:
    rig.endpoint.script = always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
    caller = await rig.call(GET * 20)
    for _ in range(20):
        assert (await caller.answer()).body == b"x"
    assert len(rig.endpoint.visits) == 1


async def test_the_gate_can_be_replaced_between_requests(rig: Rig) -> None:
    caller = await rig.call()
    assert (await caller.ask(GET)).status == 200
    old = rig.server.gate
    rig.server.gate = lambda head, client: old(head, client)
    other = await rig.add_endpoint(friendly)
    rig.endpoint, other = other, rig.endpoint
    rig.others = [other]
    assert (await caller.ask(GET)).status == 200
    assert len(rig.endpoint.requests) == 1


@pytest.mark.parametrize("size", [1, 100, 65536, 300_000])
async def test_bodies_of_many_sizes_go_through_unchanged(rig: Rig, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]

    async def script(visit: Visit) -> None:
        while await visit.request():
            got = await visit.read(size)
            await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + got)

    rig.endpoint.script = script
    caller = await rig.call()
    for _ in range(2):
        head = f"PUT / HTTP/1.1\r\n{HOST}Content-Length: {size}\r\n\r\n".encode()
        sent = asyncio.create_task(caller.send(head + body))
        assert (await caller.answer()).body == body
        await sent
