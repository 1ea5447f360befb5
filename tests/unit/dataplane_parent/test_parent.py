"""The parent with real processes: starting, dying and replaced workers lose no request that they need not lose."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from unit.dataplane_parent.dataplane_driver import DataPlane, until

from serin.dataplane import lock
from serin.dataplane.ending import SAME_SIGNAL
from serin.errors import RunDirectoryError

MakeDataPlane = Callable[..., DataPlane]


async def test_waits_for_a_plan_and_then_serves(make_dataplane: MakeDataPlane) -> None:
    plane = make_dataplane()
    plane.start()
    await plane.has("waiting-for-plan")
    assert await plane.get("/healthz", "healthz") == (200, "ok\n")
    assert await plane.get("/readyz", "healthz") == (503, "no plan yet: plan/generation is not there\n")
    with pytest.raises(ConnectionRefusedError):
        await plane.get()
    plane.publish(1)
    await plane.ready()
    assert (await plane.get())[0] == 200
    assert (await plane.get(port="https"))[0] == 200


async def test_what_an_nginx_refused_before_is_not_told_of_any_more(make_dataplane: MakeDataPlane) -> None:
    dataplane = make_dataplane()
    left = dataplane.run_dir / "state" / "quarantine.json"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("{}")
    dataplane.start()
    dataplane.publish(1)
    await dataplane.ready()
    assert not left.exists()


async def test_all_workers_serve(dataplane: DataPlane) -> None:
    found = await dataplane.workers()
    assert {row for _, row in found} == {0, 1}
    assert len({pid for pid, _ in found}) == 2


async def test_ports_are_told(dataplane: DataPlane) -> None:
    ports = dataplane.ports
    assert ports["pid"] == dataplane.pid
    (listening,) = dataplane.happened("listening")
    assert {k: listening[k] for k in ("http", "https", "healthz")} == {k: v for k, v in ports.items() if k != "pid"}


async def test_a_killed_worker_is_replaced_and_its_row_zeroed(dataplane: DataPlane) -> None:
    with pytest.raises(ConnectionResetError):
        await dataplane.get("/die")
    await dataplane.has("worker-died")
    (death,) = dataplane.happened("worker-died")
    assert death["how"] == "killed by SIGKILL"
    assert death["restart_after"] == 0.0
    await dataplane.ready()
    assert len(await dataplane.workers()) == 2
    dead = next(e["row"] for e in dataplane.happened("worker-started") if e["pid"] == death["pid"])
    assert dataplane.rows_released() == [dead]


async def test_connections_that_wait_are_taken_by_the_successor(make_dataplane: MakeDataPlane) -> None:
    plane = make_dataplane(workers=1)
    plane.publish(1)
    plane.start()
    await plane.ready()
    (pid, _), *_ = await plane.workers()
    os.kill(pid, signal.SIGSTOP)
    waiting = [asyncio.create_task(plane.get()) for _ in range(20)]
    await until(lambda: _waiting(plane.ports["http"]) == 20)
    os.kill(pid, signal.SIGKILL)
    answers = await asyncio.gather(*waiting)
    assert {status for status, _ in answers} == {200}
    assert {body.split()[0] for _, body in answers}.isdisjoint({str(pid)})


async def test_a_worker_that_dies_at_start_is_tried_ever_more_slowly(make_dataplane: MakeDataPlane) -> None:
    plane = make_dataplane(workers=1)
    plane.publish(1)
    (plane.run_dir / "exit").write_text("3")
    plane.start()
    await plane.has("worker-died", 4)
    deaths = plane.happened("worker-died")[:4]
    assert [d["restart_after"] for d in deaths] == [0.0, 0.1, 0.2, 0.4]
    assert {d["how"] for d in deaths} == {"exit code 3"}
    assert (await plane.get("/readyz", "healthz"))[0] == 503
    (plane.run_dir / "exit").unlink()
    await plane.ready()
    assert (await plane.get())[0] == 200


async def test_healthz_fails_when_no_worker_runs(make_dataplane: MakeDataPlane) -> None:
    plane = make_dataplane(workers=1)
    plane.publish(1)
    (plane.run_dir / "exit").write_text("3")
    plane.start()
    await plane.has("worker-died", 5)
    seen = set()
    async with asyncio.timeout(45):
        while 500 not in seen:
            status, text = await plane.get("/healthz", "healthz")
            seen.add(status)
    assert text == "no worker is running\n"


async def test_orderly_restart_loses_nothing(dataplane: DataPlane) -> None:
    before = await dataplane.workers()
    slow = [asyncio.create_task(dataplane.get("/slow")) for _ in range(10)]
    done = asyncio.Event()
    statuses: list[int] = []

    async def load() -> None:
        while not done.is_set():
            statuses.append((await dataplane.get())[0])

    loads = [asyncio.create_task(load()) for _ in range(4)]
    dataplane.send(signal.SIGHUP)
    await dataplane.has("worker-ready", 4)
    asked = len(statuses)
    await until(lambda: len(statuses) > asked + 50)
    assert not any(task.done() for task in slow)
    (dataplane.run_dir / "release").touch()
    answers = await asyncio.gather(*slow)
    await dataplane.has("worker-ended", 2)
    done.set()
    await asyncio.gather(*loads)
    assert set(statuses) == {200}
    assert {status for status, _ in answers} == {200}
    after = await dataplane.workers()
    assert {pid for pid, _ in after}.isdisjoint({pid for pid, _ in before})
    assert {row for _, row in after} == {2, 3}, "a successor has a row of its own"
    assert sorted(dataplane.rows_released()) == [0, 1]
    assert dataplane.happened("worker-died") == []


async def test_rows_are_used_again(dataplane: DataPlane) -> None:
    for round_number in (1, 2, 3):
        dataplane.send(signal.SIGHUP)
        await dataplane.has("worker-ended", 2 * round_number)
    assert {row for _, row in await dataplane.workers()} <= {0, 1, 2, 3}


async def test_an_old_worker_that_does_not_end_is_cut_after_the_grace(make_dataplane: MakeDataPlane) -> None:
    plane = make_dataplane(workers=1, shutdown_grace=0.0)
    plane.publish(1)
    plane.start()
    await plane.ready()
    slow = asyncio.create_task(plane.get("/slow"))
    await until(lambda: _established(plane.ports["http"]) >= 1)
    plane.send(signal.SIGHUP)
    await plane.has("worker-ended")
    assert [event["how"] for event in plane.happened("worker-ended")] == ["killed by SIGKILL"]
    with pytest.raises(ConnectionError):
        await slow
    assert (await plane.get())[0] == 200


async def test_a_successor_that_dies_leaves_the_old_one_in_place(dataplane: DataPlane) -> None:
    before = await dataplane.workers()
    (dataplane.run_dir / "exit").write_text("4")
    dataplane.send(signal.SIGHUP)
    await dataplane.has("worker-died", 2)
    assert await dataplane.workers() == before
    assert (await dataplane.get("/readyz", "healthz"))[0] == 200


async def test_the_old_one_may_die_while_its_successor_starts(make_dataplane: MakeDataPlane) -> None:
    plane = make_dataplane(workers=1)
    plane.publish(1)
    plane.start()
    await plane.ready()
    (plane.run_dir / "mute").touch()
    plane.send(signal.SIGHUP)
    await plane.has("worker-started", 2)
    old, successor = (e["pid"] for e in plane.happened("worker-started"))
    os.kill(old, signal.SIGKILL)
    await plane.has("worker-died")
    assert {pid for pid, _ in await plane.workers()} == {successor}
    assert len(plane.happened("worker-started")) == 2, "the successor takes the place; there is no third"


async def test_sigterm_answers_what_is_in_flight(dataplane: DataPlane) -> None:
    slow = [asyncio.create_task(dataplane.get("/slow")) for _ in range(10)]
    await until(lambda: _established(dataplane.ports["http"]) >= 10)
    dataplane.send(signal.SIGTERM)
    await dataplane.has("draining")
    assert (await dataplane.get("/readyz", "healthz"))[0] == 503
    assert (await dataplane.get("/healthz", "healthz"))[0] == 200
    await until(lambda: not _listening(dataplane.ports["http"]))
    (dataplane.run_dir / "release").touch()
    assert {status for status, _ in await asyncio.gather(*slow)} == {200}
    assert await dataplane.end() == 0
    assert sorted(dataplane.rows_released()) == [0, 1]


async def test_it_serves_on_for_the_delay_and_is_not_ready(make_dataplane: MakeDataPlane) -> None:
    plane = make_dataplane(shutdown_delay=1.0)
    plane.publish(1)
    plane.start()
    await plane.ready()
    told = time.monotonic()
    plane.send(signal.SIGTERM)
    await plane.has("leaving")
    assert (await plane.get("/readyz", "healthz"))[0] == 503
    assert (await plane.get("/healthz", "healthz"))[0] == 200
    while not plane.happened("draining") and time.monotonic() < told + 0.5:
        assert (await plane.get())[0] == 200
    assert await plane.end() == 0
    assert time.monotonic() - told >= 1.0


async def test_a_second_sigterm_ends_the_delay(make_dataplane: MakeDataPlane) -> None:
    plane = make_dataplane(shutdown_delay=60.0)
    plane.publish(1)
    plane.start()
    await plane.ready()
    plane.send(signal.SIGTERM)
    await plane.has("leaving")
    another = time.monotonic() + SAME_SIGNAL
    await until(lambda: time.monotonic() > another)
    plane.send(signal.SIGTERM)
    assert await plane.end() == 1


async def test_without_a_plan_there_is_no_delay(make_dataplane: MakeDataPlane) -> None:
    plane = make_dataplane(shutdown_delay=60.0)
    plane.start()
    await plane.has("waiting-for-plan")
    plane.send(signal.SIGTERM)
    assert await plane.end() == 0


async def test_the_deadline_cuts_what_is_left(make_dataplane: MakeDataPlane) -> None:
    plane = make_dataplane(shutdown_grace=0.0)
    plane.publish(1)
    plane.start()
    await plane.ready()
    slow = asyncio.create_task(plane.get("/slow"))
    await until(lambda: _established(plane.ports["http"]) >= 1)
    plane.send(signal.SIGTERM)
    assert await plane.end() == 1
    with pytest.raises(ConnectionError):
        await slow
    assert plane.happened("worker-killed")


async def test_a_second_sigterm_cuts_at_once(dataplane: DataPlane) -> None:
    slow = asyncio.create_task(dataplane.get("/slow"))
    await until(lambda: _established(dataplane.ports["http"]) >= 1)
    dataplane.send(signal.SIGTERM)
    await dataplane.has("draining")
    another = time.monotonic() + SAME_SIGNAL
    await until(lambda: time.monotonic() > another)
    dataplane.send(signal.SIGTERM)
    assert await dataplane.end() == 1
    with pytest.raises(ConnectionError):
        await slow
    assert dataplane.happened("worker-killed")
    assert [event["clean"] for event in dataplane.happened("stopped")] == [False]


async def test_a_sigterm_that_comes_twice_at_once_is_one(dataplane: DataPlane) -> None:
    """As timeout(1) and systemd send it: to every process of the group."""
    slow = asyncio.create_task(dataplane.get("/slow"))
    await until(lambda: _established(dataplane.ports["http"]) >= 1)
    dataplane.send(signal.SIGTERM)
    await dataplane.has("draining")
    dataplane.send(signal.SIGTERM)
    (dataplane.run_dir / "release").touch()
    assert (await slow)[0] == 200
    assert await dataplane.end() == 0


async def test_sigterm_before_a_plan(make_dataplane: MakeDataPlane) -> None:
    plane = make_dataplane()
    plane.start()
    await plane.has("waiting-for-plan")
    plane.send(signal.SIGTERM)
    assert await plane.end() == 0


async def test_workers_do_not_outlive_the_parent(dataplane: DataPlane) -> None:
    dataplane.send(signal.SIGKILL)
    await dataplane.end()
    await until(lambda: not _listening(dataplane.ports["http"]))
    dataplane.start()
    await dataplane.ready()
    assert (await dataplane.get())[0] == 200


async def test_sigusr1_reaches_the_workers(dataplane: DataPlane) -> None:
    pids = {pid for pid, _ in await dataplane.workers()}
    dataplane.send(signal.SIGUSR1)
    await until(lambda: {int(p.name[5:]) for p in dataplane.run_dir.glob("usr1-*")} == pids)


async def test_new_plans_are_taken_and_the_data_plane_stays_ready(dataplane: DataPlane) -> None:
    for generation in (2, 3, 4):
        dataplane.publish(generation)
        assert (await dataplane.get("/readyz", "healthz"))[0] == 200
    assert dataplane.happened("not-ready") == []


async def test_metrics(dataplane: DataPlane) -> None:
    with pytest.raises(ConnectionResetError):
        await dataplane.get("/die")
    await dataplane.has("worker-ready", 3)
    (dataplane.run_dir / "plan" / "metrics").write_text("serin_controller_hosts 3\n")
    status, text = await dataplane.get("/metrics", "healthz")
    assert status == 200
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert figures["serin_ready"] == "1"
    assert figures["serin_plan_generation"] == "1"
    assert figures['serin_worker_plan_generation{worker="1"}'] == "1"
    assert figures['serin_worker_restarts_total{reason="died"}'] == "1"
    assert figures['serin_connections{state="waiting"}'] == "2", "the stand-in says one each"
    assert figures["serin_controller_hosts"] == "3"
    assert 0 <= float(figures["serin_controller_metrics_age_seconds"]) < 60


async def test_a_port_in_use_is_named(make_dataplane: MakeDataPlane, dataplane: DataPlane, tmp_path: Path) -> None:
    for option, port in (("http_port", "http"), ("https_port", "https"), ("healthz_port", "healthz")):
        second = make_dataplane(tmp_path / option, **{option: dataplane.ports[port]})
        second.start()
        assert await second.end() == 1
        flag = "--" + option.replace("_", "-")
        text = f"port {dataplane.ports[port]} on 127.0.0.1 is in use by another process; choose another with {flag}"
        assert text in second.stderr.read_text()


async def test_one_data_plane_to_a_directory(make_dataplane: MakeDataPlane, dataplane: DataPlane) -> None:
    with pytest.raises(RunDirectoryError, match=f"process {dataplane.pid}"):
        lock.hold(dataplane.run_dir)
    assert (await dataplane.get())[0] == 200


def _sockets(port: int) -> list[list[str]]:
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [fields for fields in lines if fields[1] == f"0100007F:{port:04X}"]


def _listening(port: int) -> bool:
    return any(fields[3] == "0A" for fields in _sockets(port))


def _established(port: int) -> int:
    return sum(fields[3] == "01" for fields in _sockets(port))


def _waiting(port: int) -> int:
    """Connections that no process has accepted yet, as the listening socket's queue says."""
    return sum(int(fields[4].split(":")[1], 16) for fields in _sockets(port) if fields[3] == "0A")
