"""A worker process on a real run directory: ready, new plans, certificates, the end."""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from unit.proxy_gate.test_tls_contexts import named

import serin
from serin.dataplane.certificate import default_certificate
from serin.dataplane.proxy.settings import VARIABLE, WorkerSettings, read_settings
from serin.errors import UsageError
from serin.native import state, stats
from serin.native.pools import PoolsFile
from serin.refs import Ref, Source
from serin.render.rundir import RunDirectory
from serin.routing.identity import content_digest, split_id
from serin.routing.plan import (
    BasicAuth,
    Certificate,
    Endpoint,
    Globals,
    Host,
    PathKind,
    PathMatch,
    Plan,
    Policy,
    Pool,
    PoolSpec,
    Route,
    RuleId,
    Share,
    Split,
    UserFile,
    VersionRoute,
)

INGRESS = Ref("Ingress", "ns", "shop")
RULE = RuleId("shop.example", "/", "Prefix")
SPLIT = split_id(RULE)
POOL = "00000000000000aa"
USERS = b"alice:{PLAIN}wonder\n"


class EchoEndpoint:
    """Answers with the head it got; holds answers back while `open` is clear."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.waiting = asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.waiting.set()
                await self.open.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head))
        writer.close()


def plan(*, prefix: str = "", certificate: bytes = b"") -> Plan:
    version = VersionRoute("a" * 16, "main", INGRESS, "main", "80", POOL)
    users, pem = content_digest(USERS), content_digest(certificate)
    guard = BasicAuth("who", users, Source(INGRESS, "auth"))

    def host(name: str, policy: Policy) -> Host:
        route = Route(PathMatch(PathKind.PREFIX, "/"), RULE, INGRESS, SPLIT, (version,), policy)
        return Host(name, (route,), certificate=pem if certificate else None)

    hosts = (host("shop.example", Policy(forwarded_prefix=prefix)), host("auth.example", Policy(auth=guard)))
    certificates = {pem: Certificate(pem, certificate)} if certificate else {}
    return Plan({h.name: h for h in hosts}, {}, {}, certificates, {users: UserFile(users, USERS)}, Globals())


@dataclass
class Running:
    process: asyncio.subprocess.Process
    said: asyncio.StreamReader
    run_dir: RunDirectory
    endpoint: EchoEndpoint
    http: int
    https: int

    async def line(self, *, figures: bool = False) -> str:
        """What the worker says next about its plans, or about its connections."""
        async with asyncio.timeout(45):
            while True:
                line = (await self.said.readline()).decode().strip()
                if line.startswith("connections ") is figures:
                    return line


def listening() -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    return sock


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    endpoint = EchoEndpoint()
    backend = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    endpoint.port = backend.sockets[0].getsockname()[1]
    run_dir = RunDirectory(tmp_path, wall_clock=lambda: 0.0)
    run_dir.create()
    kept = state.create(tmp_path, 1)
    pools = PoolsFile.open(tmp_path / "plan" / "pools.bin", lambda: 7, time.monotonic)
    pools.put_pool(Pool(PoolSpec(POOL, "ns", "main", 80), (Endpoint("127.0.0.1", endpoint.port),)))
    pools.put_split(Split(SPLIT, RULE, (Share("a" * 16, POOL, 100),)))
    pools.show()
    (tmp_path / "state" / "default.pem").write_bytes(default_certificate())
    run_dir.publish(plan())
    http, https, (reading, writing) = listening(), listening(), os.pipe()
    settings = WorkerSettings(
        str(tmp_path),
        http_fds=(http.fileno(),),
        https_fds=(https.fileno(),),
        status_fd=writing,
        access_log_path=str(tmp_path / "access.log"),
        shutdown_grace=5.0,
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "serin.dataplane.proxy.worker",
        env={**os.environ, VARIABLE: settings.to_json(), "PYTHONPATH": str(Path(serin.__file__).parents[1])},
        pass_fds=(http.fileno(), https.fileno(), writing),
    )
    os.close(writing)
    said = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(said), os.fdopen(reading, "rb"))
    yield Running(process, said, run_dir, endpoint, http.getsockname()[1], https.getsockname()[1])
    if process.returncode is None:
        process.kill()
        await process.wait()
    pipe.close()
    backend.close()
    pools.close()
    kept.close()
    http.close()
    https.close()


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *lines: str, host: str = "shop.example") -> None:
        self.writer.write("\r\n".join(("GET /x HTTP/1.1", f"Host: {host}", *lines, "", "")).encode())

    async def answer(self) -> tuple[int, bytes]:
        async with asyncio.timeout(45):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return int(head.split()[1]), head + await self.reader.readexactly(length)

    async def ask(self, *lines: str, host: str = "shop.example") -> tuple[int, bytes]:
        self.send(*lines, host=host)
        return await self.answer()

    def common_name(self) -> str:
        from cryptography import x509

        der = self.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(der).subject.rfc4514_string()


async def connect(port: int, name: str = "") -> Connection:
    context = None
    if name:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opened = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name or None)
    return Connection(*opened)


async def test_a_worker_serves_a_plan_takes_the_next_and_keeps_the_last_good_one(running: Running) -> None:
    assert await running.line() == "ready 1"
    client = await connect(running.http)
    status, text = await client.ask()
    assert status == 200
    assert b"X-Forwarded-Prefix" not in text
    running.run_dir.publish(plan(prefix="/new"))
    assert await running.line() == "plan 2"
    assert b"X-Forwarded-Prefix: /new\r\n" in (await client.ask())[1]
    running.run_dir.publish(plan(prefix="/third"))
    assert await running.line() == "plan 3"
    (running.run_dir.plan / "index.json").write_bytes(b"garbage")
    (running.run_dir.plan / "generation").write_bytes(b"4\n")
    assert await running.line() == "kept 4"
    assert b"X-Forwarded-Prefix: /third\r\n" in (await client.ask())[1]


async def test_a_worker_tells_how_many_connections_it_has(running: Running) -> None:
    await running.line()
    client, idle = await connect(running.http), await connect(running.http)
    assert (await idle.ask())[0] == 200
    running.endpoint.open.clear()
    client.send()
    while await running.line(figures=True) != "connections 1 1 0 2 2":
        pass
    running.endpoint.open.set()
    await client.answer()
    while await running.line(figures=True) != "connections 0 2 1 2 2":
        pass


async def test_basic_authentication_end_to_end(running: Running) -> None:
    await running.line()
    client = await connect(running.http)
    assert (await client.ask(host="auth.example"))[0] == 401
    right = "Authorization: Basic YWxpY2U6d29uZGVy"
    for _ in range(2):
        status, text = await client.ask(right, host="auth.example")
        assert status == 200
        assert b"Authorization" not in text


async def test_a_changed_certificate_costs_no_connection(running: Running, tmp_path: Path) -> None:
    await running.line()
    before = await connect(running.https, "shop.example")
    assert "CN=Kubernetes Ingress Controller Fake Certificate" in before.common_name()
    assert (await before.ask())[0] == 200
    running.run_dir.publish(plan(certificate=named(tmp_path / "own.pem", "shop.example").read_bytes()))
    assert await running.line() == "plan 2"
    after = await connect(running.https, "shop.example")
    assert after.common_name() == "CN=shop.example"
    for one in (before, after):
        status, text = await one.ask()
        assert status == 200
        assert b"Strict-Transport-Security: " in text


async def test_at_its_end_a_worker_finishes_what_is_in_flight_and_writes_its_log(
    running: Running, tmp_path: Path
) -> None:
    await running.line()
    client, idle = await connect(running.http), await connect(running.http)
    assert (await idle.ask())[0] == 200
    running.endpoint.waiting.clear()
    running.endpoint.open.clear()
    client.send()
    async with asyncio.timeout(45):
        await running.endpoint.waiting.wait()
    running.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(45):
        assert await idle.reader.read() == b""
    running.endpoint.open.set()
    status, text = await client.answer()
    assert status == 200
    assert b"Connection: close\r\n" in text
    async with asyncio.timeout(45):
        assert await running.process.wait() == 0
    lines = (tmp_path / "access.log").read_text().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert '"GET /x HTTP/1.1" 200 ' in line
        assert f"[ns-main-80] [] 127.0.0.1:{running.endpoint.port} " in line


def test_settings_travel_as_json() -> None:
    settings = WorkerSettings("here", 3, (4, 5), (6,), 7, access_log="json")
    assert read_settings(settings.to_json()) == settings


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"run_dir": "x", "surprise": 1}'])
def test_settings_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_settings(text)


async def test_a_request_counts_once_also_when_its_body_is_refused_at_once(running: Running) -> None:
    assert await running.line() == "ready 1"
    client = await connect(running.http)
    client.writer.write(b"POST /x HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n")
    assert (await client.answer())[0] == 400
    assert (await (await connect(running.http)).ask(host="nobody.example"))[0] == 404

    def counted() -> tuple[list[int], int]:
        totals = stats.read(running.run_dir.path)
        return [counts.classes[4] for counts in totals.versions.values()], totals.others[4]

    # An answer is with the client a moment before its exchange is over and counted.
    async with asyncio.timeout(45):
        while sum(counted()[0]) + counted()[1] < 2:
            await asyncio.sleep(0.01)
    assert counted() == ([1], 1)
