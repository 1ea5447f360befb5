"""One nginx master, started or found running: signalled without mistaking another for it, and noticed when it ends.

It outlives its supervisor on purpose. It is alone in its process group with its workers, so that no Ctrl-C reaches it.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from serin.dataplane.nginx import processes
from serin.dataplane.nginx.components import Components, minimal_environment
from serin.errors import SerinError

MAIN = "nginx.conf"
PID = "nginx.pid"


class NginxProcess:
    """`exited` is done when it is gone: with its exit code or negative signal, or None where that cannot be known."""

    def __init__(self, pid: int, pidfd: int, started: "subprocess.Popen[bytes] | None") -> None:
        loop = asyncio.get_running_loop()
        self.pid = pid
        self.since = loop.time()
        self.exited: asyncio.Future[int | None] = loop.create_future()
        self._process = started
        self._pidfd = pidfd
        loop.add_reader(pidfd, self._gone)

    @property
    def running(self) -> bool:
        return not self.exited.done()

    def send(self, number: signal.Signals) -> None:
        """Nothing happens when it is already gone."""
        if self.running:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _gone(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.exited.set_result(self._process.wait() if self._process is not None else None)


def command(components: Components, prefix: Path, main: str = MAIN) -> tuple[str, ...]:
    """How nginx is started; adoption knows it again by `-p`."""
    return (components.binary, "-p", f"{prefix}/", "-e", "stderr", "-c", str(prefix / main))


def start(
    components: Components, prefix: Path, sockets: Sequence[int], *, stdout: int | None, stderr: int | None
) -> NginxProcess:
    """Start a master on these listening sockets. SerinError when the program cannot be run."""
    environment = minimal_environment(components)
    if sockets:
        environment["NGINX"] = "".join(f"{fd};" for fd in sockets)
    try:
        process = subprocess.Popen(  # noqa: S603  the program is nginx
            command(components, prefix),
            env=environment,
            cwd=prefix,
            pass_fds=tuple(sockets),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            process_group=0,
        )
    except OSError as error:
        raise SerinError(f"cannot start {components.binary}: {error.strerror}") from error
    return NginxProcess(process.pid, os.pidfd_open(process.pid), process)


def attach(pid: int) -> NginxProcess | None:
    """A master that runs already, whoever started it; None when it has just ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return None
    if processes.entry(pid) is None:
        os.close(pidfd)
        return None
    return NginxProcess(pid, pidfd, None)
