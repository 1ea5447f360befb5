"""Endpoints that fail, and clients that leave: who is told, who is asked next, what is counted."""

import asyncio

import pytest
from unit.proxy_http.http_rig import ANSWER, HOST, Rig, Visit, always, friendly, silent_port, until

from serin.dataplane.proxy.connection_settings import UpstreamSettings

GET = f"GET / HTTP/1.1\r\n{HOST}\r\n"
POST = f"POST / HTTP/1.1\r\n{HOST}Content-Length: 3\r\n\r\nabc"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

MALFORMED = {
    "not HTTP": b"SSH-2.0-x\r\n",
    "not HTTP, with empty line": b"hello\r\n\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status below 100": b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n",
    "coding and length": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "two equal lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "list of codings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\na",
    "no colon": b"HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n",
    "bare line feed": b"HTTP/1.1 200 OK\r\nX: 1\nContent-Length: 0\r\n\r\n",
    "bare line feeds only": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare carriage return": b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
    "control byte": b"HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 0\r\n\r\n",
    "nul": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "folded line": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "bad first chunk": CHUNKED + b"zz\r\n",
    "head without end": b"HTTP/1.1 200 OK\r\n" + b"X: %b\r\n" % (b"a" * 8000) * 5,
    "too large a head": b"HTTP/1.1 200 OK\r\n" + b"X: %b\r\n" % (b"a" * 8000) * 5 + b"\r\n",
    "switching without being asked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "endless interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
}


@pytest.mark.parametrize("answer", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_answers(rig: Rig, answer: bytes) -> None:
    closed = []

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(answer)
        closed.append(await visit.read_to_end())

    rig.endpoint.script = script
    caller = await rig.call()
    reply = await caller.ask(GET)
    assert (reply.status, reply.body) == (502, b"<page 502>")
    await until(lambda: closed, "the endpoint's connection to be closed")
    assert rig.choices[0].finished == [(502, True)]
    rig.endpoint.script = friendly
    assert (await caller.ask(GET)).status == 200


async def refused_port() -> int:
    """A port where nobody listens."""
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    return port


@pytest.mark.parametrize("request_", [GET, POST])
async def test_refused_connections_are_tried_elsewhere(rig: Rig, request_: str) -> None:
    """Nothing was sent, so the method does not matter."""

    async def script(visit: Visit) -> None:
        head = await visit.request()
        if b"POST" in head:
            assert await visit.read(3) == b"abc"
        await visit.send(ANSWER)

    await rig.add_endpoint(script)
    rig.endpoint.port = await refused_port()
    assert (await rig.ask(request_)).body == b"ok"
    await until(lambda: rig.records, "the record")
    (attempt,) = rig.records[0].earlier
    assert (attempt.address, attempt.status, attempt.length) == (f"127.0.0.1:{rig.endpoint.port}", 502, 0)
    assert rig.records[0].upstream_addr == f"127.0.0.1:{rig.others[0].port}"
    assert rig.choices[0].finished == [(200, False)]


async def test_refused_everywhere(rig: Rig) -> None:
    rig.forward_options = {"answer_prelude": b"X-Own: 1\r\n"}
    rig.endpoint.port = await refused_port()
    caller = await rig.call()
    for _ in range(2):
        reply = await caller.ask(GET)
        assert (reply.status, reply.body, reply.headers["x-own"]) == (502, b"<page 502>", "1")
    assert rig.choices[0].finished == [(502, True)]
    assert rig.records[0].upstream_status == 502


async def test_tries_are_bounded(rig: Rig) -> None:
    rig.endpoint.port = await refused_port()
    for _ in range(5):
        (await rig.add_endpoint(friendly)).port = await refused_port()
    assert (await rig.ask(GET)).status == 502
    assert len(rig.records[0].earlier) == 2
    rig.upstream = UpstreamSettings(tries=0)
    assert (await rig.ask(GET)).status == 502
    assert len(rig.records[1].earlier) == 5
    rig.upstream = UpstreamSettings(tries=0, tries_timeout=1e-9)
    assert (await rig.ask(GET)).status == 502
    assert not rig.records[2].earlier
    rig.upstream = UpstreamSettings(retry_on=frozenset())
    assert (await rig.ask(GET)).status == 502
    assert not rig.records[3].earlier


async def hang_up(visit: Visit) -> None:
    """Reads a request and closes."""
    head = await visit.request()
    if b"POST" in head:
        await visit.read(3)


@pytest.mark.parametrize(
    ("request_", "words", "status"),
    [
        (GET, {"error"}, 200),
        (POST, {"error"}, 502),
        (POST, {"error", "non_idempotent"}, 200),
        (POST.replace("POST", "PUT"), {"error"}, 200),
        (GET, {"timeout"}, 502),
    ],
)
async def test_broken_connections_are_tried_elsewhere(rig: Rig, request_: str, words: set[str], status: int) -> None:
    rig.upstream = UpstreamSettings(retry_on=frozenset(words))

    async def closes(visit: Visit) -> None:
        head = await visit.request()
        if not head.startswith(b"GET"):
            await visit.read(3)

    rig.endpoint.script = closes

    async def answers(visit: Visit) -> None:
        head = await visit.request()
        if not head.startswith(b"GET"):
            assert await visit.read(3) == b"abc"
        await visit.send(ANSWER)

    other = await rig.add_endpoint(answers)
    assert (await rig.ask(request_)).status == status
    assert len(other.requests) == (status == 200)
    await rig.settled()
    assert rig.choices[0].finished == [(200, False) if status == 200 else (502, True)]


async def test_malformed_answers_are_tried_elsewhere_when_asked_for(rig: Rig) -> None:
    rig.endpoint.script = always(b"nonsense\r\n\r\n")
    await rig.add_endpoint(friendly)
    assert (await rig.ask(GET)).status == 502
    rig.upstream = UpstreamSettings(retry_on=frozenset({"invalid_header"}))
    assert (await rig.ask(GET)).status == 200


async def test_statuses_are_tried_elsewhere_when_asked_for(rig: Rig) -> None:
    rig.endpoint.script = always(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")
    other = await rig.add_endpoint(friendly)
    assert (await rig.ask(GET)).status == 503
    rig.upstream = UpstreamSettings(retry_on=frozenset({"http_503"}))
    assert (await rig.ask(GET)).body == b"ok"
    assert rig.records[1].earlier[0].status == 503
    await until(lambda: rig.endpoint.lost == 1, "the refused answer's connection to be closed")
    other.script = rig.endpoint.script
    rig.server.pool.close()
    reply = await rig.ask(GET)
    assert (reply.status, reply.body) == (503, b"busy")  # the last one's answer is passed on
    await rig.settled()
    assert rig.choices[2].finished == [(503, False)]


async def test_long_bodies_are_not_sent_twice(rig: Rig) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.read(100_000)

    rig.endpoint.script = script
    other = await rig.add_endpoint(friendly)
    reply = await rig.ask(f"PUT / HTTP/1.1\r\n{HOST}Content-Length: 100000\r\n\r\n{'a' * 100_000}")
    assert reply.status == 502
    assert not other.requests


async def once(visit: Visit) -> None:
    """Answers one request, then closes when the second one has come."""
    await visit.request()
    await visit.send(ANSWER)
    await hang_up(visit)


async def test_a_kept_connection_closed_at_reuse(rig: Rig) -> None:
    """A request that may be repeated gets a new connection to the same endpoint, another one 502."""
    rig.endpoint.script = once
    caller = await rig.call()
    assert (await caller.ask(GET)).status == 200
    assert (await caller.ask(GET)).status == 200
    assert len(rig.endpoint.visits) == 2
    assert not rig.records[1].earlier
    assert (await caller.ask(POST)).status == 502
    assert [c.finished for c in rig.choices] == [[(200, False)], [(200, False)], [(502, True)]]


async def test_a_kept_connection_that_breaks_off_in_its_answer_is_not_stale(rig: Rig) -> None:
    rig.upstream = UpstreamSettings(retry_on=frozenset())

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(ANSWER)
        await visit.request()
        await visit.send(b"HTTP/1.1 2")

    rig.endpoint.script = script
    caller = await rig.call()
    assert (await caller.ask(GET)).status == 200
    assert (await caller.ask(GET)).status == 502
    assert len(rig.endpoint.visits) == 1


async def test_a_connection_closed_while_idle_is_not_used(rig: Rig) -> None:
    rig.endpoint.script = always(ANSWER, close=True)
    caller = await rig.call()
    assert (await caller.ask(GET)).status == 200
    await until(lambda: not rig.server.pool.idle, "the idle connection to be noticed closed")
    assert (await caller.ask(POST)).status == 200


async def test_bytes_on_an_idle_connection_close_it(rig: Rig) -> None:
    caller = await rig.call()
    assert (await caller.ask(GET)).status == 200
    await rig.endpoint.visits[0].send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    await until(lambda: not rig.server.pool.idle, "the connection to be dropped")
    assert (await caller.ask(GET)).body == b"ok"
    assert len(rig.endpoint.visits) == 2


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        CHUNKED + b"3\r\nabc\r\n",
        CHUNKED + b"5\r\nabc",
        CHUNKED + b"3\r\nabc\r\n0\r\n",
    ],
)
async def test_answers_that_break_off_are_seen_to(rig: Rig, beginning: bytes) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(beginning)

    rig.endpoint.script = script
    other = await rig.add_endpoint(friendly)
    got = await rig.refusal(GET)
    assert b"abc" in got
    assert not got.endswith(b"0\r\n\r\n")
    assert not other.requests
    await rig.settled()
    assert rig.choices[0].finished == [(200, True)]
    assert rig.records[0].status == 200


async def test_an_endpoint_that_breaks_off_behind_an_interim_answer(rig: Rig) -> None:
    """The client has got nothing final: it is told, but nobody else is asked."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")

    rig.endpoint.script = script
    other = await rig.add_endpoint(friendly)
    caller = await rig.call(GET)
    assert (await caller.head()).status == 103
    assert (await caller.answer()).status == 502
    assert not other.requests


async def test_a_bad_chunk_later_breaks_off(rig: Rig) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(CHUNKED + b"3\r\nabc\r\n")
        await until(lambda: seen, "the first chunk at the client")
        await visit.send(b"zz\r\n")

    rig.endpoint.script = script
    seen: list[bytes] = []
    caller = await rig.call(GET)
    await caller.head()
    seen.append(await caller.chunk())
    assert await caller.read_to_end() == b""


async def test_http10_sees_that_a_body_broke_off(rig: Rig) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(CHUNKED + b"3\r\nabc\r\n")

    rig.endpoint.script = script
    caller = await rig.call(f"GET / HTTP/1.0\r\n{HOST}\r\n")
    await caller.head()
    with pytest.raises(ConnectionResetError):
        await caller.reader.read()


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("begun", [True, False])
async def test_the_endpoint_learns_that_the_client_left(rig: Rig, half: bool, begun: bool) -> None:
    ended = []

    async def script(visit: Visit) -> None:
        await visit.request()
        if begun:
            await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        ended.append(await visit.read_to_end())

    rig.endpoint.script = script
    caller = await rig.call(GET)
    if begun:
        await caller.head()
    await until(lambda: rig.endpoint.requests, "the request at the endpoint")
    if half:
        caller.writer.write_eof()
    else:
        caller.cut()
    await until(lambda: ended, "the endpoint's connection to be closed")
    await until(lambda: rig.records, "the record")
    assert rig.records[0].status == (200 if begun else 499)
    assert rig.choices[0].finished == [(200 if begun else 0, False)]


async def test_the_client_leaves_during_its_upload(rig: Rig) -> None:
    got = []

    async def script(visit: Visit) -> None:
        await visit.request()
        got.append(await visit.read_to_end())

    rig.endpoint.script = script
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 100\r\n\r\nabc")
    await until(lambda: rig.endpoint.requests, "the request at the endpoint")
    caller.cut()
    await until(lambda: got, "the endpoint's connection to be closed")
    assert got == [b"abc"]
    await until(lambda: rig.records, "the record")
    assert rig.records[0].status == 499


async def test_the_client_leaves_while_the_gate_waits(rig: Rig) -> None:
    cancelled = []

    async def waits(head, client):  # type: ignore[no-untyped-def]
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(head)

    rig.gate = waits
    caller = await rig.call(GET)
    await until(lambda: rig.heads, "the gate to be asked")
    await asyncio.sleep(0)
    caller.cut()
    await until(lambda: cancelled, "the gate's task to be cancelled")
    await until(lambda: rig.records, "the record")
    assert rig.records[0].status == 499


async def test_the_client_leaves_while_connecting(rig: Rig) -> None:
    with silent_port() as port:
        rig.endpoint.port = port
        caller = await rig.call(GET)
        await until(lambda: rig.choices, "the gate to be asked")
        caller.cut()
        await rig.settled()
        assert rig.choices[0].finished == [(0, False)]


async def test_a_connection_that_is_not_accepted_times_out(rig: Rig) -> None:
    rig.upstream = UpstreamSettings(connect_timeout=0.05)
    with silent_port() as port:
        rig.endpoint.port = port
        assert (await rig.ask(POST)).status == 504
        await rig.add_endpoint(hang_up_answered)
        assert (await rig.ask(POST)).status == 200
    assert rig.records[1].earlier[0].status == 504


async def hang_up_answered(visit: Visit) -> None:
    await hang_up(visit)
    await visit.send(ANSWER)
