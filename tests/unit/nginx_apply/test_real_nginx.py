"""The same with nginx itself: its messages are read, and its tests leave a running master alone."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from unit.nginx_apply.stand_in import Bench, bench, ref, route

from serin.dataplane.nginx.components import Components, minimal_environment
from serin.dataplane.nginx.testing import NginxTest
from serin.routing.plan import Host, PathKind


def simple(name: str, *paths: str, kind: PathKind = PathKind.REGEX) -> Host:
    return Host(name, tuple(route(name, path, f"{name.partition('.')[0]}-{i}", kind) for i, path in enumerate(paths)))


@pytest.fixture
def it(tmp_path: Path, nginx_test: Callable[..., NginxTest]) -> Bench:
    return bench(tmp_path, nginx_test(tmp_path / "run" / "state" / "nginx"))


def test_many_hosts_with_some_bad_patterns(it: Bench) -> None:
    hosts = [simple(f"h{i:03}.example", "/a", "/b", "/c") for i in range(300)]
    hosts[7] = simple("h007.example", "/a", "/(", "/c")
    hosts[70] = simple("h070.example", "/[", "/b", "/(?<x")
    hosts[299] = simple("h299.example", "/a{2,1}")
    it.publish(*hosts)
    applied = it.applier.apply()
    assert [(q.ref, q.host) for q in applied.quarantined] == [
        (ref("h007-1"), "h007.example"),
        (ref("h070-0"), "h070.example"),
        (ref("h070-2"), "h070.example"),
        (ref("h299-0"), "h299.example"),
    ]
    assert all("pcre2_compile" in q.error and str(it.prefix) not in q.error for q in applied.quarantined)
    assert it.host("h007.example").count("return 200") == 2
    assert applied.tests <= 2 + 2 * 3 + 4 * 10
    it.applier.confirmed(applied.digest)
    it.publish(*hosts[:299], simple("h299.example", "/fine"))
    applied = it.applier.apply()
    assert applied.tests == 1
    assert "h299.example" not in {q.host for q in applied.quarantined}


def test_prefix_with_and_without_slash_costs_the_later_object(it: Bench) -> None:
    it.publish(simple("a.example", "/a", "/a", "/b", kind=PathKind.EXACT))
    applied = it.applier.apply()
    assert [q.ref for q in applied.quarantined] == [ref("a-1")]
    assert "duplicate location" in applied.quarantined[0].error
    assert it.host("a.example").count("return 200") == 2


def test_a_directive_that_is_refused_closes_its_route(it: Bench) -> None:
    host = simple("a.example", "/a", "/b")
    bad = replace(host.routes[0], policy=replace(host.routes[0].policy, forwarded_prefix="proxy_read_timeout -1s;"))
    it.publish(replace(host, routes=(bad, host.routes[1])), simple("b.example", "/"))
    applied = it.applier.apply()
    assert [(q.ref, q.error) for q in applied.quarantined] == [
        (ref("a-0"), '"proxy_read_timeout" directive invalid value')
    ]
    assert 'location ~* "/a" {\n        return 503' in it.host("a.example")


@pytest.fixture
def master(it: Bench, nginx: Components) -> Iterator[subprocess.Popen[bytes]]:
    it.publish(simple("a.example", "/"))
    it.applier.apply()
    line = (
        nginx.binary,
        "-e",
        "stderr",
        "-p",
        f"{it.prefix}/",
        "-c",
        str(it.prefix / "nginx.conf"),
        "-g",
        "daemon off;",
    )
    with subprocess.Popen(line, stderr=subprocess.DEVNULL, env=minimal_environment(nginx)) as process:
        try:
            while not _says(it):
                assert process.poll() is None
            yield process
        finally:
            process.terminate()


def test_tests_leave_a_running_master_alone(it: Bench, master: subprocess.Popen[bytes]) -> None:
    digest = _says(it)
    before = {name: (it.prefix / name).stat() for name in ("nginx.pid", "status.sock", "plain.sock")}
    it.publish(simple("a.example", "/"), simple("b.example", "/", "/("))
    applied = it.applier.apply()
    assert [q.ref for q in applied.quarantined] == [ref("b-1")]
    after = {name: (it.prefix / name).stat() for name in before}
    assert {n: (s.st_ino, s.st_mtime_ns) for n, s in after.items()} == {
        n: (s.st_ino, s.st_mtime_ns) for n, s in before.items()
    }
    assert (it.prefix / "nginx.pid").read_text().strip() == str(master.pid)
    assert _says(it) == digest
    assert not (it.prefix / "test.sock").exists()
    os.kill(master.pid, 1)
    while _says(it) != applied.digest:
        assert master.poll() is None
    it.applier.confirmed(applied.digest)
    assert (it.prefix / "good.conf").read_text() == it.main


def _says(it: Bench) -> str:
    """The digest that a running nginx gives on its status socket; empty while there is none."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        try:
            link.connect(it.renderer.socket)
            link.sendall(b"GET / HTTP/1.0\r\n\r\n")
            said = b""
            while data := link.recv(4096):
                said += data
        except OSError:
            return ""
        return said.rpartition(b"\r\n")[2].decode()
