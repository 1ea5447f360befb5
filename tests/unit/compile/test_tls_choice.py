"""Certificates by host, redirects to https, and Secrets that cannot be used."""

import base64
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from golden.certificates import make_pair, tls_secret
from unit.compile.manifests import (
    HOST,
    canary,
    codes,
    compile_objects,
    config_map,
    ingress,
    problem,
    route,
    routes,
    secret,
)

from serin.compile.compiler import Compiled


def names(compiled: Compiled, host: str = HOST) -> list[str] | None:
    """The names of the certificate that a host shows, None for the default one."""
    digest = compiled.plan.hosts[host].certificate
    if digest is None:
        return None
    leaf = x509.load_pem_x509_certificates(compiled.plan.certificates[digest].pem)[0]
    return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)


def entry(*hosts: str, secret: str = "cert") -> dict[str, object]:
    return {"hosts": list(hosts), "secretName": secret} if hosts else {"secretName": secret}


def is_redirected(compiled: Compiled, host: str = HOST) -> bool:
    return route(compiled, host).policy.tls_redirect is not None


def test_the_entry_that_lists_the_host() -> None:
    compiled = compile_objects(ingress("main", tls=[entry(HOST)]), tls_secret("shop", "cert", HOST))
    assert names(compiled) == [HOST]
    assert is_redirected(compiled)
    assert codes(compiled) == ["service-not-found"]


def test_an_entry_without_hosts_by_its_certificates_names() -> None:
    compiled = compile_objects(ingress("main", tls=[entry()]), tls_secret("shop", "cert", HOST))
    assert names(compiled) == [HOST]
    assert is_redirected(compiled)


def test_an_entry_without_hosts_and_another_certificate() -> None:
    compiled = compile_objects(ingress("main", tls=[entry()]), tls_secret("shop", "cert", "x.example"))
    assert names(compiled) is None
    assert is_redirected(compiled)


def test_a_wildcard_certificate_covers_one_label() -> None:
    objects = tls_secret("shop", "cert", "*.example.com")
    assert names(compile_objects(ingress("main", tls=[entry(HOST)]), objects)) == ["*.example.com"]
    deep = compile_objects(ingress("main", host="a.b.example.com", tls=[entry("a.b.example.com")]), objects)
    assert names(deep, "a.b.example.com") is None
    assert "certificate-name-mismatch" in codes(deep)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"tls_crt": "x"},
        {"tls_key": "x"},
        {"tls_crt": "no certificate", "tls_key": "no key"},
        {"tls_crt": make_pair(HOST)[0].decode(), "tls_key": "no key"},
        {"tls_crt": make_pair(HOST)[0].decode(), "tls_key": make_pair(HOST)[1].decode()},
    ],
)
def test_a_secret_that_cannot_be_used_shows_the_default_one(data: dict[str, str]) -> None:
    compiled = compile_objects(ingress("main", tls=[entry(HOST)]), secret("cert", **data))
    assert names(compiled) is None
    assert is_redirected(compiled)
    assert problem(compiled, "certificate-unusable").source.field == "spec.tls[0]"


def pair(bits: int = 2048, *, copies: int = 1, comment: int = 0) -> dict[str, str]:
    """A chain and its key. No prime has to be found, since nothing is signed with it."""
    p, q = (1 << bits // 2) - 159, (1 << bits // 2) - 1231
    e = 65537
    numbers = rsa.RSAPrivateNumbers(p, q, 3, 3, 3, 3, rsa.RSAPublicNumbers(e, p * q))
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    start = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + dt.timedelta(days=36500))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
    made = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {"tls_crt": made * copies, "tls_key": "#" * comment + "\n" + text}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (pair(8192, copies=16), ""),
        (pair(1024), "1024 bits is too short"),
        (pair(8256), "8256 bits is too long"),
        (pair(copies=17), "17 certificates, at most 16"),
        (pair(comment=1 << 17), "bytes are too many"),
    ],
)
def test_a_handshake_has_a_bound(data: dict[str, str], told: str) -> None:
    compiled = compile_objects(ingress("main", tls=[entry(HOST)]), secret("cert", **data))
    assert (names(compiled) is None) == bool(told)
    assert [told in p.text for p in compiled.problems if p.code == "certificate-unusable"] == [True] * bool(told)


def test_a_missing_secret_shows_the_default_one() -> None:
    compiled = compile_objects(ingress("main", tls=[entry(HOST, secret="absent")]))
    assert names(compiled) is None
    assert is_redirected(compiled)
    assert "there is no such Secret" in problem(compiled, "certificate-unusable").text


def test_keys_never_get_into_problems() -> None:
    compiled = compile_objects(ingress("main", tls=[entry(HOST)]), secret("cert", tls_crt="x", tls_key="GEHEIM"))
    assert "GEHEIM" not in str(compiled.problems)
    assert "GEHEIM" not in repr(compiled)


def test_a_secret_of_another_namespace_is_not_looked_at() -> None:
    compiled = compile_objects(ingress("main", tls=[entry(HOST)]), tls_secret("other", "cert", HOST))
    assert names(compiled) is None


def test_a_canarys_tls_does_not_count() -> None:
    compiled = compile_objects(ingress("main"), canary("c", tls=[entry(HOST)]), tls_secret("shop", "cert", HOST))
    assert names(compiled) is None
    assert not is_redirected(compiled)


def test_listed_goes_before_fitting() -> None:
    compiled = compile_objects(
        ingress("main", tls=[entry(secret="wild"), entry(HOST, secret="own")]),
        tls_secret("shop", "wild", "*.example.com"),
        tls_secret("shop", "own", HOST),
    )
    assert names(compiled) == [HOST]


def test_the_oldest_ingress_that_lists_the_host() -> None:
    compiled = compile_objects(
        ingress("a", ("/a", "Prefix", "v1")),
        ingress("b", ("/b", "Prefix", "v1"), tls=[entry(HOST, secret="b")]),
        ingress("c", ("/c", "Prefix", "v1"), tls=[entry(HOST, secret="c")]),
        tls_secret("shop", "b", HOST, "b.example"),
        tls_secret("shop", "c", HOST, "c.example"),
    )
    assert names(compiled) == [HOST, "b.example"]
    assert all(r.policy.tls_redirect for r in routes(compiled))


def test_a_host_under_a_wildcard_host_has_its_tls() -> None:
    compiled = compile_objects(
        ingress("wild", host="*.example.com", tls=[entry("*.example.com")]),
        ingress("main"),
        tls_secret("shop", "cert", "*.example.com"),
    )
    assert names(compiled) == ["*.example.com"]
    assert is_redirected(compiled)


def test_the_catch_all_redirects_nothing_by_itself() -> None:
    compiled = compile_objects(ingress("main", host="", tls=[entry()]), tls_secret("shop", "cert", "x.example"))
    assert compiled.plan.hosts[""].certificate is None
    assert not is_redirected(compiled, "")


@pytest.mark.parametrize(
    ("notes", "tls", "redirected"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"ssl-redirect": "false"}, True, False),
        ({"ssl-redirect": "0"}, True, False),
        ({"ssl-redirect": "no"}, True, True),
        ({"force-ssl-redirect": "true"}, False, True),
        ({"force-ssl-redirect": "true", "ssl-redirect": "false"}, False, True),
    ],
)
def test_who_is_redirected(notes: dict[str, str], tls: bool, redirected: bool) -> None:
    compiled = compile_objects(ingress("main", notes=notes, tls=[entry(HOST)] if tls else []))
    assert is_redirected(compiled) == redirected


@pytest.mark.parametrize(("value", "kept"), [("true", True), ("false", False), ("maybe", False)])
def test_trailing_slash(value: str, kept: bool) -> None:
    notes = {"force-ssl-redirect": "true", "preserve-trailing-slash": value}
    redirect = route(compile_objects(ingress("main", notes=notes))).policy.tls_redirect
    assert redirect is not None
    assert redirect.keep_slash == kept


def test_challenges_of_certificate_authorities_stay_plain() -> None:
    paths = (("/", "Prefix", "v1"), ("/.well-known/acme-challenge/token", "Exact", "solver"))
    compiled = compile_objects(ingress("main", *paths, notes={"force-ssl-redirect": "true"}))
    assert [r.policy.tls_redirect is None for r in routes(compiled)] == [True, False]


def test_aliases_have_tls_as_far_as_the_certificate_is_for_them() -> None:
    notes = {"server-alias": "other.org,b.example.com,*.example.com,*.example.org"}
    main = ingress("main", host="a.example.com", notes=notes, tls=[entry("a.example.com")])
    forced = ingress("f", ("/f", "Prefix", "v1"), host="a.example.com", notes={"force-ssl-redirect": "true"})
    compiled = compile_objects(main, forced, tls_secret("shop", "cert", "*.example.com"))
    host = compiled.plan.hosts["a.example.com"]
    assert host.uncertified == ("**.example.org", "other.org")
    spared = {r.match.path: r.policy.tls_redirect.spared for r in host.routes if r.policy.tls_redirect}
    assert spared == {"/f": (), "/": ("**.example.org", "other.org")}


def test_without_a_certificate_aliases_have_no_tls() -> None:
    main = ingress("main", notes={"server-alias": "b.example"}, tls=[entry(HOST)])
    assert compile_objects(main).plan.hosts[HOST].uncertified == ("b.example",)
    own = tls_secret("serin", "default", "*.example")
    assert compile_objects(main, own, default_ssl_certificate=("serin", "default")).plan.hosts[HOST].uncertified == ()
    assert compile_objects(ingress("main", notes={"server-alias": "b.example"})).plan.hosts[HOST].uncertified == ()


def test_default_certificate() -> None:
    compiled = compile_objects(
        ingress("main"), tls_secret("serin", "default", "d.example"), default_ssl_certificate=("serin", "default")
    )
    assert compiled.plan.globals.default_certificate in compiled.plan.certificates


def test_a_default_certificate_that_cannot_be_used() -> None:
    compiled = compile_objects(ingress("main"), default_ssl_certificate=("serin", "absent"))
    assert compiled.plan.globals.default_certificate is None
    assert str(problem(compiled, "certificate-unusable").source.ref) == "Secret serin/absent"


def test_secrets_that_nothing_refers_to_are_not_kept() -> None:
    compiled = compile_objects(ingress("main"), tls_secret("shop", "unused", HOST))
    assert not compiled.plan.certificates
    assert not compiled.memo.secrets


def test_one_certificate_for_many_hosts_is_one() -> None:
    hosts = [f"h{n}.example.com" for n in range(3)]
    objects = [ingress(f"i{n}", host=host, tls=[entry(host)]) for n, host in enumerate(hosts)]
    compiled = compile_objects(*objects, tls_secret("shop", "cert", "*.example.com"))
    assert len(compiled.plan.certificates) == 1
    assert len({compiled.plan.hosts[host].certificate for host in hosts}) == 1


def test_a_chain_is_kept_whole_before_the_key() -> None:
    (leaf, key), (authority, _) = make_pair(HOST), make_pair("authority.example")
    data = {"tls.crt": base64.b64encode(leaf + authority).decode(), "tls.key": base64.b64encode(key).decode()}
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cert", "namespace": "shop"}, "data": data}
    (certificate,) = compile_objects(ingress("main", tls=[entry(HOST)]), made).plan.certificates.values()
    assert certificate.pem == leaf + authority + key
    assert len(certificate.digest) == 32


def test_hsts_and_redirects_of_the_config_map() -> None:
    settings = config_map(hsts_max_age="60", hsts_preload="true", http_redirect_code="301", force_ssl_redirect="true")
    compiled = compile_objects(ingress("main"), settings, configmap=("serin", "config"))
    assert compiled.plan.globals.hsts == "max-age=60; includeSubDomains; preload"
    redirect = route(compiled).policy.tls_redirect
    assert redirect is not None
    assert (redirect.code, redirect.source.field) == (301, "data[force-ssl-redirect]")
