"""A supervisor that was killed leaves nginx serving, and the next one takes it over."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from unit.dataplane_parent.dataplane_driver import all_gone, until
from unit.nginx_supervisor.conftest import Holding
from unit.nginx_supervisor.nginx_driver import Load, NginxPlane

from serin.dataplane.nginx import adoption, components, processes, sockets
from serin.dataplane.nginx.adoption import Former
from serin.errors import RunDirectoryError

MakeNginx = Callable[..., NginxPlane]


async def adopted(plane: NginxPlane) -> None:
    """Kill the supervisor, start another, wait until it is ready."""
    times = len(plane.happened("ready"))
    plane.kill_supervisor()
    plane.start()
    await plane.has("ready", times + 1)
    await plane.ready()


def inode(plane: NginxPlane, name: str) -> int:
    return (plane.run_dir / "state" / name).stat().st_ino


async def test_a_killed_supervisor_loses_no_request(nginx: NginxPlane, holding: Holding) -> None:
    master, files = nginx.master, [inode(nginx, name) for name in ("state.bin", "stats.bin")]
    slow = asyncio.create_task(nginx.get("/slow"))
    await until(lambda: holding.waiting == 1)
    load = Load(nginx)
    await load.more()
    await adopted(nginx)
    await load.more()
    holding.release.set()
    assert await slow == (200, "held")
    await load.stop()
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert nginx.master == master
    (told,) = nginx.happened("nginx-adopted")
    assert told["pid"] == master
    assert len(nginx.happened("nginx-started")) == 1
    assert [inode(nginx, name) for name in ("state.bin", "stats.bin")] == files


async def test_an_adopted_nginx_follows_plans_and_ends_in_order(nginx: NginxPlane) -> None:
    master = nginx.master
    nginx.publish(2)
    await nginx.serves(2)
    await adopted(nginx)
    nginx.publish(3)
    await nginx.serves(3)
    assert nginx.master == master
    assert nginx.happened("nginx-refused") == []
    nginx.send(signal.SIGTERM)
    assert await nginx.end() == 0
    assert all_gone([master])


async def test_what_was_published_meanwhile_is_taken(nginx: NginxPlane) -> None:
    nginx.kill_supervisor()
    nginx.publish(2)
    assert (await nginx.answer())[0] == 1
    nginx.start()
    await nginx.has("ready", 2)
    await nginx.serves(2)


async def test_the_same_plan_needs_no_reload(nginx: NginxPlane) -> None:
    _, before = await nginx.answer()
    await adopted(nginx)
    await nginx.figure('serin_worker_plan_generation{worker="0"}', 1)
    assert before in {(await nginx.answer())[1] for _ in range(40)}
    assert nginx.happened("nginx-reloaded") == []


async def test_an_adopted_master_that_dies_is_replaced(nginx: NginxPlane) -> None:
    await adopted(nginx)
    load = Load(nginx)
    await load.more()
    master = nginx.master
    os.kill(master, signal.SIGKILL)
    await nginx.has("nginx-started", 2)
    await until(lambda: nginx.master not in (0, master))
    await nginx.figure("serin_nginx_old_worker_processes", 0)
    await load.more()
    await load.stop()
    assert load.failures == []
    assert set(load.statuses) == {200}


async def test_orphans_of_a_dead_master_lend_their_sockets(nginx: NginxPlane) -> None:
    load = Load(nginx)
    await load.more()
    nginx.kill_supervisor()
    os.kill(nginx.master, signal.SIGKILL)
    nginx.start()
    await nginx.has("nginx-orphans")
    await nginx.has("ready", 2)
    await nginx.figure("serin_nginx_old_worker_processes", 0)
    await load.more()
    await load.stop()
    assert load.failures == []
    assert set(load.statuses) == {200}


async def test_a_dead_nginx_is_no_hindrance(nginx: NginxPlane) -> None:
    nginx.kill_supervisor()
    os.killpg(nginx.master, signal.SIGKILL)
    nginx.start()
    await nginx.has("ready", 2)
    assert (await nginx.answer())[0] == 1
    assert nginx.happened("nginx-adopted") == []


async def test_other_ports_are_not_had_and_that_is_said(nginx: NginxPlane, make_nginx: MakeNginx) -> None:
    kept = nginx.ports
    nginx.kill_supervisor()
    with socket.create_server(("127.0.0.1", 0)) as free:
        wanted = free.getsockname()[1]
    second = make_nginx(nginx.run_dir, http_port=wanted)
    second.start()
    await second.has("ready", 2)
    (told,) = second.happened("ports-kept")
    assert told["asked"] == f"127.0.0.1 {wanted} {kept['https']}"
    assert told["kept"] == f"127.0.0.1 {kept['http']} {kept['https']}"
    assert second.ports["http"] == kept["http"]
    assert (await second.answer())[0] == 1


async def test_where_sockets_cannot_be_had_they_are_bound_anew(nginx: NginxPlane) -> None:
    """As where the kernel forbids tracing (yama's ptrace_scope)."""
    ports = nginx.ports
    nginx.environment["SERIN_TEST_NO_TRACING"] = "1"
    await adopted(nginx)
    (told,) = nginx.happened("nginx-adopted")
    assert told["sockets"] == 0
    master, served = nginx.master, len(nginx.happened("nginx-serves"))
    os.kill(master, signal.SIGKILL)
    await nginx.has("nginx-started", 2)
    await until(lambda: nginx.master not in (0, master))
    await nginx.has("nginx-serves", served + 1)
    assert nginx.ports["http"] == ports["http"]
    assert (await nginx.answer())[0] == 1


def test_only_an_nginx_of_this_folder_and_program_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = str(Path(sys.executable).resolve())
    parts = components.Components(binary, (1, 22, 1))
    assert adoption.find(tmp_path, parts) == Former()
    (tmp_path / "nginx.pid").write_text("77\n")
    monkeypatch.setattr(processes, "group", lambda _: (77, 78))
    monkeypatch.setattr(processes, "title", lambda _: f"nginx: master process {binary} -p {tmp_path}/ -e stderr")
    monkeypatch.setattr(processes, "program", lambda _: binary)
    assert adoption.find(tmp_path, parts) == Former(77, 77)
    monkeypatch.setattr(processes, "program", lambda _: "/opt/other/nginx")
    with pytest.raises(RunDirectoryError, match="kill -QUIT 77"):
        adoption.find(tmp_path, parts)
    monkeypatch.setattr(processes, "title", lambda _: f"nginx: master process {binary} -p {tmp_path}/other/ -e stderr")
    assert adoption.find(tmp_path, parts) == Former(), "another folder's, which has got the number"
    monkeypatch.setattr(processes, "group", lambda _: (78,))
    assert adoption.find(tmp_path, parts) == Former(0, 77), "workers whose master is dead"


async def test_sockets_are_taken_out_of_a_process(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as http, socket.create_server(("127.0.0.1", 0)) as https:
        listening = sockets.Listening((http.getsockname(),), (https.getsockname(),))
        assert sockets.take(listening, os.getpid())
        assert listening.sockets[0].getsockname() == http.getsockname()
        other = sockets.Listening((("127.0.0.1", 1),), (https.getsockname(),))
        assert not sockets.take(other, os.getpid())
        assert other.sockets == ()
        listening.close()
    assert not sockets.take(listening, 2**22 + 1)
    sockets.remember(listening, tmp_path)
    assert sockets.remembered(tmp_path) == listening


async def test_rows_of_killed_workers_are_freed(make_nginx: MakeNginx, parts: components.Components) -> None:
    if not parts.lua:
        pytest.skip(parts.why_stock)
    plane = make_nginx(nginx_lua="auto")
    plane.pools()
    plane.publish(1)
    plane.start()
    await plane.ready()
    await until(lambda: len(plane.rows()) == 2)
    _, pid = await plane.answer()
    assert pid in plane.rows()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: pid not in plane.rows() and len(plane.rows()) == 2)
    await adopted(plane)
    kept = plane.rows()
    assert len(kept) == 2
    os.kill(plane.master, signal.SIGKILL)
    await until(lambda: len(plane.rows()) == 2 and not plane.rows() & kept)
    plane.send(signal.SIGTERM)
    assert await plane.end() == 0
    assert plane.rows() == set()
