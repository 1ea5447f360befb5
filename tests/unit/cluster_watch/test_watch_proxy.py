"""A proxy between us and the API server: the environment's is used for every call, and its password is in no log."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from serin.cluster.api import Api
from serin.cluster.credentials import Credential
from serin.cluster.server import Connection
from serin.cluster.watch.login import _client
from serin.cluster.watch.said import Said

CLUSTER = Connection("http://cluster.invalid")


@asynccontextmanager
async def proxying(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """The request lines that reach the proxy that the environment names."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.decode().partition("\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "")
        yield asked


async def test_the_watch_goes_through_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def plain(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        return await send(request)

    async with (
        proxying(monkeypatch) as asked,
        _client(CLUSTER, Credential(), plain) as session,
        session.get(f"{CLUSTER.server}/apis") as response,
    ):
        assert response.status == 200
    assert asked == ["GET http://cluster.invalid/apis HTTP/1.1"]


async def test_and_so_does_every_other_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxying(monkeypatch) as asked:
        api = Api(lambda: CLUSTER)
        assert await api.get("/apis") == {}
        await api.close()
    assert asked == ["GET http://cluster.invalid/apis HTTP/1.1"]


def test_a_proxys_password_is_not_said(caplog: pytest.LogCaptureFixture) -> None:
    text = "Request failed: ClientHttpProxyError(407, url=URL('http://me:SECRET@proxy:3128'))"
    Said().emit(logging.LogRecord("kopf", logging.WARNING, "", 0, text, None, None))
    (record,) = caplog.records
    assert "SECRET" not in str(vars(record))
    assert "//…@proxy:3128" in str(vars(record))
