"""A proxy on loopback between raw sockets: a client that sends any bytes, endpoints that answer by a script.

Everything runs in one event loop. Waiting is for conditions, never for time.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

from serin.dataplane.proxy.completed import Completed
from serin.dataplane.proxy.connection_settings import ConnectionSettings, UpstreamSettings
from serin.dataplane.proxy.exchange import Answer, Client, Forward, Gate, LogContext, RequestHead
from serin.dataplane.proxy.server import Server

PATIENCE = 45.0
HOST = "Host: a.example\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Script = Callable[["Visit"], Awaitable[None]]


async def until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        await asyncio.sleep(0.002)


class Peer:
    """Either end of a connection, spoken to by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes | str) -> None:
        self.writer.write(data.encode("latin-1") if isinstance(data, str) else data)
        await self.writer.drain()

    async def read(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(count)

    async def read_until(self, mark: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(mark)

    async def read_to_end(self) -> bytes:
        """Everything until the other side closes; a reset counts as an end."""
        got = bytearray()
        async with asyncio.timeout(PATIENCE):
            try:
                while part := await self.reader.read(65536):
                    got += part
            except ConnectionResetError:
                pass
        return bytes(got)

    def close(self) -> None:
        self.writer.close()

    def cut(self) -> None:
        self.writer.transport.abort()


@dataclass
class Reply:
    status: int
    head: bytes
    headers: dict[str, str]
    body: bytes

    @property
    def names(self) -> set[str]:
        return set(self.headers)


class Caller(Peer):
    """A client."""

    async def head(self) -> Reply:
        head = await self.read_until(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(": ")
            key = name.lower()
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        return Reply(int(lines[0].split(" ")[1]), head, headers, b"")

    async def chunk(self) -> bytes:
        size = int(await self.read_until(b"\r\n"), 16)
        payload = await self.read(size)
        assert await self.read(2) == b"\r\n"
        return payload

    async def answer(self, method: str = "GET") -> Reply:
        """One whole answer."""
        reply = await self.head()
        if method == "HEAD" or reply.status in (204, 304) or reply.status < 200:
            return reply
        if reply.headers.get("transfer-encoding") == "chunked":
            while part := await self.chunk():
                reply.body += part
        elif "content-length" in reply.headers:
            reply.body = await self.read(int(reply.headers["content-length"]))
        else:
            reply.body = await self.read_to_end()
        return reply

    async def ask(self, data: bytes | str, method: str = "GET") -> Reply:
        await self.send(data)
        return await self.answer(method)


class Visit(Peer):
    """A connection that the proxy opened to an endpoint."""

    async def request(self) -> bytes:
        """The head of the next request, or empty at the end of the connection."""
        try:
            return await self.read_until(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return b""

    async def chunked(self) -> bytes:
        """A chunked body's payload."""
        payload = b""
        while True:
            size = int(await self.read_until(b"\r\n"), 16)
            payload += await self.read(size)
            assert await self.read(2) == b"\r\n"
            if not size:
                return payload


async def friendly(visit: Visit) -> None:
    """Answers every bodyless request."""
    while await visit.request():
        await visit.send(ANSWER)


def always(answer: bytes, *, close: bool = False) -> Script:
    """Answers every bodyless request with these bytes."""

    async def script(visit: Visit) -> None:
        while await visit.request():
            await visit.send(answer)
            if close:
                return

    return script


class Endpoint:
    """Listens, and runs `script` on each connection."""

    def __init__(self, script: Script = friendly) -> None:
        self.script = script
        self.visits: list[Visit] = []
        self.lost = 0
        self.requests: list[bytes] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        visit = Visit(reader, writer)
        request = visit.request

        async def recorded() -> bytes:
            head = await request()
            if head:
                self.requests.append(head)
            return head

        visit.request = recorded  # type: ignore[method-assign]
        self.visits.append(visit)
        try:
            await self.script(visit)
        except (ConnectionError, asyncio.IncompleteReadError, RuntimeError):  # uvloop: RuntimeError once closed
            pass
        finally:
            self.lost += 1
            visit.close()
            self._tasks.discard(task)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass
class Chosen:
    """A Choice over fixed ports; `finished` is what `done` was told.

    `times` is what `over` was told of the endpoint: until its answer's end, its connection, its answer's begin.
    """

    port: int
    others: list[int] = field(default_factory=list)
    address: str = "127.0.0.1"
    endpoint: int = 1
    finished: list[tuple[int, bool]] = field(default_factory=list)
    excused: bool = False
    times: tuple[float, float, float] = (-1.0, -1.0, -1.0)

    def retry(self) -> "Chosen | None":
        if not self.others:
            return None
        self.port = self.others.pop(0)
        return self

    def done(self, status: int, *, failed: bool = False) -> None:
        self.finished.append((status, failed))

    def excuse(self) -> None:
        self.excused = True

    def over(self, status: int, /, *measured: Any) -> bool:
        self.times = measured[-3:]
        self.done(status)
        return False


def free_page(status: int) -> bytes:
    return b"<page %d>" % status


class Rig:
    def __init__(self) -> None:
        self.settings = ConnectionSettings(page=free_page, sweep=0.02, linger_timeout=60.0)
        self.upstream = UpstreamSettings()
        self.endpoint = Endpoint()
        self.others: list[Endpoint] = []
        self.records: list[Completed] = []
        self.choices: list[Chosen] = []
        self.heads: list[RequestHead] = []
        self.clients: list[Client] = []
        self.gate: Gate = self.forward
        self.forward_options: dict[str, Any] = {}
        self.server: Server
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        self.escaped: list[dict[str, Any]] = []
        """Exceptions that nobody caught."""
        self._callers: list[Caller] = []
        self._listener: asyncio.Server | None = None

    def forward(self, head: RequestHead, client: Client) -> Forward:
        """The default gate."""
        chosen = Chosen(self.endpoint.port, [other.port for other in self.others])
        self.choices.append(chosen)
        forward = Forward(
            choice=chosen,
            target=head.target,
            host=head.host_header,
            prelude=b"X-Real-IP: 127.0.0.1\r\n",
            drop=DROP,
            answer_prelude=b"",
            answer_drop=ANSWER_DROP,
            upstream=self.upstream,
            max_body=1 << 20,
            log=LogContext(),
        )
        return replace(forward, **self.forward_options)

    def decide(self, head: RequestHead, client: Client) -> Any:
        self.heads.append(replace(head))
        self.clients.append(client)
        return self.gate(head, client)

    async def start(self) -> None:
        asyncio.get_running_loop().set_exception_handler(self._note_failure)
        await self.endpoint.start()
        await self.serve()

    def _note_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Whatever a callback of the proxy lets out is a failure of the test."""
        protocol = context.get("protocol")
        cancelled = isinstance(context.get("exception"), asyncio.CancelledError)  # an endpoint's script, at the end
        if not cancelled and (protocol is None or type(protocol).__module__.startswith("serin.")):
            self.escaped.append(context)

    async def serve(self, **changed: Any) -> None:
        """Start the proxy, or one with other settings instead of it."""
        if self._listener is not None:
            self._listener.close()
            self.server.close()
        self.settings = replace(self.settings, **changed)
        self.server = Server(self.decide, self.settings, self._record)
        loop = asyncio.get_running_loop()
        factory = self.server.protocol_factory(tls=self.tls is not None)
        self._listener = await loop.create_server(factory, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._listener.sockets[0].getsockname()[1]

    def _record(self, record: Completed) -> None:
        for one in fields(Completed):
            getattr(record, one.name)
        self.records.append(record)

    async def add_endpoint(self, script: Script) -> Endpoint:
        """One more endpoint, asked when the first has failed."""
        endpoint = Endpoint(script)
        await endpoint.start()
        self.others.append(endpoint)
        return endpoint

    async def call(self, data: bytes | str = b"", **options: Any) -> Caller:
        caller = Caller(*await asyncio.open_connection("127.0.0.1", self.port, **options))
        self._callers.append(caller)
        if data:
            await caller.send(data)
        return caller

    async def ask(self, data: bytes | str, method: str = "GET") -> Reply:
        """One request on a connection of its own."""
        return await (await self.call()).ask(data, method)

    async def refusal(self, data: bytes | str) -> bytes:
        """What comes back until the proxy closes the connection."""
        return await (await self.call(data)).read_to_end()

    async def settled(self) -> None:
        """All exchanges are over and counted exactly once."""
        await until(lambda: all(c.finished for c in self.choices), "choices to be done")
        assert [len(c.finished) for c in self.choices] == [1] * len(self.choices)

    async def stop(self) -> None:
        for caller in self._callers:
            caller.cut()
        if self._listener is not None:
            self._listener.close()
        self.server.close()
        await until(lambda: not self.server.active and not self.server.pool.open, "connections to be gone")
        await self.settled()
        for endpoint in (self.endpoint, *self.others):
            await endpoint.stop()
        assert not self.escaped, self.escaped


DROP = frozenset((b"x-real-ip", b"x-forwarded-for"))
ANSWER_DROP = frozenset((b"server", b"x-accel-redirect"))


def answering(status: int = 200, **options: Any) -> Gate:
    """A gate that answers everything itself."""
    return lambda head, client: Answer(status, body=b"own", **options)


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """A port whose connections are never accepted: its queue is full, so the kernel leaves further ones waiting."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port
