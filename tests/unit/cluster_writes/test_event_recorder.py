"""Events in an API server that is played here: made once, counted on, taken over by the next leader."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from harness.fake_api import FakeApi

from serin.cluster.api import ApiError
from serin.cluster.events import EventRecorder
from serin.cluster.events.ledger import LASTING, REMIND
from serin.cluster.events.recorder import BURST
from serin.cluster.kinds import EVENT, POD
from serin.cluster.own_pod import OwnPodReader
from serin.problems import Problem, Severity
from serin.refs import Ref, Source

SHOP = Ref("Ingress", "web", "shop")
POD_REF = Ref("Pod", "infra", "serin-0")


@dataclass(frozen=True)
class Identity:
    uid: str
    api_version: str = "networking.k8s.io/v1"


class Known:
    def __init__(self, *refs: Ref) -> None:
        self.refs = set(refs)

    def identity(self, ref: Ref) -> Identity | None:
        return Identity(f"uid-{ref.name}") if ref in self.refs else None


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class World:
    def __init__(self, api: FakeApi | None = None, pod: str = "", namespace: str = "") -> None:
        self.api = api or FakeApi()
        self.known = Known(SHOP)
        self.leading = True
        self.clock = Clock()
        self.recorder = EventRecorder(
            self.api,
            lambda: self.leading,
            self.known,
            OwnPodReader(self.api, "infra", pod),
            instance="serin-0",
            namespace=namespace,
            clock=self.clock,
            wall=self.clock,
            random=lambda: 0.0,
        )

    async def rounds(self, count: int = 1) -> None:
        for _ in range(count):
            await self.recorder._round()

    async def told(self, *problems: Problem) -> None:
        """Seen, and still there when they have lasted long enough."""
        self.recorder.observe(problems)
        await self.rounds()
        self.clock.now += LASTING
        await self.rounds()

    def events(self, namespace: str = "web") -> list[dict[str, Any]]:
        folder = EVENT.path(namespace)
        return [event for at, event in self.api.objects.items() if at.rpartition("/")[0] == folder]

    def figure(self, result: str) -> float:
        return next(f.value for f in self.recorder.figures() if ("result", result) in f.labels)


def problem(ref: Ref = SHOP, text: str = "there is no Service", code: str = "service-not-found") -> Problem:
    return Problem(Source(ref, "spec.rules[0]"), code, Severity.ERROR, text)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_problem_becomes_an_event(world: World) -> None:
    await world.told(problem())
    (event,) = world.events()
    assert (event["type"], event["reason"], event["count"]) == ("Warning", "ServiceNotFound", 1)
    assert event["message"] == "spec.rules[0]: there is no Service"
    assert event["involvedObject"]["uid"] == "uid-shop"


async def test_one_that_lasts_is_counted_on_and_nothing_else_is_written(world: World) -> None:
    await world.told(problem())
    for _ in range(60):
        world.clock.now += 60
        world.recorder.observe((problem(),))
        await world.rounds()
    (event,) = world.events()
    assert event["count"] == 2
    assert len(world.api.wrote()) == 2


async def test_nothing_is_told_while_another_leads(world: World) -> None:
    world.leading = False
    await world.told(problem())
    assert world.api.calls == []
    world.leading = True
    await world.rounds()
    assert len(world.events()) == 1


async def test_the_next_leader_tells_nothing_again(world: World) -> None:
    await world.told(problem())
    successor = World(world.api)
    successor.clock.now = world.clock.now + 5
    world.api.calls.clear()
    await successor.told(problem())
    assert world.api.wrote() == []
    successor.clock.now += REMIND
    await successor.rounds()
    assert [event["count"] for event in world.events()] == [2]


async def test_a_next_leader_that_may_not_list_finds_the_event_there_is(world: World) -> None:
    await world.told(problem())
    world.api.refuse["list", EVENT.path()] = ApiError(403, "Forbidden", "no")
    successor = World(world.api)
    successor.clock.now = world.clock.now + 5
    await successor.told(problem())
    (event,) = world.events()
    assert event["count"] == 1
    assert [verb for verb, _ in world.api.wrote()] == ["create", "create", "patch"]


async def test_an_event_that_expired_is_made_again(world: World) -> None:
    await world.told(problem())
    (at,) = [at for at, event in world.api.objects.items() if event["kind"] == "Event"]
    del world.api.objects[at]
    world.clock.now += REMIND
    await world.rounds(2)
    world.clock.now += 1
    await world.rounds()
    assert [event["count"] for event in world.events()] == [1]


async def test_an_outage_delays_and_loses_nothing(world: World) -> None:
    world.recorder.observe((problem(),))
    await world.rounds()
    world.clock.now += LASTING
    world.api.down = True
    with pytest.raises(Exception, match="nobody there"):
        await world.rounds()
    world.api.down = False
    world.clock.now += 1
    await world.rounds()
    assert len(world.events()) == 1


async def test_a_refusal_concerns_one_event_only(world: World) -> None:
    other = Ref("Ingress", "closing", "shop")
    world.known.refs.add(other)
    world.api.refuse["create", EVENT.path("closing")] = ApiError(403, "Forbidden", "namespace is being terminated")
    await world.told(problem(other), problem())
    assert len(world.events()) == 1
    assert world.figure("failed") == 1


async def test_a_server_that_is_busy_is_left_alone(world: World) -> None:
    refs = [Ref("Ingress", "web", f"i{n}") for n in range(20)]
    world.known.refs.update(refs)
    world.api.refuse["create", EVENT.path("web")] = ApiError(429, "TooManyRequests", "later")
    with pytest.raises(ApiError, match="429"):
        await world.told(*(problem(ref) for ref in refs))
    assert len(world.api.wrote()) == 1
    world.api.refuse.clear()
    world.clock.now += 10
    await world.rounds()
    assert len(world.events()) == 20


async def test_a_burst_is_bounded_and_what_is_left_comes_at_its_rate(world: World) -> None:
    refs = [Ref("Ingress", "web", f"i{n}") for n in range(300)]
    world.known.refs.update(refs)
    await world.told(*(problem(ref) for ref in refs))
    assert len(world.events()) == BURST
    world.clock.now += 10
    await world.rounds()
    assert len(world.events()) == BURST + 50
    waiting = {figure.name: figure.value for figure in world.recorder.figures()}["events_waiting"]
    assert waiting == 200


async def test_a_sync_is_told_of_and_counted(world: World) -> None:
    world.recorder.synced((SHOP, Ref("Ingress", "web", "gone")))
    await world.rounds()
    (event,) = world.events()
    assert (event["type"], event["reason"], event["message"]) == ("Normal", "Sync", "Scheduled for sync")


async def test_without_sync_events_there_are_none() -> None:
    quiet = World()
    quiet.recorder._sync = False
    quiet.recorder.synced((SHOP,))
    await quiet.rounds()
    assert quiet.events() == []


async def test_what_concerns_no_object_is_told_on_our_own_pod() -> None:
    world = World(pod="serin-0")
    world.api.put(POD.path("infra", "serin-0"), {"metadata": {"uid": "uid-pod"}})
    missing = problem(Ref("ConfigMap", "infra", "options"), "there is none", "config-map-not-found")
    await world.told(Problem(Source(POD_REF), "access-missing", Severity.WARNING, "not allowed to list nodes"), missing)
    assert {event["message"] for event in world.events("infra")} == {
        "not allowed to list nodes",
        "ConfigMap infra/options: spec.rules[0]: there is none",
    }
    assert {event["involvedObject"]["uid"] for event in world.events("infra")} == {"uid-pod"}


async def test_what_is_wrong_with_ourselves_is_told_on_our_pod_until_it_is_right() -> None:
    world = World(pod="serin-0")
    world.api.put(POD.path("infra", "serin-0"), {"metadata": {"uid": "uid-pod"}})
    world.recorder.about_us("access-missing", ["not allowed to get nodes"])
    await world.rounds()
    world.clock.now += LASTING
    await world.rounds()
    (event,) = world.events("infra")
    assert (event["reason"], event["message"]) == ("AccessMissing", "not allowed to get nodes")
    world.recorder.about_us("access-missing", [])
    await world.rounds()
    world.clock.now += REMIND
    await world.rounds()
    assert [event["count"] for event in world.events("infra")] == [1]


async def test_problems_of_other_objects_are_told_on_the_ingresses_concerned(world: World) -> None:
    secret = Ref("Secret", "web", "cert")
    world.recorder.observe((problem(secret, "it has no tls.key"),), lambda ref: (SHOP,) if ref == secret else ())
    await world.rounds()
    world.clock.now += LASTING
    await world.rounds()
    (event,) = world.events()
    assert event["message"] == "Secret web/cert: spec.rules[0]: it has no tls.key"


async def test_of_one_namespace_only_its_events_are_listed() -> None:
    world = World(namespace="web")
    await world.rounds()
    assert world.api.calls == [("list", EVENT.path("web"))]


# --- in real time ---


@asynccontextmanager
async def running(recorder: EventRecorder) -> AsyncIterator[None]:
    task = asyncio.create_task(recorder.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(45):
        while not condition():
            await asyncio.sleep(0.01)


async def test_run_wakes_for_news() -> None:
    api = FakeApi()
    recorder = EventRecorder(api, lambda: True, Known(SHOP), OwnPodReader(api, "infra", ""), instance="i")
    async with running(recorder):
        await until(lambda: bool(api.calls))
        recorder.synced((SHOP,))
        await until(lambda: any(event["reason"] == "Sync" for event in api.objects.values()))


async def test_what_happened_to_an_object_is_told_by_who_leads() -> None:
    world = World()
    world.recorder.happened(SHOP, "Promoted", "v2 has it all", warning=False)
    world.recorder.happened(SHOP, "RolledBack", "v2 was worse", warning=True)
    world.recorder.happened(Ref("Ingress", "web", "nobody"), "Promoted", "text", warning=False)
    await world.rounds(2)
    events = {event["reason"]: event for event in world.api.objects.values() if event.get("reason")}
    assert {reason: event["type"] for reason, event in events.items()} == {
        "Promoted": "Normal",
        "RolledBack": "Warning",
    }
    assert events["Promoted"]["involvedObject"]["uid"] == "uid-shop"
    world.leading = False
    world.recorder.happened(SHOP, "Aborted", "text", warning=True)
    world.leading = True
    await world.rounds(2)
    assert len([event for event in world.api.objects.values() if event.get("reason")]) == 2
