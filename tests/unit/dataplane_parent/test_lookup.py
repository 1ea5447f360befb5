"""Names are looked up as this machine's programs would, by a small name server on loopback."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from serin.dataplane import lookup
from serin.dataplane.lookup import LookupFailedError, SystemLookup, read_hosts, usable


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Answers from `zone`: (name, type) to (TTL, values); other types of a known name are empty, the rest NXDOMAIN."""

    zone: dict[tuple[str, str], tuple[int, list[str]]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    failing: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name, kind = query.question[0].name, dns.rdatatype.to_text(query.question[0].rdtype)
        text = name.to_text()
        self.asked.append((text, kind))
        if kind in self.silent:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if self.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif (text, "CNAME") in self.zone:
            ttl, (target,) = self.zone[text, "CNAME"]
            response.answer.append(dns.rrset.from_text(name, ttl, "IN", "CNAME", target))
            if (target, kind) in self.zone:
                response.answer.append(self._records(target, kind))
        elif (text, kind) in self.zone:
            response.answer.append(self._records(text, kind))
        elif not any(known == text for known, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(response.to_wire(), addr)

    def _records(self, name: str, kind: str) -> dns.rrset.RRset:
        ttl, values = self.zone[name, kind]
        return dns.rrset.from_text(name, ttl, "IN", kind, *values)


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    made = NameServer()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: made, ("127.0.0.1", 0))
    made.port = transport.get_extra_info("sockname")[1]
    yield made
    transport.close()


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 127.0.0.1\n")
    return path


def make(server: NameServer, conf: Path, lifetime: float = 5.0) -> SystemLookup:
    return SystemLookup(conf, conf.with_name("hosts"), port=server.port, lifetime=lifetime)


async def test_a_and_aaaa_with_the_shorter_ttl(server: NameServer, conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_has_route", lambda _: True)
    server.zone = {("db.example.", "A"): (60, ["10.0.0.2", "10.0.0.1"]), ("db.example.", "AAAA"): (30, ["2001:db8::1"])}
    answer = await make(server, conf).find("db.example")
    assert answer.addresses == ("10.0.0.1", "10.0.0.2", "2001:db8::1")
    assert answer.ttl == 30


async def test_ttl_of_an_alias_counts_too(server: NameServer, conf: Path) -> None:
    server.zone = {("www.example.", "CNAME"): (5, ["web.example."]), ("web.example.", "A"): (200, ["10.0.0.1"])}
    answer = await make(server, conf).find("www.example")
    assert (answer.addresses, answer.ttl) == (("10.0.0.1",), 5)


@pytest.mark.parametrize(("sent", "held"), [(0, 1.0), (1, 1.0), (300, 300.0), (86400, 300.0)])
async def test_ttl_bounds(server: NameServer, conf: Path, sent: int, held: float) -> None:
    server.zone = {("db.example.", "A"): (sent, ["10.0.0.1"])}
    assert (await make(server, conf).find("db.example")).ttl == held


async def test_names_with_few_dots_try_the_search_list_first(server: NameServer, conf: Path) -> None:
    conf.write_text("nameserver 127.0.0.1\nsearch shop.svc.cluster.local svc.cluster.local\noptions ndots:5\n")
    server.zone = {("db.data.svc.cluster.local.", "A"): (5, ["10.0.0.7"])}
    assert (await make(server, conf).find("db.data")).addresses == ("10.0.0.7",)
    asked = [name for name, kind in server.asked if kind == "A"]
    assert asked == ["db.data.shop.svc.cluster.local.", "db.data.svc.cluster.local."]


async def test_a_final_dot_skips_the_search_list(server: NameServer, conf: Path) -> None:
    conf.write_text("nameserver 127.0.0.1\nsearch cluster.local\noptions ndots:5\n")
    server.zone = {("db.example.", "A"): (5, ["10.0.0.7"])}
    await make(server, conf).find("db.example.")
    assert {name for name, _ in server.asked} == {"db.example."}


async def test_unknown_name(server: NameServer, conf: Path) -> None:
    with pytest.raises(LookupFailedError, match=r"db\.example does not exist"):
        await make(server, conf).find("db.example")


async def test_name_without_addresses(server: NameServer, conf: Path) -> None:
    server.zone = {("db.example.", "TXT"): (5, ['"x"'])}
    with pytest.raises(LookupFailedError, match="neither A nor AAAA"):
        await make(server, conf).find("db.example")


async def test_failing_server(server: NameServer, conf: Path) -> None:
    server.failing = True
    with pytest.raises(LookupFailedError, match=r"db\.example"):
        await make(server, conf).find("db.example")


async def test_silent_server(server: NameServer, conf: Path) -> None:
    server.silent = {"A", "AAAA"}
    with pytest.raises(LookupFailedError, match="in time"):
        await make(server, conf, lifetime=0.05).find("db.example")


async def test_one_family_unanswered_is_asked_again_soon(server: NameServer, conf: Path) -> None:
    server.zone = {("db.example.", "A"): (200, ["10.0.0.1"])}
    server.silent = {"AAAA"}
    answer = await make(server, conf, lifetime=0.1).find("db.example")
    assert (answer.addresses, answer.ttl) == (("10.0.0.1",), lookup.INCOMPLETE_TTL)


@pytest.mark.parametrize("address", ["10.1.2.3", "2001:db8::9"])
async def test_an_address_needs_no_server(server: NameServer, conf: Path, address: str) -> None:
    answer = await make(server, conf).find(address)
    assert (answer.addresses, answer.ttl) == ((address,), lookup.MAX_TTL)
    assert server.asked == []


async def test_hosts_file_goes_first_and_may_change(server: NameServer, conf: Path) -> None:
    hosts = conf.with_name("hosts")
    hosts.write_text("10.0.0.5 db.example db # local\n10.0.0.6 DB.example\n# 10.0.0.8 db.example\nbroken\n")
    found = make(server, conf)
    assert (await found.find("db.Example.")).addresses == ("10.0.0.5", "10.0.0.6")
    hosts.write_text("10.0.0.9 db.example\n")
    os.utime(hosts, ns=(1, 1))
    assert (await found.find("db.example")).addresses == ("10.0.0.9",)
    assert server.asked == []


async def test_name_servers_may_change(server: NameServer, conf: Path) -> None:
    conf.write_text("nameserver 127.0.0.254\n")
    found = make(server, conf, lifetime=0.05)
    with pytest.raises(LookupFailedError):
        await found.find("db.example")
    server.zone = {("db.example.", "A"): (5, ["10.0.0.1"])}
    conf.write_text("nameserver 127.0.0.1\n")
    os.utime(conf, ns=(1, 1))
    assert (await found.find("db.example")).addresses == ("10.0.0.1",)


async def test_no_resolv_conf(server: NameServer, conf: Path) -> None:
    conf.unlink()
    with pytest.raises(LookupFailedError, match=r"resolv\.conf"):
        await make(server, conf).find("db.example")


def test_no_hosts_file(tmp_path: Path) -> None:
    assert read_hosts(tmp_path / "none") == {}


def test_ipv6_without_a_route_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_has_route", lambda _: False)
    assert usable({"10.0.0.1", "2001:db8::1"}) == ("10.0.0.1",)
    assert usable({"2001:db8::2", "2001:db8::1"}) == ("2001:db8::1", "2001:db8::2")
