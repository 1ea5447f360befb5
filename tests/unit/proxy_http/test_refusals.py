"""Requests that HTTP forbids: answered, never forwarded, and the connection is closed."""

import time

import pytest
from unit.proxy_http.http_rig import HOST, Rig

CHUNKED = "Transfer-Encoding: chunked\r\n"
BAD_HEADS = {
    "length and coding": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "two equal lengths": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "list of lengths": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 1, 1\r\n\r\na",
    "signed length": f"POST / HTTP/1.1\r\n{HOST}Content-Length: +1\r\n\r\na",
    "negative length": f"POST / HTTP/1.1\r\n{HOST}Content-Length: -1\r\n\r\n",
    "hexadecimal length": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 0x1\r\n\r\na",
    "length with underscore": f"POST / HTTP/1.1\r\n{HOST}Content-Length: 1_0\r\n\r\n",
    "empty length": f"POST / HTTP/1.1\r\n{HOST}Content-Length:\r\n\r\n",
    "huge length": f"POST / HTTP/1.1\r\n{HOST}Content-Length: {'9' * 30}\r\n\r\n",
    "two codings": f"POST / HTTP/1.1\r\n{HOST}{CHUNKED}{CHUNKED}\r\n0\r\n\r\n",
    "identity last": f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "vertical tab before coding": f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding in 1.0": f"POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": "GET / HTTP/1.1\nHost: a.example\n\n",
    "one bare line feed": "GET / HTTP/1.1\r\nHost: a.example\nX: 1\r\n\r\n",
    "bare carriage return": f"GET / HTTP/1.1\r\n{HOST}X: a\rb\r\n\r\n",
    "nul": f"GET / HTTP/1.1\r\n{HOST}X: a\0b\r\n\r\n",
    "control byte in value": f"GET / HTTP/1.1\r\n{HOST}X: a\x01b\r\n\r\n",
    "control byte in name": f"GET / HTTP/1.1\r\n{HOST}X\x01: a\r\n\r\n",
    "folded line": f"GET / HTTP/1.1\r\n{HOST}X: a\r\n b\r\n\r\n",
    "folded first line": f"GET / HTTP/1.1\r\n X: a\r\n{HOST}\r\n",
    "space before colon": f"POST / HTTP/1.1\r\n{HOST}Content-Length : 1\r\n\r\na",
    "no colon": f"GET / HTTP/1.1\r\n{HOST}X\r\n\r\n",
    "empty name": f"GET / HTTP/1.1\r\n{HOST}: x\r\n\r\n",
    "no host": "GET / HTTP/1.1\r\n\r\n",
    "empty host": "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "empty host in 1.0": "GET / HTTP/1.0\r\nHost:\r\n\r\n",
    "two hosts": "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two equal hosts": "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "two hosts in 1.0": "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "host with space": "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "host with path": "GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n",
    "host with user": "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "host list": "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n",
    "host with two dots": "GET / HTTP/1.1\r\nHost: a..b\r\n\r\n",
    "host of a dot": "GET / HTTP/1.1\r\nHost: .\r\n\r\n",
    "host with high byte": "GET / HTTP/1.1\r\nHost: \xe4.example\r\n\r\n",
    "absolute target with user": "GET http://u@a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "absolute target without host": "GET http:///x HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "absolute target, no Host": "GET http://a.example/ HTTP/1.1\r\n\r\n",
    "foreign scheme": "GET ftp://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "fragment": f"GET /a#b HTTP/1.1\r\n{HOST}\r\n",
    "fragment of an absolute target": f"GET http://a/#b HTTP/1.1\r\n{HOST}\r\n",
    "no slash": f"GET nope HTTP/1.1\r\n{HOST}\r\n",
    "asterisk": f"OPTIONS * HTTP/1.1\r\n{HOST}\r\n",
    "connect": f"CONNECT a.example:80 HTTP/1.1\r\n{HOST}\r\n",
    "control byte in target": f"GET /a\x01 HTTP/1.1\r\n{HOST}\r\n",
    "tab in request line": f"GET\t/ HTTP/1.1\r\n{HOST}\r\n",
    "two spaces": f"GET  / HTTP/1.1\r\n{HOST}\r\n",
    "two spaces before the version": f"GET /  HTTP/1.1\r\n{HOST}\r\n",
    "space behind the version": f"GET / HTTP/1.1 \r\n{HOST}\r\n",
    "space in target": f"GET /a b HTTP/1.1\r\n{HOST}\r\n",
    "no version": f"GET /\r\n{HOST}\r\n",
    "bad version": f"GET / HTTP/1.x\r\n{HOST}\r\n",
    "lower-case method": f"get / HTTP/1.1\r\n{HOST}\r\n",
    "space before the method": f" GET / HTTP/1.1\r\n{HOST}\r\n",
    "TLS on the plain port": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}
OTHER_REFUSALS = {
    "connect to a path": (f"CONNECT / HTTP/1.1\r\n{HOST}\r\n", 405),
    "list of codings": (f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "unknown coding": (f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "coding of a trace": (f"TRACE / HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip\r\n\r\n", 501),
    "path of a trace": (f"TRACE /%zz HTTP/1.1\r\n{HOST}\r\n", 400),
    "trace without host": ("TRACE / HTTP/1.1\r\n\r\n", 400),
    "two credentials": (f"GET / HTTP/1.1\r\n{HOST}Authorization: Basic YQ==\r\nAuthorization: Basic Yg==\r\n\r\n", 400),
    "trace": (f"TRACE / HTTP/1.1\r\n{HOST}\r\n", 405),
    "version 3": (f"GET / HTTP/3.0\r\n{HOST}\r\n", 505),
    "version 1.2": (f"GET / HTTP/1.2\r\n{HOST}\r\n", 505),
    "HTTP/2 preface": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "long target": (f"GET /{'a' * 9000} HTTP/1.1\r\n{HOST}\r\n", 414),
    "long line without end": (f"GET /{'a' * 9000}", 414),
}
TOO_LARGE = {
    "long header": f"GET / HTTP/1.1\r\n{HOST}X: {'b' * 9000}\r\n\r\n",
    "five of 7000": f"GET / HTTP/1.1\r\n{HOST}" + "".join(f"X{n}: {'c' * 7000}\r\n" for n in range(5)) + "\r\n",
    "head without end": f"GET / HTTP/1.1\r\n{HOST}" + "".join(f"X{n}: {'c' * 7000}\r\n" for n in range(5)),
}
BAD_CHUNKS = {
    "no digits": "x\r\n",
    "sign": "+1\r\na\r\n0\r\n\r\n",
    "prefix": "0x1\r\na\r\n0\r\n\r\n",
    "space": "1 \r\na\r\n0\r\n\r\n",
    "space before": " 1\r\na\r\n0\r\n\r\n",
    "underscore": "1_0\r\na\r\n0\r\n\r\n",
    "too large": "f" * 16 + "\r\na",
    "empty size": "\r\n\r\n",
    "bare line feed behind size": "1\na\r\n0\r\n\r\n",
    "bare line feed behind data": "1\r\na\n0\r\n\r\n",
    "line feed in extension": "1;a\nb\r\na\r\n0\r\n\r\n",
    "carriage return in extension": "1;a\rb\r\na\r\n0\r\n\r\n",
    "nul in extension": "1;\0\r\na\r\n0\r\n\r\n",
    "longer than its size": "1\r\nab\r\n0\r\n\r\n",
    "endless extension": "1;" + "a" * 5000,
    "trailer without colon": "0\r\nx\r\n\r\n",
    "folded trailer": "0\r\nA: b\r\n c\r\n\r\n",
    "bare line feed in trailer": "0\r\nA: b\n\r\n\r\n",
    "endless trailers": "0\r\n" + "A: b\r\n" * 3000,
}


async def check(rig: Rig, data: str, status: int, page: bytes) -> None:
    got = await rig.refusal(data)
    assert got.startswith(b"HTTP/1.1 %d " % status), got
    assert got.count(b"HTTP/1.1") == 1
    assert b"\r\nConnection: close\r\n" in got
    assert got.endswith(b"\r\n\r\n" + page)
    assert [r.status for r in rig.records] == [status]


@pytest.mark.parametrize("data", BAD_HEADS.values(), ids=BAD_HEADS.keys())
async def test_bad_heads(rig: Rig, data: str) -> None:
    await check(rig, data, 400, b"<page 400>")
    assert len(rig.records[0].log.request_id) == 32
    assert not rig.heads
    assert not rig.endpoint.visits


@pytest.mark.parametrize(("data", "status"), OTHER_REFUSALS.values(), ids=OTHER_REFUSALS.keys())
async def test_other_refusals(rig: Rig, data: str, status: int) -> None:
    await check(rig, data, status, b"<page %d>" % status)
    assert not rig.heads


@pytest.mark.parametrize("data", TOO_LARGE.values(), ids=TOO_LARGE.keys())
async def test_too_large_heads(rig: Rig, data: str) -> None:
    await check(rig, data, 400, b"<page 494>")
    assert not rig.heads


async def test_large_heads_within_the_limits(rig: Rig) -> None:
    caller = await rig.call()
    assert (await caller.ask(f"GET /{'a' * 8000} HTTP/1.1\r\n{HOST}\r\n")).status == 200
    many = "".join(f"X{n}: {'c' * 7000}\r\n" for n in range(3))
    assert (await caller.ask(f"GET / HTTP/1.1\r\n{HOST}{many}\r\n")).status == 200
    few = "".join(f"X{n}: {n}\r\n" for n in range(300))
    assert (await caller.ask(f"GET / HTTP/1.1\r\n{HOST}{few}\r\n")).status == 200


@pytest.mark.parametrize("data", BAD_CHUNKS.values(), ids=BAD_CHUNKS.keys())
async def test_bad_chunks(rig: Rig, data: str) -> None:
    await check(rig, f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n{data}", 400, b"<page 400>")
    await rig.settled()
    for head in rig.endpoint.requests:
        assert b"chunked" in head  # begun at most, and never ended by us


async def test_bad_chunk_later(rig: Rig) -> None:
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")

    async def script(visit):  # type: ignore[no-untyped-def]
        await visit.request()
        assert await visit.read(8) == b"3\r\nabc\r\n"
        await caller.send("z\r\n")
        assert await visit.read_to_end() == b""

    rig.endpoint.script = script
    assert (await caller.answer()).status == 400


@pytest.mark.parametrize("first", ["GET /1", "POST /1"])
async def test_a_bad_request_behind_a_good_one(rig: Rig, first: str) -> None:
    """The good one is answered first; what is behind the bad one is not looked at."""
    body = "Content-Length: 0\r\n" if first.startswith("POST") else ""
    got = await rig.refusal(
        f"{first} HTTP/1.1\r\n{HOST}{body}\r\nGET nope HTTP/1.1\r\n{HOST}\r\nGET /3 HTTP/1.1\r\n{HOST}\r\n"
    )

    assert got.count(b"HTTP/1.1 200") == 1
    assert got.count(b"HTTP/1.1 400") == 1
    assert got.index(b"HTTP/1.1 200") < got.index(b"HTTP/1.1 400")
    assert [h.target for h in rig.heads] == [b"/1"]


async def test_empty_lines_before_a_request_are_skipped(rig: Rig) -> None:
    caller = await rig.call()
    assert (await caller.ask(f"\r\n\r\nGET / HTTP/1.1\r\n{HOST}\r\n")).status == 200
    await caller.send("\r\n")
    assert (await caller.ask(f"GET / HTTP/1.1\r\n{HOST}\r\n")).status == 200


async def test_a_flood_of_empty_lines_costs_little(rig: Rig) -> None:
    started = time.process_time()
    caller = await rig.call("\r\n" * (1 << 20))
    assert (await caller.ask(f"GET / HTTP/1.1\r\n{HOST}\r\n")).status == 200
    assert time.process_time() - started < 1.0  # taken off one by one: some 3 s


async def test_no_request_leaks_out_of_a_body(rig: Rig) -> None:
    """Bytes of a body that look like a request stay a body; what follows it is the next request."""
    inner = f"GET /inner HTTP/1.1\r\n{HOST}\r\n"

    async def script(visit):  # type: ignore[no-untyped-def]
        await visit.request()
        assert await visit.read(len(inner)) == inner.encode()
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    rig.endpoint.script = script
    caller = await rig.call(
        f"POST /outer HTTP/1.1\r\n{HOST}Content-Length: {len(inner)}\r\n\r\n{inner}GET /next HTTP/1.1\r\n{HOST}\r\n"
    )
    await caller.answer()
    await caller.answer()
    assert [h.target for h in rig.heads] == [b"/outer", b"/next"]
