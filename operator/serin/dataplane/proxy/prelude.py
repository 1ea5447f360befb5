"""What a connection begins with, looked at without taking it: a PROXY line, a ClientHello.

The socket's own buffer keeps the bytes, so that whoever gets the connection reads it from its first byte. The kernel is
asked to wake us only for more bytes than were seen (SO_RCVLOWAT), or a half line would be looked at all the time.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class GoneError(OSError):
    """The client closed, or sent as much as is looked at without an end."""


async def peek(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    parse: Callable[[bytes], T | None],
    *,
    most: int,
    seconds: float,
) -> T:
    """What `parse` makes of the first bytes as soon as it makes anything; its exceptions are passed on.

    `most` bytes are looked at. TimeoutError after `seconds`, OSError when there will be no more.
    """
    seen = 0
    async with asyncio.timeout(seconds):
        try:
            while True:
                try:
                    data = sock.recv(most, socket.MSG_PEEK)
                except (BlockingIOError, InterruptedError):
                    await _readable(loop, sock)
                    continue
                found = parse(data) if data else None
                if found is not None:
                    return found
                if len(data) <= seen or len(data) >= most:
                    raise GoneError("the connection ended within its first bytes")
                seen = len(data)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)
                await _readable(loop, sock)
        finally:
            if seen:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


async def _readable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    woken = loop.create_future()

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    loop.add_reader(sock.fileno(), wake)
    try:
        await woken
    finally:
        loop.remove_reader(sock.fileno())
