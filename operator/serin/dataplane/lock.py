"""One data plane to a run directory: a lock on state/lock that ends with the process, however it ends."""

import contextlib
import fcntl
import os
from pathlib import Path

from serin.errors import RunDirectoryError


def hold(run_dir: Path) -> int:
    """Take the lock and give its descriptor, to be kept open. RunDirectoryError names the process that has it."""
    path = run_dir / "state" / "lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise RunDirectoryError(f"{run_dir}: cannot be used as run directory: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise RunDirectoryError(
            f"{run_dir}: another data plane (process {holder}) runs on it; stop that one or give another --run-dir"
        ) from error
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    return fd


def is_held(run_dir: Path) -> bool:
    """Whether a data plane runs on it. Reading is enough, so that a controller may ask, to whom state/ is read-only."""
    try:
        fd = os.open(run_dir / "state" / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def holder(run_dir: Path) -> int:
    """Process id of the data plane that runs on it, as that one sees it itself; 0 when there is none."""
    if not is_held(run_dir):
        return 0
    with contextlib.suppress(OSError, ValueError):
        return int((run_dir / "state" / "lock").read_text())
    return 0
