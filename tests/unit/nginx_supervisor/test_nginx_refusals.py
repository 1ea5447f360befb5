"""What nginx refuses, what cannot be written: the last good configuration goes on, and that is said."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from unit.nginx_supervisor.nginx_driver import Load, NginxPlane

MakeNginx = Callable[..., NginxPlane]


async def test_a_refused_configuration_is_searched_and_the_rest_goes_live(nginx: NginxPlane) -> None:
    (nginx.run_dir / "spoil").touch()
    nginx.publish(2)
    await nginx.serves(2)
    await nginx.has("nginx-reloaded")
    (refused,) = nginx.happened("nginx-refused")
    assert refused["result"] == "refused"
    assert 'unknown directive "spoilt"' in refused["error"]
    assert (await nginx.get("/readyz", "healthz")) == (200, "ok\n")
    figures = await nginx.figures()
    assert figures['serin_nginx_reloads_total{result="refused"}'] == 1
    assert figures['serin_nginx_reloads_total{result="taken"}'] == 1


async def test_one_that_stays_refused_leaves_the_old_one_and_readiness(nginx: NginxPlane) -> None:
    load = Load(nginx)
    (nginx.run_dir / "spoil-all").touch()
    nginx.publish(2)
    await nginx.has("nginx-refused", 2)
    await until_warned(nginx)
    await load.more()
    await load.stop()
    assert load.failures == []
    assert set(load.statuses) == {200}
    assert (await nginx.answer())[0] == 1
    (nginx.run_dir / "spoil-all").unlink()
    nginx.publish(3)
    await nginx.serves(3)
    assert nginx.happened("not-ready") == []


async def until_warned(nginx: NginxPlane) -> None:
    """Ready, and the page says why the newest plan is not served."""
    async with asyncio.timeout(45):
        text = ""
        while "could not take plan 2 and keeps plan 1: " not in text:
            status, text = await nginx.get("/readyz", "healthz")
            assert status == 200


async def test_a_master_that_dies_on_a_refused_file_comes_back(nginx: NginxPlane) -> None:
    (nginx.run_dir / "spoil-all").touch()
    nginx.publish(2)
    await nginx.has("nginx-refused", 2)
    os.kill(nginx.master, signal.SIGKILL)
    await nginx.has("nginx-died", 2)
    assert (await nginx.answer())[0] == 1, "orphaned workers serve"
    (nginx.run_dir / "spoil-all").unlink()
    nginx.publish(3)
    await nginx.serves(3)
    await nginx.figure("serin_nginx_old_worker_processes", 0)


async def test_a_start_with_a_refused_file(make_nginx: MakeNginx) -> None:
    plane = make_nginx()
    plane.publish(1)
    (plane.run_dir / "spoil").touch()
    plane.start()
    await plane.ready()
    assert (await plane.answer())[0] == 1


async def test_a_plan_that_cannot_be_written_is_tried_again(nginx: NginxPlane) -> None:
    (nginx.run_dir / "full").touch()
    nginx.publish(2)
    await nginx.has("configuration-failed")
    await until_warned(nginx)
    (nginx.run_dir / "full").unlink()
    await nginx.serves(2)
    assert len(nginx.happened("configuration-failed")) == 1


async def test_the_last_good_configuration_serves_at_start(nginx: NginxPlane) -> None:
    nginx.send(signal.SIGTERM)
    await nginx.end()
    (nginx.run_dir / "full").touch()
    (nginx.run_dir / "state" / "nginx" / "nginx.conf").unlink()
    nginx.publish(2)
    nginx.start()
    await nginx.has("configuration-of-before")
    await nginx.ready()
    assert (await nginx.answer())[0] == 1
    (nginx.run_dir / "full").unlink()
    await nginx.serves(2)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "small"
    path.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(path)]
    done = subprocess.run(mounting, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the right to mount a tmpfs: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(folder: Path) -> list[Path]:
    """Until no file gets a byte more; several times, since a file that was replaced may give its place free late."""
    made = [folder / f"ballast-{number}" for number in range(8)]
    for path in made:
        with contextlib.suppress(OSError), path.open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))
    return made


async def test_a_full_disk(make_nginx: MakeNginx, small_disk: Path) -> None:
    plane = make_nginx(small_disk / "run")
    plane.stderr = small_disk.parent / "run.log"
    plane.publish(1)
    plane.start()
    await plane.ready()
    plan = plane.run_dir / "plan"
    (plan / "next").write_text("2\n")
    (plan / "former").hardlink_to(plan / "generation")  # or its place would be free when it is replaced
    load = Load(plane)
    ballast = fill(small_disk)
    (plan / "next").rename(plan / "generation")
    await plane.has("configuration-failed")
    await load.more()
    os.kill(plane.master, signal.SIGKILL)
    await plane.has("nginx-serves", 2)
    await load.more()
    plane.kill_supervisor()
    await load.more()
    await load.stop()
    assert load.failures == []
    assert set(load.statuses) == {200}
    for path in ballast:
        path.unlink()
    plane.start()
    await plane.serves(2)
