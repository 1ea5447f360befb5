"""Puts Serin, or what it depends on, into the Python part of its image: by image/Dockerfile, and without Docker by
localkube/image.py, both with the Python that the image has.

    python3 image/install.py dependencies ROOT      versions and checksums as image/requirements.txt has them
    python3 image/install.py serin ROOT             of this source tree; needs a C compiler and Python.h

ROOT becomes the root of a layer. Files carry no time of the build, so that the same inputs give the same bytes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "operator", "templates", "crds", "csrc")
NOT_SOURCES = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.so", "_ffi.c", "fuzz")
PACKAGES = f"usr/local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/dist-packages"
COMMAND = "usr/local/bin/serin"
# A module for each API group and kind, generated, half of all that is installed: Serin asks by path (cluster/api) and
# they are imported by name only. Their packages stay, empty.
GENERATED = tuple(f"kubernetes/{each}/{kind}" for each in ("client", "aio/client") for kind in ("api", "models"))
# Sources of what is compiled already, and stubs for type checkers.
NOT_RUN = ("*.pyx", "*.pxd", "*.pxi", "*.pyi", "*.c", "*.h", "*.hash", "py.typed")
_SCRIPT = "#!/usr/bin/python3\nimport sys\n\nfrom serin.cli import main\n\nsys.exit(main())\n"


def dependencies(root: Path) -> None:
    packages = root / PACKAGES
    pip("install", "--require-hashes", "--only-binary=:all:", "--requirement", locked("requirements"), target=packages)
    for folder in GENERATED:
        for path in (packages / folder).iterdir():
            if path.name != "__init__.py":
                path.unlink()
    for pattern in NOT_RUN:
        for path in packages.rglob(pattern):
            path.unlink()
    compile_all(packages)


def serin(root: Path) -> None:
    packages, command = root / PACKAGES, root / COMMAND
    with tempfile.TemporaryDirectory() as work:
        tools, copy = Path(work, "tools"), Path(work, "source")
        pip("install", "--require-hashes", "--requirement", locked("build-requirements"), target=tools)
        copy_sources(copy)
        pip("install", "--no-deps", "--no-build-isolation", str(copy), target=packages, tools=tools)
    command.parent.mkdir(parents=True)
    command.write_text(_SCRIPT)
    command.chmod(0o755)
    compile_all(packages)


def locked(name: str) -> str:
    return str(TREE / "image" / f"{name}.txt")


def copy_sources(target: Path) -> None:
    """A wheel built in place would take up what earlier builds left in build/."""
    for name in SOURCES:
        source = TREE / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=NOT_SOURCES)
        else:
            target.mkdir(exist_ok=True)
            shutil.copy2(source, target / name)


def pip(command: str, *arguments: str, target: Path, tools: Path | None = None) -> None:
    """Into a folder, without what belongs to a machine: commands, and the folder's own address."""
    options = ["--quiet", "--disable-pip-version-check", "--no-compile", "--no-warn-script-location"]
    with tempfile.TemporaryDirectory() as prefix:
        environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
        if tools is not None:
            environment |= {"PYTHONPATH": str(tools), "SOURCE_DATE_EPOCH": "315532800"}
        wanted = ["--target", str(Path(prefix, "made")), *arguments]
        run([sys.executable, "-m", "pip", command, *options, *wanted], environment)
        shutil.rmtree(Path(prefix, "made", "bin"), ignore_errors=True)
        for told in Path(prefix, "made").glob("*.dist-info/direct_url.json"):
            told.unlink()
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(Path(prefix, "made"), target)


def compile_all(packages: Path) -> None:
    """By the sources' hashes, which are never looked at again: a root file system that is read-only keeps no .pyc."""
    shown = "/" + PACKAGES
    options = ["-qq", "-j", "2", "--invalidation-mode", "unchecked-hash", "-s", str(packages), "-p", shown]
    # Some packages carry files for other Pythons, which do not compile: no reason to stop.
    subprocess.run([sys.executable, "-m", "compileall", *options, str(packages)], check=False)  # noqa: S603


def run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"install.py: {' '.join(command)}: exit code {done.returncode}")


def main() -> None:
    parts = {"dependencies": dependencies, "serin": serin}
    if len(sys.argv) != 3 or sys.argv[1] not in parts:
        sys.exit(f"usage: install.py {'|'.join(parts)} ROOT")
    parts[sys.argv[1]](Path(sys.argv[2]))


if __name__ == "__main__":
    main()
