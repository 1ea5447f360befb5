"""Which Ingresses are written to, and which are not; against an API server that is played here."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from harness.fake_api import FakeApi

from serin.cluster.api import ApiError
from serin.cluster.kinds import INGRESS, NODE, POD, SERVICE
from serin.cluster.own_pod import OwnPodReader
from serin.cluster.status import Publish, StatusWriter
from serin.cluster.status.writer import BACK_OFF, COMPLAINTS
from serin.refs import Ref

SHOP, BLOG = Ref("Ingress", "web", "blog"), Ref("Ingress", "web", "shop")
WANTED = [{"ip": "192.0.2.1"}]


@dataclass(frozen=True)
class Identity:
    uid: str
    version: str


class Known:
    """What the watch told: the server's objects, or an older picture of them."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.frozen: dict[str, Any] | None = None

    def freeze(self) -> None:
        self.frozen = dict(self.api.objects)

    def find(self, ref: Ref) -> dict[str, Any] | None:
        objects = self.api.objects if self.frozen is None else self.frozen
        return objects.get(path(ref))

    def identity(self, ref: Ref) -> Identity | None:
        found = self.find(ref)
        return None if found is None else Identity(found["metadata"]["uid"], found["metadata"]["resourceVersion"])

    def addresses(self, ref: Ref) -> tuple[Mapping[str, str], ...]:
        found = self.find(ref) or {}
        return tuple(found.get("status", {}).get("loadBalancer", {}).get("ingress", ()))


class World:
    def __init__(self, publish: Publish, pod: str = "") -> None:
        self.api = FakeApi()
        self.known = Known(self.api)
        self.leading = True
        self.now = 1000.0
        """Of a clock that is stepped by hand; see `stepped`."""
        self.writer = StatusWriter(
            self.api,
            lambda: self.leading,
            self.known,
            publish,
            OwnPodReader(self.api, "infra", pod),
            random=lambda: 0.0,
        )

    def ingress(self, ref: Ref, shown: list[dict[str, str]] | None = None) -> None:
        self.api.put(path(ref), {"status": {"loadBalancer": {"ingress": shown}}} if shown else {})

    def shown(self, ref: Ref) -> Any:
        return self.api.objects[path(ref)].get("status", {}).get("loadBalancer", {}).get("ingress")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.writer.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def figure(self, result: str) -> float:
        return next(f.value for f in self.writer.figures() if ("result", result) in f.labels)


def path(ref: Ref) -> str:
    return INGRESS.path(ref.namespace, ref.name)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(45):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def world() -> World:
    made = World(Publish(addresses=("192.0.2.1",)))
    made.ingress(SHOP)
    made.ingress(BLOG)
    return made


async def test_all_of_ours_get_the_address_and_nobody_else(world: World) -> None:
    other = Ref("Ingress", "web", "other")
    world.ingress(other)
    world.writer.ours(frozenset((SHOP, BLOG)))
    async with world.running():
        await until(lambda: world.shown(SHOP) == WANTED and world.shown(BLOG) == WANTED)
    assert world.shown(other) is None
    assert all(verb == "patch" and at.endswith("/status") for verb, at in world.api.wrote())


async def test_what_shows_the_address_already_is_not_written_to(world: World) -> None:
    world.ingress(SHOP, WANTED)
    world.writer.ours(frozenset((SHOP, BLOG)))
    async with world.running():
        await until(lambda: world.shown(BLOG) == WANTED)
    assert world.api.wrote() == [("patch", path(BLOG) + "/status")]


async def test_an_address_that_is_wrong_is_replaced_after_those_that_have_none(world: World) -> None:
    world.ingress(SHOP, [{"ip": "198.51.100.1"}, {"ip": "192.0.2.1"}])
    world.writer.ours(frozenset((SHOP, BLOG)))
    async with world.running():
        await until(lambda: world.shown(SHOP) == WANTED)
    assert [at for _, at in world.api.wrote()] == [path(BLOG) + "/status", path(SHOP) + "/status"]


async def test_nothing_is_written_while_another_leads(world: World) -> None:
    world.leading = False
    world.writer.ours(frozenset((SHOP,)))
    async with world.running():
        await asyncio.sleep(0)
        assert world.api.calls == []
        world.leading = True
        await until(lambda: world.shown(SHOP) == WANTED)


async def test_an_ingress_that_changed_meanwhile_is_left_until_the_change_is_known(world: World) -> None:
    world.known.freeze()
    world.ingress(SHOP)
    world.writer.ours(frozenset((SHOP,)))
    async with world.running():
        await until(lambda: world.figure("skipped") == 1)
        assert world.shown(SHOP) is None
        world.known.frozen = None
        world.writer.ours(frozenset((SHOP,)))
        await until(lambda: world.shown(SHOP) == WANTED)
    assert world.figure("skipped") == 1


async def test_an_ingress_that_is_gone_is_no_failure(world: World) -> None:
    world.known.freeze()
    del world.api.objects[path(SHOP)]
    world.writer.ours(frozenset((SHOP, BLOG)))
    async with world.running():
        await until(lambda: world.shown(BLOG) == WANTED and world.figure("skipped") == 1)


async def test_one_that_the_server_will_not_have_does_not_hold_up_others(world: World) -> None:
    world.api.refuse["patch", path(BLOG) + "/status"] = ApiError(422, "Invalid", "no")
    world.api.refuse["patch", path(SHOP) + "/status"] = ApiError(500, "InternalError", "a webhook is broken")
    third = Ref("Ingress", "web", "third")
    world.ingress(third)
    world.writer.ours(frozenset((SHOP, BLOG, third)))
    async with world.running():
        await until(lambda: world.shown(third) == WANTED)


async def test_many_that_are_refused_do_not_keep_others_from_their_address(world: World) -> None:
    """A policy for one namespace, of names that come first; each round ends with the first refusals."""
    world.writer._clock = lambda: world.now
    refused = [Ref("Ingress", "a-policed", f"i{n:02}") for n in range(40)]
    for ref in refused:
        world.ingress(ref)
        world.api.refuse["patch", path(ref) + "/status"] = ApiError(403, "Forbidden", f"denied {ref.name}")
    world.writer.ours(frozenset((SHOP, *refused)))
    for _ in range(8):
        with suppress(ApiError):
            await world.writer._round()
        world.now += BACK_OFF + 1
    assert world.shown(SHOP) == WANTED


async def test_failures_that_differ_do_not_fill_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    refs = [Ref("Ingress", "web", f"i{n}") for n in range(20)]
    for ref in refs:
        world.ingress(ref)
        world.api.refuse["patch", path(ref) + "/status"] = ApiError(422, "Invalid", f"not for {ref.name}")
    world.writer.ours(frozenset(refs))
    await world.writer._round()
    assert world.figure("failed") == 20
    assert 1 <= sum("not for" in record.getMessage() + str(record.__dict__) for record in caplog.records) <= COMPLAINTS


async def test_a_version_that_is_not_known_is_not_guessed(world: World) -> None:
    world.api.objects[path(SHOP)]["metadata"]["resourceVersion"] = ""
    world.writer.ours(frozenset((SHOP, BLOG)))
    async with world.running():
        await until(lambda: world.shown(BLOG) == WANTED)
    assert world.shown(SHOP) is None


async def test_addresses_of_the_service_that_is_missing_change_nothing(world: World) -> None:
    elsewhere = World(Publish(service=Ref("Service", "infra", "lb")))
    elsewhere.ingress(SHOP, WANTED)
    elsewhere.writer.ours(frozenset((SHOP,)))
    async with elsewhere.running():
        await until(lambda: ("get", SERVICE.path("infra", "lb")) in elsewhere.api.calls)
    assert elsewhere.shown(SHOP) == WANTED
    assert elsewhere.api.wrote() == []


async def test_many_are_written_a_few_at_a_time() -> None:
    world = World(Publish(addresses=("192.0.2.1",)))
    refs = [Ref("Ingress", "web", f"i{n}") for n in range(30)]
    for ref in refs:
        world.ingress(ref)
    world.writer.ours(frozenset(refs))
    async with world.running():
        await until(lambda: all(world.shown(ref) == WANTED for ref in refs))
    assert 1 < world.api.most_running <= 9  # eight writers, and the follower's list


# --- nodes ---


def pod(name: str, node: str, *, ready: bool = True, leaving: bool = False) -> dict[str, Any]:
    labels = {"app": "serin", "pod-template-hash": name, "helm.sh/chart": f"serin-{name}"}
    meta: dict[str, Any] = {"labels": labels, **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if leaving else {})}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": meta, "spec": {"nodeName": node}, "status": {"phase": "Running", "conditions": conditions}}


def in_pod() -> World:
    world = World(Publish(), pod="a")
    for name, node in (("a", "n1"), ("b", "n2"), ("c", "n3")):
        world.api.put(POD.path("infra", name), pod(name, node, ready=name != "c"))
        at = [{"type": "InternalIP", "address": f"10.0.0.{node[1]}"}]
        world.api.put(NODE.path(name=node), {"status": {"addresses": at}})
    world.ingress(SHOP)
    world.writer.ours(frozenset((SHOP,)))
    return world


async def test_nodes_with_a_ready_pod_of_ours() -> None:
    world = in_pod()
    async with world.running():
        await until(lambda: world.shown(SHOP) == [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}])


async def test_that_no_pod_is_ready_takes_no_address_away() -> None:
    world = in_pod()
    world.ingress(SHOP, WANTED)
    for name in "abc":
        world.api.put(POD.path("infra", name), pod(name, "n1", ready=False))
    async with world.running():
        await until(lambda: ("list", POD.path("infra")) in world.api.calls)
    assert world.shown(SHOP) == WANTED
    assert world.api.wrote() == []


# --- the end ---


async def test_outside_of_a_pod_the_end_takes_the_addresses_away(world: World) -> None:
    world.ingress(SHOP, WANTED)
    world.writer.ours(frozenset((SHOP, BLOG)))
    assert await world.writer.clear() == 1
    assert world.shown(SHOP) is None
    assert world.api.wrote() == [("patch", path(SHOP) + "/status")]


async def test_nothing_puts_back_what_was_taken_away(world: World) -> None:
    world.ingress(BLOG, WANTED)
    world.writer.ours(frozenset((SHOP, BLOG)))
    assert await world.writer.clear() == 1
    before = len(world.api.wrote())
    world.writer.ours(frozenset((SHOP, BLOG)))
    await world.writer._round()
    assert world.shown(BLOG) is None
    assert len(world.api.wrote()) == before


async def test_who_does_not_lead_takes_nothing_away(world: World) -> None:
    world.ingress(SHOP, WANTED)
    world.writer.ours(frozenset((SHOP,)))
    world.leading = False
    assert await world.writer.clear() == 0
    assert world.api.calls == []


async def test_clearing_looks_again_where_the_watch_is_behind(world: World) -> None:
    world.ingress(SHOP, WANTED)
    world.known.freeze()
    world.ingress(SHOP, WANTED)
    world.writer.ours(frozenset((SHOP,)))
    assert await world.writer.clear() == 1
    assert world.shown(SHOP) is None


async def test_clearing_waits_for_what_is_under_way_and_takes_it_back(world: World) -> None:
    """The address is on its way, and the watch tells of it only later."""
    world.writer.ours(frozenset((SHOP, BLOG)))
    world.known.freeze()
    world.api.hold = asyncio.Event()
    async with world.running():
        await until(lambda: world.api.running == 2)
        clearing = asyncio.create_task(world.writer.clear())
        await asyncio.sleep(0)
        world.api.hold.set()
        assert await clearing == 2
    assert (world.shown(SHOP), world.shown(BLOG)) == (None, None)


async def test_clearing_ends_in_time(world: World) -> None:
    world.ingress(SHOP, WANTED)
    world.writer.ours(frozenset((SHOP,)))
    world.api.hold = asyncio.Event()
    assert await world.writer.clear(within=0.05) == 0


@pytest.mark.parametrize(
    ("us", "others", "cleared"),
    [
        ("leaving", [], 1),
        ("gone", [], 1),
        ("staying", [], 0),
        ("leaving", ["staying"], 0),
        ("leaving", ["unready"], 0),
        ("leaving", ["leaving", "over"], 1),
    ],
)
async def test_only_the_last_replica_takes_addresses_away(us: str, others: list[str], cleared: int) -> None:
    world = World(Publish(addresses=("192.0.2.1",)), pod="us")
    world.ingress(SHOP, WANTED)
    world.writer.ours(frozenset((SHOP,)))
    at = POD.path("infra", "us")
    world.api.put(at, pod("us", "n1"))
    async with world.running():  # as it is at start
        await world.writer._own.read()
    if us == "gone":
        del world.api.objects[at]
    else:
        world.api.put(at, pod("us", "n1", leaving=us == "leaving"))
    for number, state in enumerate(others):
        made = pod(f"other{number}", "n2", ready=state != "unready", leaving=state == "leaving")
        made["status"]["phase"] = "Succeeded" if state == "over" else "Running"
        world.api.put(POD.path("infra", f"other{number}"), made)
    assert await world.writer.clear() == cleared


async def test_a_server_that_fails_at_the_end_is_survived(world: World) -> None:
    world.ingress(SHOP, WANTED)
    world.writer.ours(frozenset((SHOP,)))
    world.api.down = True
    assert await world.writer.clear() == 0
