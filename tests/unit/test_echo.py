"""The demo backend says what it received."""

import aiohttp
import pytest
from yarl import URL

from serin.echo import HEADER, Backend, duration, running


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("150ms", 0.15), ("1m30s", 90.0), ("1.5s", 1.5), (".5s", 0.5), ("", 0.0), ("5", 0.0), ("5s!", 0.0), ("9h", 300.0)],
)
def test_durations_are_read_as_go_writes_them(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


async def test_the_answer_tells_backend_and_request() -> None:
    async with running([("v1", "127.0.0.1", 0), ("v2", "127.0.0.1", 0)]) as backends, aiohttp.ClientSession() as client:
        for name, backend in zip(("v1", "v2"), backends, strict=True):
            url = f"http://127.0.0.1:{backend.port}/a%2Fb?x=1"
            sent = {"X-Twice": "1", "Host": "shop.example.com"}
            async with client.post(URL(url, encoded=True), data=b"12345", headers=sent) as answer:
                seen = await answer.json()
            assert answer.headers[HEADER] == name
            assert (seen["backend"], seen["pod"], seen["port"]) == (name, "127.0.0.1", str(backend.port))
            assert (seen["method"], seen["uri"], seen["body_len"]) == ("POST", "/a%2Fb?x=1", 5)
            assert (seen["proto"], seen["tls"], seen["host"]) == ("HTTP/1.1", False, "shop.example.com")
            assert ["X-Twice", "1"] in seen["headers"]


async def test_query_parameters_shape_the_answer() -> None:
    async with running([Backend("v1", "127.0.0.1", 0)]) as (backend,), aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{backend.port}/"
        async with client.get(url, params=[("status", "503"), ("set", "A:1"), ("set", "A:2")]) as answer:
            assert answer.status == 503
            assert answer.headers.getall("A") == ["1", "2"]
        async with client.get(url, params={"status": "204"}) as answer:
            assert (answer.status, await answer.read()) == (204, b"")
        async with client.get(url, params={"set": "A:1\r\nB: 2"}) as answer:
            assert answer.status == 400


async def test_a_share_of_the_answers_can_be_errors() -> None:
    bad = Backend("bad", "127.0.0.1", 0, errors=0.05)
    async with running([bad]) as (backend,), aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{backend.port}/"
        seen = []
        for _ in range(60):
            async with client.get(url) as answer:
                seen.append(answer.status)
        assert [number for number, status in enumerate(seen, 1) if status == 500] == [20, 40, 60]
        assert set(seen) == {200, 500}


async def test_a_large_body_is_counted() -> None:
    async with running([Backend("v1", "127.0.0.1", 0)]) as (backend,), aiohttp.ClientSession() as client:
        answer = await client.put(f"http://127.0.0.1:{backend.port}/", data=bytes(3_000_000))
        assert (await answer.json())["body_len"] == 3_000_000


async def test_websocket_messages_come_back() -> None:
    async with running([Backend("v2", "127.0.0.1", 0)]) as (backend,), aiohttp.ClientSession() as client:
        socket = await client.ws_connect(f"http://127.0.0.1:{backend.port}/ws")
        await socket.send_str("hello")
        assert await socket.receive_str() == "hello"
        await socket.send_bytes(b"\x00\x01")
        assert await socket.receive_bytes() == b"\x00\x01"
        await socket.close()


async def test_a_tls_backend_makes_its_own_certificate() -> None:
    async with running([Backend("s", "127.0.0.1", 0, tls=True)]) as (backend,), aiohttp.ClientSession() as client:
        answer = await client.get(f"https://127.0.0.1:{backend.port}/", ssl=False)
        assert (await answer.json())["tls"] is True
