"""Options of TCP and UDP in the ConfigMap: their times, answers and tries, and the lines of their access log."""

import contextlib
import re
import socket
import time

from harness.every_plane import plane
from harness.fixtures import world
from harness.manifests import NAMESPACE, ingress, put
from harness.streams import (
    CONFIG,
    PASSED,
    TCP_MAP,
    UDP_MAP,
    ask_udp,
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
from harness.world import World

__all__ = ["plane", "world"]


def tcp(world: World, port: int, *backends: int, line: str = "7") -> None:
    put(world.folder / "tcp.yaml", ports_map("tcp", {port: f"{NAMESPACE}/echo:{line}"}))
    put(world.folder / "echo.yaml", stream_service("echo"))
    put(world.folder / "slice.yaml", stream_slice("echo", *backends))


def held(port: int, prelude: bytes = b"", *, most: float = 20) -> float:
    """Seconds until a connection whose client says nothing more is closed; `most` are waited."""
    with socket.create_connection(("127.0.0.1", port), timeout=most) as sock:
        begun = time.monotonic()
        sock.sendall(prelude)
        with contextlib.suppress(ConnectionResetError, TimeoutError):
            while sock.recv(65536):
                pass
        return time.monotonic() - begun


def test_who_is_silent_is_closed(world: World) -> None:
    silent, told = free_port(), free_port()
    with_config(world, proxy_stream_timeout="1s", proxy_protocol_header_timeout="2s")
    with tcp_backend("one") as one:
        tcp(world, silent, one)
        lines = {silent: f"{NAMESPACE}/echo:7", told: f"{NAMESPACE}/echo:7:PROXY"}
        put(world.folder / "tcp.yaml", ports_map("tcp", lines))
        world.serve(*TCP_MAP, *CONFIG)
        until(lambda: talk(silent, b"a").startswith(b"hello of one"), "an answer")
        assert 0.9 < held(silent, b"a\n") < 4.5  # the default of PROXY lines is 5 s, that of ports 600 s
        assert 1.9 < held(told) < 4.9


def test_endpoints_that_cannot_be_connected_give_way_where_that_is_asked_for(world: World) -> None:
    port, closed = free_port(), free_port()
    with tcp_backend("one") as one:
        tcp(world, port, closed, one)
        with_config(world)
        world.serve(*TCP_MAP, *CONFIG)
        until(lambda: talk(port, b"a").startswith(b"hello of one"), "an answer")
        assert all(talk(port, b"a").startswith(b"hello of one") for _ in range(6))
        for limit in ({"proxy_stream_next_upstream": "false"}, {"proxy_stream_next_upstream_tries": "1"}):
            with_config(world)
            until(lambda: all(talk(port, b"a") for _ in range(6)), "all to be answered")
            with_config(world, **limit)
            until(lambda: not all(talk(port, b"a") for _ in range(6)), f"some to be closed with {limit}")


def test_as_many_answers_as_are_expected_reach_the_client(world: World) -> None:
    port = free_port(socket.SOCK_DGRAM)
    with_config(world, proxy_stream_responses="2")
    put(world.folder / "udp.yaml", ports_map("udp", {port: f"{NAMESPACE}/echo:7"}))
    put(world.folder / "echo.yaml", stream_service("echo", "UDP"))
    with udp_backend("one", answers=2) as one:
        put(world.folder / "slice.yaml", stream_slice("echo", one, protocol="UDP"))
        world.serve(*UDP_MAP, *CONFIG)
        until(lambda: ask_udp(port, b"a") == b"one:a", "an answer")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.connect(("127.0.0.1", port))
            sock.send(b"b")
            assert [sock.recv(100), sock.recv(100)] == [b"one:b", b"one:b"]
        with_config(world, proxy_stream_responses="0")
        until(lambda: ask_udp(port, b"a", 0.3) == b"", "nobody to wait for an answer")


def test_connections_and_sessions_are_logged_in_ingress_nginx_s_format(world: World) -> None:
    port, datagrams, dead = free_port(), free_port(socket.SOCK_DGRAM), free_port()
    put(world.folder / "udp.yaml", ports_map("udp", {datagrams: f"{NAMESPACE}/datagrams:7"}))
    put(world.folder / "datagrams.yaml", stream_service("datagrams", "UDP"))
    with_config(world)
    with tcp_backend("one") as one, udp_backend("two") as two:
        tcp(world, port, one)
        lines = {port: f"{NAMESPACE}/echo:7", dead: f"{NAMESPACE}/nobody:7"}
        put(world.folder / "tcp.yaml", ports_map("tcp", lines))
        put(world.folder / "datagrams-slice.yaml", stream_slice("datagrams", two, protocol="UDP"))
        serving = world.serve(*TCP_MAP, *UDP_MAP, *CONFIG)
        until(lambda: talk(port, b"a").startswith(b"hello of one"), "an answer")
        until(lambda: ask_udp(datagrams, b"abc") == b"two:abc", "an answer")
        assert talk(dead, b"a") == b""
        sent = len(b"hello of one\none:a\nend of one\n")
        stamp = r"\[127\.0\.0\.1\] \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
        for pattern in (
            rf"{stamp} TCP 200 {sent} 2 \d+\.\d{{3}}$",
            rf"{stamp} UDP 200 7 3 \d+\.\d{{3}}$",
            rf"{stamp} TCP 502 0 \d \d+\.\d{{3}}$",
        ):
            until(lambda p=pattern: re.search(p, serving.output(), re.MULTILINE), f"the line {pattern}")  # type: ignore[misc]
        with_config(
            world, log_format_stream="told: $protocol [$proxy_upstream_name] $upstream_addr $server_port $status"
        )
        line = f"told: TCP [tcp-{NAMESPACE}-echo-7] 127.0.0.1:{one} {port} 200\n"
        until(lambda: talk(port, b"a") and line in serving.output(), "a line in another format")
        assert f"told: UDP [udp-{NAMESPACE}" not in serving.output()
        file = world.folder.parent / "streams.log"
        with_config(world, log_format_stream="file: $protocol", stream_access_log_path=str(file))
        until(lambda: talk(port, b"a") and file.exists() and "file: TCP\n" in file.read_text(), "a file")
        with_config(
            world, log_format_stream="gone: $protocol", disable_stream_access_log="true", proxy_stream_timeout="1s"
        )
        until(lambda: held(port, most=3) < 3, "the options to be in force")
        assert "gone: " not in serving.output() + file.read_text()


def test_tls_that_is_passed_on_is_logged_with_its_name(world: World) -> None:
    with_config(world, log_format_stream="told: $ssl_preread_server_name [$proxy_upstream_name] $remote_addr $status")
    passed = ingress("passed", PASSED, "echo", ssl_passthrough="true")
    passed["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"] = {"number": 7}
    put(world.folder / "passed.yaml", passed)
    put(world.folder / "echo.yaml", stream_service("echo"))
    with tcp_backend("tls", PASSED) as backend:
        put(world.folder / "slice.yaml", stream_slice("echo", backend))
        serving = world.serve("--enable-ssl-passthrough", *CONFIG)
        until(lambda: talk_tls(serving.door, PASSED, b"a")[0] == PASSED, "TLS to be passed on")
        line = f"told: {PASSED} [{NAMESPACE}-echo-7] 127.0.0.1 200\n"
        until(lambda: line in serving.output(), "its line")
        assert talk_tls(serving.door, "other.example", b"GET / HTTP/1.0\r", b"\r")[0] != PASSED
        assert "told: other.example" not in serving.output()
