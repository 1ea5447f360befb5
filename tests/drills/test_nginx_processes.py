"""Processes of the nginx plane are killed, disks fill up: hosts that are not concerned are served all the time."""

import contextlib
import os
import pathlib
import signal
import subprocess
from collections.abc import Iterator

import pytest
from harness.load import load
from harness.manifests import canary, ingress, put
from harness.planes import NGINX, Plane, parameter, require
from harness.serving import await_ready, is_running
from harness.waiting import until
from harness.world import HOST, World

CONNECTIONS = 4


@pytest.fixture(params=[parameter(NGINX)])
def plane(request: pytest.FixtureRequest) -> Plane:
    """Not the proxy."""
    found: Plane = request.param
    require(found)
    return found


def test_killed_master_is_replaced(world: World) -> None:
    """Its workers serve on until the new ones are there: the sockets are not the master's."""
    serving = world.serve()
    with load(serving.door, HOST, connections=CONNECTIONS, again=True) as running:
        until(lambda: running.count > 100, "requests")
        first, workers = serving.master(), serving.workers()
        os.kill(first, signal.SIGKILL)
        until(lambda: serving.master() not in (0, first), "another master")
        until(serving.is_ready, "readiness")
        until(lambda: not any(map(is_running, workers)), "workers of the dead master to end")
        before = running.count
        until(lambda: running.count > before + 100, "requests")
        put(world.folder / "good.yaml", ingress("good", "good.example", "canary2"))
        world.settle(serving, "canary2", host="good.example")
    assert len(running.lost()) <= CONNECTIONS
    assert {result.status for result in running.results} - {0} == {200}


def test_killed_supervisor_is_replaced_and_nginx_never_stops(world: World) -> None:
    put(world.folder / "canary.yaml", canary("canary", HOST, "canary", weight="50"))
    serving = world.serve()
    with load(serving.door, HOST, again=True) as running:
        until(lambda: running.count > 100, "requests")
        master, supervisor = serving.master(), serving.data_plane()
        os.kill(supervisor, signal.SIGKILL)
        until(lambda: serving.data_plane() not in (0, supervisor), "another supervisor")
        again = await_ready(serving)
        assert again.master() == master, "taken over, not started anew"
        put(world.folder / "good.yaml", ingress("good", "good.example", "canary2"))
        world.settle(again, "canary2", host="good.example")
        put(world.folder / "canary.yaml", canary("canary", HOST, "canary", weight="100"))
        world.settle(again, "canary")
    assert not running.lost()
    assert {result.status for result in running.results} == {200}
    answers = [result.backend for result in running.results if result.status == 200]
    assert {"main", "canary"} == set(answers)


def test_everything_killed_but_nginx_is_taken_over_by_the_next_serve(world: World) -> None:
    serving = world.serve()
    with load(serving.door, HOST, again=True) as running:
        master, supervisor = serving.master(), serving.data_plane()
        serving.process.kill()
        serving.process.wait()
        os.kill(supervisor, signal.SIGKILL)
        before = running.count
        until(lambda: running.count > before + 200, "requests without anybody but nginx")
    assert not running.lost()
    port = serving.door.http[1]
    again = world.serve("--http-port", str(port))
    world.settle(again, "main")
    if again.master() != master:
        until(lambda: not is_running(master), "the orphan to end")


@pytest.fixture(params=[".", "state"])
def small_disk(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A file system of 64 MiB for the whole run directory, or for what the data plane writes to."""
    folder = tmp_path / "run" / request.param
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", folder]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a file system of its own takes root and CAP_SYS_ADMIN")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: pathlib.Path) -> pathlib.Path:
    """Write until nothing more fits; the file to be deleted again."""
    file = folder / "filling"
    with file.open("wb", buffering=0) as filling, contextlib.suppress(OSError):
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    filling.write(b"x" * size)
    return file


def test_full_disk_in_the_run_directory_stops_no_traffic(
    world: World, small_disk: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    put(world.folder / "canary.yaml", canary("canary", HOST, "canary", weight="0"))
    serving = world.serve(run_dir=tmp_path / "run")
    with load(serving.door, HOST, again=True) as running:
        until(lambda: running.count > 50, "requests")
        filling = fill(small_disk)
        put(world.folder / "good.yaml", ingress("good", "good.example", "canary2"))
        until(lambda: "No space left" in serving.output(), "a word about it")
        before = running.count
        until(lambda: running.count > before + 100, "requests with a full disk")
        filling.unlink()
        world.settle(serving, "canary2", host="good.example")
        put(world.folder / "canary.yaml", canary("canary", HOST, "canary", weight="100"))
        world.settle(serving, "canary")
    assert not running.lost()
    assert {result.status for result in running.results} == {200}
