"""Certificates of a local cluster, as a strict client sees them."""

import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from localkube.pki import Authority, KeyPair, signing_key


def handshake(authority: Authority, server: KeyPair, client: KeyPair, host: str) -> str:
    """The client's name as the server reads it."""
    here, there = (
        ssl.create_default_context(cafile=authority.files.certificate),
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
    )
    here.verify_flags |= ssl.VERIFY_X509_STRICT
    here.load_cert_chain(client.certificate, client.key)
    there.load_cert_chain(server.certificate, server.key)
    there.load_verify_locations(authority.files.certificate)
    there.verify_mode = ssl.CERT_REQUIRED
    told: list[str] = []
    near, far = socket.socketpair()

    def serve() -> None:
        with far, there.wrap_socket(far, server_side=True) as connection:
            certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
            told.append(certificate.subject.rfc4514_string())
            connection.recv(1)

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        with near, here.wrap_socket(near, server_hostname=host) as connection:
            connection.send(b"x")
    finally:
        serving.join(10)
    return told[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "kubernetes.default.svc"])
def test_members_trust_each_other(tmp_path: Path, host: str) -> None:
    authority = Authority(tmp_path / "pki")
    server = authority.issue("server", "kube-apiserver", hosts=["127.0.0.1", "kubernetes.default.svc"])
    client = authority.issue("client", "admin", "system:masters")
    assert handshake(authority, server, client, host) == "CN=admin,O=system:masters"


def test_an_authority_is_taken_up_again(tmp_path: Path) -> None:
    server = Authority(tmp_path).issue("server", "kube-apiserver", hosts=["localhost"])
    again = Authority(tmp_path)
    assert handshake(again, server, again.issue("client", "me"), "localhost") == "CN=me"


def test_keys_are_the_owners_alone(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("server", "kube-apiserver")
    keys = [pair.key, tmp_path / "ca.key", signing_key(tmp_path).key]
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
