"""The run directory: what the controller leaves for the data plane, and how each side may touch it.

The controller alone writes under plan/, one controller at a time; a reader takes what passes its checks and otherwise
keeps what it has. docs/run-directory-documents.md describes the files. What a plan means is not known here.
"""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from serin.errors import CorruptFileError, RunDirectoryError
from serin.render.documents import Index, read_host, read_index
from serin.render.publication import FILE_MODE, Publication, certificate_file, host_file, users_file
from serin.routing.identity import content_digest
from serin.routing.plan import Host, Plan

PLAN_FOLDERS = ("plan", "plan/hosts", "plan/tls", "plan/users", "plan/canary")


def default_path(port: int) -> Path:
    """The run directory of a `serve` on this port: in XDG_RUNTIME_DIR, else a new folder for this user alone."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir() and os.access(runtime, os.W_OK | os.X_OK):
        return Path(runtime) / f"serin-{port}"
    return Path(tempfile.mkdtemp(prefix=f"serin-{port}-"))


class RunDirectory:
    """A reader needs nothing but the path; the controller calls `create` and `lock` before it publishes.

    `clock`: seconds of any clock that does not go back; `wall_clock`: seconds since 1970.
    """

    def __init__(
        self, path: Path, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self.plan = path / "plan"
        self.state = path / "state"
        self.actions = path / "actions"
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock: int | None = None
        self._publication: Publication | None = None

    def create(self) -> None:
        """Make the directory (0700) and its folders where they are missing, for both sides and for verbs."""
        self._make((*PLAN_FOLDERS, "state", "actions"))

    def create_plan(self) -> None:
        """The same for the controller's side alone: the data plane's folder may be another's, or read-only."""
        self._make(PLAN_FOLDERS)

    def _make(self, folders: Iterable[str]) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in folders:
                (self.path / folder).mkdir(mode=0o700, exist_ok=True)
        except OSError as e:
            raise RunDirectoryError(f"run directory {self.path} cannot be made: {e.strerror}: {e.filename}") from e

    def lock(self) -> None:
        """Keep every other controller out until `unlock`, or until this process ends, however it ends."""
        path = self.plan / "lock"
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as e:
            raise RunDirectoryError(f"run directory {self.path} cannot be locked: {e.strerror}: {path}") from e
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise RunDirectoryError(
                f"run directory {self.path} is in use by another controller (process {holder or 'unknown'}); "
                "stop that one, or give this one a directory of its own with --run-dir"
            ) from e
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        self._lock = fd

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def publish(self, plan: Plan) -> Mapping[str, Exception]:
        """Bring the documents of a plan into force; `generation` counts up when anything in them changed.

        Gives the hosts that could not be rendered, by name, and why: each is served as before, if it was. OSError when
        a file cannot be written: the plan before stays in force.
        """
        if self._publication is None:
            self._publication = Publication(self.plan, self._last_generation(), self._clock)
        return self._publication.publish(plan)

    def _last_generation(self) -> int:
        """Of the controller before this one, as far as it left one that can be read; else milliseconds since 1970.

        A data plane may have outlived a plan/ that was emptied: a number that it has seen would tell it of nothing new.
        Plans come tens of milliseconds apart at the least, so that milliseconds are ahead of every number given before.
        """
        last = 0
        with contextlib.suppress(CorruptFileError):
            last = self.read_generation()
        with contextlib.suppress(CorruptFileError):
            last = max(last, self.read_index().generation)
        return last or int(self._wall_clock() * 1000)

    def read_generation(self) -> int:
        """Number of the plan in force; 0 when there is none yet."""
        try:
            text = (self.plan / "generation").read_bytes()
        except FileNotFoundError:
            return 0
        except OSError as e:
            raise CorruptFileError(f"{self.plan / 'generation'}: {e.strerror}") from e
        if not text.strip().isdigit():
            raise CorruptFileError(f"{self.plan / 'generation'}: expected a number")
        return int(text)

    def read_index(self) -> Index:
        return read_index(self._read("index.json"))

    def read_host(self, digest: str) -> Host:
        return read_host(self._read_named(host_file(digest), digest))

    def certificate(self, digest: str) -> bytes:
        """Chain and key in PEM."""
        return self._read_named(certificate_file(digest), digest)

    def users(self, digest: str) -> bytes:
        """An htpasswd text."""
        return self._read_named(users_file(digest), digest)

    def _read_named(self, name: str, digest: str) -> bytes:
        data = self._read(name)
        if content_digest(data) != digest:
            raise CorruptFileError(f"{self.plan / name}: the name is not the digest of the content")
        return data

    def _read(self, name: str) -> bytes:
        try:
            return (self.plan / name).read_bytes()
        except OSError as e:
            raise CorruptFileError(f"{self.plan / name}: {e.strerror}") from e
