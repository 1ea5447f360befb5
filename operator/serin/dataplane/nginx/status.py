"""Asks a running nginx, over its own Unix socket, which configuration it serves and how many connections it has."""

import asyncio
import contextlib
import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from serin.errors import RunDirectoryError

SECONDS = 2.0
LONGEST = 100
"""Bytes of a socket's path; the kernel takes 107."""
_CONNECTIONS = re.compile(rb"Active connections: (\d+)\D+(\d+) (\d+) \d+\s+Reading: \d+ Writing: \d+ Waiting: (\d+)")


def socket_path(prefix: Path) -> Path:
    """Below the prefix, or, where that is too long, in a folder of this user's that is named after the prefix."""
    path = prefix / "status.sock"
    if len(os.fsencode(path)) <= LONGEST:
        return path
    name = hashlib.sha256(os.fsencode(prefix)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"serin-{os.geteuid()}-{name}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise RunDirectoryError(f"{folder}: no place for nginx's status socket: {error.strerror}") from error
    if found.st_uid != os.geteuid() or found.st_mode & 0o077 or not folder.is_dir():
        raise RunDirectoryError(f"{folder}: expected a folder that only this user can enter; remove it")
    return folder / "status.sock"


def leave(path: Path, prefix: Path) -> None:
    """Take away the folder that `socket_path` made elsewhere; it stays while an nginx has its socket there."""
    if path.parent != prefix:
        with contextlib.suppress(OSError):
            path.parent.rmdir()


@dataclass(frozen=True, slots=True)
class Connections:
    """Of clients: in an exchange, and open without one.

    `accepted`: all since nginx's start, our own questions too; `handled`: those not closed at once for want of room.
    """

    active: int
    waiting: int
    accepted: int = 0
    handled: int = 0


class StatusSocket:
    def __init__(self, path: Path) -> None:
        self.path = path

    async def digest(self) -> str:
        """Of the configuration that answers; empty when none does."""
        body = await self._get("/digest")
        return body.decode("ascii", "replace").strip() if body is not None else ""

    async def connections(self) -> Connections | None:
        body = await self._get("/connections")
        found = _CONNECTIONS.search(body) if body is not None else None
        if found is None:
            return None
        active, accepted, handled, waiting = (int(number) for number in found.groups())
        return Connections(max(0, active - waiting - 1), waiting, accepted, handled)  # one is this question

    async def _get(self, path: str) -> bytes | None:
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await asyncio.open_unix_connection(self.path)
                try:
                    writer.write(f"GET {path} HTTP/1.0\r\nHost: status\r\n\r\n".encode())
                    answer = await reader.read(65536)
                    while more := await reader.read(65536):
                        answer += more
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return None
        head, _, body = answer.partition(b"\r\n\r\n")
        return body if head.split(b" ")[1:2] == [b"200"] else None
