"""Echo backends of a run: one thread, many loopback addresses, answers in JSON of what was received.

Unlike `serin echo` these also do what a test must see handled: plain requests to a TLS port get 400, an upgraded
connection echoes bytes as they are, HTTP/2 is spoken too (http2.py), and connections can be counted or cut.
"""

import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import json
import random
import socket
import ssl
import tempfile
import threading
import urllib.parse
from collections.abc import Mapping
from typing import Any

from harness import http2
from harness.casefile import Network, self_signed

PLAIN_PORTS = (8080, 8081)
TLS_PORT = 8443
UNITS = {"ms": 0.001, "s": 1.0}


def free_network() -> tuple[Network, socket.socket]:
    """A part of 127.0.0.0/8 of our own, as long as the socket is kept: test runs at the same time do not meet."""
    while True:
        prefix = f"127.{random.randrange(100, 250)}.{random.randrange(1, 250)}."
        held = socket.socket()
        try:
            held.bind((prefix + "254", PLAIN_PORTS[0]))
        except OSError:
            held.close()
            continue
        return Network(prefix), held


@dataclasses.dataclass(frozen=True, slots=True)
class Sickness:
    """Of a release: the share of its answers that are 500, and the seconds that each takes longer."""

    errors: float = 0.0
    delay: float = 0.0


class Backends:
    """`names`: address (10.99.0.N, or ::1) → name. Listens as long as it is not closed.

    `network` None: addresses are turned to loopback ones of our own.
    """

    def __init__(self, names: Mapping[str, str], network: Network | None = None) -> None:
        self.network, self._held = free_network() if network is None else (network, socket.socket())
        self.requests = 0
        self.connections = 0
        self.sick: dict[str, Sickness] = {}
        """By name; of those that are not in here every answer is right and comes at once."""
        self._chance = random.Random(1)
        self._names = {self.network.loopback(address): name for address, name in names.items()}
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._context = _tls_context()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._listen())

    def close(self) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._held.close()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        for address in self._names:
            if ":" in address:
                server = await self._server(address, 0)
                self.network = Network(self.network.prefix, server.sockets[0].getsockname()[1])
                continue
            for port in PLAIN_PORTS:
                await self._server(address, port)
            await self._sniffing_server(address)

    async def _server(self, address: str, port: int) -> asyncio.Server:
        server = await asyncio.start_server(self._connection, address, port, backlog=512)
        self._servers.append(server)
        return server

    async def _sniffing_server(self, address: str) -> None:
        """A TLS port that tells a plain request so, as most servers do: the first byte decides."""
        listening = socket.create_server((address, TLS_PORT), backlog=512)
        listening.setblocking(False)
        self._spawn(self._accept(listening))

    async def _accept(self, listening: socket.socket) -> None:
        with listening:
            while True:
                connection, _ = await self._loop.sock_accept(listening)
                self._spawn(self._sniff(connection))

    async def _sniff(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        readable = asyncio.Event()
        self._loop.add_reader(connection, readable.set)
        try:
            await readable.wait()
        finally:
            self._loop.remove_reader(connection)
        with contextlib.suppress(OSError, ssl.SSLError):
            tls = connection.recv(1, socket.MSG_PEEK) == b"\x16"
            reader = asyncio.StreamReader(loop=self._loop)
            protocol = asyncio.StreamReaderProtocol(reader, self._connection if tls else _refuse, loop=self._loop)
            await self._loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._context if tls else None)

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address, port = writer.get_extra_info("sockname")[:2]
        tls = writer.get_extra_info("ssl_object") is not None
        self.connections += 1
        try:
            while await self._exchange(reader, writer, (address, port, tls)):
                pass
        except (OSError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            writer.close()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: tuple[str, int, bool]
    ) -> bool:
        """One request and its answer; whether another may follow."""
        line = await reader.readline()
        if not line:
            return False
        if line == http2.PREFACE:
            await self._speak_http2(reader, writer, place)
            return False
        self.requests += 1
        method, target, version = line.decode("latin-1").split()
        headers = await _read_headers(reader)
        lower = {name.lower(): value for name, value in headers}
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(target).query, keep_blank_values=True)
        name = self._names.get(place[0], place[0])
        if lower.get("upgrade", "").lower() == "websocket" and "noupgrade" not in query:
            await _echo_raw(reader, writer, name, lower.get("sec-websocket-key", ""))
            return False
        body = await _read_body(reader, lower)
        if delay := query.get("sleep"):
            await asyncio.sleep(_seconds(delay[0]))
        sickness = self.sick.get(name, Sickness())
        if sickness.delay:
            await asyncio.sleep(sickness.delay)
        if sickness.errors and self._chance.random() < sickness.errors:
            query = {**query, "status": ["500"]}
        received = {
            "backend": name,
            "pod": place[0],
            "port": str(place[1]),
            "proto": version,
            "tls": place[2],
            "method": method,
            "host": lower.get("host", ""),
            "uri": target,
            "headers": [[n, v] for n, v in headers if n.lower() != "host"],
            "body_len": len(body),
        }
        told = {**lower, ":method": method, ":target": target, ":body": str(len(body))}
        writer.write(_answer(method, name, received, query, told))
        await writer.drain()
        return version == "HTTP/1.1" and lower.get("connection", "").lower() != "close"

    async def _speak_http2(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: tuple[str, int, bool]
    ) -> None:
        """Cleartext by prior knowledge, or after ALPN."""
        name = self._names.get(place[0], place[0])

        def describe(*, method: str, target: str, host: str, headers: list[list[str]], size: int) -> dict[str, Any]:
            self.requests += 1
            told = {"backend": name, "pod": place[0], "port": str(place[1]), "proto": "HTTP/2.0", "tls": place[2]}
            return told | {"method": method, "host": host, "uri": target, "headers": headers, "body_len": size}

        await http2.EchoConnection(reader, writer, name, describe).run(http2.PREFACE)


async def _read_headers(reader: asyncio.StreamReader) -> list[tuple[str, str]]:
    headers = []
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name, value.strip()))
    return headers


async def _read_body(reader: asyncio.StreamReader, lower: Mapping[str, str]) -> bytes:
    if lower.get("transfer-encoding", "").lower() == "chunked":
        parts = []
        while size := int(await reader.readline(), 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        await _read_headers(reader)
        return b"".join(parts)
    return await reader.readexactly(int(lower.get("content-length", "0")))


def _answer(
    method: str, name: str, received: dict[str, Any], query: Mapping[str, list[str]], told: Mapping[str, str]
) -> bytes:
    """`set=Name:Value`: a header. `got=name`: X-Got-Name with the request's header, `:method`, `:target`, `:body`."""
    status = int(query.get("status", ["200"])[0])
    body = b"" if status in (204, 304) else json.dumps(received).encode() + b"\n"
    lines = [f"HTTP/1.1 {status} Echo", f"X-Echo-Backend: {name}", "Content-Type: application/json"]
    for header in query.get("set", ()):
        key, _, value = header.partition(":")
        lines.append(f"{key}: {value}")
    lines += [f"X-Got-{asked.removeprefix(':')}: {told.get(asked.lower(), '-')}" for asked in query.get("got", ())]
    if status not in (204, 304):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else body)


async def _echo_raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str, key: str) -> None:
    """Switch protocols (RFC 6455, 4.2.2), then send back every byte."""
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Accept: {accept_of(key)}", f"X-Echo-Backend: {name}", "", ""]
    writer.write("\r\n".join(lines).encode())
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def accept_of(key: str) -> str:
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    body = b"Client sent an HTTP request to an HTTPS server.\n"
    head = f"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    writer.close()


def _seconds(text: str) -> float:
    unit = "ms" if text.endswith("ms") else "s"
    return float(text.removesuffix(unit)) * UNITS[unit]


def _tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        for part in self_signed("backend.test"):
            file.write(part)
        file.flush()
        context.load_cert_chain(file.name)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context
