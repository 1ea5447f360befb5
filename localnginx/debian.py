"""Debian packages unpacked into a folder of their own: no root, no maintainer script, no service, nothing installed.

apt picks the versions and checks what it downloads; shared libraries that this system lacks come along. A folder is
named after the files in it, so that new versions get a new one.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from localnginx.errors import LocalNginxError

Say = Callable[[str], None]

_LONGEST = 300.0
_FILE = re.compile(r"^'\S+' (\S+\.deb) \d+", re.MULTILINE)
_LIBRARY = re.compile(r"^(lib|lua-)")


def cache_folder() -> Path:
    """$SERIN_NGINX_CACHE, by default below ~/.cache; shared by all checkouts."""
    return Path(os.environ.get("SERIN_NGINX_CACHE") or Path.home() / ".cache" / "serin-nginx").absolute()


def unpacked(name: str, packages: Sequence[str], say: Say) -> Path:
    """The root of a tree with these packages; LocalNginxError when apt cannot give them."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise LocalNginxError(f"there is no {program}: packages can be unpacked on Debian and its relatives only")
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(cache / "lock", say):
        try:
            return _unpacked(cache, name, packages, (), say)
        except LocalNginxError:
            say("asking Debian's mirror for newer lists")
            return _unpacked(cache, name, packages, _own_lists(cache), say)


def _unpacked(cache: Path, name: str, packages: Sequence[str], options: Sequence[str], say: Say) -> Path:
    wanted = [*packages, *_missing_libraries(packages, options)]
    files = sorted(set(_FILE.findall(_apt(*options, "download", "--print-uris", *wanted))))
    if not files:
        raise LocalNginxError(f"apt knows no file of {', '.join(packages)}")
    root = cache / f"{name}-{hashlib.sha256(chr(10).join(files).encode()).hexdigest()[:12]}"
    if root.is_dir():
        return root
    say(f"unpacking {', '.join(wanted)} into {root}")
    with tempfile.TemporaryDirectory(prefix="unpacking-", dir=cache) as work:
        loaded, made = Path(work) / "packages", Path(work) / "root"
        loaded.mkdir()
        _apt(*options, "download", *wanted, folder=loaded)
        for package in sorted(loaded.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(package), str(made)])
        (made / "versions.txt").write_text("\n".join(files) + "\n")
        made.rename(root)
    return root


def _missing_libraries(packages: Sequence[str], options: Sequence[str]) -> list[str]:
    """What an installation would add to this system and a program might load."""
    told = _apt(*options, "install", "--print-uris", "--no-install-recommends", "-y", *packages)
    names = (file.partition("_")[0] for file in _FILE.findall(told))
    return sorted({name for name in names if _LIBRARY.match(name)} - set(packages))


def _own_lists(cache: Path) -> tuple[str, ...]:
    """apt's options for package lists of our own, read anew: the system's may be old, or not there at all."""
    folder = cache / "apt"
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    pairs = {"Dir::State::lists": folder / "lists", "Dir::Cache": folder, "APT::Sandbox::User": "root"}
    options = tuple(part for key, value in pairs.items() for part in ("-o", f"{key}={value}"))
    _apt(*options, "update")
    return options


def _apt(*arguments: str, folder: Path | None = None) -> str:
    return _run(["apt-get", "-qq", "-o", "Debug::NoLocking=1", *arguments], folder)


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, capture_output=True, text=True, timeout=_LONGEST, check=False, env=_environment()
        )
    except subprocess.TimeoutExpired as error:
        raise LocalNginxError(f"{command[0]} did not end within {_LONGEST:g} s") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-600:]
        raise LocalNginxError(f"{command[0]} failed with exit code {done.returncode}: {said}")
    return done.stdout


def _environment() -> dict[str, str]:
    return os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


@contextmanager
def _one_at_a_time(lock: Path, say: Say) -> Iterator[None]:
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another one ({lock})")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
