"""The data plane as the controller sees it: a child of its own, or another's process."""

import asyncio
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest

from serin.control import planes
from serin.control.planes import OtherPlane, OwnPlane, clean_environment
from serin.dataplane import lock
from serin.render.rundir import RunDirectory

HOLDER = """
import pathlib, signal, sys
from serin.dataplane import lock
held = lock.hold(pathlib.Path(sys.argv[1]))
print("held", flush=True)
signal.sigwait({signal.SIGTERM})
"""


@pytest.fixture
def run_dir(tmp_path: pathlib.Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "run")
    made.create()
    return made


@contextlib.contextmanager
def data_plane(run_dir: RunDirectory) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the lock until it is told to end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        command = (sys.executable, "-c", HOLDER, str(run_dir.path))
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            yield process
        finally:
            process.kill()


def test_the_lock_tells_whether_a_data_plane_runs_also_of_a_folder_that_is_read_only(run_dir: RunDirectory) -> None:
    assert not lock.is_held(run_dir.path)
    assert lock.holder(run_dir.path) == 0
    with data_plane(run_dir) as process:
        (run_dir.state / "lock").chmod(0o440)
        run_dir.state.chmod(0o500)
        assert lock.holder(run_dir.path) == process.pid
        run_dir.state.chmod(0o700)
    assert not lock.is_held(run_dir.path), "however it ended"


async def test_another_ones_end_is_waited_for(run_dir: RunDirectory) -> None:
    plane = OtherPlane(run_dir, grace=60)
    with data_plane(run_dir) as process:
        running = asyncio.create_task(plane.run())
        plane.end()
        await asyncio.sleep(0)
        assert not running.done()
        process.terminate()
        assert await asyncio.wait_for(running, 45) == 0


async def test_another_ones_end_is_not_waited_for_longer_than_its_grace(run_dir: RunDirectory) -> None:
    plane = OtherPlane(run_dir, grace=0.05, runs=lambda: True)
    plane.end()
    assert await asyncio.wait_for(plane.run(), 45) == 0


async def test_a_second_signal_waits_no_longer(run_dir: RunDirectory) -> None:
    plane = OtherPlane(run_dir, grace=60, runs=lambda: True)
    running = asyncio.create_task(plane.run())
    plane.end()
    await asyncio.sleep(0)
    plane.end()
    assert await asyncio.wait_for(running, 45) == 0


async def test_the_one_that_a_killed_controller_left_is_taken_over(
    run_dir: RunDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with data_plane(run_dir) as process:
        plane = OwnPlane((sys.executable, "-c", "raise SystemExit(5)"), run_dir)
        running = asyncio.create_task(plane.run())
        async with asyncio.timeout(45):
            while "data-plane-adopted" not in caplog.text:
                await asyncio.sleep(0.01)
        plane.end()
        assert await asyncio.wait_for(running, 45) == 0
        assert process.wait(45) == 0, "it was told to end"


async def test_one_that_would_serve_otherwise_is_left_to_our_child_to_complain_of(run_dir: RunDirectory) -> None:
    asked = list[tuple[int, Sequence[str]]]()

    def declines(pid: int, command: Sequence[str]) -> bool:
        asked.append((pid, command))
        return False

    with data_plane(run_dir) as process:
        command = (sys.executable, "-c", "raise SystemExit(5)")
        assert await asyncio.wait_for(OwnPlane(command, run_dir, takes_over=declines).run(), 45) == 5
        assert asked == [(process.pid, command)]
        assert process.poll() is None, "nobody told it to end"


async def test_when_the_one_taken_over_dies_there_is_one_of_our_own(
    run_dir: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planes, "LOOK_EVERY", 0.01)
    with data_plane(run_dir) as process:
        plane = OwnPlane((sys.executable, "-c", "raise SystemExit(5)"), run_dir)
        running = asyncio.create_task(plane.run())
        await asyncio.sleep(0)
        os.kill(process.pid, signal.SIGKILL)
        assert await asyncio.wait_for(running, 45) == 5, "the child's own code: it never listened"


def test_a_data_plane_is_not_told_who_we_are_to_the_api_server() -> None:
    ours = {"KUBECONFIG": "f", "KUBERNETES_SERVICE_HOST": "10.96.0.1", "POD_NAME": "p", "AWS_SECRET_ACCESS_KEY": "s"}
    kept = {"PATH": "/bin", "LC_ALL": "C", "PYTHONPATH": "operator", "TMPDIR": "/t"}
    assert clean_environment({**ours, **kept}) == kept


async def test_a_child_has_no_variable_and_no_descriptor_of_ours(
    run_dir: RunDirectory, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "secret")
    told = tmp_path / "told"
    code = f"""
import os, pathlib
fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd"))
pathlib.Path({str(told)!r}).write_text(f"{{'KUBECONFIG' in os.environ}} {{len(fds)}}")
"""
    with (tmp_path / "token").open("w") as token:
        os.set_inheritable(token.fileno(), True)
        await OwnPlane((sys.executable, "-c", code), run_dir).run()
    assert told.read_text() == "False 4", "standard streams, and the one that lists them"
