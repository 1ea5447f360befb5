"""Who may pass: certificates of clients and passwords, by a real nginx with rendered hosts."""

import base64
import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from unit.render_nginx.nginx_text import NGINX
from unit.render_nginx.stock_nginx import SOURCE, Running, one, serving

from serin.refs import Ref
from serin.routing.plan import BasicAuth, ClientAuth, ClientVerify, Host, PathKind, Policy, Route

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not here")
CA, USERS = "a" * 32, "e" * 32


class Authority:
    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self.pem = self._sign(self.name, self.key.public_key(), authority=True)

    def client(self, name: str) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return self._sign(subject, key.public_key(), authority=False) + private

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool) -> bytes:
        start = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + dt.timedelta(days=36500))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
            .public_bytes(Encoding.PEM)
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("access")
    for name in ("tls", "users"):
        (prefix / "plan" / name).mkdir(parents=True)
    ours, theirs = Authority(), Authority()
    (prefix / "plan" / "tls" / f"{CA}.pem").write_bytes(ours.pem)
    hashed = base64.b64encode(__import__("hashlib").sha1(b"secret").digest()).decode()
    (prefix / "plan" / "users" / USERS).write_text(f"ann:{{SHA}}{hashed}\n")
    for name, authority in (("alice", ours), ("bob", ours), ("eve", theirs)):
        (prefix / f"{name}.pem").write_bytes(authority.client(name))
    return prefix


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Running]:
    auth = ClientAuth(CA, ClientVerify.ON, SOURCE)
    routes = (
        one(1, "/alice", Policy(client_match="CN=al.ce$", pass_client_certificate=True)),
        one(2, "/", Policy()),
    )
    hosts = [
        Host("m.example", routes, client_auth=auth),
        Host("o.example", (one(3, "/", Policy()),), client_auth=ClientAuth(CA, ClientVerify.OPTIONAL, SOURCE)),
        Host(
            "e.example", (one(4, "/", Policy()),), client_auth=ClientAuth(CA, ClientVerify.ON, SOURCE, 1, "", "/no$x")
        ),
        Host("plain.example", (one(5, "/", Policy()),)),
        Host("p.example", (one(6, "/", Policy(auth=BasicAuth('a "b" $host', USERS, SOURCE))),)),
        Host("off.example", (one(7, "/", Policy(auth=BasicAuth("off", USERS, SOURCE))),)),
        Host("n.example", (one(8, "/", Policy(auth=BasicAuth("x", USERS, SOURCE)), proxied=False),)),
    ]
    hosts += [
        Host("guarded.example", beside_unbounded(9, Policy(auth=BasicAuth("x", USERS, SOURCE)))),
        Host("unguarded.example", beside_unbounded(20, Policy())),
    ]
    with serving(folder, hosts) as found:
        yield found


def beside_unbounded(number: int, policy: Policy) -> tuple[Route, ...]:
    """A path that nginx alone must not search, between two routes of other Ingresses."""
    regex, other = PathKind.REGEX, Ref("Ingress", "shop", "other")
    return (
        replace(one(number, "/open/first", Policy(), regex), ingress=other),
        one(number + 1, "/secret(a|a)*b", policy, regex),
        replace(one(number + 2, "/", Policy(), regex), ingress=other),
    )


def test_what_comes_after_a_guard_that_cannot_run_is_closed(running: Running) -> None:
    """Else another Ingress's route would let everybody to where the guard keeps them out."""
    assert running.ask("guarded.example", "/open/first")[0].status == 200
    assert running.ask("guarded.example", "/secretab")[0].status == 503
    assert running.ask("guarded.example", "/x")[0].status == 503
    assert running.ask("unguarded.example", "/x")[0].status == 200


def test_certificates_of_clients(running: Running, folder: Path) -> None:
    def status(name: str, target: str, client: str = "", asked_for: str = "") -> int:
        certificate = folder / f"{client}.pem" if client else None
        found: int = running.ask(name, target, tls=True, certificate=certificate, asked_for=asked_for)[0].status
        return found

    assert status("m.example", "/", "bob") == 200
    assert status("m.example", "/") == 400
    assert b"No required SSL certificate was sent" in running.ask("m.example", "/", tls=True)[1]
    assert status("m.example", "/", "eve") == 400
    assert status("m.example", "/alice", "alice") == 200
    assert status("m.example", "/alice", "bob") == 403
    assert status("o.example", "/") == 200
    assert status("o.example", "/", "eve") == 400
    assert status("plain.example", "/") == 200


def test_another_name_in_the_handshake_is_misdirected(running: Running, folder: Path) -> None:
    """Else a certificate that another host asked for, or none, would do."""
    for certificate in (None, folder / "bob.pem"):
        for asked_for in ("plain.example", "o.example", "nobody.example"):
            answer, _ = running.ask("m.example", "/", tls=True, certificate=certificate, asked_for=asked_for)
            assert answer.status == 421
    assert running.ask("o.example", "/", tls=True, asked_for="plain.example")[0].status == 421
    assert running.ask("plain.example", "/", tls=True, asked_for="nobody.example")[0].status == 200


def test_what_endpoints_learn_of_the_client(running: Running, folder: Path) -> None:
    forged = "ssl-client-cert: forged\r\nssl-client-subject-dn: CN=root\r\nssl-client-verify: SUCCESS\r\n"
    body = running.ask("m.example", "/alice", tls=True, certificate=folder / "alice.pem", more=forged)[1]
    headers = json.loads(body)["headers"]
    assert headers["ssl-client-verify"] == "SUCCESS"
    assert headers["ssl-client-subject-dn"] == "CN=alice"
    assert headers["ssl-client-cert"].startswith("-----BEGIN%20CERTIFICATE")
    body = running.ask("o.example", "/", tls=True, more=forged)[1]
    headers = json.loads(body)["headers"]
    assert headers["ssl-client-verify"] == "NONE"
    assert "ssl-client-cert" not in headers
    assert "ssl-client-subject-dn" not in headers


def test_the_page_of_a_refused_certificate(running: Running) -> None:
    """A path is served by the host's own routes; its `$` is no variable."""
    answer, body = running.ask("e.example", "/secret", tls=True)
    assert (answer.status, json.loads(body)["target"]) == (200, "/no$x")


def test_passwords(running: Running) -> None:
    right = "Authorization: Basic " + base64.b64encode(b"ann:secret").decode() + "\r\n"
    wrong = "Authorization: Basic " + base64.b64encode(b"ann:no").decode() + "\r\n"
    for name in ("p.example", "off.example", "n.example"):
        assert running.ask(name, "/")[0].status == 401
        assert running.ask(name, "/", more=wrong)[0].status == 401
    answer, _ = running.ask("p.example", "/")
    assert answer.getheader("WWW-Authenticate") == r'Basic realm="a \"b\" $host"'
    answer, body = running.ask("p.example", "/", more=right)
    assert answer.status == 200
    assert "authorization" not in json.loads(body)["headers"]
    assert running.ask("off.example", "/", more=right)[0].status == 200
    assert running.ask("n.example", "/", more=right)[0].status == 404
