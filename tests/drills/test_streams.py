"""TCP, UDP, TLS passed on unread and the PROXY protocol, with real clients over both planes."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import struct
import threading
from collections.abc import Iterator

import pytest
from harness.casefile import self_signed
from harness.every_plane import plane
from harness.fixtures import world
from harness.manifests import NAMESPACE, ingress, put, tls_secret
from harness.planes import NGINX, STOCK, parameter
from harness.serving import Serving
from harness.streams import (
    PASSED,
    TCP_MAP,
    UDP_MAP,
    ask_udp,
    config_map,
    free_port,
    ports_map,
    stream_service,
    stream_slice,
    talk,
    talk_tls,
    tcp_backend,
    udp_backend,
    with_config,
)
from harness.waiting import until
from harness.wire import Request, is_refused, read_reply
from harness.world import HOST, World

__all__ = ["plane", "world"]

CLIENT = ("203.0.113.7", 4711)


def v1(address: tuple[str, int] = CLIENT, port: int = 80) -> bytes:
    return f"PROXY TCP4 {address[0]} 192.0.2.1 {address[1]} {port}\r\n".encode()


def v2(address: tuple[str, int] = CLIENT) -> bytes:
    body = struct.pack("!4s4sHH", socket.inet_aton(address[0]), socket.inet_aton("192.0.2.1"), address[1], 80)
    body += b"\x04\x00\x03abc"  # a TLV of no meaning
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", len(body)) + body


def ask(serving: Serving, prelude: bytes, host: str = HOST, *, tls: bool = False) -> dict[str, str] | int:
    """The headers that a backend got, or the status; 0 when the connection is closed without an answer."""
    request = Request(host=host)
    address = serving.door.https if tls else serving.door.http
    try:
        with socket.create_connection(address, timeout=10) as sock:
            sock.sendall(prelude)
            if tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                sock = context.wrap_socket(sock, server_hostname=host)
            sock.sendall(request.encode())
            reply = read_reply(sock, request)
    except (OSError, http.client.HTTPException):
        return 0
    if reply.status != 200:
        return reply.status
    headers: dict[str, str] = {}
    for name, value in json.loads(reply.body)["headers"]:
        headers[name.lower()] = value
    return headers


@contextlib.contextmanager
def echoed(world: World, *, by: str = "7", run_dir: pathlib.Path | None = None) -> Iterator[tuple[Serving, int]]:
    """A port of TCP that leads to one backend, by its Service's port number or name, and answers."""
    port = free_port()
    put(world.folder / "tcp.yaml", ports_map("tcp", {port: f"{NAMESPACE}/echo:{by}"}))
    put(world.folder / "echo.yaml", stream_service("echo"))
    with tcp_backend("one") as one:
        put(world.folder / "slice.yaml", stream_slice("echo", one))
        serving = world.serve(*TCP_MAP, run_dir=run_dir)
        until(lambda: talk(port, b"a"), "an answer")
        yield serving, port


def test_lines_go_both_ways_and_endpoints_follow(world: World) -> None:
    port = free_port()
    put(world.folder / "tcp.yaml", ports_map("tcp", {port: f"{NAMESPACE}/echo:7"}))
    put(world.folder / "echo.yaml", stream_service("echo"))
    with tcp_backend("one") as one, tcp_backend("two") as two:
        put(world.folder / "slice.yaml", stream_slice("echo", one))
        serving = world.serve(*TCP_MAP)
        said = until(lambda: talk(port, b"a", b"b"), "an answer")
        assert said == b"hello of one\none:a\none:b\nend of one\n"
        put(world.folder / "slice.yaml", stream_slice("echo", two))
        # all of them: while nginx reloads, an old worker may still take a connection beside a new one
        until(lambda: all(talk(port, b"a").startswith(b"hello of two") for _ in range(20)), "the other endpoint alone")
        put(world.folder / "slice.yaml", stream_slice("echo", one, two))
        until(lambda: {talk(port)[9:12] for _ in range(8)} == {b"one", b"two"}, "both endpoints")
        put(world.folder / "slice.yaml", stream_slice("echo"))
        until(lambda: talk(port, b"a") == b"", "nobody")
        assert world.backend(serving) == "main"


def test_much_data_is_whole(world: World) -> None:
    with echoed(world, by="s") as (_, port):
        lines = [b"%06d" % number * 100 for number in range(5000)]
        with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:

            def send() -> None:
                sock.sendall(b"".join(line + b"\n" for line in lines))
                sock.shutdown(socket.SHUT_WR)

            sending = threading.Thread(target=send)
            sending.start()
            with sock.makefile("rb") as file:
                back = file.read().splitlines()
            sending.join()
        assert back == [b"hello of one", *(b"one:" + line for line in lines), b"end of one"]


def test_ports_come_and_go_and_bad_lines_harm_nobody(world: World) -> None:
    first, second = free_port(), free_port()
    put(world.folder / "echo.yaml", stream_service("echo"))
    with tcp_backend("one") as one:
        put(world.folder / "slice.yaml", stream_slice("echo", one))
        serving = world.serve(*TCP_MAP)
        lines = {first: f"{NAMESPACE}/echo:7", serving.door.https[1]: f"{NAMESPACE}/echo:7", 9999: "nobody"}
        put(world.folder / "tcp.yaml", ports_map("tcp", lines, web=f"{NAMESPACE}/echo:7"))
        until(lambda: talk(first, b"a"), "the first port")
        assert world.backend(serving) == "main"
        put(world.folder / "tcp.yaml", ports_map("tcp", {second: f"{NAMESPACE}/echo:7"}))
        until(lambda: talk(second, b"a"), "the second port")
        until(lambda: talk(first, b"a") == b"", "the first port to go")
        put(world.folder / "main2.yaml", ingress("main2", "later.example", "main"))
        until(lambda: world.backend(serving, "later.example") == "main", "a change of hosts")
        assert talk(second, b"a").startswith(b"hello of one")


def test_a_port_that_another_process_has_comes_when_it_is_free(world: World) -> None:
    port = free_port()
    put(world.folder / "echo.yaml", stream_service("echo"))
    put(world.folder / "tcp.yaml", ports_map("tcp", {port: f"{NAMESPACE}/echo:7"}))
    with tcp_backend("one") as one:
        put(world.folder / "slice.yaml", stream_slice("echo", one))
        with socket.create_server(("127.0.0.1", port)):
            serving = world.serve(*TCP_MAP)
            until(lambda: f"port {port} on 127.0.0.1 is in use" in serving.output(), "the log to say so")
            until(lambda: f"data[{port}]" in serving.output(), "the ConfigMap's problem")
            put(world.folder / "main2.yaml", ingress("main2", "later.example", "main"))
            until(lambda: world.backend(serving, "later.example") == "main", "a change of hosts")
        until(lambda: talk(port, b"a").startswith(b"hello of one"), "the port")


def test_proxy_lines_are_taken_and_sent(world: World) -> None:
    taken, sent, both = free_port(), free_port(), free_port()
    words = {taken: "PROXY", sent: ":PROXY", both: "PROXY:PROXY"}
    put(world.folder / "tcp.yaml", ports_map("tcp", {p: f"{NAMESPACE}/echo:7:{w}" for p, w in words.items()}))
    put(world.folder / "echo.yaml", stream_service("echo"))
    with tcp_backend("one") as one:
        put(world.folder / "slice.yaml", stream_slice("echo", one))
        world.serve(*TCP_MAP)
        until(lambda: talk(sent, b"a"), "an answer")
        told = talk(sent, b"a").splitlines()[1].decode().split(" ")
        assert (told[0], told[1:4], told[-1]) == ("one:PROXY", ["TCP4", "127.0.0.1", "127.0.0.1"], str(sent))
        for line in (v1(), v2()):
            until(lambda line=line: talk(taken, b"a", prelude=line), "an answer")  # type: ignore[misc]
            assert talk(taken, b"a", prelude=line) == b"hello of one\none:a\nend of one\n"
            assert b"one:PROXY TCP4 203.0.113.7 " in talk(both, b"a", prelude=line)
        assert talk(taken, b"a") == b""
        assert talk(both, b"a", prelude=b"PROXY TCP4 nonsense\r\n") == b""


def test_datagrams_are_answered_and_endpoints_follow(world: World) -> None:
    port = free_port(socket.SOCK_DGRAM)
    put(world.folder / "udp.yaml", ports_map("udp", {port: f"{NAMESPACE}/echo:7"}))
    put(world.folder / "echo.yaml", stream_service("echo", "UDP"))
    with udp_backend("one") as one, udp_backend("two") as two:
        put(world.folder / "slice.yaml", stream_slice("echo", one, protocol="UDP"))
        world.serve(*UDP_MAP)
        until(lambda: ask_udp(port, b"a") == b"one:a", "an answer")
        assert [ask_udp(port, b"%d" % n, 5.0) for n in range(20)] == [b"one:%d" % n for n in range(20)]
        put(world.folder / "slice.yaml", stream_slice("echo", two, protocol="UDP"))
        until(lambda: ask_udp(port, b"a") == b"two:a", "the other endpoint")
        put(world.folder / "udp.yaml", ports_map("udp"))
        until(lambda: ask_udp(port, b"a", 0.2) == b"", "nobody")


def passed_on(world: World, backend: int) -> None:
    """The host PASSED on a TLS backend beside ordinary hosts with TLS."""
    put(world.folder / "cert.yaml", tls_secret("cert", *self_signed(HOST)))
    main = ingress("main", HOST, "main")
    main["spec"]["tls"] = [{"hosts": [HOST], "secretName": "cert"}]
    put(world.folder / "main.yaml", main)
    passed = ingress("passed", PASSED, "echo", ssl_passthrough="true")
    passed["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"] = {"number": 7}
    put(world.folder / "passed.yaml", passed)
    put(world.folder / "echo.yaml", stream_service("echo"))
    put(world.folder / "slice.yaml", stream_slice("echo", backend))


def test_tls_is_passed_on_by_name_beside_ordinary_hosts(world: World) -> None:
    with tcp_backend("tls", PASSED) as backend:
        passed_on(world, backend)
        serving = world.serve("--enable-ssl-passthrough")
        until(lambda: talk_tls(serving.door, PASSED, b"a")[1], "an answer")
        assert talk_tls(serving.door, PASSED, b"a") == (PASSED, b"hello of tls\ntls:a\n")
        assert talk_tls(serving.door, PASSED.upper(), b"a")[0] == PASSED
        headers = ask(serving, b"", tls=True)
        assert isinstance(headers, dict)
        assert headers["x-forwarded-for"] == headers["x-real-ip"] == "127.0.0.1"
        assert headers["x-forwarded-proto"] == "https"
        assert ask(serving, b"", "unknown.example", tls=True) == 404
        put(world.folder / "passed.yaml", ingress("passed", PASSED, "main"))
        until(lambda: ask(serving, b"", PASSED, tls=True) not in (0, 404), "TLS to be ended here")


def test_the_address_of_a_proxy_line_is_the_clients(world: World) -> None:
    with tcp_backend("tls", PASSED) as backend:
        passed_on(world, backend)
        serving = world.serve("--enable-ssl-passthrough", *with_config(world, use_proxy_protocol="true"))
        for line in (v1(), v2()):
            headers = ask(serving, line, tls=True)
            assert isinstance(headers, dict)
            assert (headers["x-forwarded-for"], headers["x-real-ip"]) == (CLIENT[0], CLIENT[0])
            assert ask(serving, line) == 308
            assert talk_tls(serving.door, PASSED, b"a", prelude=line) == (PASSED, b"hello of tls\ntls:a\n")
        ended_before = ask(serving, v1(port=443))
        assert isinstance(ended_before, dict)
        assert ended_before["x-forwarded-proto"] == "https"
        assert ask(serving, b"") == 0
        assert ask(serving, b"", tls=True) == 0
        assert talk_tls(serving.door, PASSED, b"a") == ("", b"")


def test_proxy_lines_without_tls(world: World) -> None:
    serving = world.serve(*with_config(world, use_proxy_protocol="true", proxy_real_ip_cidr="127.0.0.1/32"))
    for line in (v1(), v2(), v1(("2001:db8::1", 5)).replace(b"TCP4", b"TCP6").replace(b"192.0.2.1", b"2001:db8::2")):
        headers = ask(serving, line)
        assert isinstance(headers, dict)
        assert headers["x-forwarded-for"] in (CLIENT[0], "2001:db8::1")
    unknown = ask(serving, b"PROXY UNKNOWN\r\n")
    assert isinstance(unknown, dict)
    assert unknown["x-forwarded-for"] == "127.0.0.1"
    assert ask(serving, b"") == 0
    put(world.folder / "config.yaml", config_map("config", {}))
    until(lambda: isinstance(ask(serving, b""), dict), "plain connections to be taken")
    until(lambda: ask(serving, v1()) == 400, "PROXY lines to be refused by all workers")


def test_whose_proxy_line_is_not_trusted_keeps_its_own_address(world: World) -> None:
    serving = world.serve(*with_config(world, use_proxy_protocol="true", proxy_real_ip_cidr="10.0.0.0/8"))
    headers = ask(serving, v1())
    assert isinstance(headers, dict)
    assert headers["x-forwarded-for"] == "127.0.0.1"


def test_workers_that_are_replaced_keep_the_ports(world: World, tmp_path: pathlib.Path) -> None:
    with echoed(world, run_dir=tmp_path / "run") as (serving, port):
        before = set(serving.workers())
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(serving.workers()) == 2 and not before & set(serving.workers()), "other workers")
        until(lambda: all(talk(port, b"a").startswith(b"hello of one") for _ in range(20)), "answers")


def test_nobody_is_taken_in_while_the_last_sessions_end(world: World) -> None:
    with (
        echoed(world) as (serving, port),
        socket.create_connection(("127.0.0.1", port), timeout=20) as last,
        last.makefile("rwb") as lines,
    ):
        assert lines.readline() == b"hello of one\n"
        os.kill(serving.data_plane(), signal.SIGTERM)
        for place in (("127.0.0.1", port), serving.door.http):
            until(lambda place=place: is_refused(place), "connections to be refused")  # type: ignore[misc]
        lines.write(b"b\n")
        lines.flush()
        assert lines.readline() == b"one:b\n"


@pytest.mark.parametrize("plane", [parameter(NGINX), parameter(STOCK)], indirect=True)
def test_a_killed_master_comes_back_with_its_ports(world: World) -> None:
    """Its orphaned workers hold the ports until another master serves, which cannot bind them until then."""
    port = free_port()
    with tcp_backend("tls", PASSED) as backend, tcp_backend("one") as one:
        passed_on(world, backend)
        put(world.folder / "one.yaml", stream_service("one"), stream_slice("one", one))
        put(world.folder / "tcp.yaml", ports_map("tcp", {port: f"{NAMESPACE}/one:7"}))
        serving = world.serve("--enable-ssl-passthrough", *TCP_MAP)
        until(lambda: talk(port, b"a").startswith(b"hello of one"), "the port")
        until(lambda: talk_tls(serving.door, PASSED, b"a")[0] == PASSED, "TLS to be passed on")
        before = serving.master()
        os.kill(before, signal.SIGKILL)
        until(lambda: serving.master() not in (0, before), "another master", seconds=60)
        until(lambda: talk(port, b"a").startswith(b"hello of one"), "the port", seconds=60)
        until(lambda: talk_tls(serving.door, PASSED, b"a")[0] == PASSED, "TLS to be passed on", seconds=60)
        assert isinstance(ask(serving, b"", tls=True), dict)
        put(world.folder / "main2.yaml", ingress("main2", "later.example", "main"))
        until(lambda: world.backend(serving, "later.example") == "main", "a change of hosts", seconds=60)
        assert talk(port, b"a").startswith(b"hello of one")
