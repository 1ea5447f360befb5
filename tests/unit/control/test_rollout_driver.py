"""The loop over all CanaryRoutes: who is looked at when, what follows from a write, a conflict or a failure."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import pytest
from harness.manifests import endpoint_slice, ingress, service
from harness.rollouts import canary_route, step

from serin.cluster.canaries.writer import ChangedError
from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.control.rollouts import driver
from serin.control.rollouts.driver import MOST, NOT_YET, Rollouts
from serin.control.rollouts.ports import Seen
from serin.errors import SerinError
from serin.objects.canary_status import CanaryStatus
from serin.objects.parse import parse_object
from serin.objects.store import Store
from serin.objects.views import CanaryRoute
from serin.refs import Ref
from serin.rollout.facts import Facts, OutsideResult, ReplicaCounts
from serin.rollout.machine import advance
from serin.rollout.situation import Advance

OPTIONS = Options(standalone=True)
HOST = "shop.example"


class Outside:
    def look(self, _: CanaryRoute, __: float) -> Mapping[str, OutsideResult]:
        return {}

    def keep(self, _: Collection[Ref]) -> None:
        pass


class World:
    """Objects, status and time in memory; what is written is seen at once, unless `delayed`."""

    def __init__(self, *routes: dict[str, Any]) -> None:
        self.store = Store()
        self.now = 1000.0
        self.leading = True
        self.looks: list[frozenset[str]] = []
        self.facts = Facts((ReplicaCounts("one", {}),))
        self.serving = (1, 1)
        self.writes: list[tuple[str, CanaryStatus]] = []
        self.told: list[tuple[str, Advance]] = []
        self.fail: dict[str, list[Exception]] = {}
        self._compiled: Compiled | None = None
        self.put(*(service(name) for name in ("main", "canary")), ingress("main", HOST, "main"))
        self.put(*(endpoint_slice(name, ["127.0.0.1"]) for name in ("main", "canary")), *routes)
        self.rollouts = Rollouts(
            self.seen,
            OPTIONS,
            self,
            Outside(),
            self,
            lambda: self.leading,
            (lambda view, decided: self.told.append((view.meta.ref.name, decided)),),
            clock=lambda: self.now,
            wall=lambda: 1e9 + self.now,
        )

    def put(self, *manifests: dict[str, Any]) -> None:
        for number, manifest in enumerate(manifests):
            view = parse_object(manifest, version=f"{self.now}-{number}").view
            assert view is not None
            old = self.store.snapshot().find(view.meta.ref)
            if isinstance(view, CanaryRoute) and isinstance(old, CanaryRoute):
                view = replace(view, status=old.status)
            self.store.apply(view)

    def seen(self) -> Seen:
        snapshot = self.store.snapshot()
        if self._compiled is None or self._compiled.revision != snapshot.revision:
            self._compiled = compile_snapshot(snapshot, OPTIONS, lambda *_: None, self._compiled)
        return Seen(snapshot, self._compiled, self._compiled.problems)

    def route(self, name: str = "shop") -> CanaryRoute:
        found = self.store.snapshot().find(Ref("CanaryRoute", "drills", name))
        assert isinstance(found, CanaryRoute)
        return found

    @property
    def phase(self) -> str:
        status = self.route().status
        return "" if status is None else status.phase

    # --- facts, the outside, status ---

    async def look(self, trials: Collection[str] | None = None) -> Facts:
        self.looks.append(frozenset(trials or ()))
        return self.facts

    def programmed(self, _: str) -> tuple[int, int]:
        return self.serving

    def known(self, view: CanaryRoute) -> CanaryRoute:
        return view

    async def write(self, view: CanaryRoute, status: CanaryStatus) -> None:
        name = view.meta.ref.name
        if self.fail.get(name):
            raise self.fail[name].pop(0)
        self.writes.append((name, status))
        self.store.apply(replace(view, status=status))

    def forget(self, refs: frozenset[Ref]) -> None:
        pass

    async def settle(self) -> float:
        """Rounds without time going by but for the pause after each write; the pause after the last."""
        for _ in range(50):
            pause = await self.rollouts.round()
            if pause > driver.BETWEEN * 2:
                return pause
            self.now += pause
        raise AssertionError(f"it writes again and again: {self.writes[-3:]}")


APPROVED = canary_route(step("20%", approval="Required"), step("50%", approval="Required"))


async def test_from_the_object_to_the_first_approval_one_write_after_the_other() -> None:
    world = World(APPROVED)
    assert await world.settle() > 0.5
    assert world.phase == "AwaitingApproval"
    events = [told.reason for _, decided in world.told for told in decided.events]
    assert events == ["RolloutStarted", "StepStarted", "AwaitingApproval"]
    assert len(world.told) == len(world.writes)


async def test_nothing_new_is_not_written_again() -> None:
    world = World(APPROVED)
    await world.settle()
    writes = len(world.writes)
    for _ in range(5):
        world.now += 1.0
        await world.rollouts.round()
    assert len(world.writes) == writes


async def test_looks_are_no_further_apart_than_the_bound_and_the_checks_interval() -> None:
    world = World(APPROVED)
    assert await world.settle() <= MOST
    check = {"name": "e", "type": "Errors", "max": "1%", "interval": "5s"}
    world.put(canary_route(step("20%", approval="Required"), checks=(check,)))
    assert await world.settle() <= 5.0


async def test_an_action_counts_at_once() -> None:
    world = World(APPROVED)
    await world.settle()
    world.put({**APPROVED, "metadata": {**APPROVED["metadata"], "annotations": {"serin.dev/action": "promote"}}})
    await world.settle()
    run = world.route().status.run  # type: ignore[union-attr]
    assert run is not None
    assert run.step == 2


async def test_endpoints_and_problems_count_at_once() -> None:
    world = World(APPROVED)
    await world.settle()
    world.put(endpoint_slice("canary", []))
    await world.rollouts.round()
    weights = {version.version: version.ready for version in world.route().status.weights}  # type: ignore[union-attr]
    assert weights == {"main": 1, "canary": 0}
    world.store.delete(Ref("Ingress", "drills", "main"))
    await world.settle()
    accepted = next(c for c in world.route().status.conditions if c.type == "Accepted")  # type: ignore[union-attr]
    assert accepted.status == "False"


async def test_who_does_not_lead_looks_at_nothing_and_writes_nothing() -> None:
    world = World(APPROVED)
    world.leading = False
    assert await world.rollouts.round() < 1
    assert (world.looks, world.writes) == ([], [])
    world.leading = True
    await world.settle()
    assert world.phase == "AwaitingApproval"


async def test_leadership_that_is_lost_during_a_look_ends_it() -> None:
    world = World(APPROVED)
    look = world.look

    async def loses(trials: Collection[str] | None = None) -> Facts:
        world.leading = False
        return await look(trials)

    world.look = loses  # type: ignore[method-assign]
    await world.rollouts.round()
    assert world.looks
    assert not world.writes


async def test_one_whose_write_fails_keeps_no_other_from_its_turn(caplog: pytest.LogCaptureFixture) -> None:
    world = World(APPROVED, canary_route(step("10%"), name="zoo"))
    world.fail["shop"] = [SerinError("no")] * 3
    await world.rollouts.round()
    assert [name for name, _ in world.writes] == ["zoo"]
    assert [record.getMessage() for record in caplog.records] == ["rollout-failed"]
    for _ in range(20):
        world.now += 1.0
        await world.settle()
    assert world.phase == "AwaitingApproval"


async def test_an_exception_is_told_with_its_place_and_is_one_objects_own(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(APPROVED, canary_route(step("10%"), name="zoo"))
    real = advance

    def breaks(situation: Any) -> Advance:
        if situation.view.meta.ref.name == "shop":
            raise ZeroDivisionError
        return real(situation)

    monkeypatch.setattr(driver, "advance", breaks)
    await world.rollouts.round()
    assert [name for name, _ in world.writes] == ["zoo"]
    fields = caplog.records[0].serin_fields  # type: ignore[attr-defined]
    assert fields["object"] == "drills/shop"
    assert "ZeroDivisionError" in fields["error"]


async def test_what_was_decided_on_an_old_object_is_decided_anew_and_not_told() -> None:
    world = World(APPROVED)
    world.fail["shop"] = [ChangedError("it changed")]
    await world.rollouts.round()
    assert len(world.writes) == len(world.told) == 1
    world.fail["shop"] = [ChangedError("it changed")] * 10
    assert await world.rollouts.round() > 0
    assert len(world.told) == 1


async def test_shares_that_are_not_in_force_everywhere_are_looked_at_again_soon() -> None:
    world = World(APPROVED)
    world.serving = (0, 1)
    assert await world.settle() <= NOT_YET
    assert world.phase == "Progressing"
    world.serving = (1, 1)
    world.now += NOT_YET
    await world.settle()
    assert world.phase == "AwaitingApproval"


async def test_facts_that_cannot_be_had_at_all_are_missing_ones(caplog: pytest.LogCaptureFixture) -> None:
    world = World(APPROVED)

    async def breaks(trials: Collection[str] | None = None) -> Facts:
        raise ZeroDivisionError

    world.look = breaks  # type: ignore[method-assign]
    await world.rollouts.round()
    assert world.writes
    assert "rollout-failed" in {record.getMessage() for record in caplog.records}


async def test_one_that_is_deleted_is_forgotten() -> None:
    world = World(APPROVED)
    await world.settle()
    world.store.delete(Ref("CanaryRoute", "drills", "shop"))
    assert await world.rollouts.round() > 0
    world.put(APPROVED)
    await world.settle()
    assert [told.reason for _, decided in world.told for told in decided.events].count("RolloutStarted") == 2


async def test_news_ends_a_pause() -> None:
    world = World(APPROVED)
    running = asyncio.create_task(world.rollouts.run())
    async with asyncio.timeout(45):
        while world.phase != "AwaitingApproval":
            world.now += 0.1
            world.rollouts.news()
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_many_that_are_idle_share_their_looks() -> None:
    world = World(*(canary_route(step("10%", approval="Required"), name=f"shop-{n}") for n in range(20)))
    await world.settle()
    world.looks.clear()
    for _ in range(60):
        world.now += 1.0
        await world.rollouts.round()
    assert len(world.looks) <= 60 / MOST + 1


async def test_an_outage_is_told_by_a_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    world = World(*(canary_route(step("10%"), name=f"shop-{n}") for n in range(30)))
    world.fail = {f"shop-{n}": [SerinError(f"no answer for {n}")] * 100 for n in range(30)}
    for _ in range(30):
        world.now += 1.0
        await world.rollouts.round()
    assert 1 <= len(caplog.records) <= driver.COMPLAINTS + 30 / driver.COMPLAIN_EVERY
