"""TLS on either side: the same exchanges, and what differs in ending them."""

import datetime as dt
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from unit.proxy_http.http_rig import ANSWER, HOST, Endpoint, Rig, Visit, always, friendly, until

from serin.dataplane.proxy.connection_settings import UpstreamSettings

GET = f"GET / HTTP/1.1\r\n{HOST}\r\n"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's context with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.example")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    path: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


def trusting() -> ssl.SSLContext:
    """A client's context that verifies nothing, as ingress-nginx towards endpoints."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


async def use_tls_endpoint(rig: Rig, serving: ssl.SSLContext, names: list[str | None]) -> None:
    serving.sni_callback = lambda link, name, context: names.append(name)
    await rig.endpoint.stop()
    rig.endpoint = Endpoint()
    await rig.endpoint.start(serving)


async def test_endpoint_with_tls(rig: Rig, serving: ssl.SSLContext) -> None:
    names: list[str | None] = []
    await use_tls_endpoint(rig, serving, names)
    context = trusting()
    caller = await rig.call()
    rig.upstream = UpstreamSettings(tls=context, tls_key="unverified")
    for _ in range(2):
        assert (await caller.ask(GET)).body == b"ok"
    assert len(rig.endpoint.visits) == 1
    assert names == [None]
    rig.upstream = UpstreamSettings(tls=context, tls_key="unverified", server_name="a.example")
    assert (await caller.ask(GET)).body == b"ok"
    assert names == [None, "a.example"]
    rig.upstream = UpstreamSettings()
    assert (await caller.ask(GET)).status == 502  # a plain route never gets a connection that has TLS


async def test_endpoint_without_the_tls_it_should_have(rig: Rig) -> None:
    rig.endpoint.script = always(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    rig.upstream = UpstreamSettings(tls=trusting(), tls_key="unverified", connect_timeout=0.2)
    assert (await rig.ask(GET)).status in (502, 504)


async def test_endpoint_that_must_be_verified(rig: Rig, serving: ssl.SSLContext) -> None:
    await use_tls_endpoint(rig, serving, [])
    rig.upstream = UpstreamSettings(tls=ssl.create_default_context(), tls_key="v", server_name="a.example")
    assert (await rig.ask(GET)).status == 502


async def tls_caller(rig: Rig, serving: ssl.SSLContext) -> dict[str, Any]:
    rig.tls = serving
    await rig.serve()
    return {"ssl": trusting(), "server_hostname": "a.example"}


async def test_clients_with_tls(rig: Rig, serving: ssl.SSLContext) -> None:
    options = await tls_caller(rig, serving)
    caller = await rig.call(**options)
    for _ in range(2):
        assert (await caller.ask(GET)).body == b"ok"
    assert rig.clients[0].tls
    assert rig.clients[0].server_port == 443
    got = (await caller.ask(f"GET / HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n")).headers["connection"]
    assert got == "close"
    assert await caller.read_to_end() == b""


async def test_refusals_over_tls(rig: Rig, serving: ssl.SSLContext) -> None:
    await rig.serve(linger_timeout=0.1)
    options = await tls_caller(rig, serving)
    caller = await rig.call(f"GET nope HTTP/1.1\r\n{HOST}\r\n", **options)
    assert (await caller.answer()).status == 400
    assert await caller.read_to_end() == b""


async def test_large_answers_over_tls(rig: Rig, serving: ssl.SSLContext) -> None:
    size = 4 << 20
    rig.endpoint.script = always(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    caller = await rig.call(**await tls_caller(rig, serving))
    for _ in range(2):
        assert (await caller.ask(GET)).body == b"x" * size


async def test_upgrade_over_tls(rig: Rig, serving: ssl.SSLContext) -> None:
    async def echo(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        while part := await visit.reader.read(65536):
            await visit.send(part)

    rig.endpoint.script = echo
    caller = await rig.call(**await tls_caller(rig, serving))
    await caller.send(f"GET / HTTP/1.1\r\n{HOST}Connection: upgrade\r\nUpgrade: x\r\n\r\n")
    assert (await caller.head()).status == 101
    await caller.send(b"y" * 500_000)
    assert await caller.read(500_000) == b"y" * 500_000
    caller.close()
    await rig.settled()
    await until(lambda: rig.endpoint.lost, "the endpoint to hear the end")


async def test_a_tls_client_that_leaves(rig: Rig, serving: ssl.SSLContext) -> None:
    ended = []

    async def script(visit: Visit) -> None:
        await visit.request()
        ended.append(await visit.read_to_end())

    rig.endpoint.script = script
    caller = await rig.call(GET, **await tls_caller(rig, serving))
    await until(lambda: rig.endpoint.requests, "the request at the endpoint")
    caller.cut()
    await until(lambda: ended, "the endpoint's connection to be closed")
    assert rig.records[0].status == 499
    rig.endpoint.script = friendly
    assert ANSWER.endswith((await (await rig.call(ssl=trusting(), server_hostname="a")).ask(GET)).body)
