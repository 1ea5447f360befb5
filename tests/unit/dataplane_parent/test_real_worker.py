"""Parent and proxy workers together, over a published plan and a backend: restarts and drains lose nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from unit.dataplane_parent.dataplane_driver import DataPlane, until
from unit.dataplane_parent.published_plan import HOST, Published

from serin.routing.plan import Endpoint

MakeDataPlane = Callable[..., DataPlane]
REQUEST = f"GET /a HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: test\r\n\r\n".encode()


class Backend:
    """Answers `hello`; /slow when `release` is set."""

    def __init__(self) -> None:
        self.port = 0
        self.release = asyncio.Event()
        self.slow = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET /slow"):
                    self.slow += 1
                    await self.release.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    made = Backend()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    made.release.set()
    server.close()


@pytest.fixture
def published(tmp_path: Path, backend: Backend) -> Iterator[Published]:
    made = Published(tmp_path / "run")
    made.pool(Endpoint("127.0.0.1", backend.port))
    made.plan()
    yield made
    made.close()


@pytest.fixture
async def proxy(make_dataplane: MakeDataPlane, published: Published, tmp_path: Path) -> DataPlane:
    plane = make_dataplane(worker="real", access_log_path=str(tmp_path / "access.log"))
    plane.start()
    await plane.ready()
    return plane


class Client:
    """A kept-alive connection; opens another when the proxy has closed it after an answer, as HTTP allows."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    async def get(self, request: bytes = REQUEST) -> int:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(length)
        if b"connection: close" in head:
            self.close()
        return int(head.split()[1])

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class Load:
    """Requests one after the other on some kept-alive connections until told to stop."""

    def __init__(self, port: int, connections: int = 4) -> None:
        self.statuses: list[int] = []
        self._done = asyncio.Event()
        self._tasks = [asyncio.create_task(self._ask(Client(port))) for _ in range(connections)]

    async def _ask(self, client: Client) -> None:
        while not self._done.is_set():
            self.statuses.append(await client.get())
        client.close()

    async def more(self, count: int = 50) -> None:
        """Wait for further answers."""
        wanted = len(self.statuses) + count
        await until(lambda: len(self.statuses) >= wanted or any(t.done() for t in self._tasks))

    async def stop(self) -> set[int]:
        """Every status seen; raises what went wrong."""
        self._done.set()
        await asyncio.gather(*self._tasks)
        return set(self.statuses)


async def test_an_orderly_restart_loses_nothing(proxy: DataPlane) -> None:
    load = Load(proxy.ports["http"])
    await load.more()
    for restarts in (1, 2):
        proxy.send(signal.SIGHUP)
        await proxy.has("worker-ended", 2 * restarts)
        await load.more()
    assert await load.stop() == {200}
    assert proxy.happened("worker-died") == []
    assert {event["how"] for event in proxy.happened("worker-ended")} == {"exit code 0"}


async def test_new_plans_and_endpoints_lose_nothing(proxy: DataPlane, published: Published, backend: Backend) -> None:
    load = Load(proxy.ports["http"])
    for n in range(5):
        published.plan(f"/p{n}")
        published.pool(Endpoint("127.0.0.1", backend.port), Endpoint("127.0.0.2", backend.port))
        await load.more()
        published.pool(Endpoint("127.0.0.1", backend.port))
        await load.more()
    assert await load.stop() == {200}


async def test_sigterm_finishes_what_is_in_flight(proxy: DataPlane, backend: Backend) -> None:
    slow = [asyncio.create_task(Client(proxy.ports["http"]).get(REQUEST.replace(b"/a", b"/slow"))) for _ in range(8)]
    await until(lambda: backend.slow == 8)
    proxy.send(signal.SIGTERM)
    await proxy.has("draining")
    assert not any(task.done() for task in slow)
    backend.release.set()
    assert set(await asyncio.gather(*slow)) == {200}
    assert await proxy.end() == 0


async def test_a_killed_worker_loses_only_what_it_had(proxy: DataPlane, backend: Backend) -> None:
    slow = [asyncio.create_task(Client(proxy.ports["http"]).get(REQUEST.replace(b"/a", b"/slow"))) for _ in range(40)]
    await until(lambda: backend.slow == 40)
    victim = proxy.happened("worker-started")[0]["pid"]
    os.kill(victim, signal.SIGKILL)
    await proxy.has("worker-ready", 3)
    backend.release.set()
    results = await asyncio.gather(*slow, return_exceptions=True)
    lost = [r for r in results if isinstance(r, Exception)]
    assert 0 < len(lost) < 40
    assert {r for r in results if not isinstance(r, Exception)} == {200}
    load = Load(proxy.ports["http"], connections=8)
    await load.more(100)
    assert await load.stop() == {200}


async def test_access_log_and_rotation(proxy: DataPlane, tmp_path: Path, backend: Backend) -> None:
    path = tmp_path / "access.log"
    client = Client(proxy.ports["http"])
    assert await client.get() == 200
    await until(lambda: path.exists() and path.read_text())
    (line,) = path.read_text().splitlines()
    assert line.startswith("127.0.0.1 - - [")
    assert '] "GET /a HTTP/1.1" 200 5 "-" "test" ' in line
    assert f" [prod-web-80] [] 127.0.0.1:{backend.port} 5 " in line
    rotated = path.rename(tmp_path / "access.log.1")
    proxy.send(signal.SIGUSR1)

    async def followed() -> bool:
        await client.get()
        return path.exists() and path.read_text() != ""

    async with asyncio.timeout(45):
        while not await followed():
            await asyncio.sleep(0.02)
    assert rotated.read_text().startswith(line)


async def test_metrics_name_the_ingress(proxy: DataPlane) -> None:
    client = Client(proxy.ports["http"])
    for _ in range(7):
        await client.get()
    await client.get(REQUEST.replace(HOST.encode(), b"other.example"))
    labels = 'namespace="prod",ingress="shop",service="web",version="web"'
    nobody = 'namespace="",ingress="",service="",version=""'
    wanted = {
        f'serin_requests_total{{{labels},class="2xx"}} 7',
        f'serin_requests_total{{{nobody},class="4xx"}} 1',
        f"serin_request_duration_seconds_count{{{labels}}} 7",
        f"serin_upstream_failures_total{{{labels}}} 0",
        'serin_connections{state="waiting"} 1',
        'serin_connections{state="upstream_idle"} 1',
    }
    async with asyncio.timeout(45):
        while not wanted <= set((await proxy.get("/metrics", "healthz"))[1].splitlines()):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("standalone", "status"), [(True, 200), (False, 503)])
async def test_external_names(
    make_dataplane: MakeDataPlane, published: Published, backend: Backend, *, standalone: bool, status: int
) -> None:
    published.pool(external="127.0.0.1", port=backend.port)
    plane = make_dataplane(worker="real", standalone=standalone)
    plane.start()
    await plane.ready()
    assert await Client(plane.ports["http"]).get() == status
    refused = [event["address"] for event in plane.happened("address-refused")]
    assert refused == ([] if standalone else ["127.0.0.1"])
