"""nginx's error log as lines of our own log. It comes by a named pipe in state/nginx, which never holds nginx up.

nginx has the pipe open for both directions and without blocking: when nobody reads, a full pipe drops lines, and the
next supervisor reads what is left of them. Requests can make nginx say much, so only some lines a second are passed on,
and what it says again only now and then. Requests and answers of endpoints can have line ends in what nginx says of
them, so each of its writes is kept apart: nobody can put words into the master's mouth, such as that it refuses a
configuration.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

from serin.dataplane.nginx.repeats import Repeats
from serin.telemetry import log

PIPE = "errors"
PER_SECOND = 50
"""Lines passed on in one second; what is beyond is counted. Those of the master are never dropped."""
LONGEST = 2000
_ROOM = 1 << 20
"""Bytes of the pipe, where the kernel allows so many: each write takes a page."""
_AT_ONCE = 256
"""Writes read before other work gets its turn."""
_LINE = re.compile(r"(?:\d+/\d+/\d+ \d+:\d+:\d+|nginx:) \[(\w+)\](?: (\d+)#\d+:)? ?(.*)", re.DOTALL)
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.DEBUG,
    "notice": logging.DEBUG,
    "warn": logging.WARNING,
    "error": logging.WARNING,
    "crit": logging.ERROR,
    "alert": logging.ERROR,
    "emerg": logging.ERROR,
}
_USUAL = "is buffered to a temporary file"
"""A warning for each large body: how nginx works, and nothing that anybody should act on."""
_log = logging.getLogger(__name__)

Heard = Callable[[str, int, str], None]
"""Level as nginx names it, process id (0 where it is not told) and message."""


class ErrorLog:
    """Open until `close`. `heard` is called with each line that is read, dropped or not."""

    def __init__(self, prefix: Path, heard: Heard) -> None:
        path = prefix / PIPE
        if not path.is_fifo():
            path.unlink(missing_ok=True)
            os.mkfifo(path, 0o600)
        self.dropped = 0
        self._path = path
        self._heard = heard
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._second = 0.0
        self._passed = 0
        self._unsaid = 0
        self._repeats = Repeats(self._loop.time)
        # Also open for writing, or it would be at its end whenever no nginx has it open.
        self._fd = self.writing_end()
        self._apart = bool(fcntl.fcntl(self._fd, fcntl.F_GETFL) & os.O_DIRECT)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, _ROOM)
        self._loop.add_reader(self._fd, self._read)

    def writing_end(self) -> int:
        """A descriptor for a new nginx, to be closed when it has it. What is written at once is read at once."""
        fd = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # a kernel that is not Linux
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_DIRECT)
        return fd

    def close(self) -> None:
        self._read()
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                return
            for said in [data] if self._apart else self._lines(data):
                if said.strip():
                    self._take(said[:LONGEST].decode("utf-8", "replace").rstrip("\n"))

    def _lines(self, data: bytes) -> list[bytes]:
        """Where writes cannot be told apart."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-LONGEST:]
        return lines

    def _take(self, line: str) -> None:
        found = _LINE.fullmatch(line)
        level, pid, message = (found[1], int(found[2] or 0), found[3]) if found else ("error", 0, line)
        if level == "warn" and _USUAL in message:
            level = "info"
        self._heard(level, pid, message)
        repeated = self._repeats.left_out(message) if level in ("warn", "error") else 0
        if repeated is not None and self._may_pass(level):
            fields = ({"pid": pid} if pid else {}) | ({"repeated": repeated} if repeated else {})
            log.event(
                _log, log.NGINX_SAID, level=_LEVELS.get(level, logging.WARNING), nginx=level, **fields, text=message
            )

    def _may_pass(self, level: str) -> bool:
        now = self._loop.time()
        if now - self._second >= 1.0:
            if self._unsaid:
                log.event(_log, log.NGINX_SAID, level=logging.WARNING, text="lines were left out", lines=self._unsaid)
            self._second, self._passed, self._unsaid = now, 0, 0
        if level in ("emerg", "alert"):
            return True
        self._passed += 1
        if self._passed <= PER_SECOND:
            return True
        self._unsaid += 1
        self.dropped += 1
        return False
