"""Serin's image, made from this working tree without a container engine: what image/Dockerfile makes, by its steps.

Three layers, each made anew only when what it is made of has changed: Debian, the dependencies, Serin. `serin echo`
in the same image is the backend of demos and tests.
"""

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from localkube import debian, dockerfile
from localkube.archive import Image, write_image, write_layer
from localkube.build import Say, cache_folder, one_at_a_time
from localkube.commands import run

_RECENT = 3600.0
NAME = "docker.io/serin/serin:local"
ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "image" / "Dockerfile"
_INSTALL = ROOT / "image" / "install.py"
_REQUIREMENTS = ROOT / "image" / "requirements.txt"
_TOOLS = ROOT / "image" / "build-requirements.txt"
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "operator", "templates", "crds", "csrc")
_PASSED_OVER = {"__pycache__", "serin.egg-info"}
_BUILT = {".so", ".pyc"}
LAYERS = ("Debian packages", "Python packages that Serin depends on", "Serin")


def build(say: Say, folder: Path | None = None) -> Path:
    """The archive's path; its file is kept as long as nothing changes."""
    folder = folder or cache_folder().parent / "image"
    folder.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(folder / "build.lock", say):
        return _build(folder, say)


def _build(folder: Path, say: Say) -> Path:
    layers = [debian.base(folder, say), _dependencies(folder, say), _serin(folder, say)]
    told = dockerfile.read(DOCKERFILE)
    digest = _digest([*(layer.name.encode() for layer in layers), DOCKERFILE.read_bytes()])
    made = folder / f"serin-{digest}.tar"
    if not made.exists():
        _remove_others(made, "serin-*")
        fresh = made.with_name(f"{os.getpid()}-{made.name}")
        write_image(fresh, Image(NAME, layers, told.entrypoint, told.user, told.environment, told.labels, LAYERS))
        fresh.replace(made)
    return made


def _dependencies(folder: Path, say: Say) -> Path:
    made = folder / f"dependencies-{_digest([_version(), _INSTALL.read_bytes(), _REQUIREMENTS.read_bytes()])}.tar"
    return _installed("dependencies", made, say, "installing Serin's dependencies for the image")


def _serin(folder: Path, say: Say) -> Path:
    read = [f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() for path in _source_files()]
    made = folder / f"layer-{_digest([_version(), _INSTALL.read_bytes(), _TOOLS.read_bytes(), *read])}.tar"
    return _installed("serin", made, say, "building Serin for the image")


def _installed(part: str, made: Path, say: Say, text: str) -> Path:
    if not made.exists():
        say(text)
        with tempfile.TemporaryDirectory() as work:
            run(sys.executable, _INSTALL, part, work)
            fresh = made.with_name(f"{os.getpid()}-{made.name}")
            write_layer(fresh, {"/usr": Path(work, "usr")}).replace(made)
        _remove_others(made, f"{made.name.partition('-')[0]}-*.tar")
    return made


def _source_files() -> Iterator[Path]:
    for name in SOURCES:
        path = ROOT / name
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            built = each.suffix in _BUILT or each.name == "_ffi.c" or _PASSED_OVER & set(each.parts)
            if each.is_file() and not built:
                yield each


def _version() -> bytes:
    return f"{sys.version_info[0]}.{sys.version_info[1]}".encode()


def _digest(parts: Sequence[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part + b"\0")
    return digest.hexdigest()[:12]


def _remove_others(kept: Path, pattern: str) -> None:
    """Not those of the last hour, which a cluster of another checkout may just be loading."""
    for other in kept.parent.glob(pattern):
        if other != kept and time.time() - other.stat().st_mtime > _RECENT:
            other.unlink(missing_ok=True)
