"""One data plane to a run directory: a lock on state/lock that ends with the process, however it ends."""

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
