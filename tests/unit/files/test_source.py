"""Manifests followed by inotify: only what changed is read, and nothing half-written is ever in force.

Events are in the kernel's queue when the call that caused them returns, so nothing here waits; time is a number.
"""

import asyncio
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

import serin.files.source as source_module
from serin.files import Changes, FileSource
from serin.files.tree import GRACE
from serin.files.watches import EventsLostError, Watches
from serin.objects.views import ConfigMap

TEXT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\ndata: {{x: '{}'}}\n"
BROKEN = "apiVersion: v1\nkind: [\n"


class Folder:
    """A folder, its source, and what is in force as told by the source's changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 100.0
        self.state: dict[str, str] = {}
        self.problems: dict[str, list[str]] = {}
        self.source: FileSource | None = None

    def start(self, *roots: Path | str) -> Changes:
        self.source = FileSource([str(root) for root in roots or (self.path,)], clock=lambda: self.now)
        return self._note(self.source.load())

    def poll(self) -> Changes:
        assert self.source is not None
        return self._note(self.source.poll())

    def later(self) -> Changes:
        """After what is held back has become true."""
        self.poll()
        self.now += GRACE
        return self.poll()

    def _note(self, changes: Changes) -> Changes:
        for ref in changes.deleted:
            del self.state[ref.name]
        for view in changes.applied:
            assert isinstance(view, ConfigMap)
            self.state[view.meta.ref.name] = view.data.get("x", "")
        for path, problems in changes.problems.items():
            self.problems[path] = [problem.code for problem in problems]
        self.problems = {path: codes for path, codes in self.problems.items() if codes}
        assert self.source is not None
        assert sorted(code for codes in self.problems.values() for code in codes) == sorted(
            problem.code for problem in self.source.problems
        )
        return changes

    def write(self, name: str, obj: str, text: str = "1") -> Path:
        path = self.path / name
        path.write_text(TEXT.format(obj, text))
        return path

    def replace(self, name: str, content: str) -> None:
        """By rename, as editors and tools do."""
        temporary = self.path / ".temporary"
        temporary.write_text(content)
        temporary.rename(self.path / name)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    root = tmp_path / "conf"
    root.mkdir()
    found = Folder(root)
    yield found
    if found.source is not None:
        found.source.close()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose content is read."""
    found: list[str] = []
    real = source_module._content

    def content(path: str) -> bytes:
        found.append(os.path.basename(path))  # noqa: PTH119
        return real(path)

    monkeypatch.setattr(source_module, "_content", content)
    return found


def test_a_folder_is_read_in_the_order_of_names_with_its_sub_folders(folder: Folder) -> None:
    (folder.path / "b").mkdir()
    (folder.path / "b" / "x.json").write_text('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b-x"}}')
    folder.write("c.yaml", "c")
    folder.write("a.yml", "a")
    for name in (".hidden.yaml", "notes.txt", "a.yaml~", "#a.yaml#", ".#a.yaml", "a.yaml.swp"):
        folder.write(name, "unwanted")
    (folder.path / ".git").mkdir()
    folder.write(".git/x.yaml", "git")
    changes = folder.start()
    assert [view.meta.ref.name for view in changes.applied] == ["a", "b-x", "c"]
    assert [view.meta.order for view in changes.applied] == [1, 2, 3]
    assert folder.problems == {}


def test_a_rename_into_place_is_read_at_once_and_nothing_else_is(folder: Folder, reads: list[str]) -> None:
    for i in range(5):
        folder.write(f"{i}.yaml", f"o{i}")
    folder.start()
    reads.clear()
    folder.replace("3.yaml", TEXT.format("o3", "new"))
    changes = folder.poll()
    assert [view.meta.ref.name for view in changes.applied] == ["o3"]
    assert folder.state["o3"] == "new"
    assert reads == ["3.yaml"]
    assert not folder.poll()


def test_a_file_counts_when_it_is_closed_not_while_it_is_written(folder: Folder) -> None:
    folder.write("a.yaml", "a")
    folder.start()
    with (folder.path / "a.yaml").open("w") as file, (folder.path / "b.yaml").open("w") as other:
        file.write(TEXT.format("a", "2")[:20])
        file.flush()
        other.write(TEXT.format("b", "1"))
        other.flush()
        os.fchmod(file.fileno(), 0o600)
        assert not folder.poll()
        file.write(TEXT.format("a", "2")[20:])
    folder.poll()
    assert folder.state == {"a": "2", "b": "1"}


def test_a_broken_file_leaves_its_last_good_state_and_others_alone(folder: Folder, reads: list[str]) -> None:
    good = folder.write("a.yaml", "a")
    folder.write("b.yaml", "b")
    folder.start()
    reads.clear()
    good.write_text(BROKEN)
    changes = folder.poll()
    assert (changes.applied, changes.deleted) == ((), ())
    (problem,) = changes.problems[str(good)]
    assert problem.code == "yaml-syntax"
    assert str(problem.source) == f"File {good}: line 3, column 1"
    assert "last good state stays in force" in problem.text
    folder.write("b.yaml", "b", "2")
    folder.poll()
    assert folder.state == {"a": "1", "b": "2"}
    folder.write("a.yaml", "a", "3")
    assert folder.poll().problems == {str(good): ()}
    assert folder.state == {"a": "3", "b": "2"}
    assert reads == ["a.yaml", "b.yaml", "a.yaml"]


def test_garbage_dropped_into_the_folder_changes_nothing_else(folder: Folder) -> None:
    folder.write("a.yaml", "a")
    folder.start()
    (folder.path / "0.yaml").write_bytes(bytes(range(256)) * 10)
    (folder.path / "z.json").write_text("[5, ")
    changes = folder.poll()
    assert (changes.applied, changes.deleted) == ((), ())
    assert sorted(code for codes in folder.problems.values() for code in codes) == ["json-syntax", "yaml-syntax"]
    assert folder.state == {"a": "1"}


def test_a_removed_file_goes_after_a_moment_and_a_replaced_one_never(folder: Folder) -> None:
    folder.write("a.yaml", "a")
    folder.write("b.yaml", "b")
    folder.start()
    (folder.path / "a.yaml").unlink()
    (folder.path / "b.yaml").unlink()
    assert not folder.poll()
    assert folder.source is not None
    assert folder.source.wait() == pytest.approx(GRACE)
    folder.write("b.yaml", "b", "2")
    changes = folder.later()
    assert [ref.name for ref in changes.deleted] == ["a"]
    assert folder.state == {"b": "2"}
    assert folder.source.wait() is None


def test_a_file_that_comes_back_half_written_keeps_its_objects(folder: Folder) -> None:
    path = folder.write("a.yaml", "a")
    folder.start()
    path.unlink()
    with path.open("w") as file:
        file.write("# nothing yet\n")
        file.flush()
        folder.later()
        assert folder.state == {"a": "1"}
        file.write(TEXT.format("a", "2"))
    folder.poll()
    assert folder.state == {"a": "2"}


def test_a_file_moved_to_another_name_leaves_no_gap(folder: Folder) -> None:
    path = folder.write("a.yaml", "a")
    folder.start()
    path.rename(folder.path / "b.yaml")
    assert folder.poll().problems == {}, "it stands nowhere twice"
    assert folder.state == {"a": "1"}
    changes = folder.later()
    assert changes.deleted == ()
    assert folder.state == {"a": "1"}
    assert folder.problems == {}


def test_a_file_moved_away_and_written_anew_stands_twice(folder: Folder) -> None:
    path = folder.write("a.yaml", "a")
    folder.start()
    path.rename(folder.path / "b.yaml")
    folder.write("a.yaml", "a", "2")
    folder.later()
    assert folder.problems == {str(folder.path / "b.yaml"): ["duplicate-object"]}
    path.rename(folder.path / "b.yaml")
    assert folder.poll().problems == {str(folder.path / "b.yaml"): ()}
    assert folder.state == {"a": "2"}


def test_a_file_moved_to_a_name_that_is_no_manifest_is_gone(folder: Folder) -> None:
    folder.write("a.yaml", "a")
    folder.start()
    (folder.path / "a.yaml").rename(folder.path / "a.yaml.disabled")
    folder.later()
    assert folder.state == {}


def test_new_folders_are_followed_also_when_they_come_full(folder: Folder) -> None:
    folder.start()
    (folder.path / "new").mkdir()
    folder.write("new/a.yaml", "a")
    folder.poll()
    (folder.path / "new" / "deep").mkdir()
    folder.write("new/deep/b.yaml", "b")
    folder.poll()
    full = folder.path.parent / "full"
    full.mkdir()
    (full / "c.yaml").write_text(TEXT.format("c", "1"))
    full.rename(folder.path / "moved")
    folder.poll()
    assert folder.state == {"a": "1", "b": "1", "c": "1"}
    folder.write("new/deep/b.yaml", "b", "2")
    folder.write("moved/c.yaml", "c", "2")
    folder.poll()
    assert folder.state == {"a": "1", "b": "2", "c": "2"}
    shutil.rmtree(folder.path / "new")
    (folder.path / "moved").rename(folder.path.parent / "elsewhere")
    folder.later()
    assert folder.state == {}
    (folder.path.parent / "elsewhere" / "c.yaml").write_text(TEXT.format("c", "3"))
    folder.later()
    assert folder.state == {}


def test_a_folder_moved_within_the_tree_keeps_its_objects(folder: Folder) -> None:
    (folder.path / "a").mkdir()
    folder.write("a/x.yaml", "x")
    folder.start()
    (folder.path / "a").rename(folder.path / "b")
    assert folder.poll().problems == {}, "it stands nowhere twice"
    assert folder.state == {"x": "1"}
    folder.later()
    assert folder.state == {"x": "1"}
    folder.write("b/x.yaml", "x", "2")
    folder.poll()
    assert folder.state == {"x": "2"}


def test_a_folder_replaced_by_another_is_read_again(folder: Folder) -> None:
    (folder.path / "a").mkdir()
    folder.write("a/x.yaml", "x")
    folder.write("a/y.yaml", "y")
    folder.start()
    (folder.path / "a").rename(folder.path.parent / "old")
    (folder.path / "a").mkdir()
    folder.write("a/x.yaml", "x", "2")
    folder.later()
    folder.later()
    assert folder.state == {"x": "2"}
    folder.write("a/x.yaml", "x", "3")
    folder.poll()
    assert folder.state == {"x": "3"}


def config_map_mount(path: Path, files: dict[str, str], stamp: str) -> None:
    """Writes a volume as kubelet does: a new folder, `..data` swapped to it by rename, links per key."""
    data = path / f"..{stamp}"
    data.mkdir()
    for name, text in files.items():
        (data / name).write_text(text)
    old = (path / "..data").readlink() if (path / "..data").is_symlink() else None
    (path / "..data_tmp").symlink_to(data.name)
    (path / "..data_tmp").rename(path / "..data")
    for name in files:
        if not (path / name).is_symlink():
            (path / name).symlink_to(f"..data/{name}")
    for link in path.iterdir():
        if link.is_symlink() and not link.name.startswith("..") and link.name not in files:
            link.unlink()
    if old is not None:
        shutil.rmtree(path / old)


def test_a_config_map_volume_is_followed_through_its_links(folder: Folder, reads: list[str]) -> None:
    config_map_mount(folder.path, {"a.yaml": TEXT.format("a", "1"), "b.yaml": TEXT.format("b", "1")}, "one")
    folder.start()
    assert folder.state == {"a": "1", "b": "1"}
    config_map_mount(folder.path, {"a.yaml": TEXT.format("a", "2"), "c.yaml": TEXT.format("c", "2")}, "two")
    folder.poll()
    assert folder.state == {"a": "2", "b": "1", "c": "2"}
    folder.later()
    assert folder.state == {"a": "2", "c": "2"}
    config_map_mount(folder.path, {"a.yaml": TEXT.format("a", "3"), "c.yaml": TEXT.format("c", "3")}, "three")
    folder.poll()
    assert folder.state == {"a": "3", "c": "3"}
    reads.clear()
    assert not folder.later()
    assert reads == []


def test_a_file_given_as_a_link_into_a_config_map_volume(folder: Folder) -> None:
    config_map_mount(folder.path, {"a.yaml": TEXT.format("a", "1")}, "one")
    folder.start(folder.path / "a.yaml")
    config_map_mount(folder.path, {"a.yaml": TEXT.format("a", "2")}, "two")
    folder.later()
    assert folder.state == {"a": "2"}


def test_the_target_of_a_link_is_followed(folder: Folder) -> None:
    outside = folder.path.parent / "outside"
    outside.mkdir()
    target = outside / "text"
    target.write_text(TEXT.format("a", "1"))
    (folder.path / "a.yaml").symlink_to("../outside/text")
    folder.start()
    target.write_text(TEXT.format("a", "2"))
    folder.poll()
    assert folder.state == {"a": "2"}
    other = outside / "other"
    other.write_text(TEXT.format("a", "3"))
    other.rename(target)
    folder.poll()
    assert folder.state == {"a": "3"}
    (outside / "unrelated").write_text("x")
    assert not folder.poll()
    target.unlink()
    folder.later()
    assert folder.state == {}
    target.write_text(TEXT.format("a", "4"))
    folder.poll()
    assert folder.state == {"a": "4"}


def test_a_link_to_a_folder_is_followed_and_may_be_swapped(folder: Folder) -> None:
    releases = folder.path.parent / "releases"
    for number in ("1", "2"):
        (releases / number).mkdir(parents=True)
        (releases / number / "a.yaml").write_text(TEXT.format("a", number))
    (releases / "1" / "b.yaml").write_text(TEXT.format("b", "1"))
    (folder.path / "current").symlink_to(releases / "1")
    folder.start()
    assert folder.state == {"a": "1", "b": "1"}
    (folder.path / ".next").symlink_to(releases / "2")
    (folder.path / ".next").rename(folder.path / "current")
    folder.later()
    assert folder.state == {"a": "2"}
    (releases / "2" / "a.yaml").write_text(TEXT.format("a", "3"))
    folder.poll()
    assert folder.state == {"a": "3"}


def test_links_in_circles_end(folder: Folder) -> None:
    folder.write("a.yaml", "a")
    (folder.path / "self").symlink_to(".")
    (folder.path / "one").mkdir()
    (folder.path / "two").mkdir()
    (folder.path / "one" / "to-two").symlink_to("../two")
    (folder.path / "two" / "to-one").symlink_to("../one")
    (folder.path / "x.yaml").symlink_to("y.yaml")
    (folder.path / "y.yaml").symlink_to("x.yaml")
    folder.start()
    assert folder.state == {"a": "1"}
    folder.write("a.yaml", "a", "2")
    folder.poll()
    assert folder.state == {"a": "2"}


def test_a_hard_link_has_its_content_at_once(folder: Folder) -> None:
    outside = folder.path.parent / "outside.yaml"
    outside.write_text(TEXT.format("a", "1"))
    folder.start()
    (folder.path / "a.yaml").hardlink_to(outside)
    folder.poll()
    assert folder.state == {"a": "1"}


def test_files_given_by_name_need_no_suffix_and_are_followed(folder: Folder) -> None:
    folder.write("manifest", "a")
    folder.write("other.yaml", "b")
    folder.start(folder.path / "manifest")
    folder.replace("manifest", TEXT.format("a", "2"))
    folder.write("other.yaml", "b", "2")
    folder.poll()
    assert folder.state == {"a": "2"}
    (folder.path / "manifest").unlink()
    folder.later()
    assert folder.state == {}
    assert list(folder.problems.values()) == [["path-missing"]]
    folder.write("manifest", "a", "3")
    folder.poll()
    assert folder.state == {"a": "3"}
    assert folder.problems == {}


def test_a_path_that_is_not_there_yet_is_waited_for(folder: Folder) -> None:
    root = folder.path / "deep" / "er"
    folder.start(root)
    assert folder.problems == {str(root): ["path-missing"]}
    root.mkdir(parents=True)
    folder.poll()
    folder.write("deep/er/a.yaml", "a")
    folder.later()
    assert folder.state == {"a": "1"}
    assert folder.problems == {}


def test_a_folder_with_nothing_to_read_says_so(folder: Folder) -> None:
    (folder.path / "notes.txt").write_text("to do")
    (folder.path / "deep").mkdir()
    folder.start()
    assert folder.problems == {str(folder.path): ["path-empty"]}
    path = folder.write("deep/a.yaml", "a")
    folder.poll()
    assert (folder.state, folder.problems) == ({"a": "1"}, {})
    path.unlink()
    folder.later()
    assert folder.problems == {str(folder.path): ["path-empty"]}
    shutil.rmtree(folder.path)
    folder.later()
    assert folder.problems == {str(folder.path): ["path-missing"]}


def test_a_root_folder_that_is_replaced_is_read_again(folder: Folder) -> None:
    folder.write("a.yaml", "a")
    folder.start()
    folder.path.rename(folder.path.parent / "old")
    folder.path.mkdir()
    folder.write("b.yaml", "b")
    folder.later()
    folder.later()
    assert folder.state == {"b": "1"}
    folder.write("b.yaml", "b", "2")
    folder.poll()
    assert folder.state == {"b": "2"}


def test_paths_within_others_are_read_once(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("a.yaml", "a")
    monkeypatch.chdir(folder.path.parent)
    folder.start("conf", folder.path / "a.yaml", "./conf/")
    assert (folder.state, folder.problems) == ({"a": "1"}, {})
    folder.replace("a.yaml", BROKEN)
    folder.poll()
    assert list(folder.problems) == ["conf/a.yaml"]


def test_one_name_in_two_files_is_a_problem_of_the_second(folder: Folder) -> None:
    folder.write("a.yaml", "same", "first")
    second = folder.write("b.yaml", "same", "second")
    folder.start()
    assert folder.state == {"same": "first"}
    assert folder.problems == {str(second): ["duplicate-object"]}
    (folder.path / "a.yaml").unlink()
    folder.later()
    assert folder.state == {"same": "second"}
    assert folder.problems == {}


def test_what_is_no_regular_file_is_not_opened_for_ever(folder: Folder) -> None:
    os.mkfifo(folder.path / "pipe.yaml")
    folder.write("a.yaml", "a")
    folder.start()
    assert folder.state == {"a": "1"}
    folder.source = None
    folder.start(folder.path / "pipe.yaml")
    assert folder.problems == {str(folder.path / "pipe.yaml"): ["file-unreadable"]}


def test_a_file_that_is_too_large_is_a_problem(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "MAX_BYTES", 100)
    path = folder.write("a.yaml", "a")
    folder.start()
    path.write_text(TEXT.format("a", "x" * 100))
    folder.poll()
    assert folder.problems == {str(path): ["file-too-large"]}
    assert folder.state == {"a": "1"}


def test_a_file_is_read_when_it_becomes_readable(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    real = source_module._content

    def content(path: str) -> bytes:
        if not stat.S_IMODE(Path(path).stat().st_mode) & stat.S_IRUSR:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(source_module, "_content", content)
    path = folder.write("a.yaml", "a")
    path.chmod(0)
    folder.start()
    assert folder.problems == {str(path): ["file-unreadable"]}
    path.chmod(0o600)
    folder.poll()
    assert (folder.state, folder.problems) == ({"a": "1"}, {})


def test_a_folder_that_cannot_be_followed_is_told_until_it_can(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = folder.path / "deep"
    deep.mkdir()
    folder.write("deep/a.yaml", "a")
    real = Watches.add

    def refused(watches: Watches, path: str) -> int:
        if path == str(deep):
            raise PermissionError(13, "Permission denied")
        return real(watches, path)

    monkeypatch.setattr(Watches, "add", refused)
    folder.start()
    assert (folder.state, folder.problems) == ({"a": "1"}, {str(deep): ["folder-unwatched"]})
    folder.write("b.yaml", "b")
    folder.poll()
    assert folder.problems == {str(deep): ["folder-unwatched"]}
    monkeypatch.setattr(Watches, "add", real)
    deep.chmod(0o700)
    folder.poll()
    assert folder.problems == {}
    folder.write("deep/a.yaml", "a", "2")
    folder.poll()
    assert folder.state == {"a": "2", "b": "1"}


def test_a_folder_that_goes_while_it_is_looked_at_is_no_problem(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("a.yaml", "a")
    folder.start()
    real = Watches.add

    def late(watches: Watches, path: str) -> int:
        if path.endswith("/new"):
            shutil.rmtree(path, ignore_errors=True)
        return real(watches, path)

    monkeypatch.setattr(Watches, "add", late)
    (folder.path / "new").mkdir()
    folder.later()
    assert (folder.state, folder.problems) == ({"a": "1"}, {})


def test_after_lost_events_everything_is_looked_at(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("a.yaml", "a")
    folder.write("b.yaml", "b")
    folder.start()
    real = Watches.events

    def lost(watches: Watches) -> list[tuple[int, int, str, int]]:
        real(watches)
        raise EventsLostError("lost")

    monkeypatch.setattr(Watches, "events", lost)
    folder.write("a.yaml", "a", "2")
    (folder.path / "b.yaml").unlink()
    (folder.path / "new").mkdir()
    folder.write("new/c.yaml", "c")
    changes = folder.poll()
    assert [view.meta.ref.name for view in changes.applied] == ["a", "c"]
    monkeypatch.setattr(Watches, "events", real)
    folder.later()
    assert folder.state == {"a": "2", "c": "1"}
    folder.write("new/c.yaml", "c", "2")
    folder.poll()
    assert folder.state == {"a": "2", "c": "2"}


def test_a_real_overflow_of_the_queue_loses_nothing(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 100_000:
        pytest.skip("the kernel's queue is too long to overflow")
    path = folder.write("a.yaml", "a")
    folder.start()
    lost: list[bool] = []
    real = Watches.events

    def events(watches: Watches) -> list[tuple[int, int, str, int]]:
        try:
            return real(watches)
        except EventsLostError:
            lost.append(True)
            raise

    monkeypatch.setattr(Watches, "events", events)
    for _ in range(limit // 2 + 2):
        # Events alike and in a row become one: two files in turn.
        path.write_text("")
        (folder.path / "b.txt").write_text("")
    path.write_text(TEXT.format("a", "2"))
    folder.poll()
    assert folder.state == {"a": "2"}
    assert lost


async def test_changes_come_by_themselves(folder: Folder) -> None:
    folder.write("a.yaml", "a")
    folder.source = FileSource([str(folder.path)])
    async with asyncio.timeout(45):
        changes = folder.source.changes()
        first = await anext(changes)
        assert [view.meta.ref.name for view in first.applied] == ["a"]
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        folder.write("b.yaml", "b")
        assert [view.meta.ref.name for view in (await waiting).applied] == ["b"]
        (folder.path / "a.yaml").unlink()
        assert [ref.name for ref in (await anext(changes)).deleted] == ["a"]
        await changes.aclose()
