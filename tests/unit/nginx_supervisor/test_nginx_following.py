"""Plans brought into force, with files and an nginx that are made up: what is paced, tried again and told."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from unit.dataplane_parent.dataplane_driver import until

from serin.dataplane.nginx import following
from serin.dataplane.nginx.apply import Applied, Seconds
from serin.dataplane.nginx.following import FORMER, Following
from serin.dataplane.nginx.master import Master, Outcome
from serin.dataplane.nginx.pace import Pace
from serin.errors import SerinError


class Files:
    """An applier: `fault` is raised; what it makes of the plan is the plan's number and `weights`."""

    def __init__(self) -> None:
        self.plan = 0
        self.weights = 0
        self.fault: Exception | None = None
        self.again = False
        self.good = False
        self.applied: list[bool] = []
        self.confirmed_digests: list[str] = []

    def apply(self, *, full: bool = False) -> Applied:
        self.applied.append(full)
        if self.fault is not None:
            raise self.fault
        digest = f"{self.plan}-{self.weights}{'-full' if full else ''}"
        return Applied(self.plan, digest, True, (), 1, 1, 0, self.again, Seconds())

    def confirmed(self, digest: str) -> None:
        self.confirmed_digests.append(digest)

    def restore(self) -> bool:
        return self.good


class Nginx:
    """A master: takes every configuration whose digest is not in `refused`."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.process: object = None
        self.digest = ""
        self.started = False
        self.refused: set[str] = set()
        self.reloads: list[float] = []

    def start(self) -> None:
        self.started, self.process = True, object()

    async def serves(self, digest: str, seconds: float = 60.0) -> Outcome:
        if digest in self.refused:
            return Outcome("refused", "unknown directive")
        self.digest = digest or self.digest or "before"
        return Outcome("taken")

    async def reload(self, digest: str) -> Outcome:
        self.reloads.append(time.monotonic())
        return await self.serves(digest)


class Rig:
    def __init__(self) -> None:
        self.files = Files()
        self.nginx = Nginx(self.files)
        self.weights_changed = False
        self.weights_fault: Exception | None = None
        self.news = 0

    @asynccontextmanager
    async def running(self, interval: float = 0.0, *, stock: bool = False) -> AsyncIterator[Following]:
        master: Master = self.nginx  # type: ignore[assignment]
        made = Following(self.files, master, Pace(interval), self._told, self._changed if stock else None)
        task = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def publish(self, to: Following, number: int) -> None:
        self.files.plan = number
        to.planned(str(number))

    def _told(self) -> None:
        self.news += 1

    def _changed(self) -> bool:
        if self.weights_fault is not None:
            fault, self.weights_fault = self.weights_fault, None
            raise fault
        changed, self.weights_changed = self.weights_changed, False
        return changed


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(following, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(following, "WEIGHTS_SECONDS", 0.01)
    return Rig()


async def test_the_first_plan_is_a_start_and_the_next_a_reload(rig: Rig) -> None:
    async with rig.running() as f:
        rig.publish(f, 1)
        await until(lambda: f.generation == "1")
        assert (rig.nginx.reloads, f.last) == ([], None)
        rig.publish(f, 2)
        await until(lambda: f.generation == "2")
    assert len(rig.nginx.reloads) == 1
    assert rig.files.confirmed_digests == ["1-0", "2-0"]
    assert f.last is not None
    assert f.last.outcome == "taken"


async def test_what_needs_no_reload_gets_none(rig: Rig) -> None:
    async with rig.running() as f:
        rig.publish(f, 1)
        await until(lambda: f.generation == "1")
        rig.nginx.digest = "2-0"
        rig.publish(f, 2)
        await until(lambda: f.generation == "2")
    assert rig.nginx.reloads == []


async def test_reloads_keep_their_distance(rig: Rig) -> None:
    async with rig.running(interval=0.2) as f:
        for number in range(1, 40):
            rig.publish(f, number)
            await asyncio.sleep(0.01)
        await until(lambda: f.generation == "39")
    gaps = [b - a for a, b in zip(rig.nginx.reloads, rig.nginx.reloads[1:], strict=False)]
    assert gaps
    assert min(gaps) >= 0.19


@pytest.mark.parametrize("fault", [OSError(28, "No space left"), SerinError("no index"), ZeroDivisionError("ours")])
async def test_a_failure_keeps_what_is_in_force_and_is_tried_again(rig: Rig, fault: Exception) -> None:
    async with rig.running() as f:
        rig.publish(f, 1)
        await until(lambda: f.generation == "1")
        rig.files.fault = fault
        rig.publish(f, 2)
        await until(lambda: f.kept == "2")
        assert f.generation == "1"
        assert str(fault.args[-1]) in f.why
        tried = len(rig.files.applied)
        await until(lambda: len(rig.files.applied) > tried + 2)
        rig.files.fault = None
        await until(lambda: (f.generation, f.kept, f.why) == ("2", "", ""))


async def test_something_unread_is_tried_again(rig: Rig) -> None:
    rig.files.again = True
    async with rig.running() as f:
        rig.publish(f, 1)
        await until(lambda: len(rig.files.applied) > 3)
        assert f.generation == "1"
        rig.files.again = False


async def test_a_refused_one_is_tested_in_full(rig: Rig) -> None:
    async with rig.running() as f:
        rig.publish(f, 1)
        await until(lambda: f.generation == "1")
        rig.nginx.refused = {"2-0"}
        rig.publish(f, 2)
        await until(lambda: f.generation == "2")
        assert rig.nginx.digest == "2-0-full"
        assert f.reloads == {"refused": 1, "taken": 1}
        rig.nginx.refused = {"3-0", "3-0-full"}
        rig.publish(f, 3)
        await until(lambda: f.kept == "3")
        assert (f.generation, f.why) == ("2", "unknown directive")


async def test_weights_in_stock_mode(rig: Rig) -> None:
    async with rig.running(stock=True) as f:
        rig.publish(f, 1)
        await until(lambda: f.generation == "1")
        rig.files.weights = 5
        rig.weights_changed = True
        await until(lambda: rig.nginx.digest == "1-5")
    assert len(rig.nginx.reloads) == 1


async def test_a_fault_of_ours_ends_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    reload = rig.nginx.reload

    async def fails(_: str) -> Outcome:
        raise ZeroDivisionError("ours")

    async with rig.running(stock=True) as f:
        rig.publish(f, 1)
        await until(lambda: f.generation == "1")
        monkeypatch.setattr(rig.nginx, "reload", fails)
        rig.publish(f, 2)
        await until(lambda: len(rig.files.applied) > 3)
        monkeypatch.setattr(rig.nginx, "reload", reload)
        await until(lambda: f.generation == "2")
        rig.weights_fault = ZeroDivisionError("ours")
        await until(lambda: rig.weights_fault is None)
        rig.files.weights, rig.weights_changed = 5, True
        await until(lambda: rig.nginx.digest == "2-5")


async def test_the_last_good_one_at_start(rig: Rig) -> None:
    rig.files.good = True
    rig.files.fault = OSError(28, "No space left")
    async with rig.running() as f:
        rig.publish(f, 7)
        await until(lambda: f.kept == "7")
        assert f.generation == FORMER
        assert rig.nginx.digest == "before"
        rig.files.fault = None
        await until(lambda: f.generation == "7")


async def test_one_that_was_adopted_serves_before_any_plan_is_applied(rig: Rig) -> None:
    rig.nginx.start()
    rig.nginx.digest = "1-0"
    async with rig.running() as f:
        await until(lambda: f.generation == FORMER)
        assert rig.files.confirmed_digests == ["1-0"]
        rig.publish(f, 1)
        await until(lambda: f.generation == "1")
    assert rig.nginx.reloads == []


async def test_a_reload_that_was_asked_for(rig: Rig) -> None:
    async with rig.running() as f:
        rig.publish(f, 1)
        await until(lambda: f.generation == "1")
        await f.restart()
    assert len(rig.nginx.reloads) == 1
