"""Data planes for tests, gone with all their processes when the test is over."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from unit.dataplane_parent.dataplane_driver import DataPlane, all_gone, until


@pytest.fixture
async def make_dataplane(tmp_path: Path) -> AsyncIterator[Callable[..., DataPlane]]:
    made: list[DataPlane] = []

    def make(run_dir: Path = tmp_path / "run", worker: str = "standin", **settings: Any) -> DataPlane:
        plane = DataPlane(run_dir, worker, **settings)
        made.append(plane)
        return plane

    yield make
    for plane in made:
        if plane.process is not None:
            plane.process.kill()
            plane.process.wait()
            pids = [event["pid"] for event in plane.happened("worker-started")]
            await until(partial(all_gone, pids))


@pytest.fixture
async def dataplane(make_dataplane: Callable[..., DataPlane]) -> DataPlane:
    """Two workers, a plan, ready."""
    plane = make_dataplane()
    plane.publish(1)
    plane.start()
    await plane.ready()
    return plane
