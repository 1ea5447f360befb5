"""nginx's files on disk: a host each, named by content and never changed; the main file by rename; the last good one.

Nothing is cut short by a full disk: what is in force stays. What a file says is not looked at but for the names it
includes and for what nginx would act on.
"""

import re
from collections.abc import Callable, Container, Iterable
from pathlib import Path

from serin.render.atomic import write_file
from serin.routing.identity import content_digest

FILE_MODE = 0o640
FOLDER_MODE = 0o700
MAIN = "nginx.conf"
GOOD = "good.conf"
TEST = "test.conf"
KEPT_SECONDS = 60.0
"""A file that no configuration names any more stays so long: a master told to reload may not have read it yet."""

_COMMENT = re.compile(r"^[ \t]*(?:#.*)?\n", re.MULTILINE)
_INCLUDE = re.compile(r"^[ \t]*include hosts/([0-9a-f]{32})\.conf;", re.MULTILINE)


def acted_on(text: str) -> str:
    """32 hex digits over what nginx acts on: comments, which stand on lines of their own, do not count."""
    return content_digest(_COMMENT.sub("", text + "\n").encode())


def acted_on_with(main: str, hosts: Callable[[str], str]) -> str:
    """The same for a main file with all that it includes. `hosts` gives `acted_on` for the name of a host's file."""
    return acted_on(_INCLUDE.sub(lambda found: f"include {hosts(found[1])}", main))


def host_path(digest: str) -> str:
    """Relative to nginx's folder."""
    return f"hosts/{digest}.conf"


def included(main: str) -> frozenset[str]:
    """Names of the host files that a main file includes."""
    return frozenset(_INCLUDE.findall(main))


class NginxFiles:
    """Files under `prefix`, which is made when missing. `clock`: seconds of any clock that does not go back."""

    def __init__(self, prefix: Path, clock: Callable[[], float]) -> None:
        self._prefix = prefix
        self._clock = clock
        for folder in (prefix, prefix / "hosts", prefix / "certificates"):
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self._checked: dict[str, bool] = {}
        self._unused: dict[str, float] = {}
        for half in prefix.glob(".*.new"):
            half.unlink(missing_ok=True)
        for path in (prefix / "hosts").iterdir():
            if path.name.startswith("."):
                path.unlink(missing_ok=True)  # a write that its process did not finish
            else:
                self._checked[path.stem] = False

    def path(self, name: str) -> Path:
        return self._prefix / name

    def put_host(self, text: str) -> str:
        """The name of the file with this text, which is there now. OSError when it cannot be written."""
        data = text.encode()
        digest = content_digest(data)
        checked = self._checked.get(digest)
        if not checked:
            path = self._prefix / host_path(digest)
            if checked is None or path.read_bytes() != data:
                write_file(path, data, FILE_MODE)
            self._checked[digest] = True
        return digest

    def put(self, name: str, text: str) -> None:
        write_file(self._prefix / name, text.encode(), FILE_MODE)

    def read(self, name: str) -> str:
        """Empty when there is none."""
        try:
            return (self._prefix / name).read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def lines_before(self, file: str, number: int) -> Iterable[str]:
        """Lines of a file up to this one, last first; none when it cannot be read."""
        try:
            lines = Path(file).read_text("utf-8", "replace").splitlines()
        except OSError:
            return ()
        return reversed(lines[:number])

    def sweep(self, used: Container[str]) -> None:
        """Take away host files that are not `used` (names) and have not been for a while."""
        now = self._clock()
        for digest in list(self._checked):
            if digest in used:
                self._unused.pop(digest, None)
            elif self._unused.setdefault(digest, now) + KEPT_SECONDS <= now:
                (self._prefix / host_path(digest)).unlink(missing_ok=True)
                del self._checked[digest], self._unused[digest]
