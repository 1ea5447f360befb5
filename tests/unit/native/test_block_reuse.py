"""Readers in other processes while blocks come and go: nobody ever reads a block that is being written anew."""

import os
import signal
import time
from pathlib import Path

import pytest
from harness.shared_memory import Rig, make_pool, make_split

from serin.native import stats
from serin.native.worker import Choice, Worker
from serin.routing.plan import Endpoint, Pool, Split

READERS = 3
SECONDS = 1.5


def read_until(deadline: float, run_dir: Path, index: int, split: Split) -> int:
    """Decide as fast as can be. 0: every answer was whole, at least one of each generation's ports was seen."""
    worker = Worker.attach(run_dir, index)
    handle = worker.split(split.id, split.shape)
    ports = set()
    while time.monotonic() < deadline:
        for _ in range(200):
            choice = handle.decide()
            if not isinstance(choice, Choice):
                return 1
            # all endpoints of a block have one port, told again by the address
            if choice.address != f"10.{choice.port >> 8}.{choice.port & 255}.{choice.address.split('.')[3]}":
                return 2
            ports.add(choice.port)
            choice.done(200)
        worker.refresh()
    worker.close()
    return 0 if len(ports) > 5 else 3


def generation(pool: Pool, number: int) -> Pool:
    """The same pool with other endpoints, of another length: its block goes elsewhere in the file."""
    port = 1 + number % 60_000
    listed = (Endpoint(f"10.{port >> 8}.{port & 255}.{n}", port) for n in range(1 + number * 7 % 40))
    return Pool(pool.spec, tuple(listed))


@pytest.fixture
def small_rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr("serin.native.pools.MIN_HEAP", 1 << 15)
    return Rig(tmp_path)


def test_readers_see_whole_blocks(small_rig: Rig) -> None:
    rig, pool = small_rig, make_pool(1, 0)
    split = rig.put(make_split(1, [(pool, 0)]), generation(pool, 1))
    deadline = time.monotonic() + SECONDS
    children = []
    for index in range(READERS):
        pid = os.fork()
        if pid == 0:
            signal.alarm(30)
            os._exit(read_until(deadline, rig.path, index, split))
        children.append(pid)
    puts, reused = 0, set()
    while time.monotonic() < deadline or puts <= 500:
        puts += 1
        rig.pools.put_pool(generation(pool, puts))
        reused.add(rig.pools._image.instance)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    rig.close()
    assert codes == [0] * READERS
    # far fewer files than it would take if nothing were used again
    assert len(reused) < puts / 40


def test_two_processes_share_one_draw(small_rig: Rig) -> None:
    """A split holds its share exactly over whole blocks of 100 requests, whoever takes them."""
    rig, a, b = small_rig, make_pool(1, 1), make_pool(2, 1)
    split = rig.put(make_split(1, [(a, 0), (b, 10)]), a, b)
    children, each = [], 5000
    for index in range(2):
        pid = os.fork()
        if pid == 0:
            signal.alarm(30)
            worker = Worker.attach(rig.path, index)
            handle = worker.split(split.id, split.shape)
            for _ in range(each):
                choice = handle.decide()
                if isinstance(choice, Choice):
                    choice.done(200)
            os._exit(0)
        children.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    totals = stats.read(rig.path).versions
    rig.close()
    assert codes == [0, 0]
    assert totals[split.id, split.shape[1]].requests == 1000
    assert totals[split.id, split.shape[0]].requests == 9000
