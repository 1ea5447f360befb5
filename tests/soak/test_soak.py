"""Everything at once, for as long as SOAK_SECONDS says: nothing is lost, nothing grows."""

import itertools
import os
import pathlib
import random
import time

from harness.load import load
from harness.manifests import canary, endpoint_slice, ingress, put
from harness.serving import Serving
from harness.world import HOST, World

SECONDS = float(os.environ.get("SOAK_SECONDS", "8"))
GROWTH = 40
"""MiB by which a process may be larger at the end than after its first third."""


def resident(pid: int) -> float:
    """MiB."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def lasting(world: World, serving: Serving) -> list[int]:
    """Processes that stay; nginx's workers are others after a reload."""
    serves = [serving.master()] if world.plane.is_nginx else serving.workers()
    return [serving.process.pid, serving.data_plane(), *serves]


def change_something(world: World, number: int, dice: random.Random) -> None:
    match number % 4:
        case 0:
            put(world.folder / "canary.yaml", canary("canary", HOST, "canary", weight=str(dice.randrange(101))))
        case 1:
            some = dice.sample([11, 21, 22], dice.randint(1, 3))
            put(world.folder / "slice-main.yaml", endpoint_slice("main", [world.address(one) for one in some]))
        case 2:
            name = f"host{dice.randrange(20)}"
            put(world.folder / f"{name}.yaml", ingress(name, f"{name}.example", "canary2"))
        case _:
            (world.folder / f"host{dice.randrange(20)}.yaml").unlink(missing_ok=True)


def test_nothing_is_lost_and_nothing_grows(world: World) -> None:
    serving = world.serve("--access-log", "off")
    processes = lasting(world, serving)
    dice = random.Random(7)
    started = time.monotonic()
    before: dict[int, float] = {}
    with load(serving.door, HOST, again=world.plane.is_nginx) as running:
        for number in itertools.count():
            change_something(world, number, dice)
            seen = running.count
            while running.count < seen + 20:
                time.sleep(0.001)
            passed = time.monotonic() - started
            if passed > SECONDS / 3 and not before:
                before = {pid: resident(pid) for pid in processes}
            if passed > SECONDS:
                break
        assert not running.lost()
        assert {result.status for result in running.results} == {200}
    assert lasting(world, serving) == processes, "nobody died"
    grown = {pid: resident(pid) - before[pid] for pid in processes}
    assert max(grown.values()) < GROWTH, grown
