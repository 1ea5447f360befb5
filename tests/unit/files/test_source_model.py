"""Whatever is done to a folder, what is followed ends up as what a fresh reading finds."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from serin.files import Changes, FileSource
from serin.files.tree import GRACE
from serin.objects.views import ConfigMap

TEXT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\ndata: {{x: '{}'}}\n"
places = st.sampled_from(["a.yaml", "d", "d/a.yaml", "d/b.yaml", "e", "e/a.yaml"])
steps = st.tuples(
    st.sampled_from(["write", "write", "break", "remove", "remove", "move", "move", "folder", "link", "replace"]),
    places,
    places,
    st.integers(0, 2),
    st.sampled_from(["", "poll", "poll", "poll later"]),
)
Step = tuple[str, str, str, int, str]


class Followed:
    """A source and what is in force as told by its changes."""

    def __init__(self, root: Path) -> None:
        self.now = 0.0
        self.state: dict[str, str] = {}
        self.source = FileSource([str(root)], clock=lambda: self.now)
        self.note(self.source.load())

    def note(self, changes: Changes) -> None:
        for ref in changes.deleted:
            del self.state[ref.name]
        for view in changes.applied:
            assert isinstance(view, ConfigMap)
            self.state[view.meta.ref.name] = view.data["x"]

    def look(self, when: str) -> None:
        if when:
            self.note(self.source.poll())
        if when == "poll later":
            self.now += GRACE

    def settle(self) -> None:
        while True:
            self.note(self.source.poll())
            if self.source.wait() is None:
                return
            self.now += GRACE

    def codes(self) -> list[str]:
        return sorted(problem.code for problem in self.source.problems)


@contextlib.contextmanager
def following(root: Path) -> Iterator[Followed]:
    followed = Followed(root)
    with contextlib.closing(followed.source):
        yield followed


def act(root: Path, step: Step) -> None:
    """Does what the step says, as far as it is possible."""
    what, one, other, number, _ = step
    path, target = root / one, root / other
    match what:
        case "write" | "replace" if not path.is_dir():
            temporary = path if what == "write" else path.with_name(".new")
            temporary.write_text(TEXT.format(f"o{number}", one))
            temporary.rename(path)
        case "break" if not path.is_dir():
            path.write_text("a: [")
        case "remove" if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        case "remove":
            path.unlink()
        case "move":
            path.rename(target)
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(target)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=5, max_size=30))
def test_following_ends_where_a_fresh_reading_does(done: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "conf"
        root.mkdir()
        with following(root) as followed:
            for step in done:
                with contextlib.suppress(OSError):
                    act(root, step)
                followed.look(step[-1])
            followed.settle()
            with following(root) as fresh:
                fresh.settle()
                if "yaml-syntax" in fresh.codes():
                    # A broken file keeps its last good state, of which a fresh reading knows nothing.
                    assert followed.state.keys() >= fresh.state.keys()
                    return
                assert followed.state.keys() == fresh.state.keys()
                assert followed.codes() == fresh.codes()
                if "duplicate-object" not in fresh.codes():
                    assert followed.state == fresh.state
