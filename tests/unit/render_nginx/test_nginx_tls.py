"""TLS with clients as the settings and hosts ask for it, by a real nginx."""

import socket
import ssl
from collections.abc import Iterator

import pytest
from unit.render_nginx.nginx_text import NGINX
from unit.render_nginx.stock_nginx import Running, one, serving

from serin.routing.plan import Globals, Host, Policy
from serin.routing.wide import ClientTls

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not here")
STRONG, OTHER = "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"
RSA_STRONG, RSA_OTHER = "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    tls = ClientTls(
        protocols=("TLSv1.2",),
        ciphers=f"{STRONG}:{RSA_STRONG}:{OTHER}:{RSA_OTHER}",
        curves="prime256v1",
        http2=False,
        session_cache=False,
        buffer_size=8192,
    )
    hosts = [
        Host("usual.example", (one(1, "/", Policy()),)),
        Host("own.example", (one(2, "/", Policy()),), ciphers=f"{OTHER}:{RSA_OTHER}", prefer_server_ciphers=False),
    ]
    with serving(tmp_path_factory.mktemp("tls"), hosts, Globals(tls=tls, reject_handshake=True)) as found:
        yield found


def cipher(link: ssl.SSLSocket) -> str:
    found = link.cipher()
    assert found is not None
    return found[0]


def negotiated(running: Running, name: str, ciphers: str = "") -> tuple[str, str | None, str | None]:
    context = ssl._create_unverified_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    if ciphers:
        context.set_ciphers(ciphers)
    with context.wrap_socket(socket.create_connection(("127.0.0.1", running.tls), 10), server_hostname=name) as link:
        return cipher(link), link.version(), link.selected_alpn_protocol()


def test_the_settings_hold_for_every_host(running: Running) -> None:
    used, version, protocol = negotiated(running, "usual.example", f"{OTHER}:{RSA_OTHER}:{STRONG}:{RSA_STRONG}")
    assert used in (STRONG, RSA_STRONG)  # the server's order
    assert (version, protocol) == ("TLSv1.2", "http/1.1")


def test_a_host_has_ciphers_of_its_own(running: Running) -> None:
    assert negotiated(running, "own.example")[0] in (OTHER, RSA_OTHER)
    with pytest.raises(ssl.SSLError):
        negotiated(running, "own.example", f"{STRONG}:{RSA_STRONG}")


def test_other_versions_are_refused(running: Running) -> None:
    context = ssl._create_unverified_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    raw = socket.create_connection(("127.0.0.1", running.tls), 10)
    with pytest.raises(ssl.SSLError), context.wrap_socket(raw, server_hostname="usual.example"):
        pass


def test_a_name_that_no_host_has_is_refused(running: Running) -> None:
    for name in ("nobody.example", "more.usual.example"):
        with pytest.raises(ssl.SSLError):
            negotiated(running, name)
