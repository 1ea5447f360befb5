"""Status and actions of CanaryRoutes from files: kept over changes of the file and over starts."""

import json
import pathlib
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from harness.rollouts import canary_route, step

from serin.control.loop import Added
from serin.control.rollouts.files import FileStatuses
from serin.objects.canary_status import CanaryStatus, LastAction, RunStatus
from serin.objects.parse import parse_object
from serin.objects.views import CanaryRoute, View
from serin.problems import Problem
from serin.refs import Ref

SHOP = Ref("CanaryRoute", "drills", "shop")
STATUS = CanaryStatus(phase="Progressing", run=RunStatus("0" * 16, "canary", step=2, steps=3, weight=20_000))


def route(action: str = "", weight: str = "20%") -> CanaryRoute:
    view = parse_object(canary_route(step(weight), action=action)).view
    assert isinstance(view, CanaryRoute)
    return view


class Fed:
    problems: tuple[Problem, ...] = ()

    def __init__(self, *views: View) -> None:
        self.first = Added(views)
        self.later: list[Added] = []

    def load(self) -> Added:
        return self.first

    async def changes(self) -> AsyncIterator[Added]:
        while self.later:
            yield self.later.pop(0)


class World:
    """One start: what the file says, and what came into the store."""

    def __init__(self, folder: pathlib.Path, *views: View) -> None:
        self.path = folder / "drills.shop.json"
        self.fed = Fed(*views)
        self.statuses = FileStatuses(self.fed, folder)
        self.statuses.put = lambda views: self.take(Added(tuple(views)))
        self.known: dict[Ref, View] = {}
        self.take(self.statuses.load())

    def take(self, changes: Any) -> None:
        for ref in changes.deleted:
            self.known.pop(ref, None)
        self.known.update({view.meta.ref: view for view in changes.applied})

    async def changed(self, *views: View, deleted: tuple[Ref, ...] = ()) -> None:
        self.fed.later.append(Added(views, deleted))
        async for changes in self.statuses.changes():
            self.take(changes)

    @property
    def shop(self) -> CanaryRoute:
        found = self.known[SHOP]
        assert isinstance(found, CanaryRoute)
        return found

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_text()))


async def test_a_status_is_on_disk_and_in_the_store_and_read_at_the_next_start(tmp_path: pathlib.Path) -> None:
    world = World(tmp_path, route())
    await world.statuses.write(world.shop, STATUS)
    assert world.shop.status == STATUS
    assert world.document["status"]["rollout"]["weight"] == "20%"
    assert stat.S_IMODE(world.path.stat().st_mode) == 0o640
    assert World(tmp_path, route()).shop.status == STATUS


async def test_the_document_is_what_an_api_server_would_give(tmp_path: pathlib.Path) -> None:
    world = World(tmp_path, route("abort"))
    found = world.document
    assert (found["apiVersion"], found["kind"]) == ("serin.dev/v1alpha1", "CanaryRoute")
    assert found["metadata"]["annotations"]["serin.dev/action"] == "abort"
    assert found["spec"]["rollout"]["steps"] == [{"name": "1", "weight": "20%", "duration": "0s", "approval": "None"}]
    again = parse_object(found).view
    assert isinstance(again, CanaryRoute)
    assert [version.name for version in again.versions] == ["main", "canary"]


async def test_times_are_kept_as_the_next_start_would_read_them(tmp_path: pathlib.Path) -> None:
    world = World(tmp_path, route())
    assert STATUS.run is not None
    await world.statuses.write(world.shop, replace(STATUS, run=replace(STATUS.run, started_at=1e9 + 0.7)))
    assert World(tmp_path, route()).shop.status == world.shop.status


async def test_a_changed_file_keeps_the_status(tmp_path: pathlib.Path) -> None:
    world = World(tmp_path, route())
    await world.statuses.write(world.shop, STATUS)
    await world.changed(route(weight="50%"))
    assert world.shop.status == STATUS
    assert world.shop.rollout is not None
    assert world.shop.rollout.steps[0].weight == 50_000
    assert world.document["spec"]["rollout"]["steps"][0]["weight"] == "50%"


async def test_a_deleted_one_begins_anew(tmp_path: pathlib.Path) -> None:
    world = World(tmp_path, route())
    await world.statuses.write(world.shop, STATUS)
    await world.changed(deleted=(SHOP,))
    assert not world.path.exists()
    await world.changed(route())
    assert world.shop.status is None


async def test_one_that_is_gone_at_the_next_start_is_forgotten(tmp_path: pathlib.Path) -> None:
    world = World(tmp_path, route())
    await world.statuses.write(world.shop, STATUS)
    World(tmp_path)
    assert not world.path.exists()


async def test_a_disk_that_is_full_leaves_what_was_in_force(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, route())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("serin.control.rollouts.files.write_file", full)
    with pytest.raises(OSError, match="No space"):
        await world.statuses.write(world.shop, STATUS)
    assert world.shop.status is None
    await world.changed(route(weight="50%"))
    assert world.shop.rollout is not None, "the object counts all the same"


@pytest.mark.parametrize("outcome", ["", "RolledBack", "TimedOut", "Aborted", "Superseded"])
async def test_taking_back_and_judging_wait_for_no_disk(tmp_path: pathlib.Path, outcome: str) -> None:
    here, away = tmp_path / "here", tmp_path / "away"
    here.mkdir()
    world = World(here, route())
    await world.statuses.write(world.shop, STATUS)
    assert STATUS.run is not None
    back = replace(STATUS, run=replace(STATUS.run, weight=0 if outcome else 20_000, outcome=outcome, judged_since=9.0))
    here.rename(away)
    await world.statuses.write(world.shop, back)
    assert world.shop.status == back
    assert world.statuses.known(world.shop) == world.shop
    away.rename(here)
    assert World(here, route()).shop.status == STATUS
    assert world.statuses.known(world.shop) == world.shop
    assert World(here, route()).shop.status == back


@pytest.mark.parametrize("more", [{"outcome": "Promoted"}, {"weight": 20_001}])
async def test_more_waits_for_the_disk(tmp_path: pathlib.Path, more: dict[str, Any]) -> None:
    here, away = tmp_path / "here", tmp_path / "away"
    here.mkdir()
    world = World(here, route())
    await world.statuses.write(world.shop, STATUS)
    assert STATUS.run is not None
    here.rename(away)
    with pytest.raises(OSError, match="No such file"):
        await world.statuses.write(world.shop, replace(STATUS, run=replace(STATUS.run, **more)))
    assert world.shop.status == STATUS


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "CanaryRoute"}', '{"kind": "CanaryRoute", "metadata": {}}'])
def test_what_cannot_be_read_counts_as_absent(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    (tmp_path / "drills.shop.json").write_text(text)
    assert World(tmp_path, route()).shop.status is None
    assert [record.getMessage() for record in caplog.records] == ["object-unreadable"]


# --- actions: the one that came last counts ---


async def act(world: World, action: str) -> None:
    """A verb, and what the engine makes of it."""
    world.statuses.act(world.shop, action)
    await world.statuses.write(world.shop, replace(STATUS, last_action=LastAction(action, "Accepted", "", 1e9)))


async def test_a_verb_comes_after_the_annotation_and_the_annotation_after_the_verb(tmp_path: pathlib.Path) -> None:
    world = World(tmp_path, route("promote/1"))
    assert world.shop.action == "promote/1"
    await act(world, "pause")
    assert world.shop.action == "pause"
    await world.changed(route("promote/1", weight="50%"))
    assert world.shop.action == "pause", "the annotation is as it was"
    await world.changed(route("promote/2"))
    assert world.shop.action == "promote/2"


async def test_so_it_is_after_another_start(tmp_path: pathlib.Path) -> None:
    await act(World(tmp_path, route("promote/1")), "pause")
    assert World(tmp_path, route("promote/1")).shop.action == "pause"
    assert World(tmp_path, route("promote/2")).shop.action == "promote/2"


async def test_taking_the_annotation_out_asks_for_nothing(tmp_path: pathlib.Path) -> None:
    world = World(tmp_path, route("pause"))
    await world.changed(route())
    assert world.shop.action == "pause"
    await world.changed(route("pause"))
    assert world.shop.action == "pause"


def test_other_objects_pass_as_they_are(tmp_path: pathlib.Path) -> None:
    world = World(tmp_path, route())
    assert [path.name for path in tmp_path.iterdir()] == ["drills.shop.json"]
    assert world.shop == replace(route(), meta=world.shop.meta)
