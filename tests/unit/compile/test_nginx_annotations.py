"""What the nginx plane honours and the proxy does not: protocols, buffers, certificates of clients and endpoints."""

import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from golden.certificates import make_pair, tls_secret
from hypothesis import given
from hypothesis import strategies as st
from unit.compile.manifests import HOST, codes, compile_objects, config_map, ingress, problem, route, routes, secret

from serin.compile.annotations.buffering import fitting
from serin.compile.annotations.model import NGINX
from serin.compile.annotations.table import ANNOTATIONS
from serin.compile.compiler import Compiled
from serin.compile.concerned import concerned
from serin.native.pattern import Pattern
from serin.refs import Ref
from serin.render.documents import host_document, read_host
from serin.routing.explain import ExplainRequest, explain
from serin.routing.plan import Buffering, ClientVerify, Host, Policy, Protocol, Upstream, UpstreamTls

NEEDS = "needs the nginx plane (--plane nginx)"
AUTHORITY = make_pair("authority.example")[0].decode()
CERTIFICATE, KEY = (text.decode() for text in make_pair("us.example"))
TRUST = secret("trust", ca_crt=AUTHORITY)
TLS = [{"hosts": [HOST], "secretName": "cert"}]
HTTPS = {"backend-protocol": "HTTPS"}


def nginx(notes: dict[str, str], *more: dict[str, Any], **options: Any) -> Compiled:
    return compile_objects(ingress("main", notes=notes, tls=TLS), *more, CERT, plane="nginx", **options)


def revocations() -> str:
    """A list of revoked certificates, empty."""
    key = rsa.generate_private_key(65537, 2048)
    start = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority.example")])
    builder = x509.CertificateRevocationListBuilder().issuer_name(name)
    builder = builder.last_update(start).next_update(start + dt.timedelta(days=36500))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def short_pair() -> tuple[str, str]:
    """A certificate with a key that OpenSSL finds too short."""
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "us.example")])
    start = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + dt.timedelta(days=36500))
    made = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    return made.decode(), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


CERT = tls_secret("shop", "cert", HOST)
REVOKED = revocations()


def host(compiled: Compiled) -> Host:
    return compiled.plan.hosts[HOST]


def policy(compiled: Compiled) -> Policy:
    return route(compiled).policy


def closing(compiled: Compiled) -> str:
    """Why the one route is closed, or nothing."""
    closed = policy(compiled).closed
    if closed is not None:
        assert closed.status == 503
        assert route(compiled).versions == ()
    return "" if closed is None else closed.code


# --- the plane decides ---


@pytest.mark.parametrize("name", sorted(name for name, found in ANNOTATIONS.items() if found.planes == NGINX))
def test_on_the_proxy_plane_each_says_what_it_needs(name: str) -> None:
    compiled = compile_objects(ingress("main", notes={name: "1"}))
    found = problem(compiled, "annotation-unsupported")
    assert NEEDS in found.text
    closed = policy(compiled).closed
    assert (closed is not None) == (ANNOTATIONS[name].concern == "access")
    assert closed is None or (closed.status, closed.source) == (503, found.source)


@pytest.mark.parametrize(
    ("word", "on_nginx"),
    [
        ("HTTP", (Protocol.HTTP, False)),
        ("HTTPS", (Protocol.HTTP, True)),
        ("AUTO_HTTP", (Protocol.AUTO_HTTP, False)),
        ("GRPC", (Protocol.GRPC, False)),
        ("GRPCS", (Protocol.GRPC, True)),
        ("FCGI", (Protocol.FCGI, False)),
    ],
)
def test_protocols(word: str, on_nginx: tuple[Protocol, bool]) -> None:
    notes = {"backend-protocol": word}
    upstream = policy(nginx(notes)).upstream
    assert (upstream.protocol, upstream.tls) == on_nginx
    assert "backend-protocol-unsupported" not in codes(nginx(notes))
    by_proxy = compile_objects(ingress("main", notes=notes))
    spoken = Protocol.AUTO_HTTP if word == "AUTO_HTTP" else Protocol.HTTP
    assert (policy(by_proxy).upstream.protocol, policy(by_proxy).upstream.tls) == (spoken, word == "HTTPS")
    told = [p.text for p in by_proxy.problems if p.code == "backend-protocol-unsupported"]
    assert len(told) == (word not in ("HTTP", "HTTPS", "AUTO_HTTP"))
    assert all(NEEDS in text for text in told)


# --- buffers ---


def test_buffers_in_full() -> None:
    compiled = nginx(
        {
            "proxy-buffering": "on",
            "proxy-request-buffering": "off",
            "proxy-buffer-size": "8k",
            "proxy-buffers-number": "8",
            "proxy-busy-buffers-size": "16k",
            "proxy-max-temp-file-size": "0",
            "client-body-buffer-size": "1m",
            "proxy-http-version": "1.0",
        }
    )
    upstream = policy(compiled).upstream
    assert upstream == Upstream(http10=True, buffering=Buffering(True, False, 8192, 8, 16384, 0, 1 << 20))
    assert codes(compiled) == ["service-not-found"]


@pytest.mark.parametrize(
    ("notes", "made", "told"),
    [
        ({"proxy-buffers-number": "1"}, Buffering(number=2, busy=4096), ["proxy-buffers-number"]),
        ({"proxy-buffers-number": "2"}, Buffering(number=2, busy=4096), []),
        ({"proxy-buffers-number": "3"}, Buffering(number=3), []),
        ({"proxy-busy-buffers-size": "1k"}, Buffering(busy=4096), ["proxy-busy-buffers-size"]),
        ({"proxy-busy-buffers-size": "12k"}, Buffering(busy=12288), []),
        ({"proxy-busy-buffers-size": "13k"}, Buffering(busy=12288), ["proxy-busy-buffers-size"]),
        ({"proxy-buffer-size": "16k", "proxy-busy-buffers-size": "8k"}, Buffering(size=16384, busy=16384), ["busy"]),
        ({"proxy-max-temp-file-size": "1"}, Buffering(max_temp_file=4096), ["proxy-max-temp-file-size"]),
        ({"proxy-max-temp-file-size": "1m"}, Buffering(max_temp_file=1 << 20), []),
    ],
)
def test_sizes_that_nginx_would_refuse_are_adjusted(notes: dict[str, str], made: Buffering, told: list[str]) -> None:
    compiled = nginx(notes)
    assert policy(compiled).upstream.buffering == made
    fields = [p.source.field for p in compiled.problems if p.code == "buffer-size-adjusted"]
    assert len(fields) == len(told)
    assert all(name in field for name, field in zip(told, fields, strict=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("proxy-buffering", "yes"),
        ("proxy-buffer-size", "0"),
        ("proxy-buffer-size", "17m"),
        ("proxy-buffers-number", "0"),
        ("proxy-buffers-number", "8 8k"),
        ("proxy-busy-buffers-size", "lots"),
        ("client-body-buffer-size", "1g"),
        ("proxy-http-version", "2"),
    ],
)
def test_bad_buffers_count_as_absent(name: str, value: str) -> None:
    compiled = nginx({name: value})
    assert policy(compiled).upstream == Upstream()
    assert problem(compiled, "annotation-invalid").source.field.endswith(f"{name}]")


sizes = st.integers(1024, 1 << 24)


@given(
    st.builds(
        Buffering,
        size=sizes,
        number=st.integers(1, 4096),
        busy=st.none() | st.integers(1024, 1 << 34),
        max_temp_file=st.none() | st.integers(0, 1 << 40),
    )
)
def test_what_fits_is_what_nginx_asks_for(asked: Buffering) -> None:
    """The conditions of ngx_http_upstream's configuration; busy buffers are two where nobody says how many."""
    made = fitting(asked)
    busy = made.busy if made.busy is not None else 2 * made.size
    assert made.number >= 2
    assert made.size <= busy <= (made.number - 1) * made.size
    assert not made.max_temp_file or made.max_temp_file >= made.size
    assert fitting(made) == made


def test_the_config_map_sets_the_defaults() -> None:
    data = {"proxy_buffering": "on", "proxy_buffers_number": "1", "ssl_reject_handshake": "true"}
    compiled = nginx({"proxy-buffer-size": "8k"}, config_map(**data), configmap=("serin", "config"))
    assert policy(compiled).upstream.buffering == Buffering(answers=True, size=8192, number=2, busy=8192)
    assert compiled.plan.globals.reject_handshake
    assert problem(compiled, "buffer-size-adjusted").source.ref.kind == "ConfigMap"


def test_keys_of_the_config_map_say_what_they_need() -> None:
    compiled = compile_objects(ingress("main"), config_map(ssl_reject_handshake="true"), configmap=("serin", "config"))
    assert not compiled.plan.globals.reject_handshake
    assert NEEDS in problem(compiled, "config-unsupported").text


# --- certificates of endpoints ---


def test_endpoints_certificates_in_full() -> None:
    notes = {
        "backend-protocol": "GRPCS",
        "proxy-ssl-secret": "shop/trust",
        "proxy-ssl-verify": "on",
        "proxy-ssl-verify-depth": "3",
        "proxy-ssl-name": "pods.example",
        "proxy-ssl-server-name": "on",
        "proxy-ssl-ciphers": "HIGH:!aNULL",
        "proxy-ssl-protocols": "TLSv1.2 TLSv1.3",
    }
    compiled = nginx(notes, secret("trust", ca_crt=AUTHORITY, tls_crt=CERTIFICATE, tls_key=KEY))
    found = policy(compiled).upstream.verification
    assert found is not None
    made = UpstreamTls(
        certificate=found.certificate,
        authorities=found.authorities,
        verify=True,
        depth=3,
        ciphers="HIGH:!aNULL",
        protocols=("TLSv1.2", "TLSv1.3"),
        name="pods.example",
        send_name=True,
        source=found.source,
    )
    assert found == made
    plan = compiled.plan
    assert plan.certificates[found.authorities].pem == AUTHORITY.encode()
    assert plan.certificates[found.certificate].pem == (CERTIFICATE + KEY).encode()
    assert Ref("Secret", "shop", "trust") in compiled.reads
    assert concerned(compiled, Ref("Secret", "shop", "trust")) == (Ref("Ingress", "shop", "main"),)
    assert codes(compiled) == ["service-not-found"]
    assert read_host(host_document(host(compiled))) == host(compiled)


def test_without_a_secret_names_and_protocols_count() -> None:
    found = policy(nginx({**HTTPS, "proxy-ssl-server-name": "on", "proxy-ssl-name": "x"})).upstream.verification
    assert found is not None
    assert (found.name, found.send_name, found.verify, found.authorities) == ("x", True, False, "")


def test_without_tls_they_have_no_effect() -> None:
    compiled = nginx({"proxy-ssl-secret": "trust", "proxy-ssl-verify": "on"}, TRUST)
    assert policy(compiled).upstream.verification is None
    assert problem(compiled, "proxy-ssl-unused").severity == "warning"


@pytest.mark.parametrize(
    ("notes", "data", "code"),
    [
        ({"proxy-ssl-verify": "on"}, {}, "proxy-ssl-secret-missing"),
        ({"proxy-ssl-secret": "other/trust"}, {"ca_crt": AUTHORITY}, "proxy-ssl-secret-namespace"),
        ({"proxy-ssl-secret": "absent"}, {"ca_crt": AUTHORITY}, "proxy-ssl-secret-unusable"),
        ({"proxy-ssl-secret": "trust"}, {}, "proxy-ssl-secret-unusable"),
        ({"proxy-ssl-secret": "trust"}, {"tls_crt": CERTIFICATE}, "proxy-ssl-secret-unusable"),
        ({"proxy-ssl-secret": "trust"}, {"tls_key": KEY, "tls_crt": AUTHORITY}, "proxy-ssl-secret-unusable"),
        ({"proxy-ssl-secret": "trust"}, {"ca_crt": "no certificate"}, "proxy-ssl-secret-unusable"),
        (
            {"proxy-ssl-secret": "trust", "proxy-ssl-verify": "on"},
            {"tls_crt": CERTIFICATE, "tls_key": KEY},
            "proxy-ssl-secret-unusable",
        ),
        ({"proxy-ssl-secret": "a b"}, {}, "annotation-invalid"),
        ({"proxy-ssl-name": "a b"}, {}, "annotation-invalid"),
        ({"proxy-ssl-verify": "yes"}, {}, "annotation-invalid"),
    ],
)
def test_endpoints_that_cannot_be_checked_are_not_spoken_to(
    notes: dict[str, str], data: dict[str, str], code: str
) -> None:
    compiled = nginx(HTTPS | notes, secret("trust", **data))
    assert closing(compiled) == code
    assert code in codes(compiled)


def test_a_key_that_nginx_would_refuse_is_told() -> None:
    certificate, key = short_pair()
    compiled = nginx(HTTPS | {"proxy-ssl-secret": "trust"}, secret("trust", tls_crt=certificate, tls_key=key))
    assert "1024 bits is too short" in problem(compiled, "proxy-ssl-secret-unusable").text
    assert KEY not in repr(compiled.plan)


@pytest.mark.parametrize("ciphers", ["NO-SUCH-CIPHER", "HIGH;x", "HIGH x"])
def test_ciphers_that_openssl_does_not_know_count_as_absent(ciphers: str) -> None:
    compiled = nginx(HTTPS | {"proxy-ssl-ciphers": ciphers})
    assert policy(compiled).upstream.verification is None
    assert "annotation-invalid" in codes(compiled)


# --- certificates of clients ---


def test_client_certificates_in_full() -> None:
    notes = {
        "auth-tls-secret": "shop/trust",
        "auth-tls-verify-client": "on",
        "auth-tls-verify-depth": "2",
        "auth-tls-error-page": "https://login.example/why",
        "auth-tls-match-cn": "CN=app-[0-9]+",
        "auth-tls-pass-certificate-to-upstream": "true",
    }
    compiled = nginx(notes, secret("trust", ca_crt=f"a comment\n{AUTHORITY}{AUTHORITY}", ca_crl=REVOKED))
    found = host(compiled).client_auth
    assert found is not None
    assert (found.verify, found.depth, found.error_page) == (ClientVerify.ON, 2, "https://login.example/why")
    assert compiled.plan.certificates[found.authorities].pem == AUTHORITY.encode(), "each once, and nothing else"
    assert compiled.plan.certificates[found.revoked].pem == REVOKED.encode()
    assert (policy(compiled).client_match, policy(compiled).pass_client_certificate) == ("CN=app-[0-9]+", True)
    assert Ref("Secret", "shop", "trust") in compiled.reads
    assert codes(compiled) == ["service-not-found"]
    assert read_host(host_document(host(compiled))) == host(compiled)


def test_they_are_of_the_whole_host() -> None:
    main = ingress("main", ("/", "Prefix", "v1"), notes={"auth-tls-secret": "trust"}, tls=TLS)
    other = ingress("other", ("/other", "Prefix", "v1"), notes={"ssl-redirect": "false"}, tls=TLS)
    compiled = compile_objects(main, other, TRUST, CERT, plane="nginx")
    assert host(compiled).client_auth is not None
    assert [r.policy.tls_redirect is None for r in routes(compiled)] == [False, False], "plain requests show none"


def test_challenges_of_certificate_authorities_are_open_and_nothing_else_is() -> None:
    """What the ConfigMap lets in without TLS would come in without a certificate."""
    paths = (("/.well-known/acme-challenge/token", "Exact", "solver"), ("/plain", "Prefix", "v1"))
    main = ingress("main", *paths, notes={"auth-tls-secret": "trust"}, tls=TLS)
    settings = config_map(no_tls_redirect_locations="/.well-known/acme-challenge,/plain")
    compiled = compile_objects(main, TRUST, CERT, settings, configmap=("serin", "config"), plane="nginx")
    found = {r.match.path: r.policy.tls_redirect is None for r in routes(compiled)}
    assert (found["/.well-known/acme-challenge/token"], found["/plain"]) == (True, False)


def test_explain_says_who_has_to_show_one() -> None:
    plan = nginx({"auth-tls-secret": "trust"}, TRUST).plan
    told = explain(plan, ExplainRequest(f"https://{HOST}/"), (), Pattern)
    assert any("the client needs a certificate (Ingress shop/main" in str(note) for note in told.because)
    assert explain(plan, ExplainRequest(f"http://{HOST}/"), (), Pattern).status == 308


@pytest.mark.parametrize("word", ["optional", "optional_no_ca"])
def test_optional_certificates_redirect_nothing(word: str) -> None:
    notes = {"auth-tls-secret": "trust", "auth-tls-verify-client": word, "ssl-redirect": "false"}
    compiled = nginx(notes, TRUST)
    found = host(compiled).client_auth
    assert found is not None
    assert found.verify == word
    assert policy(compiled).tls_redirect is None


def test_off_asks_for_nothing() -> None:
    compiled = nginx({"auth-tls-secret": "trust", "auth-tls-verify-client": "off"}, TRUST)
    assert host(compiled).client_auth is None
    assert closing(compiled) == ""


def test_a_host_without_tls_is_told() -> None:
    compiled = compile_objects(ingress("main", notes={"auth-tls-secret": "trust"}), TRUST, plane="nginx")
    assert "no tls section" in problem(compiled, "auth-tls-without-tls").text
    assert policy(compiled).tls_redirect is not None


@pytest.mark.parametrize(
    ("notes", "data", "code"),
    [
        ({"auth-tls-secret": "absent"}, {"ca_crt": AUTHORITY}, "auth-tls-secret-unusable"),
        ({"auth-tls-secret": "trust"}, {}, "auth-tls-secret-unusable"),
        ({"auth-tls-secret": "trust"}, {"ca_crt": "-----BEGIN CERTIFICATE-----\nx"}, "auth-tls-secret-unusable"),
        ({"auth-tls-secret": "trust"}, {"ca_crt": AUTHORITY, "ca_crl": "none"}, "auth-tls-secret-unusable"),
        ({"auth-tls-secret": "other/trust"}, {"ca_crt": AUTHORITY}, "auth-tls-secret-namespace"),
        ({"auth-tls-match-cn": "CN=x"}, {}, "auth-tls-secret-missing"),
        ({"auth-tls-verify-client": "on"}, {}, "auth-tls-secret-missing"),
        ({"auth-tls-secret": "a b"}, {}, "annotation-invalid"),
        (
            {"auth-tls-secret": "trust", "auth-tls-verify-client": "perhaps"},
            {"ca_crt": AUTHORITY},
            "annotation-invalid",
        ),
        ({"auth-tls-secret": "trust", "auth-tls-match-cn": 'CN=x" ;'}, {"ca_crt": AUTHORITY}, "annotation-invalid"),
        ({"auth-tls-secret": "trust", "auth-tls-match-cn": "CN=(a"}, {"ca_crt": AUTHORITY}, "auth-tls-match-broken"),
        (
            {"auth-tls-secret": "trust", "auth-tls-match-cn": "CN=a", "auth-tls-verify-client": "off"},
            {"ca_crt": AUTHORITY},
            "auth-tls-match-unmet",
        ),
        (
            {"auth-tls-secret": "trust", "auth-tls-match-cn": "CN=a", "auth-tls-verify-client": "optional_no_ca"},
            {"ca_crt": AUTHORITY},
            "auth-tls-match-unmet",
        ),
    ],
)
def test_clients_that_cannot_be_checked_are_not_let_in(notes: dict[str, str], data: dict[str, str], code: str) -> None:
    compiled = nginx(notes, secret("trust", **data))
    assert closing(compiled) == code
    assert code in codes(compiled)


@pytest.mark.parametrize("broken", [{"auth-tls-secret": "absent"}, {"auth-tls-secret": "a b"}])
def test_what_the_host_cannot_check_closes_all_of_it(broken: dict[str, str]) -> None:
    """Without its oldest Ingress's rule the others would be open, who were not before."""
    compiled = compile_objects(
        ingress("main", ("/", "Prefix", "v1"), notes=broken), ingress("other", ("/x", "Prefix", "v1")), plane="nginx"
    )
    assert [r.policy.closed is not None for r in routes(compiled)] == [True, True]
    assert host(compiled).client_auth is None


def test_a_younger_ingress_with_another_rule_is_closed() -> None:
    rules = ("trust", "trust", "else")
    paths = ("/", "/same", "/else")
    made = [
        ingress(f"i{n}", (path, "Prefix", "v1"), notes={"auth-tls-secret": rule}, tls=TLS)
        for n, (path, rule) in enumerate(zip(paths, rules, strict=True))
    ]
    compiled = compile_objects(*made, TRUST, secret("else", ca_crt=CERTIFICATE), CERT, plane="nginx")
    closed = {r.match.path: r.policy.closed for r in routes(compiled)}
    assert {path: found is not None for path, found in closed.items()} == {"/": False, "/same": False, "/else": True}
    assert "Ingress shop/i0" in problem(compiled, "auth-tls-conflict").text


def test_details_without_a_rule_are_told() -> None:
    compiled = nginx({"auth-tls-pass-certificate-to-upstream": "true", "auth-tls-verify-depth": "2"})
    assert closing(compiled) == ""
    assert codes(compiled).count("auth-tls-unused") == 2


def test_a_secret_that_comes_opens_the_host() -> None:
    assert closing(nginx({"auth-tls-secret": "trust"})) == "auth-tls-secret-unusable"
    assert closing(nginx({"auth-tls-secret": "trust"}, TRUST)) == ""
