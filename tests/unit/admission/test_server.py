"""The webhook's port as a client meets it: TLS, statuses, limits, certificates, and faults of ours."""

import asyncio
import contextlib
import itertools
import json
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from golden.certificates import make_pair
from unit.admission.reviews import World, body_of
from unit.compile.manifests import HOST, ingress

from serin.admission import intake, server
from serin.admission.certificate import CertificateFiles
from serin.admission.review import MOST_BYTES, Review
from serin.admission.server import AdmissionServer
from serin.admission.verdict import ALLOWED, Verdict
from serin.objects.views import View
from serin.refs import Ref

PATH = "/networking/v1/ingresses"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks at files often; the waits themselves are of the server's own length."""
    monkeypatch.setattr(server, "LOOK_SECONDS", 0.02)


async def until(condition: Callable[[], object], what: str) -> None:
    async with asyncio.timeout(45):
        while not condition():
            await asyncio.sleep(0.005)
    assert condition(), what


@dataclass
class StandIn:
    """A judge that says what a test says."""

    say: Callable[[], Verdict] = lambda: ALLOWED
    wanted: frozenset[Ref] = frozenset()
    given: list[dict[Ref, View | None]] = field(default_factory=list)

    def secrets(self, _review: Review) -> frozenset[Ref]:
        return self.wanted

    def verdict(self, _review: Review, secrets: Mapping[Ref, View | None]) -> Verdict:
        self.given.append(dict(secrets))
        return self.say()


def write_pair(folder: Path, host: str) -> CertificateFiles:
    files = CertificateFiles(folder / "tls.crt", folder / "tls.key")
    files.certificate.write_bytes(make_pair(host)[0])
    replace_pair(files, host)
    return files


def replace_pair(files: CertificateFiles, host: str) -> None:
    chain, key = make_pair(host)
    files.certificate.write_bytes(chain)
    files.key.write_bytes(key)


async def nobody(_: Ref) -> View | None:
    return None


class Webhook:
    """A running server and a client that trusts whatever certificate it shows."""

    def __init__(self, admission: AdmissionServer, files: CertificateFiles) -> None:
        self.admission = admission
        self.files = files
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
        self.trust = trust

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.admission.port}"

    async def ask(self, body: Any, path: str = PATH, method: str = "POST", **more: Any) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self.trust)) as session,
            session.request(method, self.url + path, data=body, **more) as response,
        ):
            return response.status, await response.text()

    async def judged(self, body: bytes) -> dict[str, Any]:
        status, text = await self.ask(body)
        assert status == 200, text
        found: dict[str, Any] = json.loads(text)["response"]
        return found

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.admission.port, ssl=self.trust)

    async def shown(self) -> bytes:
        """The certificate that a new connection sees."""
        _, writer = await self.connect()
        shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return shown

    def count(self, result: str) -> float:
        found = [f.value for f in self.admission.figures() if f.labels == (("result", result),)]
        return found[0]


@contextlib.asynccontextmanager
async def running(
    tmp_path: Path, judge: server.Judge, lookup: Callable[[Ref], Awaitable[View | None]] = nobody
) -> AsyncIterator[Webhook]:
    files = write_pair(tmp_path, "webhook.example")
    admission = AdmissionServer(("127.0.0.1", 0), files, judge, lookup)
    task = asyncio.create_task(admission.run())
    try:
        await until(lambda: admission.port, "the port")
        yield Webhook(admission, files)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert admission.port == 0


def pem_to_der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


# --- reviews ---


async def test_a_review_is_answered(tmp_path: Path) -> None:
    world = World(ingress("first", created="2026-01-01T00:00:00Z"))
    async with running(tmp_path, world.judge) as webhook:
        found = await webhook.judged(body_of(ingress("second")))
        assert (found["uid"], found["allowed"]) == ("u1", False)
        assert f'host "{HOST}" and path "/" is already defined' in found["status"]["message"]
        found = await webhook.judged(body_of(ingress("third", host="third.example")))
        assert found["allowed"]
        assert "service-not-found" in found["warnings"][0]
        assert await webhook.judged(body_of(None, operation="DELETE")) == {"uid": "u1", "allowed": True}
        assert [webhook.count(r) for r in ("denied", "warned", "allowed", "refused")] == [1, 1, 1, 0]
        seconds = [f.value for f in webhook.admission.figures() if f.name == "admission_review_seconds_total"]
        assert seconds[0] > 0


async def test_what_the_last_review_cost_is_told(tmp_path: Path) -> None:
    world = World(ingress("first", created="2026-01-01T00:00:00Z"))
    async with running(tmp_path, world.judge) as webhook:

        def last() -> dict[str, float]:
            return {f.name: f.value for f in webhook.admission.figures() if f.name.startswith("admission_last_")}

        assert set(last().values()) == {0}
        body = body_of(ingress("third", host="third.example"))
        await webhook.judged(body)
        found = last()
        assert found["admission_last_ingresses"] == 2
        assert found["admission_last_review_bytes"] == len(body)
        assert found["admission_last_judging_seconds"] > 0
        assert 0 < found["admission_last_testing_seconds"] <= found["admission_last_review_seconds"]
        await webhook.judged(body_of(None, operation="DELETE"))
        assert last() == found, "what is not judged in a plan costs nothing"


async def test_both_paths_take_reviews(tmp_path: Path) -> None:
    async with running(tmp_path, StandIn()) as webhook:
        for path in sorted(intake.PATHS):
            status, _ = await webhook.ask(body_of(ingress("a")), path + "?timeout=5s")
            assert status == 200


async def test_many_reviews_at_a_time_are_all_answered(tmp_path: Path) -> None:
    async with running(tmp_path, World().judge) as webhook:
        bodies = [body_of(ingress(f"i{n}", host=f"h{n}.example"), uid=f"u{n}") for n in range(40)]
        found = await asyncio.gather(*(webhook.judged(body) for body in bodies))
        assert [f["uid"] for f in found] == [f"u{n}" for n in range(40)]


async def test_judging_takes_at_most_half_of_the_loops_time(tmp_path: Path) -> None:
    """Between any two verdicts the controller's other work has its turn."""
    ticks = 0
    seen: list[int] = []

    async def other_work() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    def slow() -> Verdict:
        seen.append(ticks)
        time.sleep(0.1)
        return ALLOWED

    async with running(tmp_path, StandIn(slow)) as webhook:
        work = asyncio.create_task(other_work())
        await asyncio.gather(*(webhook.judged(body_of(ingress(f"i{n}"))) for n in range(6)))
        work.cancel()
    assert len(seen) == 6
    assert all(later - earlier >= 3 for earlier, later in itertools.pairwise(seen))


async def test_a_failure_of_ours_keeps_nobody_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> Verdict:
        raise ZeroDivisionError("secret detail")

    async with running(tmp_path, StandIn(fail)) as webhook:
        found = await webhook.judged(body_of(ingress("a")))
        assert found["allowed"]
        assert "ZeroDivisionError" in found["warnings"][0]
        assert "secret detail" not in found["warnings"][0]
        assert webhook.count("unchecked") == 1
        assert "webhook-failed" in caplog.text
        assert (await webhook.judged(body_of(ingress("a"))))["allowed"]


# --- Secrets ---


A, B, C = (Ref("Secret", "shop", name) for name in "abc")


async def test_what_is_found_in_time_goes_to_the_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LOOKUP_SECONDS", 0.2)
    judge = StandIn(wanted=frozenset((A, B, C)))

    async def lookup(ref: Ref) -> View | None:
        if ref == B:
            raise ConnectionError("no API server")
        if ref == C:
            await asyncio.Event().wait()
        return None

    async with running(tmp_path, judge, lookup) as webhook:
        assert (await webhook.judged(body_of(ingress("a"))))["allowed"]
        assert judge.given == [{A: None}]


# --- what is refused ---


@pytest.mark.parametrize(
    ("ask", "status", "said"),
    [
        ({"path": "/"}, 404, "expected one of"),
        ({"path": "/metrics"}, 404, "expected one of"),
        ({"method": "GET"}, 405, "expected POST"),
        ({"method": "PUT"}, 405, "expected POST"),
        ({"body": b"{}"}, 400, "AdmissionReview"),
        ({"body": b""}, 400, "JSON"),
        ({"headers": {"Content-Encoding": "gzip"}}, 415, "Content-Encoding"),
        ({"body": b"x" * (MOST_BYTES + 1)}, 413, "bytes"),
    ],
)
async def test_what_is_no_review_gets_a_status(tmp_path: Path, ask: dict[str, Any], status: int, said: str) -> None:
    async with running(tmp_path, StandIn()) as webhook:
        got, text = await webhook.ask(**{"body": body_of(ingress("a"))} | ask)
        assert got == status
        assert said in text
        assert webhook.count("refused") == 1
        assert (await webhook.judged(body_of(ingress("a"))))["allowed"]


async def test_a_body_of_untold_length_is_bounded_too(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MOST_BYTES // 65536 + 1):
            yield b" " * 65536

    async with running(tmp_path, StandIn()) as webhook:
        with contextlib.suppress(aiohttp.ClientError):  # the answer may come before all is sent
            status, _ = await webhook.ask(endless())
            assert status == 413
        assert webhook.count("refused") == 1


async def test_the_largest_body_is_read(tmp_path: Path) -> None:
    async with running(tmp_path, StandIn()) as webhook:
        body = body_of(ingress("a"))
        assert (await webhook.judged(body + b" " * (MOST_BYTES - len(body))))["allowed"]


async def test_a_slow_body_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BODY_SECONDS", 0.1)
    async with running(tmp_path, StandIn()) as webhook:
        reader, writer = await webhook.connect()
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
        assert b" 408 " in await reader.readline()
        writer.close()


async def test_a_silent_connection_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.1)
    async with running(tmp_path, StandIn()) as webhook:
        reader, writer = await webhook.connect()
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost:".encode())
        async with asyncio.timeout(45):
            assert await reader.read() == b""
        writer.close()


async def test_bodies_share_what_room_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "QUEUE_SECONDS", 0.1)
    async with running(tmp_path, StandIn()) as webhook:
        streams = [await webhook.connect() for _ in range(3)]
        for _, writer in streams:
            writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {MOST_BYTES}\r\n\r\n".encode())
            await writer.drain()
        small = body_of(ingress("a"))
        deadline = time.monotonic() + 20
        while (await webhook.ask(small))[0] != 503:
            assert time.monotonic() < deadline
        for _, writer in streams:
            writer.close()
        while (await webhook.ask(small))[0] != 200:
            assert time.monotonic() < deadline


async def test_connections_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 2)
    async with running(tmp_path, StandIn()) as webhook:
        streams = [await webhook.connect() for _ in range(2)]
        reader, writer = await webhook.connect()
        assert await reader.read() == b""
        for _, held in (*streams, (reader, writer)):
            held.close()
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                assert (await webhook.judged(body_of(ingress("a"))))["allowed"]
                break
            assert time.monotonic() < deadline


async def test_no_old_tls(tmp_path: Path) -> None:
    async with running(tmp_path, StandIn()) as webhook:
        webhook.trust.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1 "):
            webhook.trust.minimum_version = ssl.TLSVersion.TLSv1
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            webhook.trust.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await webhook.connect()
        webhook.trust.maximum_version = ssl.TLSVersion.TLSv1_2
        assert (await webhook.judged(body_of(ingress("a"))))["allowed"]


# --- certificates ---


async def test_a_new_pair_is_taken_up_in_place(tmp_path: Path) -> None:
    async with running(tmp_path, StandIn()) as webhook:
        before = await webhook.shown()
        assert before == pem_to_der(webhook.files.certificate)
        port = webhook.admission.port
        held = await webhook.connect()
        replace_pair(webhook.files, "other.example")
        after = pem_to_der(webhook.files.certificate)
        deadline = time.monotonic() + 20
        while await webhook.shown() != after:
            assert time.monotonic() < deadline
        assert webhook.admission.port == port
        body = body_of(ingress("a"))
        held[1].write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        assert b" 200 " in await held[0].readline()
        held[1].close()


async def test_a_secret_volume_changes_by_a_symlink(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_pair(tmp_path / name, f"{name}.example")
    current = tmp_path / "..data"
    current.symlink_to("first")
    files = CertificateFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    for file in files:
        file.symlink_to(Path("..data") / file.name)
    admission = AdmissionServer(("127.0.0.1", 0), files, StandIn(), nobody)
    task = asyncio.create_task(admission.run())
    await until(lambda: admission.port, "the port")
    webhook = Webhook(admission, files)
    assert await webhook.shown() == pem_to_der(tmp_path / "first/tls.crt")
    fresh = tmp_path / "..data_tmp"
    fresh.symlink_to("second")
    fresh.replace(current)
    shutil.rmtree(tmp_path / "first")
    deadline = time.monotonic() + 20
    while await webhook.shown() != pem_to_der(tmp_path / "second/tls.crt"):
        assert time.monotonic() < deadline
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("damage", ["other key", "no certificate", "gone"])
async def test_a_bad_pair_leaves_the_last_good_one(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, StandIn()) as webhook:
        good = await webhook.shown()
        match damage:
            case "other key":
                webhook.files.key.write_bytes(make_pair("x.example")[1])
            case "no certificate":
                webhook.files.certificate.write_bytes(b"nonsense")
            case _:
                webhook.files.certificate.unlink()
        await until(lambda: "webhook-certificate-" in caplog.text.replace("-taken", ""), "a log line")
        assert await webhook.shown() == good
        assert caplog.text.count("webhook-certificate-refused") + caplog.text.count("webhook-certificate-missing") == 1
        replace_pair(webhook.files, "repaired.example")
        deadline = time.monotonic() + 20
        while await webhook.shown() != pem_to_der(webhook.files.certificate):
            assert time.monotonic() < deadline


async def test_without_a_certificate_it_waits_for_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = CertificateFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    admission = AdmissionServer(("127.0.0.1", 0), files, StandIn(), nobody)
    task = asyncio.create_task(admission.run())
    await until(lambda: "webhook-certificate-missing" in caplog.text, "a log line")
    assert admission.port == 0
    assert not task.done()
    write_pair(tmp_path, "late.example")
    await until(lambda: admission.port, "the port")
    assert await Webhook(admission, files).shown() == pem_to_der(files.certificate)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_taken_port_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def never(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None: ...

    holder = await asyncio.start_server(never, "127.0.0.1", 0)
    port = holder.sockets[0].getsockname()[1]
    admission = AdmissionServer(("127.0.0.1", port), write_pair(tmp_path, "a.example"), StandIn(), nobody)
    task = asyncio.create_task(admission.run())
    await until(lambda: "webhook-failed" in caplog.text, "a log line")
    holder.close()
    await holder.wait_closed()
    await until(lambda: admission.port == port, "the port")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
