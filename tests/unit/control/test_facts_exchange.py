"""Counts over real TLS: told to those who have the Secret, believed from those who have it, never waited for long."""

import asyncio
import contextlib
import logging
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from golden.certificates import make_pair

from serin.control.facts import client as client_module
from serin.control.facts import server as server_module
from serin.control.facts import wire
from serin.control.facts.client import FactsClient
from serin.control.facts.look import NO_COUNTS, AllFacts, OwnFacts
from serin.control.facts.replicas import Replica
from serin.control.facts.secret import SERVER_NAME, NoSecretError, SharedSecret
from serin.control.facts.server import FactsServer
from serin.control.facts.wire import Read
from serin.errors import SerinError
from serin.rollout.facts import Facts, ReplicaCounts, TrialCounts, VersionCounts

TOKEN = "a-word-that-all-replicas-know"
A, B = "a" * 16, "b" * 16


def counts(instance: str, requests: int = 1) -> ReplicaCounts:
    return ReplicaCounts(instance, {A: TrialCounts((VersionCounts({200: requests}),)), B: TrialCounts()})


def write(folder: Path, *, name: str = SERVER_NAME, token: str = TOKEN, others_authority: bool = False) -> SharedSecret:
    folder.mkdir(exist_ok=True)
    chain, key = make_pair(name)
    authority = make_pair(name)[0] if others_authority else chain
    for file, text in (("ca.crt", authority), ("tls.crt", chain), ("tls.key", key), ("token", f"{token}\n".encode())):
        (folder / file).write_bytes(text)
    return SharedSecret(folder)


@pytest.fixture
def secret(tmp_path: Path) -> SharedSecret:
    return write(tmp_path / "secret")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "LOOK_SECONDS", 0.02)


async def until(condition: Callable[[], object], what: str) -> None:
    async with asyncio.timeout(45):
        while not condition():
            await asyncio.sleep(0.005)
    assert condition(), what


@contextlib.asynccontextmanager
async def serving(
    secret: SharedSecret,
    read: Read = lambda _: counts("other", 7),
    in_force: frozenset[str] = frozenset((A,)),
) -> AsyncIterator[FactsServer]:
    here = threading.get_ident()

    def told() -> frozenset[str]:
        assert threading.get_ident() == here, "what the loop changes is looked at by the loop"
        return in_force

    made = FactsServer(("127.0.0.1", 0), secret, read, told)
    task = asyncio.create_task(made.run())
    try:
        await until(lambda: made.port, "the port")
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Listed:
    """Replicas as a test lists them; `error` instead, where there is one."""

    def __init__(self, *replicas: Replica, error: SerinError | None = None) -> None:
        self.known = replicas
        self.error = error

    async def look(self) -> tuple[Replica, ...]:
        if self.error is not None:
            raise self.error
        return self.known


def at(port: int, *, leaving: bool = False, name: str = "pod-2") -> Replica:
    return Replica(name, ("127.0.0.1",), port, leaving)


@contextlib.asynccontextmanager
async def asking(
    secret: SharedSecret,
    *replicas: Replica,
    read: Read = lambda _: counts("own"),
    timeout: float = 2.0,
    error: SerinError | None = None,
) -> AsyncIterator[AllFacts]:
    own = OwnFacts(read, lambda: frozenset((A, B)))
    made = AllFacts(own, Listed(*replicas, error=error), secret, FactsClient(timeout))
    try:
        yield made
    finally:
        await made.close()


async def look(secret: SharedSecret, *replicas: Replica, timeout: float = 2.0) -> Facts:
    async with asking(secret, *replicas, timeout=timeout) as facts:
        return await facts.look()


async def test_the_leader_has_the_counts_of_all(secret: SharedSecret) -> None:
    async with serving(secret) as server, asking(secret, at(server.port)) as facts:
        assert await facts.look() == Facts((counts("own"), counts("other", 7)))
        assert facts.programmed(A) == (2, 2)
        assert facts.programmed(B) == (1, 2)
        assert facts.programmed("") == (2, 2)
        only_a = await facts.look([A])
        assert [sorted(each.trials) for each in only_a.replicas] == [[A, B], [A]]
        assert len((await facts.look([f"{i:016x}" for i in range(300)])).replicas[1].trials) == 2


async def test_a_replica_that_is_not_there_is_missing(secret: SharedSecret, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(secret) as server:
        gone = server.port
    async with asking(secret, at(gone)) as facts:
        found = await facts.look()
        assert found.replicas == (counts("own"),)
        assert len(found.missing) == 1
        assert found.missing[0].startswith("pod-2: it cannot be reached")
        assert facts.programmed(A) == (1, 2)
        await facts.look()
    assert [record.getMessage() for record in caplog.records] == ["facts-missing"]


async def test_one_that_leaves_is_not_missed(secret: SharedSecret) -> None:
    async with serving(secret) as server:
        gone = server.port
    async with asking(secret, at(gone, leaving=True)) as facts:
        assert await facts.look() == Facts((counts("own"),))
        assert facts.programmed(A) == (1, 1)


async def test_our_own_port_is_not_counted_twice(secret: SharedSecret) -> None:
    async with serving(secret, lambda _: counts("own")) as server:
        assert await look(secret, at(server.port)) == Facts((counts("own"),))


async def test_a_data_plane_without_counts_is_missing(secret: SharedSecret) -> None:
    nothing = ReplicaCounts("", {})
    async with serving(secret, lambda _: nothing) as server:
        async with asking(secret, at(server.port), read=lambda _: nothing) as facts:
            assert await facts.look() == Facts((), (f"this replica: {NO_COUNTS}", f"pod-2: {NO_COUNTS}"))
        assert await look(secret, at(server.port, leaving=True)) == Facts((counts("own"),))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"token": "another-word-entirely"}, "it does not know our token"),
        ({"others_authority": True}, ""),
    ],
)
async def test_another_token_is_told_nothing(
    secret: SharedSecret, tmp_path: Path, other: dict[str, str], said: str
) -> None:
    theirs = write(tmp_path / "theirs", **other)  # type: ignore[arg-type]
    for name in ("ca.crt", "tls.crt", "tls.key"):
        if said:
            (tmp_path / "theirs" / name).write_bytes((tmp_path / "secret" / name).read_bytes())
    async with serving(secret) as server:
        found = await look(theirs, at(server.port))
    assert found.replicas == (counts("own"),)
    assert said in found.missing[0]


async def test_another_certificate_is_not_believed(secret: SharedSecret, tmp_path: Path) -> None:
    async with serving(write(tmp_path / "theirs")) as server:
        found = await look(secret, at(server.port))
    assert found.replicas == (counts("own"),)
    assert "its certificate is not of our Secret" in found.missing[0]


async def test_a_certificate_for_another_name_is_not_believed(tmp_path: Path) -> None:
    theirs = write(tmp_path / "secret", name="elsewhere.example.com")
    async with serving(theirs) as server:
        found = await look(theirs, at(server.port))
    assert "its certificate is not of our Secret" in found.missing[0]


@pytest.mark.parametrize("path", ["/trials", "/", "/metrics", "/trials?trial=a"])
@pytest.mark.parametrize("authorization", ["", "Bearer", f"Bearer {TOKEN}x", TOKEN, f"Basic {TOKEN}", "Bearer \udcff"])
async def test_without_the_token_nothing_is_told(secret: SharedSecret, path: str, authorization: str) -> None:
    reads = []

    def read(_: Collection[str] | None) -> ReplicaCounts:
        reads.append(1)
        return counts("other")

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with serving(secret, read) as server, aiohttp.ClientSession() as session:
        url = f"https://127.0.0.1:{server.port}{path}"
        async with session.get(url, ssl=context, headers={"Authorization": authorization}) as response:
            assert (response.status, await response.read()) == (401, b"")
    assert reads == []


@pytest.mark.parametrize(("method", "path"), [("POST", "/trials"), ("GET", "/"), ("GET", "/trials/x")])
async def test_nothing_else_is_there(secret: SharedSecret, method: str, path: str) -> None:
    material = secret.look()
    async with serving(secret) as server, aiohttp.ClientSession() as session:
        url = f"https://127.0.0.1:{server.port}{path}"
        headers = {"Authorization": material.authorization}
        request = session.request(
            method,
            url,
            ssl=material.client,
            headers=headers,
            server_hostname=SERVER_NAME,
            data=b"x" * (method == "POST"),
        )
        async with request as response:
            assert response.status == 404


@contextlib.asynccontextmanager
async def speaking(
    secret: SharedSecret, handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
) -> AsyncIterator[int]:
    """A port with the right certificate behind which somebody says what a test says."""
    http = web.Server(handle, access_log=None)
    server = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0, ssl=secret.look().server)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await http.shutdown(0)


async def test_a_slow_replica_is_not_waited_for(secret: SharedSecret) -> None:
    late = asyncio.Event()

    async def never(_: web.BaseRequest) -> web.StreamResponse:
        await late.wait()
        return web.Response()

    async with serving(secret) as server, speaking(secret, never) as slow:
        began = time.monotonic()
        found = await look(secret, at(slow, name="slow"), at(server.port), timeout=0.3)
        assert time.monotonic() - began < 2
        late.set()
    assert found == Facts((counts("own"), counts("other", 7)), ("slow: no answer in 0.3 s",))


async def test_one_that_trickles_is_not_waited_for(secret: SharedSecret) -> None:
    async def trickle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.01)
        return response

    async with speaking(secret, trickle) as port:
        found = await look(secret, at(port), timeout=0.3)
    assert found.missing == ("pod-2: no answer in 0.3 s",)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (web.Response(text="hello"), "its answer is no JSON"),
        (web.Response(text='{"format": 9}'), "expected 1; is it of another release?"),
        (web.Response(status=500), "it answers 500"),
        (web.Response(status=302, headers={"Location": "/elsewhere"}), "it answers 302"),
    ],
)
async def test_garbage_is_no_count(secret: SharedSecret, answer: web.Response, said: str) -> None:
    async def say(_: web.BaseRequest) -> web.StreamResponse:
        return answer

    async with speaking(secret, say) as port:
        found = await look(secret, at(port))
    assert found.replicas == (counts("own"),)
    assert said in found.missing[0]


async def test_too_much_is_not_read(secret: SharedSecret, monkeypatch: pytest.MonkeyPatch) -> None:
    async def say(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b" " * 5000)

    monkeypatch.setattr(client_module, "MOST_BYTES", 4000)
    async with speaking(secret, say) as port:
        found = await look(secret, at(port))
    assert "its answer has more than 4000 bytes" in found.missing[0]


async def test_too_much_is_not_told(secret: SharedSecret, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MOST_BYTES", 10)
    async with serving(secret) as server:
        found = await look(secret, at(server.port))
    assert found.missing == ("pod-2: it answers 500",)
    assert wire.MOST_BYTES > 10


async def test_counts_that_cannot_be_read_are_missing(secret: SharedSecret) -> None:
    def fail(_: Collection[str] | None) -> ReplicaCounts:
        raise ValueError("torn")

    async with serving(secret, fail) as server, asking(secret, at(server.port), read=fail) as facts:
        found = await facts.look()
    assert found == Facts((), ("this replica: its counts cannot be read: torn", "pod-2: it answers 500"))


async def test_a_list_that_cannot_be_read_is_missing_and_the_known_are_asked(secret: SharedSecret) -> None:
    async with serving(secret) as server, asking(secret, at(server.port), error=SerinError("away")) as facts:
        found = await facts.look()
    assert found == Facts((counts("own"), counts("other", 7)), ("which replicas there are cannot be read: away",))


async def test_connections_are_kept_between_looks(secret: SharedSecret, monkeypatch: pytest.MonkeyPatch) -> None:
    shaken = []
    monkeypatch.setattr(FactsServer, "_show", lambda *_: shaken.append(1))
    async with serving(secret) as server, asking(secret, at(server.port)) as facts:
        for _ in range(4):
            assert (await facts.look()).missing == ()
    assert len(shaken) == 1


async def test_a_new_secret_is_taken_up_without_a_restart(secret: SharedSecret, tmp_path: Path) -> None:
    async with serving(secret) as server, asking(SharedSecret(tmp_path / "secret"), at(server.port)) as facts:
        assert (await facts.look()).missing == ()
        old = secret.look()
        write(tmp_path / "secret", token="a-new-word-for-everybody")

        async with asyncio.timeout(45):
            while (await facts.look()).missing:
                await asyncio.sleep(0.01)
        assert secret.look() is not old
        assert len((await facts.look()).replicas) == 2


@pytest.mark.parametrize(
    ("file", "text"), [("token", "short"), ("token", "two words in one token"), ("tls.key", "no"), ("ca.crt", "no")]
)
def test_a_secret_that_cannot_be_used_leaves_the_good_one(
    secret: SharedSecret, tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str, text: str
) -> None:
    good = secret.look()
    (tmp_path / "secret" / file).write_text(text)
    with caplog.at_level(logging.INFO):
        assert [secret.look() for _ in range(3)] == [good] * 3
    assert [record.getMessage() for record in caplog.records] == ["facts-trust-refused"]
    with pytest.raises(NoSecretError):
        SharedSecret(tmp_path / "secret").look()


def stranger() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def test_strangers_who_hold_connections_keep_nobody_out(secret: SharedSecret, monkeypatch: Any) -> None:
    monkeypatch.setattr(server_module, "MOST_STRANGERS", 4)
    async with serving(secret) as server, asking(secret, at(server.port)) as facts:
        held = [await asyncio.open_connection("127.0.0.1", server.port, ssl=stranger()) for _ in range(12)]
        assert (await facts.look()).missing == ()
        async with asyncio.timeout(45):
            for reader, _ in held[:8]:
                assert await reader.read() == b"", "the oldest are closed"
        held += [await asyncio.open_connection("127.0.0.1", server.port, ssl=stranger()) for _ in range(12)]
        assert (await facts.look()).missing == ()
        for _, writer in held:
            writer.close()


async def test_who_shows_no_token_is_closed_in_time(secret: SharedSecret, monkeypatch: Any) -> None:
    monkeypatch.setattr(server_module, "PROOF_SECONDS", 0.1)
    async with serving(secret) as server, asking(secret, at(server.port)) as facts:
        assert (await facts.look()).missing == ()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=stranger())
        writer.write(b"GET /trials HTTP/1.1\r\nHost: a\r\n")
        async with asyncio.timeout(45):
            assert await reader.read() == b""
        writer.close()
        shaken: list[int] = []
        monkeypatch.setattr(FactsServer, "_show", lambda *_: shaken.append(1))
        assert (await facts.look()).missing == ()
        assert shaken == [], "a connection that has shown it is kept"


async def test_without_a_secret_the_port_waits_for_one(tmp_path: Path) -> None:
    secret = SharedSecret(tmp_path / "later")
    made = FactsServer(("127.0.0.1", 0), secret, lambda _: counts("other"), frozenset)
    task = asyncio.create_task(made.run())
    async with asking(secret, at(1)) as facts:
        assert "later" in (await facts.look()).missing[0]
    assert made.port == 0
    write(tmp_path / "later")
    await until(lambda: made.port, "the port")
    assert made.figures()[-1].value == 1.0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_replica_alone_has_its_own(secret: SharedSecret) -> None:
    facts = OwnFacts(lambda _: counts("own"), lambda: frozenset((A,)))
    wanted: Collection[str] = (A,)
    assert await facts.look(wanted) == Facts((counts("own"),))
    assert (facts.programmed(A), facts.programmed(B), facts.programmed("")) == ((1, 1), (0, 1), (1, 1))
    await facts.close()
