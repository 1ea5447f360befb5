"""Plans from a real run directory: taken when they are good, refused when they are not."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from unit.proxy_gate.gate_fakes import FakeSplits, RePattern, hashed

from serin.dataplane.proxy.reload import PlanTaker
from serin.dataplane.proxy.runtime import RuntimeHost, Workshop
from serin.dataplane.proxy.site import LoadedHosts, Site
from serin.refs import Ref
from serin.render.rundir import RunDirectory
from serin.routing.plan import Globals, Host, PathKind, PathMatch, Plan, Policy, Route, RuleId, VersionRoute

INGRESS = Ref("Ingress", "ns", "shop")
MAIN = VersionRoute("a" * 16, "main", INGRESS, "main", "80", "p")


def host(name: str, prefix: str = "") -> Host:
    rule = RuleId(name, "/", "Prefix")
    policy = Policy(forwarded_prefix=prefix)
    return Host(name, (Route(PathMatch(PathKind.PREFIX, "/"), rule, INGRESS, "5p", (MAIN,), policy),))


def plan(*hosts: Host, hsts: str = "h") -> Plan:
    return Plan({h.name: h for h in hosts}, {}, {}, {}, {}, Globals(hsts=hsts))


class World:
    """A controller's side and a worker's side of one directory."""

    def __init__(self, path: Path) -> None:
        self.run_dir = RunDirectory(path, wall_clock=lambda: 0.0)
        self.run_dir.create()
        self.read: list[str] = []
        self.sites: list[Site] = []
        self.kept = 0
        workshop = Workshop(FakeSplits(), RePattern, hashed)
        reader = RunDirectory(path)

        def load(digest: str) -> RuntimeHost:
            self.read.append(digest)
            self.now += 0.0004
            return RuntimeHost(reader.read_host(digest), workshop)

        self.now = 0.0
        self.taker = PlanTaker(reader, LoadedHosts(load), self.sites.append, self.keep, lambda: self.now)

    def keep(self) -> None:
        self.kept += 1

    def document(self, name: str) -> Path:
        return self.run_dir.plan / "hosts" / f"{self.run_dir.read_index().hosts[name]}.json"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(45):
        while not condition():
            await asyncio.sleep(0)


async def taken(world: World) -> Site:
    before = len(world.sites)
    world.taker.look()
    await until(lambda: len(world.sites) > before)
    return world.sites[-1]


def prefix_of(site: Site, name: str) -> bytes:
    found = site.find(name)
    assert found is not None
    route = found.table.find(b"/")
    assert route is not None
    return route.lines


async def test_a_plan_is_taken_and_the_next_one_after_it(world: World) -> None:
    world.run_dir.publish(plan(host("a.x")))
    first = await taken(world)
    assert (first.generation, first.hsts) == (1, b"h")
    world.run_dir.publish(plan(host("a.x"), host("b.x"), hsts="other"))
    second = await taken(world)
    assert (second.generation, second.hsts) == (2, b"other")
    assert second.find("b.x") is not None


async def test_looking_again_at_the_same_plan_takes_nothing(world: World) -> None:
    world.run_dir.publish(plan(host("a.x")))
    await taken(world)
    world.taker.look()
    world.taker.look()
    await until(lambda: world.taker.idle)
    assert len(world.sites) == 1


async def test_only_hosts_in_use_that_changed_are_read(world: World) -> None:
    world.run_dir.publish(plan(host("a.x"), host("b.x"), host("cold.x")))
    site = await taken(world)
    site.find("a.x")
    site.find("b.x")
    world.read.clear()
    world.run_dir.publish(plan(host("a.x"), host("b.x", "/new"), host("cold.x", "/new")))
    site = await taken(world)
    assert len(world.read) == 1
    assert prefix_of(site, "b.x") == b"X-Forwarded-Prefix: /new\r\n"
    assert prefix_of(site, "a.x") == b""
    assert len(world.read) == 1


async def test_a_corrupt_document_in_use_leaves_the_last_good_plan(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.run_dir.publish(plan(host("a.x")))
    (await taken(world)).find("a.x")
    world.run_dir.publish(plan(host("a.x", "/new")))
    broken = world.document("a.x")
    good = broken.read_bytes()
    broken.write_bytes(good[:-10])
    with caplog.at_level(logging.ERROR):
        world.taker.look()
        await until(lambda: world.kept == 1 and world.taker.idle)
    assert len(world.sites) == 1
    assert prefix_of(world.sites[0], "a.x") == b""
    assert "plan-refused" in caplog.messages
    broken.write_bytes(good)
    world.taker.tick()
    await until(lambda: len(world.sites) == 2)
    assert prefix_of(world.sites[1], "a.x") == b"X-Forwarded-Prefix: /new\r\n"


@pytest.mark.parametrize("damage", [b"", b"{}", b"garbage", b'{"schema":99,"digest":"' + b"0" * 32 + b'","index":{}}'])
async def test_a_corrupt_index_leaves_the_last_good_plan_and_is_told_once(world: World, damage: bytes) -> None:
    world.run_dir.publish(plan(host("a.x")))
    await taken(world)
    index = world.run_dir.plan / "index.json"
    index.write_bytes(damage)
    for _ in range(3):
        world.taker.look()
        await until(lambda: world.taker.idle)
    assert world.kept == 1
    assert len(world.sites) == 1
    index.unlink()
    world.taker.tick()
    await until(lambda: world.kept == 2)


async def test_without_any_plan_it_waits(world: World) -> None:
    world.taker.look()
    await until(lambda: world.kept == 1 and world.taker.idle)
    world.run_dir.publish(plan(host("a.x")))
    world.taker.tick()
    await until(lambda: len(world.sites) == 1)


async def test_a_fault_of_ours_leaves_the_last_good_plan_and_is_tried_again(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run_dir.publish(plan(host("a.x")))
    await taken(world)
    world.run_dir.publish(plan(host("a.x", "/new")))
    with monkeypatch.context() as broken, caplog.at_level(logging.ERROR):
        broken.setattr(RunDirectory, "read_index", lambda self: [][0])
        world.taker.look()
        await until(lambda: world.kept == 1 and world.taker.idle)
    assert caplog.messages == ["plan-refused"]
    world.taker.tick()
    await until(lambda: len(world.sites) == 2)


async def test_doubts_are_told_and_looked_into_once_a_second(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.run_dir.publish(plan(host("a.x")))
    await taken(world)
    world.run_dir.publish(plan(host("a.x", "/new")))
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            world.taker.doubt("the split is gone")
        assert world.taker.idle
        world.taker.tick()
        await until(lambda: len(world.sites) == 2)
        world.taker.tick()
    assert caplog.messages == ["plan-doubted"]
    assert world.taker.idle


async def test_requests_have_their_turn_while_many_hosts_are_read(world: World) -> None:
    names = [f"h{n}.x" for n in range(40)]
    world.run_dir.publish(plan(*map(host, names)))
    site = await taken(world)
    for name in names:
        site.find(name)
    world.run_dir.publish(plan(*[host(name, "/new") for name in names]))
    world.read.clear()
    turns = []
    world.taker.look()
    while len(world.sites) == 1:
        await asyncio.sleep(0)
        turns.append(len(world.read))
    steps = [after - before for before, after in itertools.pairwise(turns)]
    assert turns[-1] == len(names)
    assert max(steps) == 3


async def test_hosts_of_an_old_plan_are_forgotten(world: World) -> None:
    world.run_dir.publish(plan(host("a.x")))
    (await taken(world)).find("a.x")
    world.run_dir.publish(plan(replace(host("b.x"))))
    await taken(world)
    world.run_dir.publish(plan(host("a.x")))
    site = await taken(world)
    world.read.clear()
    site.find("a.x")
    assert len(world.read) == 1
