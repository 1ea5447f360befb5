"""Ports of TCP and UDP before nginx gets them: those that cannot be had are left out, and come when they are free."""

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from serin.dataplane.nginx import components
from serin.dataplane.nginx.streams import StreamState, held_by_master
from serin.routing.beside import Beside
from serin.routing.plan import Endpoint, Globals, Pool, PoolSpec
from serin.routing.wide import Stream

TO = Beside("0" * 16, "1" * 16, "2" * 16, "shop-db-80")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def pool(*addresses: str) -> Pool:
    return Pool(PoolSpec(TO.pool, "shop", "db", 80), tuple(Endpoint(address, 80) for address in addresses))


def test_a_busy_port_is_left_out_until_it_is_free(tmp_path: Path) -> None:
    pools = {TO.pool: pool("10.0.0.1")}
    weights = cast("Any", SimpleNamespace(current=lambda: SimpleNamespace(pools=pools)))
    clock = Clock()
    state = StreamState(weights, tmp_path, ("127.0.0.1",), there=True, clock=clock)
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        found = state.endpoints(Globals(streams=(Stream("TCP", port, TO),)), frozenset())
        assert found.refused == {("TCP", port, "127.0.0.1")}
        clock.now += 10
        assert not state.changed()
    clock.now += 10
    assert state.changed()
    assert state.endpoints(Globals(streams=(Stream("TCP", port, TO),)), frozenset()).refused == frozenset()
    assert not state.changed()
    pools[TO.pool] = pool("10.0.0.2")
    assert state.changed()


def test_what_our_nginx_holds_is_no_obstacle_but_for_ports_of_http(tmp_path: Path) -> None:
    weights = cast("Any", SimpleNamespace(current=lambda: SimpleNamespace(pools={})))
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        streams = Globals(streams=(Stream("TCP", port, TO),))
        (tmp_path / "nginx.pid").write_text("self\n")
        assert held_by_master(tmp_path) == frozenset()  # no number
        (tmp_path / "nginx.pid").write_text(f"{Path('/proc/self').readlink()}\n")
        assert ("TCP", port) in held_by_master(tmp_path)
        state = StreamState(weights, tmp_path, ("127.0.0.1",), there=True)
        assert state.endpoints(streams, frozenset()).refused == frozenset()
        own = StreamState(weights, tmp_path, ("127.0.0.1",), there=True, own=(port,))
        assert own.endpoints(streams, frozenset()).refused == {("TCP", port, "127.0.0.1")}


def test_without_the_module_nothing_is_looked_at(tmp_path: Path) -> None:
    state = StreamState(cast("Any", None), tmp_path, ("127.0.0.1",), there=False)
    assert state.endpoints(Globals(streams=(Stream("TCP", 1, TO),)), frozenset()).refused == frozenset()
    assert not state.changed()


@pytest.mark.parametrize(
    ("arguments", "file", "there", "loaded"),
    [
        ("--with-stream=dynamic --with-stream_ssl_preread_module --with-stream_realip_module", True, True, True),
        ("--with-stream=dynamic --with-stream_ssl_preread_module --with-stream_realip_module", False, False, False),
        ("--with-stream --with-stream_ssl_preread_module --with-stream_realip_module", False, True, False),
        ("--with-stream --with-stream_realip_module", True, False, False),
    ],
)
def test_the_stream_module_is_found(
    arguments: str, file: bool, there: bool, loaded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "usr/sbin/nginx"
    modules = tmp_path / "usr/lib/nginx/modules"
    program.parent.mkdir(parents=True)
    modules.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'nginx version: nginx/1.22.1\nconfigure arguments: {arguments}' >&2\n")
    program.chmod(0o755)
    if file:
        (modules / "ngx_stream_module.so").touch()
    monkeypatch.setenv("SERIN_NGINX", str(tmp_path))
    found = components.find("off")
    assert found.stream is there
    assert found.stream_module == (str(modules / "ngx_stream_module.so") if loaded else "")
    assert found.half_close
