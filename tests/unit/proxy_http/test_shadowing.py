"""Copies of requests for a version in preview: which ones, what they look like, and that nobody notices them."""

from typing import Any

import pytest
from unit.proxy_http.http_rig import ANSWER, HOST, Rig, Visit, always, until
from unit.proxy_http.test_changed_answers import BESIDE, Beyond

from serin.dataplane.proxy.changes import Changes
from serin.dataplane.proxy.mirroring import Mirrors
from serin.dataplane.proxy.shadowing import ReadyShadow
from serin.dataplane.proxy.subrequest import Subrequests
from serin.refs import Ref, Source
from serin.routing.beside import Beside
from serin.routing.plan import Protocol, Shadow, Upstream
from serin.routing.rollout import ALL_PARTS

GET = f"GET /a?b=c HTTP/1.1\r\n{HOST}Accept: text/css\r\nX-Canary-Mirror: 7\r\nCookie: a=b\r\n\r\n"
SOURCE = Source(Ref("CanaryRoute", "ns", "shop"), "spec.rollout.steps[0].mirror")


async def shadowed(
    rig: Rig, parts: int = ALL_PARTS, *, drawn: float = 0.0, script: Any = None, to: Beside = BESIDE
) -> Beyond:
    beyond = Beyond(ANSWER)
    if script is not None:
        beyond.endpoint.script = script
    ready = await beyond.start()
    shadow = ReadyShadow(Shadow(to, parts, SOURCE), ready, Mirrors(Subrequests(rig.server.pool)), lambda: drawn)
    rig.forward_options = {"changes": Changes(shadow=shadow)}
    return beyond


async def test_a_copy_is_the_request_as_its_version_would_get_it(rig: Rig) -> None:
    beyond = await shadowed(rig)
    rig.forward_options |= {"target": b"/rewritten?b=c", "host": b"vhost", "prelude": b"X-A: 1\r\n"}
    rig.forward_options |= {"drop": frozenset({b"accept"})}
    assert (await rig.ask(GET)).body == b"ok"
    await until(lambda: beyond.endpoint.requests, "the copy")
    assert beyond.endpoint.requests == [
        b"GET /rewritten?b=c HTTP/1.1\r\nHost: vhost\r\nCookie: a=b\r\nX-A: 1\r\nX-Canary-Mirror: 1\r\n\r\n"
    ]
    assert len(rig.endpoint.requests) == 1
    assert b"X-Canary-Mirror: 7\r\n" in rig.endpoint.requests[0]
    await beyond.endpoint.stop()


async def test_its_answer_is_counted_by_its_own_split(rig: Rig) -> None:
    async def failing(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno")

    beyond = await shadowed(rig, script=failing)
    assert (await rig.ask(GET)).status == 200
    await until(lambda: beyond.split.choices and beyond.split.choices[0].finished, "the end of the copy")
    assert beyond.split.choices[0].finished == [(500, False)]
    await beyond.endpoint.stop()


@pytest.mark.parametrize(
    "text",
    [
        f"POST / HTTP/1.1\r\n{HOST}Content-Length: 0\r\n\r\n",
        f"DELETE / HTTP/1.1\r\n{HOST}\r\n",
        f"GET / HTTP/1.1\r\n{HOST}Content-Length: 3\r\n\r\nabc",
        f"GET / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        f"GET / HTTP/1.1\r\n{HOST}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
async def test_what_is_not_copied(rig: Rig, text: str) -> None:
    async def reading(visit: Visit) -> None:
        head = await visit.request()
        if b"chunked" in head:
            await visit.chunked()
        elif b"Content-Length: 3" in head:
            await visit.read(3)
        await visit.send(ANSWER)

    beyond = await shadowed(rig)
    rig.endpoint.script = reading
    assert (await rig.ask(text)).body == b"ok"
    assert beyond.split.choices == []
    await beyond.endpoint.stop()


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
async def test_other_methods_that_are_copied(rig: Rig, method: str) -> None:
    beyond = await shadowed(rig)
    caller = await rig.call(f"{method} / HTTP/1.1\r\n{HOST}\r\n")
    await until(lambda: beyond.endpoint.requests, "the copy")
    assert beyond.endpoint.requests[0].startswith(method.encode())
    caller.cut()
    await beyond.endpoint.stop()


@pytest.mark.parametrize(("parts", "drawn", "copies"), [(0, 0.0, 0), (10_000, 0.0999, 1), (10_000, 0.1, 0)])
async def test_a_share_of_them(rig: Rig, parts: int, drawn: float, copies: int) -> None:
    beyond = await shadowed(rig, parts, drawn=drawn)
    assert (await rig.ask(GET)).body == b"ok"
    await until(lambda: len(beyond.split.choices) == copies, "as many copies")
    await beyond.endpoint.stop()


@pytest.mark.parametrize("protocol", [Protocol.GRPC, Protocol.FCGI])
async def test_protocols_without_such_requests(rig: Rig, protocol: Protocol) -> None:
    to = Beside("e" * 16, "f" * 16, "p", "ns-pages-80", upstream=Upstream(protocol=protocol))
    beyond = await shadowed(rig, to=to)
    assert (await rig.ask(GET)).body == b"ok"
    assert beyond.split.choices == []
    await beyond.endpoint.stop()


async def test_a_version_that_fails_or_sleeps_is_not_noticed(rig: Rig) -> None:
    async def asleep(visit: Visit) -> None:
        await visit.request()
        await visit.read_to_end()

    beyond = await shadowed(rig, script=asleep)
    assert (await rig.ask(GET)).body == b"ok"
    await until(lambda: beyond.endpoint.requests, "the copy")
    await beyond.endpoint.stop()
    assert (await rig.ask(GET)).body == b"ok"
    beyond.split.port = 0
    assert (await rig.ask(GET)).body == b"ok"


async def test_an_attempt_made_again_is_copied_once(rig: Rig) -> None:
    beyond = await shadowed(rig)
    other = await rig.add_endpoint(always(ANSWER))

    async def closing(visit: Visit) -> None:
        await visit.request()

    rig.endpoint.script = closing
    assert (await rig.ask(GET)).body == b"ok"
    await until(lambda: beyond.endpoint.requests, "the copy")
    assert (len(rig.endpoint.requests), len(other.requests)) == (1, 1)
    assert len(beyond.split.choices) == 1
    await beyond.endpoint.stop()
