"""Serin's image for a local cluster, made from this working tree without a container engine.

Three layers, each made anew only when what it is made of has changed: Debian, the dependencies, Serin. `serin echo`
in the same image is the backend of demos and tests.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from localkube import debian
from localkube.archive import Image, write_image, write_layer
from localkube.build import Say, cache_folder
from localkube.commands import run

NAME = "docker.io/serin/serin:local"
ROOT = Path(__file__).parents[1]
_SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "operator", "templates", "crds", "csrc")
_NOT_SOURCES = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.so", "_ffi.c")
_PACKAGES = f"/usr/local/lib/{debian.PYTHON}/dist-packages"
_COMMAND = "/usr/local/bin/serin"
_SCRIPT = "#!/usr/bin/python3\nimport sys\n\nfrom serin.cli import main\n\nsys.exit(main())\n"


def build(say: Say, folder: Path | None = None) -> Path:
    """The archive's path; its file is kept as long as nothing changes."""
    folder = folder or cache_folder().parent / "image"
    layers = [debian.base(folder, say), _dependencies(folder, say), _serin(folder, say)]
    digest = hashlib.sha256("".join(layer.name for layer in layers).encode()).hexdigest()[:12]
    made = folder / f"serin-{digest}.tar"
    if not made.exists():
        _remove_others(made, "serin-*.tar")
        fresh = made.with_name(f"{os.getpid()}-{made.name}")
        write_image(fresh, Image(NAME, layers, ["serin"], str(debian.USER_ID), ["PYTHONDONTWRITEBYTECODE=1"]))
        fresh.replace(made)
    return made


def _dependencies(folder: Path, say: Say) -> Path:
    wanted = sorted(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    digest = hashlib.sha256("\n".join([debian.PYTHON, *wanted]).encode()).hexdigest()[:12]
    made = folder / f"dependencies-{digest}.tar"
    if not made.exists():
        say("installing Serin's dependencies for the image")
        with tempfile.TemporaryDirectory() as work:
            _install(Path(work), wanted)
            _keep(made, {_PACKAGES: Path(work)})
        _remove_others(made, "dependencies-*.tar")
    return made


def _serin(folder: Path, say: Say) -> Path:
    digest = hashlib.sha256()
    for path in _source_files():
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    made = folder / f"layer-{digest.hexdigest()[:12]}.tar"
    if not made.exists():
        say("building Serin for the image")
        with tempfile.TemporaryDirectory() as work:
            copy, target, script = Path(work, "source"), Path(work, "target"), Path(work, "serin")
            _copy_sources(copy)
            _install(target, ["--no-deps", str(copy)])
            script.write_text(_SCRIPT)
            script.chmod(0o755)
            _keep(made, {_PACKAGES: target, _COMMAND: script})
        _remove_others(made, "layer-*.tar")
    return made


def _source_files() -> Iterator[Path]:
    for name in _SOURCES:
        path = ROOT / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        for each in found:
            ignored = _NOT_SOURCES(str(each.parent), list(each.relative_to(ROOT).parts))
            if each.is_file() and not ignored:
                yield each


def _copy_sources(target: Path) -> None:
    """A copy, for a wheel built in place would take up what earlier builds left in build/."""
    for path in _source_files():
        copy = target / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def _install(target: Path, wanted: Sequence[str]) -> None:
    """pip into a folder; compiled without times in the files, for a layer's times are zero."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-compile"]
    run(*pip, "--target", target, *wanted)
    shutil.rmtree(target / "bin", ignore_errors=True)
    compile_all = [sys.executable, "-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash"]
    # Some packages carry files for other Pythons, which do not compile.
    subprocess.run([*compile_all, "-s", str(target), "-p", _PACKAGES, str(target)], check=False)  # noqa: S603


def _keep(made: Path, files: dict[str, Path]) -> None:
    fresh = made.with_name(f"{os.getpid()}-{made.name}")
    write_layer(fresh, files).replace(made)


def _remove_others(kept: Path, pattern: str) -> None:
    for other in kept.parent.glob(pattern):
        if other != kept:
            other.unlink(missing_ok=True)
