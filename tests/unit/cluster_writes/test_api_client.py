"""Calls against a small server of our own, for what a real API server does not do on demand."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from serin.cluster.api import Api, ApiError, ApiUnreachableError
from serin.cluster.server import Connection
from serin.errors import UsageError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """The server's URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def calling(connection: Callable[[], Connection], timeout: float = 5.0) -> AsyncIterator[Api]:
    api = Api(connection, timeout=timeout)
    try:
        yield api
    finally:
        await api.close()


async def test_a_list_whose_token_expired_begins_anew() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        token = request.query.get("continue", "")
        asked.append(token)
        if token == "old":
            return web.json_response({"reason": "Expired", "message": "too old"}, status=410)
        first = asked.count("") == 1
        meta = {"resourceVersion": "7", "continue": "old" if first else "" if token else "new"}
        return web.json_response({"kind": "ThingList", "apiVersion": "v1", "metadata": meta, "items": [{}]})

    async with serving(answer) as url, calling(lambda: Connection(url)) as api:
        listing = await api.list("/api/v1/things")
    assert asked == ["", "old", "", "new"]
    assert listing.items == [{"apiVersion": "v1", "kind": "Thing"}] * 2
    assert listing.version == "7"


async def test_a_call_that_takes_too_long_is_given_up() -> None:
    enough = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await enough.wait()
        return web.Response()

    async with serving(answer) as url, calling(lambda: Connection(url), timeout=0.1) as api:
        with pytest.raises(ApiUnreachableError, match="GET /x"):
            await api.get("/x")
        enough.set()
        assert [(dict(f.labels)["result"], f.value) for f in api.figures()] == [("unreachable", 1)]


async def test_nobody_there() -> None:
    async with calling(lambda: Connection("http://127.0.0.1:9")) as api:
        with pytest.raises(ApiUnreachableError, match=r"127\.0\.0\.1"):
            await api.get("/x")


async def test_a_refusal_that_is_no_status_is_shown_in_short() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>\n bad gateway" + "." * 2000)

    async with serving(answer) as url, calling(lambda: Connection(url)) as api:
        with pytest.raises(ApiError) as told:
            await api.create("/x", {})
    assert told.value.status == 502
    assert told.value.text.startswith("<html> bad gateway")
    assert len(told.value.text) <= 500


@pytest.mark.parametrize("body", ["", "[]", "{", "null"])
async def test_an_answer_that_is_no_object_is_no_answer(body: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body)

    async with serving(answer) as url, calling(lambda: Connection(url)) as api:
        with pytest.raises(ApiUnreachableError):
            await api.get("/x")


async def test_a_changed_server_is_gone_to_after_a_failure() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async with serving(answer) as url:
        urls = ["http://127.0.0.1:9"]
        async with calling(lambda: Connection(urls[0])) as api:
            with pytest.raises(ApiUnreachableError):
                await api.get("/x")
            urls[0] = url
            assert await api.get("/x") == {"ok": True}


async def test_calls_under_way_end_on_the_client_they_began_with() -> None:
    asked, enough = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/slow":
            asked.set()
            await enough.wait()
        return web.json_response({"path": request.path})

    async with serving(answer) as url:
        connections = [Connection(url)]
        async with calling(lambda: connections[0]) as api:
            slow = asyncio.create_task(api.get("/slow"))
            await asked.wait()
            connections[0] = Connection(url, ca="another one")
            api._transport._looked_at -= 1000
            assert await api.get("/fast") == {"path": "/fast"}
            enough.set()
            assert await slow == {"path": "/slow"}


async def test_a_proxy_that_refuses_is_told_without_its_password() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        connection = Connection("https://192.0.2.1:6443", proxy=f"http://me:SECRET@127.0.0.1:{port}")
        async with calling(lambda: connection) as api:
            with pytest.raises(ApiUnreachableError, match="the proxy answers 407") as told:
                await api.get("/x")
    assert "SECRET" not in str(told.value)


async def test_a_token_that_no_header_can_carry_is_a_failure_like_others() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({})

    async with serving(answer) as url, calling(lambda: Connection(url, token="SEC\nRET")) as api:
        with pytest.raises(ApiUnreachableError) as told:
            await api.get("/x")
    assert "RET" not in str(told.value)


async def test_while_the_files_cannot_be_read_what_was_read_last_holds() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({}, status=200 if request.headers["Authorization"] == "Bearer t" else 401)

    fails = False

    def connection() -> Connection:
        if fails:
            raise UsageError("it is being replaced")
        return Connection(url, token="t")

    async with serving(answer) as url, calling(connection) as api:
        await api.get("/x")
        fails = True
        api._transport._looked_at -= 1000
        assert await api.get("/x") == {}


async def test_files_that_can_never_be_read_are_told() -> None:
    def connection() -> Connection:
        raise UsageError("there is no kubeconfig")

    async with calling(connection) as api:
        with pytest.raises(ApiUnreachableError, match="there is no kubeconfig"):
            await api.get("/x")


async def test_after_a_401_the_call_is_made_once_more_and_not_twice(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        token.write_text("new")
        return web.json_response({}, status=401 if len(seen) != 2 else 200)

    async with serving(answer) as url, calling(lambda: Connection(url, token_file=str(token))) as api:
        assert await api.get("/x") == {}
        assert seen == ["Bearer old", "Bearer new"]
        with pytest.raises(ApiError, match="401"):
            await api.get("/x")
        assert len(seen) == 4


async def test_a_token_file_that_is_gone_or_empty_is_told(tmp_path: Path) -> None:
    async with calling(lambda: Connection("http://127.0.0.1:9", token_file=str(tmp_path / "token"))) as api:
        with pytest.raises(ApiUnreachableError, match="cannot read the token"):
            await api.get("/x")
        (tmp_path / "token").write_text("\n")
        with pytest.raises(ApiUnreachableError, match="is empty"):
            await api.get("/x")


@pytest.mark.parametrize(
    "connection",
    [
        Connection("https://127.0.0.1:9", ca="no PEM"),
        Connection("https://127.0.0.1:9", certificate="no PEM", key="no PEM"),
    ],
)
async def test_a_certificate_that_is_none_is_told(connection: Connection) -> None:
    async with calling(lambda: connection) as api:
        with pytest.raises(ApiUnreachableError, match="is not usable"):
            await api.get("/x")


async def test_name_and_password() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"got": request.headers["Authorization"]})

    async with serving(answer) as url, calling(lambda: Connection(url, username="a", password="b")) as api:
        assert await api.get("/x") == {"got": "Basic YTpi"}


async def _stream(request: web.Request, *chunks: bytes, cut: bool = False) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for chunk in chunks:
        await response.write(chunk)
    if cut:
        assert request.transport is not None
        request.transport.close()
    return response


async def test_events_come_whole_however_they_are_cut() -> None:
    big = {"type": "ADDED", "object": {"data": "x" * 6_000_000}}
    text = json.dumps(big).encode()

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.update(request.query)
        return await _stream(request, b'{"type": "BOOK', b'MARK"}\n\n', text[:1_000_000], text[1_000_000:] + b"\n")

    asked: dict[str, str] = {}
    async with serving(answer) as url, calling(lambda: Connection(url)) as api:
        events = [e async for e in api.watch("/x", version="5", label_selector="a=b", timeout=60)]
    assert events == [{"type": "BOOKMARK"}, big]
    assert asked == {
        "watch": "1",
        "allowWatchBookmarks": "true",
        "resourceVersion": "5",
        "timeoutSeconds": "60",
        "labelSelector": "a=b",
    }


async def test_a_stream_that_breaks_off_is_an_error_and_not_an_end() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await _stream(request, b'{"type": "ADDED"}\n', cut=True)

    async with serving(answer) as url, calling(lambda: Connection(url)) as api:
        stream = api.watch("/x", version="1")
        assert await anext(stream) == {"type": "ADDED"}
        with pytest.raises(ApiUnreachableError, match="the stream broke"):
            await anext(stream)


async def test_a_stream_that_nobody_reads_to_its_end_is_closed() -> None:
    closed = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b'{"type": "ADDED"}\n')
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    async with serving(answer) as url, calling(lambda: Connection(url)) as api:
        stream = api.watch("/x", version="1")
        await anext(stream)
        await stream.aclose()
        async with asyncio.timeout(45):
            await closed.wait()
