"""Files put in place by rename: a reader sees the old one or the new one, never a part; a full disk leaves the old one.

Nothing is truncated in place, since readers may have a file mapped.
"""

import contextlib
import os
from pathlib import Path


def write_file(path: Path, data: bytes, mode: int) -> None:
    """Write beside `path`, then rename over it. `mode` holds whatever the umask. OSError leaves what was there."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        with os.fdopen(fd, "wb", buffering=0) as file:
            os.fchmod(fd, mode)
            left = memoryview(data)
            while left:
                left = left[file.write(left) :]
        beside.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)  # calls on descriptors know none
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
