"""Who an endpoint has to be (proxy-ssl-*): its authority, its name, the length of its chain; and who we are to it."""

import datetime as dt
import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from unit.proxy_http.http_rig import HOST, Endpoint, Rig

from serin.dataplane.proxy.endpoint_tls import is_for
from serin.dataplane.proxy.endpoints import Endpoints
from serin.dataplane.proxy.exchange import Client, RequestHead
from serin.routing.upstream import Protocol, Upstream, UpstreamTls

GET = f"GET / HTTP/1.1\r\n{HOST}\r\n"
Key = ec.EllipticCurvePrivateKey


@dataclass
class Made:
    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def private(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def make(name: str, by: Made | None = None, *, authority: bool = False, dns: tuple[str, ...] = ()) -> Made:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if by is None else by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in dns]), critical=False)
    return Made(builder.sign(key if by is None else by.key, hashes.SHA256()), key)


@dataclass
class Files:
    """Digests are names of files."""

    folder: Path

    def put(self, name: str, *parts: bytes) -> str:
        (self.folder / name).write_bytes(b"".join(parts))
        return name

    def path(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    made = Files(tmp_path_factory.mktemp("identity"))
    root = make("root", authority=True)
    middle = make("middle", root, authority=True)
    direct, far = make("direct", root, dns=("pay.internal",)), make("far", middle, dns=("pay.internal",))
    made.put("root", root.pem)
    made.put("other-root", make("other", authority=True).pem)
    made.put("direct", direct.pem, direct.private)
    made.put("far", far.pem, middle.pem, far.private)
    ours = make("ours", root)
    made.put("ours", ours.pem, ours.private)
    return made


async def listen(rig: Rig, files: Files, certificate: str, *, ask: bool = False) -> list[str | None]:
    """The endpoint, with TLS; gives the names that it is told."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.path(certificate))
    if ask:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(files.path("root"))
    names: list[str | None] = []
    context.sni_callback = lambda link, name, context: names.append(name)
    await rig.endpoint.stop()
    rig.endpoint = Endpoint()
    await rig.endpoint.start(context)
    return names


VERIFIED = UpstreamTls(authorities="root", verify=True, name="pay.internal")


async def status(rig: Rig, files: Files, tls: UpstreamTls) -> int:
    rig.upstream = replace(Endpoints(files.path).settings(Upstream(tls=True, verification=tls)), tries=1)
    return (await rig.ask(GET)).status


async def test_the_right_endpoint(rig: Rig, files: Files) -> None:
    names = await listen(rig, files, "direct")
    assert await status(rig, files, VERIFIED) == 200
    assert names == [None]


async def test_the_name_is_told_where_that_is_asked_for(rig: Rig, files: Files) -> None:
    names = await listen(rig, files, "direct")
    assert await status(rig, files, replace(VERIFIED, send_name=True)) == 200
    assert names == ["pay.internal"]


@pytest.mark.parametrize(
    "changed",
    [{"name": "other.internal"}, {"authorities": "other-root"}, {"name": "pay.internal.evil"}],
    ids=["name", "authority", "longer name"],
)
async def test_the_wrong_endpoint_gets_nothing(rig: Rig, files: Files, changed: dict[str, Any]) -> None:
    await listen(rig, files, "direct")
    assert await status(rig, files, replace(VERIFIED, **changed)) == 502
    assert rig.endpoint.requests == []


@pytest.mark.parametrize(("depth", "expected"), [(0, 502), (1, 200)])
async def test_a_chain_that_is_too_long(rig: Rig, files: Files, depth: int, expected: int) -> None:
    await listen(rig, files, "far")
    assert await status(rig, files, replace(VERIFIED, depth=depth)) == expected
    assert bool(rig.endpoint.requests) is (expected == 200)


async def test_our_certificate(rig: Rig, files: Files) -> None:
    await listen(rig, files, "direct", ask=True)
    assert await status(rig, files, UpstreamTls()) == 502
    assert await status(rig, files, UpstreamTls(certificate="ours")) == 200


async def test_protocols_and_ciphers(rig: Rig, files: Files) -> None:
    await listen(rig, files, "direct")
    seen = Endpoints(files.path).settings(
        Upstream(tls=True, verification=UpstreamTls(protocols=("TLSv1.2",), ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"))
    )
    assert seen.tls is not None
    assert seen.tls.maximum_version == ssl.TLSVersion.TLSv1_2
    assert await status(rig, files, UpstreamTls(protocols=("TLSv1.2",))) == 200


def request(host: str, *, tls: bool) -> tuple[RequestHead, Client]:
    return RequestHead("GET", b"/", host, host.encode(), False, [], [], 0, b"", False), Client("192.0.2.1", 1, tls, 80)


def test_the_name_of_the_request(files: Files) -> None:
    """Without proxy-ssl-name the endpoint has to be who the client asked for; connections are not shared by names."""
    endpoints = Endpoints(files.path)
    named = endpoints.by_request(Upstream(tls=True, verification=replace(VERIFIED, name="")))
    assert named is not None
    one, other = named(*request("a.example", tls=True)), named(*request("b.example", tls=True))
    assert one is named(*request("a.example", tls=False))
    assert one.key != other.key
    assert one.check is not None
    assert endpoints.by_request(Upstream(tls=True, verification=VERIFIED)) is None
    assert endpoints.by_request(Upstream(tls=True)) is None


def test_tls_as_the_client_has_it(files: Files) -> None:
    by_scheme = Endpoints(files.path).by_request(Upstream(protocol=Protocol.AUTO_HTTP))
    assert by_scheme is not None
    assert by_scheme(*request("a.example", tls=False)).tls is None
    assert by_scheme(*request("a.example", tls=True)).tls is not None


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        ("a.example", "a.example", True),
        ("A.Example", "a.eXample", True),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.com", "example.com", False),
        ("a*.example.com", "ab.example.com", False),
        ("a.example", "a.example.evil", False),
        ("a.example", "", False),
    ],
)
def test_names_of_certificates(given: str, name: str, expected: bool) -> None:
    assert is_for({"subjectAltName": (("DNS", given),)}, name) is expected
    assert is_for({"subject": ((("commonName", given),),)}, name) is expected


def test_the_common_name_counts_only_without_others() -> None:
    subject = ((("commonName", "a.example"),),)
    assert not is_for({"subject": subject, "subjectAltName": (("DNS", "b.example"),)}, "a.example")
    assert is_for({"subject": subject, "subjectAltName": (("IP Address", "192.0.2.1"),)}, "a.example")
