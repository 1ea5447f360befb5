"""Which status is written to a CanaryRoute, and what is known of it then; the API server is played here."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import pytest
from harness.fake_api import FakeApi
from harness.rollouts import canary_route, step

from serin.cluster.api import ApiError, ApiUnreachableError
from serin.cluster.canaries.merging import merge_patch
from serin.cluster.canaries.writer import CanaryStatusWriter, ChangedError, NotLeadingError
from serin.cluster.kinds import CANARY_ROUTE
from serin.objects.canary_status import CanaryStatus, RunStatus
from serin.objects.parse import parse_object
from serin.objects.views import CanaryRoute
from serin.refs import Ref

SHOP = Ref("CanaryRoute", "web", "shop")
PATH = CANARY_ROUTE.path("web", "shop")
FIRST = CanaryStatus(phase="Progressing", message="one", run=RunStatus("0" * 16, "canary", weight=20_000))
SECOND = replace(FIRST, phase="AwaitingApproval", message="")


@dataclass(frozen=True)
class Identity:
    uid: str


class World:
    def __init__(self) -> None:
        self.api = FakeApi()
        self.leading = True
        self.uid = "uid-shop"
        self.api.put(PATH, canary_route(step("20%"), namespace="web"))
        self.writer = CanaryStatusWriter(self.api, lambda: self.leading, self)
        self.seen = self.now()
        """What the watch told last."""

    def identity(self, ref: Ref) -> Identity | None:
        return Identity(self.uid) if self.uid else None

    def now(self) -> CanaryRoute:
        view = parse_object(self.api.objects[PATH]).view
        assert isinstance(view, CanaryRoute)
        return view

    @property
    def status(self) -> Any:
        return self.api.objects[PATH].get("status")

    def figure(self, result: str) -> float:
        return next(f.value for f in self.writer.figures() if ("result", result) in f.labels)


@pytest.fixture
def world() -> World:
    return World()


async def test_what_was_written_is_known_before_the_watch_tells_it(world: World) -> None:
    await world.writer.write(world.seen, FIRST)
    known = world.writer.known(world.seen)
    assert known.status == FIRST
    assert known.meta.version == world.now().meta.version
    await world.writer.write(known, SECOND)
    assert world.status["phase"] == "AwaitingApproval"
    assert "message" not in world.status, "what is there no more is taken out"
    assert world.writer.known(world.seen).status == SECOND


async def test_the_watch_counts_as_soon_as_it_has_caught_up(world: World) -> None:
    await world.writer.write(world.seen, FIRST)
    caught_up = world.now()
    assert world.writer.known(caught_up) is caught_up
    later = replace(caught_up, action="abort", meta=replace(caught_up.meta, version="99"))
    assert world.writer.known(later) is later


async def test_an_object_that_changed_is_read_and_decided_on_anew(world: World) -> None:
    changed = world.api.objects[PATH]
    changed["metadata"]["annotations"] = {"serin.dev/action": "abort"}
    world.api.put(PATH, changed)
    with pytest.raises(ChangedError):
        await world.writer.write(world.seen, FIRST)
    assert not world.status
    known = world.writer.known(world.seen)
    assert known.action == "abort"
    await world.writer.write(known, FIRST)
    assert world.status["phase"] == "Progressing"
    assert (world.figure("skipped"), world.figure("written")) == (1, 1)


async def test_one_that_is_gone_or_another_one_is_not_written_to(world: World) -> None:
    del world.api.objects[PATH]
    with pytest.raises(ChangedError):
        await world.writer.write(world.seen, FIRST)
    world.uid = ""
    with pytest.raises(ChangedError):
        await world.writer.write(world.seen, FIRST)
    assert PATH not in world.api.objects


async def test_what_is_known_of_a_former_object_of_that_name_is_forgotten(world: World) -> None:
    await world.writer.write(world.seen, FIRST)
    world.uid = "another"
    assert world.writer.known(world.seen) is world.seen
    world.uid = "uid-shop"
    await world.writer.write(world.now(), SECOND)
    world.writer.forget(frozenset((SHOP,)))
    assert world.writer.known(world.seen) is world.seen


async def test_without_the_lease_nothing_is_written(world: World) -> None:
    world.leading = False
    with pytest.raises(NotLeadingError):
        await world.writer.write(world.seen, FIRST)
    assert not world.api.wrote()


async def test_every_write_names_the_very_object(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = []
    patch = world.api.patch

    async def noted(path: str, body: Any) -> Any:
        bodies.append((path, body))
        return await patch(path, body)

    monkeypatch.setattr(world.api, "patch", noted)
    await world.writer.write(world.seen, FIRST)
    path, body = bodies[0]
    assert path == f"{PATH}/status"
    assert body["metadata"] == {"uid": "uid-shop", "resourceVersion": world.seen.meta.version}
    assert body.keys() == {"metadata", "status"}


@pytest.mark.parametrize("error", [ApiError(500, "InternalError", "no"), ApiError(422, "Invalid", "no")])
async def test_refusals_are_for_the_caller_to_tell(world: World, error: ApiError) -> None:
    world.api.refuse["patch", f"{PATH}/status"] = error
    with pytest.raises(ApiError):
        await world.writer.write(world.seen, FIRST)
    assert world.writer.known(world.seen) is world.seen
    assert world.figure("failed") == 1


async def test_an_api_server_that_is_away_is_told(world: World) -> None:
    world.api.down = True
    with pytest.raises(ApiUnreachableError):
        await world.writer.write(world.seen, FIRST)


async def test_one_that_does_not_answer_holds_nobody_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serin.cluster.canaries.writer.LONGEST", 0.01)
    world.api.hold = asyncio.Event()
    with pytest.raises(TimeoutError):
        await world.writer.write(world.seen, FIRST)


def test_a_merge_patch_takes_out_what_is_there_no_more() -> None:
    old = {"a": 1, "b": {"x": 1, "y": 2}, "c": [1], "d": {"z": 1}}
    new = {"b": {"x": 3}, "c": [], "d": 5, "e": {"n": 1}}
    assert merge_patch(old, new) == {"a": None, "b": {"x": 3, "y": None}, "c": [], "d": 5, "e": {"n": 1}}
