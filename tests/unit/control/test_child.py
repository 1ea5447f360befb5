"""The data plane as a child: started again when it dies, ended in order, given up when it cannot start."""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
from typing import Any

import pytest

from serin.control import child as module
from serin.control.child import DataPlane

SLEEPER = (sys.executable, "-c", "import signal; signal.pause()")


async def started(plane: DataPlane, other_than: int | None = None) -> int:
    async with asyncio.timeout(45):
        while plane.pid is None or plane.pid == other_than:
            await asyncio.sleep(0.005)
    return plane.pid


async def test_one_that_never_settled_is_given_up_with_its_code() -> None:
    plane = DataPlane((sys.executable, "-c", "raise SystemExit(2)"), lambda pid: False)
    assert await plane.run() == 2


async def test_one_that_dies_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.001)
    plane = DataPlane(SLEEPER, lambda pid: True)
    running = asyncio.create_task(plane.run())
    first = await started(plane)
    os.kill(first, signal.SIGKILL)
    second = await started(plane, other_than=first)
    plane.end()
    assert await running == -signal.SIGTERM
    assert second != first


async def test_one_that_cannot_be_started_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has no process left for us: the controller goes on, and so does the trying."""
    monkeypatch.setattr(module, "FIRST_DELAY", 0.001)
    real, starts = asyncio.create_subprocess_exec, 0

    async def start(*command: str, **how: Any) -> asyncio.subprocess.Process:
        nonlocal starts
        starts += 1
        if starts in (2, 3):
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return await real(*command, **how)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    plane = DataPlane(SLEEPER, lambda pid: True)
    running = asyncio.create_task(plane.run())
    first = await started(plane)
    os.kill(first, signal.SIGKILL)
    await started(plane, other_than=first)
    assert starts == 4
    plane.end()
    assert await running == -signal.SIGTERM


async def test_one_that_is_asked_to_end_while_it_starts_ends() -> None:
    plane = DataPlane(SLEEPER, lambda pid: True)
    running = asyncio.create_task(plane.run())
    await asyncio.sleep(0)
    assert plane.pid is None
    plane.end()
    async with asyncio.timeout(45):
        assert await running == -signal.SIGTERM


PARENT = """
import asyncio, sys
from serin.control.child import DataPlane

async def main():
    plane = DataPlane((sys.executable, "-c", "import signal; signal.pause()"), lambda pid: True, lasting=LASTING)
    running = asyncio.create_task(plane.run())
    while plane.pid is None:
        await asyncio.sleep(0.005)
    print(plane.pid, flush=True)
    await running

asyncio.run(main())
"""


@pytest.mark.parametrize("lasting", [True, False])
def test_one_that_is_not_lasting_ends_with_its_parent(lasting: bool) -> None:
    command = (sys.executable, "-c", PARENT.replace("LASTING", str(lasting)))
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        ended = select.select([child], [], [], 0.3 if lasting else 20.0)[0]
        assert bool(ended) is not lasting
    finally:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(child, signal.SIGKILL)
        os.close(child)


async def test_nothing_is_started_after_the_end() -> None:
    plane = DataPlane(SLEEPER, lambda pid: True)
    plane.end()
    assert await plane.run() == 0
    assert plane.pid is None
