"""Requests of our own: answers come whole, connections are kept and renewed, every choice is counted once."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from unit.proxy_http.http_rig import ANSWER, Chosen, Rig, Visit, always, until

from serin.dataplane.proxy.connection_settings import UpstreamSettings
from serin.dataplane.proxy.subrequest import DROPPED_AT_MOST, ReadyBeside, SubAnswer, SubrequestFailedError, Subrequests

LONG = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n%b\r\n" % (b"a" * 4096) * 20


class Ends:
    """A split of one version: its choices go through `ports`."""

    def __init__(self, *ports: int) -> None:
        self.ports = ports
        self.choices: list[Chosen] = []

    def decide(self, forced: int = -1, excluded: int = 0, key: int = 0, flags: int = 0) -> Any:
        if not self.ports:
            return -1
        self.choices.append(Chosen(self.ports[0], list(self.ports[1:])))
        return self.choices[-1]


def to(ends: Ends, **settings: Any) -> ReadyBeside:
    return ReadyBeside(ends, replace(UpstreamSettings(), **settings), "default-auth-80")


async def ask(rig: Rig, ends: Ends, method: str = "GET", **more: Any) -> SubAnswer:
    return await Subrequests(rig.server.pool).ask(to(ends), method, b"/check?a=b", b"auth.example", **more)


async def test_request_and_answer_on_one_connection(rig: Rig) -> None:
    rig.endpoint.script = always(b"HTTP/1.1 401 No\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 2\r\n\r\nno")
    ends = Ends(rig.endpoint.port)
    answer = await ask(rig, ends, headers=b"X-A: 1\r\n")
    await ask(rig, ends)
    assert (answer.status, answer.body, answer.all(b"set-cookie")) == (401, b"no", [b"a", b"b"])
    assert answer.get(b"set-cookie") == b"a, b"
    assert answer.get(b"x-none") is None
    assert rig.endpoint.requests[0] == b"GET /check?a=b HTTP/1.1\r\nHost: auth.example\r\nX-A: 1\r\n\r\n"
    assert len(rig.endpoint.visits) == 1
    assert [choice.finished for choice in ends.choices] == [[(401, False)], [(401, False)]]


async def test_body_is_sent(rig: Rig) -> None:
    bodies = []

    async def script(visit: Visit) -> None:
        await visit.request()
        bodies.append(await visit.read(3))
        await visit.send(ANSWER)

    rig.endpoint.script = script
    await ask(rig, Ends(rig.endpoint.port), "POST", body=b"abc")
    assert bodies == [b"abc"]
    assert b"Content-Length: 3\r\n" in rig.endpoint.requests[0]


async def test_kept_connection_that_was_closed_is_renewed(rig: Rig) -> None:
    rig.endpoint.script = always(ANSWER, close=True)
    ends = Ends(rig.endpoint.port)
    for _ in range(3):
        assert (await ask(rig, ends)).body == b"ok"


async def test_another_endpoint_after_a_refused_connection(rig: Rig) -> None:
    other = await rig.add_endpoint(always(ANSWER, close=True))
    await other.stop()
    ends = Ends(other.port, rig.endpoint.port)
    assert (await ask(rig, ends)).status == 200


@pytest.mark.parametrize("most", [1, 0])
async def test_long_bodies(rig: Rig, most: int) -> None:
    """A wanted one is a failure; one that nobody wants is not waited for."""
    assert len(LONG) > DROPPED_AT_MOST

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(LONG)
        await visit.read_to_end()

    rig.endpoint.script = script
    ends = Ends(rig.endpoint.port)
    if most:
        with pytest.raises(SubrequestFailedError, match="longer than 1 bytes"):
            await ask(rig, ends, most=most)
    else:
        assert (await ask(rig, ends, most=most)).body == b""
    await until(lambda: rig.endpoint.lost, "the connection to be given up")
    assert len(ends.choices[0].finished) == 1


@pytest.mark.parametrize(("script", "status"), [(b"rubbish\r\n\r\n", 502), (b"HTTP/1.1 200 OK\r\n", 502)])
async def test_failures(rig: Rig, script: bytes, status: int) -> None:
    rig.endpoint.script = always(script, close=True)
    ends = Ends(rig.endpoint.port)
    with pytest.raises(SubrequestFailedError) as failed:
        await ask(rig, ends)
    assert failed.value.status == status
    assert ends.choices[0].finished == [(status, True)]


async def test_too_slow(rig: Rig) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.read_to_end()

    rig.endpoint.script = script
    ends = Ends(rig.endpoint.port)
    with pytest.raises(SubrequestFailedError) as failed:
        await Subrequests(rig.server.pool).ask(to(ends, read_timeout=0.01), "GET", b"/", b"a")
    assert failed.value.status == 504


async def test_nobody_to_ask(rig: Rig) -> None:
    with pytest.raises(SubrequestFailedError) as failed:
        await ask(rig, Ends())
    assert failed.value.status == 503


async def test_cancelled(rig: Rig) -> None:
    asked = asyncio.Event()

    async def script(visit: Visit) -> None:
        await visit.request()
        asked.set()
        await visit.read_to_end()

    rig.endpoint.script = script
    ends = Ends(rig.endpoint.port)
    task = asyncio.ensure_future(ask(rig, ends))
    await asked.wait()
    task.cancel()
    await until(lambda: rig.endpoint.lost, "the endpoint to see that nobody waits")
    assert ends.choices[0].finished == [(0, False)]
