"""nginx's standard output, for an access log that goes to /dev/stdout: nginx opens that path again, which not every
standard output allows (a socket, as of journald, does not; nor does a pipe that another user made).

Where it is not allowed, nginx gets a pipe of ours, and a `cat` that lives as long as any nginx writes to it.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

from serin.errors import SerinError


def openable(fd: int = 1) -> bool:
    """Whether this descriptor can be opened anew by its path."""
    try:
        os.close(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def for_nginx(fd: int = 1) -> Iterator[int]:
    """Inside, a descriptor to start nginx with as its standard output."""
    if openable(fd):
        yield fd
        return
    cat = shutil.which("cat")
    if cat is None:
        raise SerinError("standard output cannot be opened by nginx, and there is no `cat` to stand between")
    reading, writing = os.pipe()
    try:
        # Not a child that ends with us: nginx goes on, and so does its log.
        subprocess.Popen([cat], stdin=reading, stdout=fd, process_group=0)  # noqa: S603  it only copies
        yield writing
    finally:
        os.close(reading)
        os.close(writing)
