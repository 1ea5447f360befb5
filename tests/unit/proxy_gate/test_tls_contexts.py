"""Handshakes over memory: which certificate a name gets, and that a broken one harms nobody else."""

import datetime as dt
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from serin.dataplane.certificate import default_certificate
from serin.dataplane.proxy.tls import TlsContexts

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def fallback(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "default.pem"
    path.write_bytes(default_certificate())
    return path


def names(plan: dict[str, str]) -> Callable[[str], str | None]:
    return lambda name: plan.get(name)


def named(path: Path, name: str) -> Path:
    """A certificate whose subject is `name`, signed by nobody in particular."""
    from cryptography.hazmat.primitives import hashes, serialization

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
        .not_valid_after(dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(pem + private)
    return path


def handshake(server: ssl.SSLContext, name: str | None, alpn: list[str] | None = None) -> tuple[str, str | None, str]:
    """Common name of the certificate, the protocol chosen, the TLS version."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    if alpn:
        client.set_alpn_protocols(alpn)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=name)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for side in [here, there] * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    der = here.getpeercert(binary_form=True)
    assert der is not None
    subject = x509.load_der_x509_certificate(der).subject
    common = subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    return str(common), here.selected_alpn_protocol(), here.version() or ""


def test_the_name_chooses_the_certificate(fallback: Path, tmp_path: Path) -> None:
    named(tmp_path / "d1", "shop.example")
    server = TlsContexts(tmp_path.joinpath, fallback).listening(names({"shop.example": "d1"}))
    assert handshake(server, "shop.example")[0] == "shop.example"
    assert handshake(server, "Shop.Example")[0] == "shop.example"
    assert handshake(server, "other.example")[0] == "Kubernetes Ingress Controller Fake Certificate"


def test_a_client_without_a_name_gets_the_default(fallback: Path, tmp_path: Path) -> None:
    server = TlsContexts(tmp_path.joinpath, fallback).listening(names({}))
    assert handshake(server, None)[0] == "Kubernetes Ingress Controller Fake Certificate"


def test_a_certificate_that_cannot_be_loaded_leaves_the_default(fallback: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"-----BEGIN CERTIFICATE-----\nnothing\n")
    contexts = TlsContexts(tmp_path.joinpath, fallback)
    server = contexts.listening(names({"a.example": "bad", "b.example": "missing"}))
    for name in ("a.example", "b.example"):
        assert handshake(server, name)[0] == "Kubernetes Ingress Controller Fake Certificate"


def test_a_certificate_that_could_not_be_loaded_is_tried_again_a_second_later(
    fallback: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = [10.0]
    contexts = TlsContexts(tmp_path.joinpath, fallback, lambda: now[0])
    missing = contexts.context(None)
    assert contexts.context("late") is missing
    (tmp_path / "late").write_bytes(fallback.read_bytes())
    assert contexts.context("late") is missing
    assert len(caplog.messages) == 1
    now[0] += 1.0
    found = contexts.context("late")
    assert found is not missing
    assert contexts.context("late") is found


def test_a_new_digest_takes_effect_with_the_next_handshake(fallback: Path, tmp_path: Path) -> None:
    named(tmp_path / "d1", "old")
    named(tmp_path / "d2", "new")
    plan = {"shop.example": "d1"}
    server = TlsContexts(tmp_path.joinpath, fallback).listening(names(plan))
    assert handshake(server, "shop.example")[0] == "old"
    plan["shop.example"] = "d2"
    assert handshake(server, "shop.example")[0] == "new"


def test_http_1_1_is_the_only_protocol_offered(fallback: Path, tmp_path: Path) -> None:
    server = TlsContexts(tmp_path.joinpath, fallback).listening(names({}))
    assert handshake(server, "a.example", ["h2", "http/1.1"])[1] == "http/1.1"
    assert handshake(server, "a.example", ["h2"])[1] is None
    assert handshake(server, "a.example")[2] == "TLSv1.3"


def test_contexts_are_made_once(fallback: Path, tmp_path: Path) -> None:
    named(tmp_path / "d1", "shop.example")
    contexts = TlsContexts(tmp_path.joinpath, fallback)
    assert contexts.context("d1") is contexts.context("d1")


def test_the_default_certificate_is_the_one_that_monitoring_knows() -> None:
    certificate = x509.load_pem_x509_certificate(default_certificate(NOW))
    assert certificate.subject.rfc4514_string() == "CN=Kubernetes Ingress Controller Fake Certificate,O=Acme Co"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["ingress.local"]
    assert isinstance(certificate.public_key(), rsa.RSAPublicKey)
    assert certificate.not_valid_after_utc == NOW + dt.timedelta(days=365)
    assert certificate.not_valid_before_utc < NOW
