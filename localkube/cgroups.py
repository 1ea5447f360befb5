"""A control group of its own for each node, in either version of the kernel's interface."""

import contextlib
import os
import signal
import time
from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")


def create(name: str) -> None:
    """`/NAME` in every hierarchy; cpuset's is empty at first and must be filled before it takes processes."""
    for top in _tops():
        made = top / name
        if (top / "cgroup.subtree_control").exists():
            for controller in (top / "cgroup.controllers").read_text().split():
                with contextlib.suppress(OSError):  # some are bound to version 1
                    (top / "cgroup.subtree_control").write_text(f"+{controller}")
        made.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if (top / "tasks").exists() and (top / setting).exists():
                (made / setting).write_text((top / setting).read_text())


def kill(name: str, seconds: float = 10.0) -> None:
    """Every process in it and below; comes back when they are gone, or when the time is up."""
    end = time.monotonic() + seconds
    while running := _processes(name):
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        if time.monotonic() > end:
            return
        time.sleep(0.02)


def remove(name: str) -> None:
    """With all below it; one that still holds a process stays."""
    for top in _tops():
        for folder in reversed(_groups(top / name)):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _processes(name: str) -> set[int]:
    found: set[int] = set()
    for top in _tops():
        for path in _groups(top / name):
            with contextlib.suppress(OSError):  # a group that goes meanwhile
                found.update(map(int, (path / "cgroup.procs").read_text().split()))
    return found


def _groups(top: Path) -> list[Path]:
    """It and all below it, parents first; what goes meanwhile is passed over, which Path.rglob does not do."""
    return [Path(folder) for folder, _, _ in os.walk(top)]


def _tops() -> list[Path]:
    if (_MOUNT / "cgroup.controllers").exists():
        return [_MOUNT]
    return [path for path in _MOUNT.iterdir() if path.is_dir() and not path.is_symlink()]
