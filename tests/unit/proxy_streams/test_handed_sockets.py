"""Sockets handed to a running worker, and what of its first bytes is looked at without taking them."""

import asyncio
import os
import socket

import pytest

from serin.dataplane.handing import Handing, Received, SocketKey, pair
from serin.dataplane.proxy.prelude import GoneError, peek

KEY: SocketKey = ("TCP", 9000, "127.0.0.1")


async def until(condition: object) -> None:
    async with asyncio.timeout(45):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0)


def test_sockets_come_and_go() -> None:
    async def run() -> None:
        ours, theirs = pair()
        handing = Handing(ours)
        changes: list[int] = []
        received = Received(asyncio.get_running_loop(), theirs.detach(), lambda: changes.append(1))
        with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
            assert handing.sync({KEY: first})
            await until(lambda: KEY in received.sockets)
            assert received.sockets[KEY].getsockname() == first.getsockname()
            assert handing.sync({KEY: second})
            await until(lambda: KEY in received.sockets and received.sockets[KEY].getsockname() == second.getsockname())
            seen = len(changes)
            assert handing.sync({KEY: second})
            assert handing.sync({})
            await until(lambda: not received.sockets)
            assert len(changes) > seen
        handing.close()
        received.close()
        assert handing.sync({})

    asyncio.run(run())


def test_a_worker_that_does_not_read_is_tried_again() -> None:
    ours, theirs = pair()
    handing = Handing(ours)
    with socket.create_server(("127.0.0.1", 0)) as sock, theirs:
        many = {("TCP", port, "127.0.0.1"): sock for port in range(1, 3000)}
        assert not handing.sync(many)
        theirs.setblocking(False)
        seen = 0
        complete = False
        while seen < len(many):
            try:
                data, fds, _, _ = socket.recv_fds(theirs, 256, 1)
            except BlockingIOError:
                assert not complete  # else what is missing never comes
                complete = handing.sync(many)
                continue
            assert data.startswith(b"open TCP ")
            for fd in fds:
                os.close(fd)
            seen += 1
        assert handing.sync(many)
    handing.close()


def first_line(data: bytes) -> bytes | None:
    end = data.find(b"\n")
    return data[: end + 1] if end >= 0 else None


def test_looking_takes_nothing_and_waits_for_more() -> None:
    async def run() -> bytes:
        loop = asyncio.get_running_loop()
        client, server = socket.socketpair()
        with client, server:
            server.setblocking(False)
            looking = loop.create_task(peek(loop, server, first_line, most=100, seconds=10))
            for part in (b"a", b"b", b"c\nrest"):
                client.sendall(part)
                await asyncio.sleep(0)
            assert await looking == b"abc\n"
            return server.recv(100)

    assert asyncio.run(run()) == b"abc\nrest"


@pytest.mark.parametrize(("data", "error"), [(b"", GoneError), (b"abc", GoneError), (b"x" * 100, GoneError)])
def test_a_connection_that_ends_before_its_line(data: bytes, error: type[Exception]) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client = socket.create_connection(listening.getsockname())
            server, _ = listening.accept()
            with client, server:
                server.setblocking(False)
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                with pytest.raises(error):
                    await peek(loop, server, first_line, most=100, seconds=10)

    asyncio.run(run())


def test_a_silent_connection_is_given_up() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        client, server = socket.socketpair()
        with client, server:
            server.setblocking(False)
            with pytest.raises(TimeoutError):
                await peek(loop, server, first_line, most=100, seconds=0.05)

    asyncio.run(run())
