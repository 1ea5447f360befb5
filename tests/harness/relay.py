"""A wire to the API server that a test can cut or hold: what networks do and a stopped server does not show.

Bytes pass as they are, TLS included; the server's certificate names 127.0.0.1, whatever the port.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() resets


class Relay:
    """Context manager. Listens on a loopback port as long as it lasts, also while held.

    `listening`: a socket that listens already, in whatever network it was made; we connect from our own.
    """

    def __init__(self, server: str, listening: socket.socket | None = None) -> None:
        parts = urlsplit(server)
        self._target = (parts.hostname or "", parts.port or 443)
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        place = {"host": "127.0.0.1", "port": 0} if listening is None else {"sock": listening}
        self._listener = self._call(asyncio.start_server(self._connection, **place))
        self.server = f"https://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def kubeconfig(self, original: Path) -> Path:
        """A copy of a kubeconfig that goes through here."""
        text = original.read_text()
        server = f"https://{self._target[0]}:{self._target[1]}"
        assert server in text
        copy = original.with_name(f"relayed-{original.name}")
        copy.write_text(text.replace(server, self.server))
        return copy

    @property
    def connections(self) -> int:
        """Open ones of clients, now."""
        return len(self._writers) // 2

    def cut(self) -> None:
        """Reset every open connection; new ones pass."""
        self._call(self._cut())

    def hold(self) -> None:
        """No byte passes in either direction and nobody is told: a network that swallows everything."""
        self._call(self._set(passing=False))

    def release(self) -> None:
        """What was held goes on."""
        self._call(self._set(passing=True))

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _set(self, *, passing: bool) -> None:
        if passing:
            self._open.set()
        else:
            self._open.clear()

    async def _cut(self) -> None:
        for writer in list(self._writers):
            held = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    async def _close(self) -> None:
        self._listener.close()
        await self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await self._open.wait()
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        try:
            await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        finally:
            self._writers -= both
            for each in both:
                each.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
