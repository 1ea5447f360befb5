"""Whose address counts: networks, and what is believed of those who stand before us."""

import ipaddress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.proxy_gate.gate_fakes import client, request, serve

from serin.dataplane.proxy.exchange import Answer, Forward
from serin.dataplane.proxy.networks import Networks, networks
from serin.dataplane.proxy.seen_clients import SeenClients, seen_clients
from serin.refs import Ref, Source
from serin.routing.plan import (
    Globals,
    Host,
    PathKind,
    PathMatch,
    Policy,
    Route,
    RuleId,
    TlsRedirect,
    VersionRoute,
)
from serin.routing.wide import Forwarding

V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6)


@given(
    st.lists(st.tuples(V4 | V6, st.integers(0, 128)), max_size=6),
    V4 | V6,
)
def test_networks_are_those_of_the_library(
    nets: list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]],
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    made = [ipaddress.ip_network(f"{a}/{min(n, a.max_prefixlen)}", strict=False) for a, n in nets]
    inner = getattr(address, "ipv4_mapped", None) or address
    expected = any(inner.version == net.version and inner in net for net in made)
    assert (str(address) in Networks(map(str, made))) is expected


@pytest.mark.parametrize("text", ["", "unix:", "a.example", "10.0.0", "10.0.0.1/8", "fe80::1%eth0", "1.2.3.4\0", "é"])
def test_what_is_no_address_is_in_no_network(text: str) -> None:
    assert text not in Networks(("0.0.0.0/0", "::/0"))


@pytest.mark.parametrize(
    "text", ["", "a", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/²", "::1%1/8"]
)
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a network"):
        Networks((text,))


def test_equal_lists_are_read_once() -> None:
    """A hundred paths with ten thousand networks each would keep a worker from everybody for many seconds."""
    texts = [f"10.{a}.{b}.0/24" for a in range(4) for b in range(256)]
    first = networks(tuple(texts))
    assert networks(tuple(texts)) is first
    assert "10.3.255.7" in first
    assert networks(tuple(texts[:-1])) is not first


TRUST = Forwarding(trust=True)
FEW = Forwarding(trust=True, proxies=("192.0.2.0/24", "2001:db8::/32"))


@pytest.mark.parametrize(
    ("forwarding", "sent", "address"),
    [
        (TRUST, b"1.2.3.4, 5.6.7.8", "1.2.3.4"),
        (TRUST, b"", "192.0.2.7"),
        (FEW, b"1.2.3.4, 5.6.7.8", "5.6.7.8"),
        (FEW, b"1.2.3.4, 192.0.2.9", "1.2.3.4"),
        (FEW, b"1.2.3.4,192.0.2.9,,", "1.2.3.4"),
        (FEW, b"1.2.3.4, rubbish, 192.0.2.9", "192.0.2.9"),
        (FEW, b"rubbish", "192.0.2.7"),
        (FEW, b"1.2.3.4:8080", "1.2.3.4"),
        (FEW, b"[2001:db9::1]:443", "2001:db9::1"),
        (FEW, b"[2001:db9::1]", "2001:db9::1"),
        (FEW, b"::ffff:9.8.7.6", "9.8.7.6"),
        (FEW, b"1.2.3.4, 2001:db8::5", "1.2.3.4"),
        (Forwarding(trust=True, proxies=("198.51.100.0/24",)), b"1.2.3.4", "192.0.2.7"),
        (Forwarding(trust=True, proxies=()), b"1.2.3.4", "192.0.2.7"),
        (Forwarding(real_ip=True), b"1.2.3.4", "1.2.3.4"),
        (Forwarding(trust=True, proxy_protocol=True), b"1.2.3.4", "192.0.2.7"),
    ],
)
def test_the_address(forwarding: Forwarding, sent: bytes, address: str) -> None:
    headers = ((b"X-Forwarded-For", sent),) if sent else ()
    seen = SeenClients(forwarding)(request(b"/", *headers), client())
    assert seen.address == address
    assert b"X-Real-IP: %b\r\n" % address.encode() in seen.block


def test_another_header_has_the_address() -> None:
    see = SeenClients(Forwarding(real_ip=True, header="CF-Connecting-IP"))
    seen = see(request(b"/", (b"CF-Connecting-IP", b"9.9.9.9"), (b"X-Forwarded-For", b"1.2.3.4")), client())
    assert seen.address == "9.9.9.9"
    assert b"X-Original-Forwarded-For: 9.9.9.9\r\n" in seen.block
    assert (seen.scheme, seen.host) == (b"http", b"")


@pytest.mark.parametrize(
    "forwarding", [TRUST, Forwarding(real_ip=True), Forwarding(proxy_protocol=True), Forwarding(header="X-Client")]
)
def test_each_way_of_knowing_a_client_is_enough(forwarding: Forwarding) -> None:
    assert seen_clients(forwarding) is not None


def test_nothing_is_believed_without_being_asked() -> None:
    assert seen_clients(Forwarding()) is None
    assert seen_clients(Forwarding(full=True, proxies=())) is None
    see = SeenClients(Forwarding(header="X-Client"))
    seen = see(request(b"/", (b"X-Client", b"1.2.3.4"), (b"X-Forwarded-Proto", b"https")), client())
    assert (seen.address, seen.scheme) == ("192.0.2.7", b"http")


def test_scheme_host_and_port_of_who_stands_before_us() -> None:
    seen = SeenClients(TRUST)(
        request(
            b"/",
            (b"X-Forwarded-Proto", b"https"),
            (b"X-Forwarded-Host", b"front.example, back.example"),
            (b"X-Forwarded-Port", b"444"),
        ),
        client(),
    )
    assert (seen.scheme, seen.host, seen.said_port) == (b"https", b"front.example", b"444")
    for line in (
        b"X-Forwarded-Port: 444",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Scheme: https",
        b"X-Scheme: https",
    ):
        assert line + b"\r\n" in seen.block
    assert not seen.tls


def test_all_addresses_are_passed_on_where_that_is_asked_for() -> None:
    head = request(b"/", (b"X-Forwarded-For", b"1.2.3.4"))
    see = SeenClients(Forwarding(trust=True, full=True))
    assert b"X-Forwarded-For: 1.2.3.4, 192.0.2.7\r\n" in see(head, client()).block
    assert b"X-Forwarded-For: 192.0.2.7\r\n" in see(request(), client()).block


def test_without_that_the_address_found_is_passed_on_alone() -> None:
    head = request(b"/", (b"X-Forwarded-For", b"1.2.3.4, 5.6.7.8"))
    for forwarding in (FEW, replace(FEW, trust=False, real_ip=True, full=True)):
        seen = SeenClients(forwarding)(head, client())
        assert seen.passed == b"5.6.7.8"
        assert b"X-Forwarded-For: 5.6.7.8\r\n" in seen.block


@pytest.mark.parametrize(("port", "scheme"), [(443, b"https"), (444, b"http"), (80, b"http")])
def test_what_came_to_443_by_a_proxy_line_came_over_tls(port: int, scheme: bytes) -> None:
    came = replace(client(), server_port=port)
    assert SeenClients(Forwarding(proxy_protocol=True))(request(), came).scheme == scheme
    assert SeenClients(TRUST)(request(), came).scheme == b"http"


def test_the_connection_keeps_its_own_address() -> None:
    """The next request on it may be of somebody else."""
    own, see = client(), SeenClients(TRUST)
    see(request(b"/", (b"X-Forwarded-For", b"1.2.3.4")), own)
    assert (own.address, own.block, own.key) == ("192.0.2.7", b"", 0)


# --- at the gate ---


def shop(**policy: Any) -> Host:
    rule = RuleId("shop.example", "/", "Prefix")
    ingress = Ref("Ingress", "ns", "shop")
    main = VersionRoute("a" * 16, "main", ingress, "main", "80", "p")
    return Host(
        "shop.example", (Route(PathMatch(PathKind.PREFIX, "/"), rule, ingress, "5p", (main,), Policy(**policy)),)
    )


FRONT = ((b"X-Forwarded-For", b"1.2.3.4"), (b"X-Forwarded-Host", b"front.example"))


def test_the_endpoint_and_the_log_are_told_who_is_behind() -> None:
    served = serve(shop(), settings=Globals(forwarding=TRUST))
    forward = served.gate(request(b"/", *FRONT), client())
    assert isinstance(forward, Forward)
    assert forward.host == b"front.example"
    assert forward.log.remote_addr == "1.2.3.4"
    told = forward.prelude.split(b"\r\n")
    assert b"X-Forwarded-Host: front.example" in told
    assert [line for line in told if line.startswith(b"X-Original-Forwarded-For")] == [
        b"X-Original-Forwarded-For: 1.2.3.4"
    ]
    for key in (b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"):
        assert key in forward.drop
    missing = served.gate(request(b"/", *FRONT, host="unknown.example"), client())
    assert isinstance(missing, Answer)
    assert missing.log is not None
    assert missing.log.remote_addr == "1.2.3.4"


def test_the_usual_client_is_the_connection_s() -> None:
    forward = serve(shop()).gate(request(b"/", *FRONT), client())
    assert isinstance(forward, Forward)
    assert (forward.host, forward.log.remote_addr) == (b"shop.example", "")
    assert b"X-Forwarded-For: 192.0.2.7\r\n" in forward.prelude


def test_a_hash_of_the_address_is_of_the_client_behind() -> None:
    served = serve(shop(), settings=Globals(forwarding=TRUST))
    served.gate(request(b"/", *FRONT), client())
    served.gate(request(b"/", (b"X-Forwarded-For", b"9.9.9.9")), client())
    keys = [key for _, _, key, _ in served.splits.made["5p"].asked]
    assert keys == [sum(b"1.2.3.4") + 1, sum(b"9.9.9.9") + 1]


@pytest.mark.parametrize(
    ("trust", "said", "tls", "redirected"),
    [
        (True, b"https", False, False),
        (True, b"http", False, True),
        (True, b"", False, True),
        (True, b"http", True, True),
        (True, b"", True, False),
        (False, b"https", False, True),
        (False, b"http", True, False),
    ],
)
def test_who_is_redirected_to_tls(trust: bool, said: bytes, tls: bool, redirected: bool) -> None:
    source = Source(Ref("Ingress", "ns", "shop"))
    host = shop(tls_redirect=TlsRedirect(308, False, source))
    served = serve(host, settings=Globals(forwarding=Forwarding(trust=trust)))
    headers = ((b"X-Forwarded-Proto", said),) if said else ()
    decision = served.gate(request(b"/", *headers), client(tls=tls))
    assert isinstance(decision, Answer) is redirected
