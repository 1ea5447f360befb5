"""Answers that are changed on their way: pages instead of errors, swapped headers, gzip, speed, copies of requests."""

import asyncio
import contextlib
import gzip
import socket
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from unit.proxy_http.http_rig import ANSWER, HOST, Chosen, Endpoint, Rig, Visit, always, until

from serin.dataplane.proxy.answer_swaps import Swaps
from serin.dataplane.proxy.changes import Changes
from serin.dataplane.proxy.compression import ReadyCompression
from serin.dataplane.proxy.connection_settings import UpstreamSettings
from serin.dataplane.proxy.error_pages import ReadyErrors
from serin.dataplane.proxy.mirroring import MOST_BODIES, MOST_BODY, Mirrors, ReadyMirror
from serin.dataplane.proxy.subrequest import ReadyBeside, Subrequests
from serin.refs import Ref, Source
from serin.routing.answers import Bandwidth, ErrorPages, Swap
from serin.routing.beside import Beside, Mirror
from serin.routing.wide import Compression

GET = f"GET /a?b=c HTTP/1.1\r\n{HOST}Accept: text/css\r\n\r\n"
GZIP = f"GET / HTTP/1.1\r\n{HOST}Accept-Encoding: br, gzip\r\n\r\n"
SOURCE = Source(Ref("Ingress", "ns", "shop"), "spec")
BESIDE = Beside("e" * 16, "f" * 16, "p", "ns-pages-80")
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: 4\r\n\r\npage"
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnever"
TEXT = b"a text that says little, again and again. " * 100


@contextlib.contextmanager
def free_port() -> Iterator[int]:
    """A port that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


class FixedSplit:
    """Always the same endpoint, or none."""

    def __init__(self, port: int, others: list[int] | None = None) -> None:
        self.port = port
        self.others = others or []
        self.choices: list[Chosen] = []

    def decide(self, forced: int = -1, excluded: int = 0, key: int = 0, flags: int = 0) -> Any:
        if not self.port:
            return -1
        self.choices.append(Chosen(self.port, list(self.others)))
        return self.choices[-1]


class Beyond:
    """Another endpoint, which is not the route's."""

    def __init__(self, answer: bytes) -> None:
        self.endpoint = Endpoint(always(answer))
        self.split = FixedSplit(0)

    async def start(self) -> ReadyBeside:
        await self.endpoint.start()
        self.split.port = self.endpoint.port
        return ReadyBeside(self.split, UpstreamSettings(), "ns-pages-80")


async def with_pages(rig: Rig, *codes: int, answer: bytes = PAGE, own_only: bool = False) -> Beyond:
    beyond = Beyond(answer)
    to = await beyond.start()
    errors = ReadyErrors(ErrorPages(codes, BESIDE, SOURCE, own_only=own_only), to)
    rig.forward_options = {"changes": Changes(errors=errors), "answer_prelude": b"X-Ours: 1\r\n"}
    return beyond


# --- error pages ---


async def test_the_page_of_an_error_is_asked_for_and_passed_on(rig: Rig) -> None:
    beyond = await with_pages(rig, 404)
    rig.endpoint.script = always(MISSING)
    caller = await rig.call()
    for _ in range(2):
        reply = await caller.ask(GET)
        assert (reply.status, reply.body, reply.headers["x-ours"]) == (200, b"page", "1")
    head = beyond.endpoint.requests[0]
    assert head.startswith(b"GET /?b=c HTTP/1.0\r\nHost: a.example\r\n")
    for line in (b"X-Code: 404", b"X-Format: text/css", b"X-Original-URI: /a?b=c", b"Connection: close"):
        assert line + b"\r\n" in head
    assert [choice.finished for choice in rig.choices] == [[(404, False)]] * 2
    await until(lambda: [c.finished for c in beyond.split.choices] == [[(200, False)]] * 2, "the pages to be counted")
    record = rig.records[0]
    assert record.choice is rig.choices[0], "the exchange counts for the route's version"  # type: ignore[attr-defined]
    assert [attempt.status for attempt in record.earlier] == [404]
    assert record.upstream_status == record.status == 200
    await beyond.endpoint.stop()


async def test_other_statuses_pass(rig: Rig) -> None:
    beyond = await with_pages(rig, 500)
    rig.endpoint.script = always(MISSING)
    assert (await rig.ask(GET)).status == 404
    assert not beyond.endpoint.requests
    await beyond.endpoint.stop()


async def test_only_our_own_errors_where_endpoints_ones_stay(rig: Rig) -> None:
    beyond = await with_pages(rig, 404, 502, own_only=True)
    rig.endpoint.script = always(MISSING)
    assert (await rig.ask(GET)).status == 404
    await rig.endpoint.stop()
    assert (await rig.ask(GET)).body == b"page"
    await beyond.endpoint.stop()


async def test_an_endpoint_that_does_not_answer_is_an_error_too(rig: Rig) -> None:
    beyond = await with_pages(rig, 502)
    await rig.endpoint.stop()
    reply = await rig.ask(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 3\r\n\r\nabc")
    assert (reply.status, reply.body) == (200, b"page")
    assert b"POST / HTTP/1.0\r\n" in beyond.endpoint.requests[0]
    assert b"Content-Length: 0\r\n" in beyond.endpoint.requests[0]
    assert rig.choices[0].finished == [(502, True)]
    await beyond.endpoint.stop()


async def test_a_page_is_asked_for_at_another_endpoint_where_one_fails(rig: Rig) -> None:
    beyond = await with_pages(rig, 404)
    rig.endpoint.script = always(MISSING)
    with free_port() as nobody:
        beyond.split.others, beyond.split.port = [beyond.endpoint.port], nobody
        assert (await rig.ask(GET)).body == b"page"
    await until(lambda: beyond.split.choices[0].finished, "the page to be counted")
    assert [attempt.status for attempt in rig.records[0].earlier] == [404, 502]
    assert rig.choices[0].finished == [(404, False)]
    await beyond.endpoint.stop()


async def test_a_client_that_does_not_wait_for_the_page(rig: Rig) -> None:
    beyond = await with_pages(rig, 404)
    rig.endpoint.script = always(MISSING)

    async def asleep(visit: Visit) -> None:
        await visit.request()
        await visit.read_to_end()

    beyond.endpoint.script = asleep
    caller = await rig.call(GET)
    await until(lambda: beyond.endpoint.requests, "the page to be asked for")
    caller.cut()
    await until(lambda: rig.choices[0].finished, "the exchange to be over")
    assert (rig.choices[0].finished, beyond.split.choices[0].finished) == ([(404, False)], [(0, False)])
    await beyond.endpoint.stop()


async def test_a_page_that_fails_is_no_reason_for_another(rig: Rig) -> None:
    beyond = await with_pages(rig, 404, 502, answer=MISSING)
    rig.endpoint.script = always(MISSING)
    assert (await rig.ask(GET)).status == 404
    await beyond.endpoint.stop()
    reply = await rig.ask(GET)
    assert (reply.status, reply.body) == (502, b"<page 502>")
    beyond.split.port = 0
    reply = await rig.ask(GET)
    assert (reply.status, reply.body) == (503, b"<page 503>")


async def test_the_rest_of_a_body_that_an_error_page_does_not_get_is_dropped(rig: Rig) -> None:
    beyond = await with_pages(rig, 404)

    async def early(visit: Visit) -> None:
        await visit.request()
        await visit.send(MISSING)
        await visit.read_to_end()

    rig.endpoint.script = early
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 6\r\n\r\nabc")
    reply = await caller.answer()
    assert reply.body == b"page"
    rig.endpoint.script = always(ANSWER)
    reply = await caller.ask(b"def" + GET.encode())
    assert (reply.status, reply.body) == (200, b"ok")
    await beyond.endpoint.stop()


async def test_a_body_that_grows_too_long_gets_the_page_of_413(rig: Rig) -> None:
    beyond = await with_pages(rig, 413)
    rig.forward_options["max_body"] = 10

    async def patient(visit: Visit) -> None:
        await visit.request()
        await visit.read_to_end()

    rig.endpoint.script = patient
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
    await until(lambda: rig.endpoint.requests, "the request")
    reply = await caller.ask("9\r\nabcdefghi\r\n")
    assert (reply.status, reply.body, reply.headers["connection"]) == (200, b"page", "close")
    await beyond.endpoint.stop()


async def test_a_request_for_a_page_in_the_place_of_our_own_answer(rig: Rig) -> None:
    """As the gate asks for it: the client's body stays where it is."""
    beyond = Beyond(PAGE)
    to = await beyond.start()
    errors = ReadyErrors(ErrorPages((413,), BESIDE, SOURCE), to)
    ordinary = rig.gate

    def gate(head: Any, client: Any) -> Any:
        if not head.content_length:
            return ordinary(head, client)
        return errors.page(413, head, client, rig.forward(head, client).log, b"", frozenset())

    rig.gate = gate
    caller = await rig.call()
    reply = await caller.ask(f"POST / HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nabcde")
    assert (reply.status, reply.body) == (200, b"page")
    assert (await caller.ask(GET)).body == b"ok"
    rig.choices = [choice for choice in rig.choices if choice.finished]
    await beyond.endpoint.stop()


# --- headers ---


async def test_swapped_headers_do_not_touch_what_is_kept_for_other_routes(rig: Rig) -> None:
    rig.endpoint.script = always(
        b"HTTP/1.1 302 Found\r\nSet-Cookie: a=1; Path=/in/x; Domain=in.example\r\n"
        b"Location: http://in/y\r\nContent-Length: 0\r\n\r\n"
    )
    swaps = Swaps(Swap("in.example", "out.example"), Swap("/in", "/out"), Swap("http://in/", "https://out/"))
    rig.forward_options = {"changes": Changes(swaps=swaps)}
    for _ in range(2):
        reply = await rig.ask(GET)
        assert reply.headers["set-cookie"] == "a=1; Path=/out/x; Domain=out.example"
        assert reply.headers["location"] == "https://out/y"
    rig.forward_options = {}
    assert (await rig.ask(GET)).headers["location"] == "http://in/y"


# --- gzip ---


def compressing(rig: Rig, **settings: Any) -> None:
    rig.forward_options = {"changes": Changes(compression=ReadyCompression(Compression(gzip=True, **settings)))}


def page_of(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(header + b"\r\n" for header in (b"Content-Type: text/html; charset=x", *headers))
    return b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def test_text_is_compressed_for_who_takes_it(rig: Rig) -> None:
    compressing(rig)
    rig.endpoint.script = always(page_of(TEXT, b'ETag: "1"', b"Accept-Ranges: bytes"))
    caller = await rig.call()
    for _ in range(2):
        reply = await caller.ask(GZIP)
        assert gzip.decompress(reply.body) == TEXT
        assert reply.headers["content-encoding"] == "gzip"
        assert (reply.headers["etag"], reply.headers["vary"]) == ('W/"1"', "Accept-Encoding")
        assert not {"content-length", "accept-ranges"} & reply.names
    plain = await caller.ask(GET)
    assert (plain.body, plain.headers["vary"], plain.headers["etag"]) == (TEXT, "Accept-Encoding", '"1"')
    assert plain.headers["content-length"] == str(len(TEXT))
    assert rig.records[0].upstream_length == len(TEXT)
    assert rig.records[0].body_bytes < len(TEXT) // 4


@pytest.mark.parametrize(
    "answer",
    [
        page_of(b"short"),
        page_of(TEXT, b"Content-Encoding: br"),
        page_of(TEXT).replace(b"text/html", b"image/png"),
        page_of(TEXT).replace(b"200 OK", b"500 Oh"),
    ],
)
async def test_what_is_not_compressed(rig: Rig, answer: bytes) -> None:
    compressing(rig)
    rig.endpoint.script = always(answer)
    reply = await rig.ask(GZIP)
    assert answer.endswith(reply.body)
    assert "vary" not in reply.names


async def test_types_are_those_asked_for(rig: Rig) -> None:
    compressing(rig, types=("application/json",))
    rig.endpoint.script = always(page_of(TEXT).replace(b"text/html", b"Application/JSON"))
    assert gzip.decompress((await rig.ask(GZIP)).body) == TEXT


async def test_clients_of_http_1_0_get_no_gzip(rig: Rig) -> None:
    compressing(rig)
    rig.endpoint.script = always(page_of(TEXT))
    assert (await rig.ask(GZIP.replace("HTTP/1.1", "HTTP/1.0"))).body == TEXT


@pytest.mark.parametrize(
    ("accepted", "coded"),
    [("gzip", True), ("GZIP;q=0.1", True), ("gzip;q=0", False), ("gzip; q=0.00, br", False), ("xgzip", False)],
)
async def test_who_takes_gzip(rig: Rig, accepted: str, coded: bool) -> None:
    compressing(rig)
    rig.endpoint.script = always(page_of(TEXT))
    reply = await rig.ask(GZIP.replace("br, gzip", accepted))
    assert ("content-encoding" in reply.names) is coded


async def test_head_has_the_headers_of_the_plain_answer(rig: Rig) -> None:
    compressing(rig)
    rig.endpoint.script = always(page_of(TEXT).replace(TEXT, b""))
    reply = await rig.ask(GZIP.replace("GET", "HEAD"), "HEAD")
    assert "content-encoding" not in reply.names


async def test_a_stream_arrives_as_it_happens(rig: Rig) -> None:
    compressing(rig)
    goes_on = asyncio.Event()

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
        )
        await goes_on.wait()
        await visit.send(b"6\r\nsecond\r\n0\r\n\r\n")

    rig.endpoint.script = script
    caller = await rig.call(GZIP)
    await caller.head()
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert decoder.decompress(await caller.chunk()) == b"first"
    goes_on.set()
    rest = b""
    while part := await caller.chunk():
        rest += decoder.decompress(part)
    assert (rest, decoder.eof) == (b"second", True)


async def test_a_compressed_answer_that_breaks_off_is_seen_to(rig: Rig) -> None:
    compressing(rig)

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(page_of(TEXT)[:-100])

    rig.endpoint.script = script
    got = await rig.refusal(GZIP)
    assert not got.endswith(b"0\r\n\r\n")


# --- speed ---


async def test_an_answer_is_as_slow_as_asked_for(rig: Rig) -> None:
    rig.forward_options = {"changes": Changes(bandwidth=Bandwidth(200_000, 50_000))}
    body = b"x" * 290_000
    rig.endpoint.script = always(page_of(body))
    caller = await rig.call()
    began = time.monotonic()
    reply = await caller.ask(GET)
    elapsed = time.monotonic() - began
    assert reply.body == body
    assert elapsed >= 0.19, "nginx lets a second's worth go at once, and what is free before"
    assert (await caller.ask(GET)).body == body
    assert [record.body_bytes for record in rig.records] == [len(body), len(body)]


async def test_a_client_that_leaves_a_slow_answer_is_let_go(rig: Rig) -> None:
    rig.forward_options = {"changes": Changes(bandwidth=Bandwidth(1000))}
    rig.endpoint.script = always(page_of(b"x" * 100_000))
    caller = await rig.call(GET)
    await caller.head()
    caller.cut()
    await until(lambda: rig.choices[0].finished, "the exchange to be over")
    assert rig.choices[0].finished == [(200, False)]


async def test_an_endpoint_is_not_read_faster_than_its_client_gets(rig: Rig) -> None:
    rig.forward_options = {"changes": Changes(bandwidth=Bandwidth(1000))}
    sent = 0

    async def script(visit: Visit) -> None:
        nonlocal sent
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(100):
            await visit.send(b"x" * 1_000_000)
            sent += 1

    rig.endpoint.script = script
    caller = await rig.call(GET)
    await caller.head()
    await until(lambda: rig.server.pool.open and all(u._read_paused for u in rig.server.pool.open), "the endpoint held")
    assert sent < 50
    caller.cut()


# --- mirrors ---


async def mirroring(rig: Rig, *, body: bool = True, script: Any = None) -> Beyond:
    beyond = Beyond(ANSWER)
    if script is not None:
        beyond.endpoint.script = script
    to = await beyond.start()
    mirror = Mirror(BESIDE, "$host", "/copy$request_uri", body, SOURCE)
    ready = ReadyMirror(mirror, to, Mirrors(Subrequests(rig.server.pool)), {})
    rig.forward_options = {"changes": Changes(mirror=ready)}
    return beyond


async def test_a_copy_goes_to_the_mirror(rig: Rig) -> None:
    beyond = await mirroring(rig)
    caller = await rig.call()
    assert (await caller.ask(GET)).body == b"ok"
    await until(lambda: beyond.endpoint.requests, "the copy")
    assert beyond.endpoint.requests[0].startswith(
        b"GET /copy/a?b=c HTTP/1.1\r\nHost: a.example\r\nAccept: text/css\r\n"
    )
    assert len(rig.endpoint.requests) == 1
    await beyond.endpoint.stop()


@pytest.mark.parametrize("body", [True, False])
async def test_a_copy_has_the_body_where_asked_for(rig: Rig, body: bool) -> None:
    bodies: list[bytes] = []

    async def script(visit: Visit) -> None:
        head = await visit.request()
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        bodies.append(await visit.read(length))
        await visit.send(ANSWER)

    async def reading(visit: Visit) -> None:
        await visit.request()
        assert await visit.chunked() == b"abcdef"
        await visit.send(ANSWER)

    beyond = await mirroring(rig, body=body, script=script)
    rig.endpoint.script = reading
    caller = await rig.call(f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    await caller.send("3\r\ndef\r\n0\r\n\r\n")
    assert (await caller.answer()).body == b"ok"
    await until(lambda: bodies, "the copy")
    assert bodies == [b"abcdef" if body else b""]
    await beyond.endpoint.stop()


async def test_a_mirror_that_fails_or_sleeps_is_not_noticed(rig: Rig) -> None:
    async def asleep(visit: Visit) -> None:
        await visit.request()
        await visit.read_to_end()

    beyond = await mirroring(rig, script=asleep)
    assert (await rig.ask(GET)).body == b"ok"
    await until(lambda: beyond.endpoint.requests, "the copy")
    await beyond.endpoint.stop()
    beyond.split.port = 0
    assert (await rig.ask(GET)).body == b"ok"


async def test_bodies_that_are_still_coming_in_have_their_room_too(rig: Rig) -> None:
    """Else each of a worker's connections could hold a megabyte, as slowly as it likes."""
    beyond = await mirroring(rig)
    mirrors = rig.forward_options["changes"].mirror.mirrors

    async def reading(visit: Visit) -> None:
        await visit.request()
        await visit.read(6)
        await visit.send(ANSWER)

    rig.endpoint.script = reading
    half = f"POST / HTTP/1.1\r\n{HOST}Content-Length: 6\r\n\r\nabc"
    left, stays = await rig.call(half), await rig.call(half)
    await until(lambda: mirrors.held == 6, "both are counted")
    left.cut()
    await until(lambda: mirrors.held == 3, "who left is not")
    assert mirrors.hold(MOST_BODIES - 3)
    await stays.send("def")
    assert (await stays.answer()).body == b"ok"
    assert mirrors.held == MOST_BODIES - 3
    assert beyond.endpoint.requests == []
    await beyond.endpoint.stop()


async def test_a_body_too_long_is_not_copied(rig: Rig) -> None:
    size = MOST_BODY + 1
    beyond = await mirroring(rig)
    rig.forward_options["max_body"] = 0

    async def reading(visit: Visit) -> None:
        while head := await visit.request():
            if b"POST" in head:
                await visit.read(size)
            await visit.send(ANSWER)

    rig.endpoint.script = reading
    caller = await rig.call(f"POST /long HTTP/1.1\r\n{HOST}Content-Length: {size}\r\n\r\n")
    await caller.send(b"x" * size)
    assert (await caller.answer()).body == b"ok"
    assert (await caller.ask(GET)).body == b"ok"
    await until(lambda: beyond.endpoint.requests, "the second copy")
    assert b"/long" not in b"".join(beyond.endpoint.requests)
    await beyond.endpoint.stop()
