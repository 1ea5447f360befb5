"""Bodies both ways: where they end, how they are framed anew, what happens to the request behind them."""

import pytest
from unit.proxy_http.http_rig import ANSWER, HOST, Rig, Script, Visit, always, answering, until

from serin.dataplane.proxy.exchange import Answer

GET = f"GET / HTTP/1.1\r\n{HOST}\r\n"
CHUNKED_ANSWER = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def takes(size: int, answer: bytes = ANSWER) -> Script:
    """Answers requests whose bodies have `size` bytes."""

    async def script(visit: Visit) -> None:
        while await visit.request():
            await visit.read(size)
            await visit.send(answer)

    return script


async def test_counted_request_body(rig: Rig) -> None:
    got = []

    async def script(visit: Visit) -> None:
        for _ in range(2):
            await visit.request()
            got.append(await visit.read(6))
            await visit.send(ANSWER)

    rig.endpoint.script = script
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 6\r\n\r\nabc")
    await until(lambda: rig.endpoint.requests, "the head at the endpoint")
    await caller.send(f"defPOST / HTTP/1.1\r\n{HOST}Content-Length: 6\r\n\r\nghijkl")
    assert (await caller.answer()).status == 200
    assert (await caller.answer()).status == 200
    assert got == [b"abcdef", b"ghijkl"]
    assert b"Content-Length: 6\r\n" in rig.endpoint.requests[0]


async def test_chunked_request_body_is_chunked_anew(rig: Rig) -> None:
    got = []

    async def script(visit: Visit) -> None:
        while await visit.request():
            got.append(await visit.chunked())
            await visit.send(ANSWER)

    rig.endpoint.script = script
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: Chunked\r\nTrailer: T\r\n\r\n3;ext=1\r\nab")
    await until(lambda: rig.endpoint.requests, "the head at the endpoint")
    for byte in f"c\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\nPOST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n":
        await caller.send(byte)
    assert (await caller.answer()).status == 200
    await caller.send("0\r\n\r\n")
    assert (await caller.answer()).status == 200
    assert got == [b"abcde", b""]
    assert b"Transfer-Encoding: chunked\r\n" in rig.endpoint.requests[0]
    assert b"Trailer" not in rig.endpoint.requests[0]


async def test_a_head_may_come_byte_by_byte(rig: Rig) -> None:
    caller = await rig.call()
    for byte in GET:
        await caller.send(byte)
    assert (await caller.answer()).body == b"ok"


async def test_an_answer_may_come_byte_by_byte(rig: Rig) -> None:
    async def script(visit: Visit) -> None:
        while await visit.request():
            for byte in CHUNKED_ANSWER + b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nT: x\r\n\r\n":
                await visit.send(bytes([byte]))

    rig.endpoint.script = script
    caller = await rig.call()
    for _ in range(2):
        reply = await caller.ask(GET)
        assert reply.body == b"abcdefg"
        assert reply.headers["transfer-encoding"] == "chunked"
    assert len(rig.endpoint.visits) == 1


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (CHUNKED_ANSWER + b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (CHUNKED_ANSWER + b"0\r\n\r\n", b""),
        (CHUNKED_ANSWER + b"3  \r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", b"x"),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", b"x"),
    ],
)
async def test_answers_that_keep_the_endpoint_connection(rig: Rig, answer: bytes, body: bytes) -> None:
    rig.endpoint.script = always(answer)
    caller = await rig.call()
    for _ in range(3):
        assert (await caller.ask(GET)).body == body
    assert len(rig.endpoint.visits) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        CHUNKED_ANSWER + b"1\r\nx\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ],
)
async def test_answers_after_which_the_endpoint_connection_is_closed(rig: Rig, answer: bytes) -> None:
    rig.endpoint.script = always(answer)
    caller = await rig.call()
    for _ in range(2):
        assert (await caller.ask(GET)).body == b"x"
    assert len(rig.endpoint.visits) == 2


async def test_body_until_the_end_of_the_connection(rig: Rig) -> None:
    rig.endpoint.script = always(b"HTTP/1.1 200 OK\r\n\r\nall of it", close=True)
    caller = await rig.call()
    for _ in range(2):
        reply = await caller.ask(GET)
        assert reply.headers["transfer-encoding"] == "chunked"
        assert reply.body == b"all of it"


@pytest.mark.parametrize("answer", [CHUNKED_ANSWER + b"3\r\nabc\r\n0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nabc"])
async def test_http10_gets_bodies_of_unknown_length_by_closing(rig: Rig, answer: bytes) -> None:
    rig.endpoint.script = always(answer, close=True)
    caller = await rig.call(f"GET / HTTP/1.0\r\n{HOST}Connection: keep-alive\r\n\r\n")
    reply = await caller.head()
    assert "transfer-encoding" not in reply.names
    assert reply.headers["connection"] == "close"
    assert await caller.read_to_end() == b"abc"


@pytest.mark.parametrize(
    ("method", "answer", "length"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "10"),
        ("HEAD", CHUNKED_ANSWER, None),
        ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n", None),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 10\r\n\r\n", None),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", "10"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", None),
    ],
)
async def test_answers_without_body(rig: Rig, method: str, answer: bytes, length: str | None) -> None:
    rig.endpoint.script = always(answer)
    caller = await rig.call()
    for _ in range(2):
        reply = await caller.ask(GET.replace("GET", method), method)
        assert reply.headers.get("content-length") == length
        assert "transfer-encoding" not in reply.names
        assert reply.headers["connection"] == "keep-alive"
    assert len(rig.endpoint.visits) == 1


async def test_interim_answers(rig: Rig) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    rig.endpoint.script = always(b"HTTP/1.1 100 Continue\r\n\r\n" + early + ANSWER)
    caller = await rig.call(GET)
    reply = await caller.head()
    assert reply.status == 103
    assert reply.headers == {"link": "</a>"}
    assert (await caller.answer()).body == b"ok"
    assert (await rig.ask(f"GET / HTTP/1.0\r\n{HOST}\r\n")).status == 200


async def test_expect_is_answered_here(rig: Rig) -> None:
    rig.endpoint.script = takes(5)
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert await caller.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await caller.send("hello")
    assert (await caller.answer()).status == 200
    assert b"xpect" not in rig.endpoint.requests[0]


async def test_expect_means_nothing_in_http10(rig: Rig) -> None:
    rig.endpoint.script = takes(5)
    caller = await rig.call(f"POST / HTTP/1.0\r\n{HOST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    await until(lambda: rig.endpoint.requests, "the endpoint to be asked")
    assert (await caller.ask("hello")).status == 200


async def test_expect_gets_a_refusal_at_once(rig: Rig) -> None:
    rig.gate = answering(403)
    got = await rig.refusal(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"Connection: close" in got


async def test_too_long_a_body(rig: Rig) -> None:
    rig.forward_options = {"max_body": 1024, "answer_prelude": b"X-Own: 1\r\n"}
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 1025\r\n\r\n")
    reply = await caller.answer()
    assert (reply.status, reply.body, reply.headers["connection"]) == (413, b"<page 413>", "close")
    assert reply.headers["x-own"] == "1"
    await rig.settled()
    assert not rig.endpoint.visits
    rig.endpoint.script = takes(1024)
    assert (await rig.ask(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 1024\r\n\r\n{'a' * 1024}")).status == 200
    rig.forward_options = {"max_body": 0}
    rig.endpoint.script = takes(3000)
    rig.server.pool.close()
    assert (await rig.ask(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 3000\r\n\r\n{'a' * 3000}")).status == 200


async def test_too_long_a_chunked_body(rig: Rig) -> None:
    rig.forward_options = {"max_body": 1024}
    ended = []

    async def script(visit: Visit) -> None:
        await visit.request()
        ended.append(await visit.read_to_end())

    rig.endpoint.script = script
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n")
    await until(lambda: rig.endpoint.requests, "the head at the endpoint")
    await caller.send(f"400\r\n{'a' * 1024}\r\n")
    await caller.send("1\r\na\r\n")
    assert (await caller.answer()).status == 413
    await until(lambda: ended, "the endpoint's connection to be closed")
    assert not ended[0].endswith(b"0\r\n\r\n")
    assert rig.choices[0].finished == [(413, False)]
    assert rig.choices[0].excused, "the endpoint has no part in it"


async def test_early_answer_while_the_client_sends(rig: Rig) -> None:
    """The answer is passed on, the rest of the body thrown away, the next request served."""
    rig.endpoint.script = always(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 100000\r\n\r\nabc")
    assert (await caller.answer()).status == 403
    await caller.send(b"x" * 99997 + f"GET /next HTTP/1.1\r\n{HOST}\r\n".encode())
    assert (await caller.answer()).status == 403
    assert [h.target for h in rig.heads] == [b"/", b"/next"]
    assert len(rig.endpoint.visits) == 2


async def test_own_answer_while_the_client_sends(rig: Rig) -> None:
    rig.gate = answering(401)
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert (await caller.answer()).status == 401
    await caller.send("0\r\n\r\n" + GET)
    assert (await caller.answer()).status == 401
    big = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 9999999\r\n\r\nabc")
    reply = await big.answer()
    assert (reply.status, reply.headers["connection"]) == (401, "close")


@pytest.mark.parametrize("status", [400, 413, 414])
async def test_own_answers_after_which_nginx_closes(rig: Rig, status: int) -> None:
    rig.gate = answering(status)
    caller = await rig.call(GET)
    reply = await caller.answer()
    assert (reply.status, reply.headers["connection"]) == (status, "close")
    assert await caller.read_to_end() == b""


async def test_an_early_refusal_reaches_a_client_that_sends_on(rig: Rig) -> None:
    """Closed at once, the connection would be reset by the bytes still coming, and the answer lost with it."""
    rig.gate = answering(401)
    size = 4 << 20
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Content-Length: {size}\r\n\r\n")
    for _ in range(size // 65536):
        await caller.send(b"x" * 65536)
    assert (await caller.answer()).status == 401
    assert await caller.read_to_end() == b""


async def test_a_refused_client_that_was_slow_to_read_is_not_kept(rig: Rig) -> None:
    await rig.serve(linger_timeout=0.1)
    rig.gate = lambda head, client: Answer(401, body=b"x" * (16 << 20))
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 9999999\r\n\r\nabc")
    assert len((await caller.answer()).body) == 16 << 20
    await until(lambda: not rig.server.active, "the connection to be closed")


async def test_pipelined_requests_are_answered_in_order(rig: Rig) -> None:
    async def script(visit: Visit) -> None:
        while head := await visit.request():
            target = head.split(b" ")[1]
            await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    rig.endpoint.script = script
    caller = await rig.call("".join(f"GET /{n} HTTP/1.1\r\n{HOST}\r\n" for n in range(50)))
    for n in range(50):
        assert (await caller.answer()).body == b"/%d" % n
    assert len(rig.endpoint.visits) == 1


async def test_many_pipelined_own_answers(rig: Rig) -> None:
    await rig.serve(keepalive_requests=10_000)
    rig.gate = answering(200)
    caller = await rig.call(GET * 3000)
    for _ in range(3000):
        assert (await caller.answer()).body == b"own"


async def test_requests_of_a_connection_are_limited(rig: Rig) -> None:
    await rig.serve(keepalive_requests=3)
    caller = await rig.call(GET * 4)
    assert [(await caller.answer()).headers["connection"] for _ in range(3)] == ["keep-alive", "keep-alive", "close"]
    assert await caller.read_to_end() == b""
