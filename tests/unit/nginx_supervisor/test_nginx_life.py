"""The supervisor with a real nginx: it starts, reloads, ends, and whatever dies is replaced without a lost request."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from unit.dataplane_parent.dataplane_driver import all_gone, until
from unit.nginx_supervisor.conftest import Holding
from unit.nginx_supervisor.nginx_driver import Load, NginxPlane

MakeNginx = Callable[..., NginxPlane]


async def test_waits_for_a_plan_and_then_serves(make_nginx: MakeNginx) -> None:
    plane = make_nginx()
    plane.start()
    await plane.has("waiting-for-plan")
    assert await plane.get("/readyz", "healthz") == (503, "no plan yet: plan/generation is not there\n")
    with pytest.raises(ConnectionRefusedError):
        await plane.get()
    plane.publish(1)
    await plane.ready()
    assert (await plane.answer())[0] == 1
    assert (await plane.get(port="https"))[0] == 200
    (found,) = plane.happened("nginx-found")
    assert found["mode"] == "stock"
    assert len(plane.happened("nginx-stock")) == 1


async def test_a_new_plan_is_a_reload_and_the_data_plane_stays_ready(nginx: NginxPlane) -> None:
    master = nginx.master
    load = Load(nginx)
    for generation in (2, 3):
        nginx.publish(generation)
        await nginx.serves(generation)
        await nginx.has("nginx-reloaded", generation - 1)
    await load.stop()
    assert nginx.master == master
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert nginx.happened("not-ready") == []
    figures = await nginx.figures()
    assert figures['serin_nginx_reloads_total{result="taken"}'] == 2
    assert figures["serin_nginx_last_reload_ok"] == 1
    assert figures["serin_nginx_lua"] == 0
    assert figures['serin_worker_plan_generation{worker="0"}'] == 3


async def test_many_plans_at_once_are_few_reloads(nginx: NginxPlane) -> None:
    for generation in range(2, 40):
        nginx.publish(generation)
        await asyncio.sleep(0)
    await nginx.serves(39)
    await nginx.has("nginx-reloaded")
    assert len(nginx.happened("nginx-reloaded")) <= 2


async def test_a_killed_worker_is_counted_and_replaced(nginx: NginxPlane) -> None:
    _, pid = await nginx.answer()
    os.kill(pid, signal.SIGKILL)
    await nginx.has("worker-died")
    assert (await nginx.answer())[1] != pid
    assert (await nginx.figures())['serin_worker_restarts_total{reason="died"}'] == 1
    await nginx.figure("serin_worker_processes", 2)


async def test_a_killed_master_is_replaced_and_no_request_is_lost(nginx: NginxPlane, holding: Holding) -> None:
    master = nginx.master
    slow = asyncio.create_task(nginx.get("/slow"))
    await until(lambda: holding.waiting == 1)
    load = Load(nginx)
    await load.more()
    os.kill(master, signal.SIGKILL)
    await nginx.has("nginx-serves", 2)
    await load.more()
    await load.stop()
    assert load.failures == []
    assert set(load.statuses) == {200}
    holding.release.set()
    assert await slow == (200, "held"), "an orphaned worker answers what it has begun"
    assert nginx.master != master
    await nginx.figure("serin_nginx_old_worker_processes", 0)
    await nginx.figure("serin_nginx_master_deaths_total", 1)
    assert (await nginx.get("/readyz", "healthz"))[0] == 200
    assert nginx.happened("not-ready") == []


async def test_connections_wait_for_a_successor_of_all_of_nginx(nginx: NginxPlane) -> None:
    os.killpg(nginx.master, signal.SIGKILL)
    answers = await asyncio.gather(*(nginx.get() for _ in range(20)))
    assert {status for status, _ in answers} == {200}


async def test_sigterm_answers_what_is_in_flight(nginx: NginxPlane, holding: Holding) -> None:
    master = nginx.master
    slow = [asyncio.create_task(nginx.get("/slow")) for _ in range(5)]
    await until(lambda: holding.waiting == 5)
    nginx.send(signal.SIGTERM)
    await nginx.has("draining")
    assert (await nginx.get("/readyz", "healthz"))[0] == 503
    holding.release.set()
    assert {status for status, _ in await asyncio.gather(*slow)} == {200}
    assert await nginx.end() == 0
    assert all_gone([master])


async def test_a_second_sigterm_cuts_at_once(nginx: NginxPlane, holding: Holding) -> None:
    master = nginx.master
    slow = asyncio.create_task(nginx.get("/slow"))
    await until(lambda: holding.waiting == 1)
    nginx.send(signal.SIGTERM)
    await nginx.has("draining")
    await until(lambda: _again(nginx))
    assert await nginx.end() == 1
    with pytest.raises((ConnectionError, IndexError)):
        await slow
    assert all_gone([master])
    assert nginx.happened("nginx-killed")


def _again(nginx: NginxPlane) -> bool:
    """Tell it to end until it understands that it was told twice."""
    assert nginx.process is not None
    if nginx.process.poll() is None:
        nginx.send(signal.SIGTERM)
    return bool(nginx.happened("nginx-killed"))


async def test_the_deadline_cuts_what_is_left(make_nginx: MakeNginx, holding: Holding) -> None:
    plane = make_nginx(shutdown_grace=1.0)
    plane.publish(1)
    plane.start()
    await plane.ready()
    slow = asyncio.create_task(plane.get("/slow"))
    await until(lambda: holding.waiting == 1)
    plane.send(signal.SIGTERM)
    assert await plane.end() == 1
    with pytest.raises((ConnectionError, IndexError)):
        await slow


async def test_sighup_gives_other_workers(nginx: NginxPlane) -> None:
    _, before = await nginx.answer()
    nginx.send(signal.SIGHUP)
    await until(lambda: all_gone([before]))
    assert (await nginx.answer())[0] == 1


async def test_the_access_log_is_opened_anew(make_nginx: MakeNginx, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    plane = make_nginx(access_log_path=str(path))
    plane.publish(1)
    plane.start()
    await plane.ready()
    await plane.get()
    await until(lambda: path.read_text().count("GET / ") == 1)
    path.rename(path.with_suffix(".1"))
    plane.send(signal.SIGUSR1)
    await until(path.exists)
    await plane.get()
    await until(lambda: path.read_text().count("GET / ") == 1)
