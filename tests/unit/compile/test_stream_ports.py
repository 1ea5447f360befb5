"""Ports of TCP and UDP: what a ConfigMap's lines become, and what is said of lines that cannot be read."""

from collections.abc import Mapping

import pytest
from unit.compile.manifests import Raw, check_pattern, codes, compile_objects, endpoints, problem, service, snapshot

from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.refs import Ref
from serin.routing.plan import Endpoint

DNS = (
    {"name": "dns", "port": 53, "targetPort": 5353, "protocol": "UDP"},
    {"name": "dns-tcp", "port": 53, "targetPort": 5354},
)


def ports(lines: Mapping[str, str], name: str = "tcp") -> Raw:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "serin"}, "data": lines}


def compiled(lines: Mapping[str, str], *objects: Raw, udp: Mapping[str, str] | None = None) -> Compiled:
    maps = [ports(lines), *([ports(udp, "udp")] if udp is not None else [])]
    named = {"tcp_services": ("serin", "tcp"), "udp_services": ("serin", "udp") if udp is not None else None}
    return compile_objects(*objects, *maps, **named)


def test_a_line_is_a_port_with_the_endpoints_of_a_service() -> None:
    found = compiled({"9000": "shop/db:80"}, service("db"), endpoints("db", "10.0.0.1", "10.0.0.2"))
    (stream,) = found.plan.globals.streams
    assert (stream.protocol, stream.port, stream.decode, stream.encode) == ("TCP", 9000, False, False)
    assert stream.to.name == "shop-db-80"
    pool = found.plan.pools[stream.to.pool]
    assert pool.endpoints == (Endpoint("10.0.0.1", 8080), Endpoint("10.0.0.2", 8080))
    assert found.plan.splits[stream.to.split].shape == (stream.to.ident,)
    assert codes(found) == []
    assert Ref("ConfigMap", "serin", "tcp") in found.reads


@pytest.mark.parametrize(
    ("line", "decode", "encode"),
    [
        ("shop/db:80:PROXY", True, False),
        ("shop/db:80::PROXY", False, True),
        ("shop/db:80:PROXY:PROXY", True, True),
        ("shop/db:http:proxy:", True, False),
    ],
)
def test_proxy_words_say_on_which_side_the_line_is(line: str, decode: bool, encode: bool) -> None:
    found = compiled({"9000": line}, service("db"), endpoints("db", "10.0.0.1"))
    (stream,) = found.plan.globals.streams
    assert (stream.decode, stream.encode) == (decode, encode)
    assert codes(found) == []


def test_of_a_port_with_two_protocols_each_map_gets_its_own() -> None:
    slices = endpoints("dns", "10.0.0.1", ports=[{"name": "dns", "port": 5353, "protocol": "UDP"}])
    slices["ports"] += [{"name": "dns-tcp", "port": 5354, "protocol": "TCP"}]
    found = compiled({"53": "shop/dns:53"}, service("dns", *DNS), slices, udp={"53": "shop/dns:53"})
    tcp, udp = found.plan.globals.streams
    assert (tcp.protocol, udp.protocol) == ("TCP", "UDP")
    assert found.plan.pools[tcp.to.pool].endpoints == (Endpoint("10.0.0.1", 5354),)
    assert found.plan.pools[udp.to.pool].endpoints == (Endpoint("10.0.0.1", 5353),)


@pytest.mark.parametrize(
    ("key", "line", "code"),
    [
        ("9001", "db:80", "stream-invalid"),
        ("9001", "shop/db", "stream-invalid"),
        ("9001", "shop/db:0", "stream-invalid"),
        ("9001", "shop/db:65536", "stream-invalid"),
        ("9001", "shop/db:80:proxi", "stream-invalid"),
        ("9001", "shop/db:80:PROXY:PROXY:PROXY", "stream-invalid"),
        ("9001", "shop/db;}:80", "stream-invalid"),
        ("0", "shop/db:80", "stream-port-invalid"),
        ("65536", "shop/db:80", "stream-port-invalid"),
        ("web", "shop/db:80", "stream-port-invalid"),
        ("8080", "shop/db:80", "stream-port-conflict"),
        ("8443", "shop/db:80", "stream-port-conflict"),
        ("10254", "shop/db:80", "stream-port-conflict"),
        ("09000", "shop/db:80", "stream-port-conflict"),
    ],
)
def test_a_line_that_cannot_be_taken_is_named_and_the_others_live(key: str, line: str, code: str) -> None:
    lines = {"9000": "shop/db:80", "9100": "shop/db:http", key: line}
    found = compiled(lines, service("db"), endpoints("db", "10.0.0.1"))
    assert [stream.port for stream in found.plan.globals.streams] in ([9000, 9100], [9100, 9000])
    told = problem(found, code)
    assert told.source.ref == Ref("ConfigMap", "serin", "tcp")
    assert told.source.field in (f"data[{key}]", "data[9000]")


def test_udp_may_have_the_number_of_a_port_of_ours_and_no_proxy_line() -> None:
    udp = {"8443": "shop/dns:53:PROXY"}
    found = compiled({}, service("dns", *DNS), endpoints("dns", "10.0.0.1", ports=DNS), udp=udp)
    (stream,) = found.plan.globals.streams
    assert (stream.protocol, stream.port, stream.decode, stream.encode) == ("UDP", 8443, False, False)
    assert "stream-proxy-protocol-unsupported" in codes(found)


def test_a_service_that_is_missing_is_told_on_the_line_that_names_it() -> None:
    found = compiled({"9000": "shop/db:80"})
    (stream,) = found.plan.globals.streams
    assert found.plan.pools[stream.to.pool].endpoints == ()
    told = problem(found, "service-not-found")
    assert told.source.field == "data[9000]"
    assert "its connections are closed" in told.text
    assert "503" not in told.text
    udp = compiled({}, udp={"53": "shop/dns:53"})
    assert "its datagrams are dropped" in problem(udp, "service-not-found").text


def test_a_config_map_that_is_missing_is_waited_for() -> None:
    options = Options(standalone=True, tcp_services=("serin", "tcp"))
    before = compile_snapshot(snapshot(service("db")), options, check_pattern)
    assert codes(before) == ["config-map-not-found"]
    assert Ref("ConfigMap", "serin", "tcp") in before.reads
    objects = snapshot(service("db"), endpoints("db", "10.0.0.1"), ports({"9000": "shop/db:80"}))
    after = compile_snapshot(objects, options, check_pattern, before)
    assert [stream.port for stream in after.plan.globals.streams] == [9000]
    assert after == compile_snapshot(objects, options, check_pattern)
    gone = compile_snapshot(snapshot(service("db")), options, check_pattern, after)
    assert gone.plan.globals.streams == ()
    assert gone.plan.splits == {}
    assert gone.plan.pools == {}
