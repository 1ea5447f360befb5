"""TLS with clients as the settings ask for it: versions, ciphers of all hosts and of one, taken while serving."""

import ssl
from pathlib import Path

import pytest
from unit.proxy_gate.test_tls_contexts import named

from serin.dataplane.certificate import default_certificate
from serin.dataplane.proxy.tls import TlsContexts
from serin.routing.wide import ClientTls

STRONG, OTHER = "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"


@pytest.fixture
def contexts(tmp_path: Path) -> TlsContexts:
    (tmp_path / "default").write_bytes(default_certificate())
    named(tmp_path / "shop", "shop.example")
    return TlsContexts(tmp_path.joinpath, tmp_path / "default")


def talk(
    server: ssl.SSLContext, *, most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, ciphers: str = ""
) -> tuple[str, str]:
    """Version and cipher; ssl.SSLError where there is none that both know."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.maximum_version = most
    if ciphers:
        client.set_ciphers(ciphers)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname="shop.example")
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for side in [here, there] * 4:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    cipher = here.cipher()
    assert cipher is not None
    return here.version() or "", cipher[0]


def shop(name: str) -> str | None:
    return "shop" if name == "shop.example" else None


def test_versions(contexts: TlsContexts) -> None:
    server = contexts.listening(shop)
    assert talk(server)[0] == "TLSv1.3"
    contexts.apply(ClientTls(protocols=("TLSv1.2",)))
    assert talk(server)[0] == "TLSv1.2"
    contexts.apply(ClientTls(protocols=("TLSv1.3",)))
    with pytest.raises(ssl.SSLError):
        talk(server, most=ssl.TLSVersion.TLSv1_2)


def test_ciphers_of_all_and_of_a_host(contexts: TlsContexts) -> None:
    own: dict[str, str] = {}
    server = contexts.listening(shop, lambda name: own.get(name, ""))
    contexts.apply(ClientTls(ciphers=STRONG))
    assert talk(server, most=ssl.TLSVersion.TLSv1_2) == ("TLSv1.2", STRONG)
    own["shop.example"] = OTHER
    assert talk(server, most=ssl.TLSVersion.TLSv1_2) == ("TLSv1.2", OTHER)
    with pytest.raises(ssl.SSLError):
        talk(server, most=ssl.TLSVersion.TLSv1_2, ciphers=STRONG)


def test_the_server_prefers_unless_told_not_to(contexts: TlsContexts) -> None:
    server = contexts.listening(shop)
    both = f"{STRONG}:{OTHER}"
    contexts.apply(ClientTls(ciphers=both))
    assert talk(server, most=ssl.TLSVersion.TLSv1_2, ciphers=f"{OTHER}:{STRONG}")[1] == STRONG
    contexts.apply(ClientTls(ciphers=both, prefer_server_ciphers=False))
    assert talk(server, most=ssl.TLSVersion.TLSv1_2, ciphers=f"{OTHER}:{STRONG}")[1] == OTHER


def test_ciphers_that_openssl_does_not_know_count_for_nothing(contexts: TlsContexts) -> None:
    server = contexts.listening(shop)
    contexts.apply(ClientTls(ciphers="NOTHING"))
    assert talk(server, most=ssl.TLSVersion.TLSv1_2)[0] == "TLSv1.2"
