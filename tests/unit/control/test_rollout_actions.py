"""Files with verbs: whose turn it is, what is taken, what is refused."""

import os
import pathlib
from dataclasses import replace

import pytest

from serin.control.rollouts.actions import MAX_BYTES, PATIENCE, Actions
from serin.objects.canary_status import CanaryStatus, LastAction
from serin.objects.store import Key
from serin.objects.views import CanaryRoute, Meta
from serin.refs import Ref

SHOP = ("web", "shop")


class World:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.now = 0.0
        self.routes: dict[Key, CanaryRoute] = {SHOP: CanaryRoute(Meta(Ref("CanaryRoute", *SHOP)))}
        self.asked: list[tuple[str, str]] = []
        self.actions = Actions(folder, self.routes.get, self.act, lambda: self.now)

    def act(self, view: CanaryRoute, action: str) -> None:
        ref = view.meta.ref
        self.asked.append((ref.name, action))
        self.routes[ref.namespace, ref.name] = replace(view, action=action)

    def handled(self, key: Key = SHOP) -> None:
        """The engine did it."""
        view = self.routes[key]
        self.routes[key] = replace(view, status=CanaryStatus(last_action=LastAction(view.action, "Accepted", "", 0)))

    def put(self, name: str, text: str, at: int = 0) -> None:
        (self.folder / name).write_text(text)
        os.utime(self.folder / name, ns=(at, at))

    @property
    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    return World(tmp_path)


def test_a_file_is_removed_when_its_action_was_handled_and_not_before(world: World) -> None:
    world.put("web.shop.1", "promote/abc\n")
    world.actions.look()
    world.actions.look()
    assert world.asked == [("shop", "promote/abc")]
    assert world.left == ["web.shop.1"]
    world.handled()
    world.actions.look()
    assert world.left == []


def test_one_after_the_other_the_oldest_first(world: World) -> None:
    world.put("web.shop.b", "pause", at=1)
    world.put("web.shop.a", "resume", at=2)
    world.actions.look()
    assert world.asked == [("shop", "pause")]
    world.handled()
    world.actions.look()
    assert world.asked[1:] == [("shop", "resume")]
    world.handled()
    world.actions.look()
    assert world.left == []


def test_others_do_not_wait(world: World) -> None:
    world.routes["web", "blog.v2"] = CanaryRoute(Meta(Ref("CanaryRoute", "web", "blog.v2")))
    world.put("web.shop.1", "pause", at=1)
    world.put("web.blog.v2.1", "abort", at=2)
    world.actions.look()
    assert world.asked == [("shop", "pause"), ("blog.v2", "abort")]


def test_what_was_handled_already_is_taken_away(world: World) -> None:
    world.routes[SHOP] = replace(world.routes[SHOP], action="abort")
    world.handled()
    world.put("web.shop.1", "abort")
    world.actions.look()
    assert (world.asked, world.left) == ([], [])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("web.nobody.1", "abort"),
        ("noname", "abort"),
        ("web.shop.", "abort"),
        ("web.shop.1", ""),
        ("web.shop.1", "abort\nabort"),
        ("web.shop.1", "x" * (MAX_BYTES + 1)),
    ],
)
def test_what_makes_no_sense_is_taken_away_and_told(
    world: World, caplog: pytest.LogCaptureFixture, name: str, text: str
) -> None:
    world.put(name, text)
    world.actions.look()
    assert (world.asked, world.left) == ([], [])
    assert [record.getMessage() for record in caplog.records] == ["action-unreadable"]


def test_files_that_are_no_files_hold_nobody_up(world: World) -> None:
    os.mkfifo(world.folder / "web.shop.1")
    (world.folder / "web.shop.2").symlink_to("/etc/hostname")
    world.put("web.shop.3", "abort", at=2**62)
    world.actions.look()
    assert world.asked == [("shop", "abort")]


def test_what_cannot_be_removed_is_told_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    (world.folder / "web.shop.1").mkdir()
    for _ in range(3):
        world.actions.look()
    assert [record.getMessage() for record in caplog.records] == ["action-unreadable", "run-directory-failed"]
    (world.folder / "web.shop.1").rmdir()
    world.actions.look()
    world.put("web.shop.1", "abort")
    world.actions.look()
    assert world.asked == [("shop", "abort")]


def test_hidden_files_are_not_there_yet_and_neither_may_be_the_folder(world: World) -> None:
    world.put(".web.shop.1", "abort")
    world.actions.look()
    assert (world.asked, world.left) == ([], [".web.shop.1"])
    Actions(world.folder / "absent", world.routes.get, world.act, lambda: 0.0).look()


def test_what_nobody_handles_does_not_stay_for_ever(world: World) -> None:
    world.put("web.shop.1", "abort")
    world.actions.look()
    world.now = PATIENCE
    world.actions.look()
    assert world.left == []
