"""What nginx refused, as the data plane leaves it in state/quarantine.json: a Problem for each object that is there.

The file is another process's: it is read with pread, bounded in size, and checked; one that cannot be read leaves what
was known. Nothing is written.
"""

import asyncio
import json
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serin.problems import Problem, Severity
from serin.refs import Ref, Source
from serin.telemetry import log

CODE = "nginx-refused"
LOOK_EVERY = 1.0
"""Seconds between two looks."""
MAX_BYTES = 8 << 20
MAX_OBJECTS = 10_000
KINDS = frozenset(("Ingress", "CanaryRoute"))
TEXT_LENGTH = 300
KEYS = ("kind", "namespace", "name", "host", "error")

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_HOST = re.compile(r"[a-z0-9.*_-]{0,255}", re.ASCII)
_log = logging.getLogger("serin.control")

_Seen = tuple[int, int, int]
"""Which file, when it was changed, its size."""


class QuarantineWatch:
    """`changed` is told of all problems whenever they are others than before. `read` makes them of the file's bytes."""

    def __init__(
        self,
        path: Path,
        changed: Callable[[tuple[Problem, ...]], None],
        read: "Callable[[bytes], tuple[Problem, ...]] | None" = None,
    ) -> None:
        self._path = path
        self._changed = changed
        self._parse = read or read_quarantine
        self._seen: _Seen | None = None
        self._problems: tuple[Problem, ...] = ()
        self._complained = ""

    async def run(self) -> None:
        """Look each second until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY)

    def look(self) -> None:
        """Read the file if it is another one than before. None is there: nothing is refused."""
        try:
            problems = self._read()
        except (OSError, ValueError) as error:
            if str(error) != self._complained:
                self._complained = str(error)
                log.event(_log, log.QUARANTINE_UNREADABLE, level=logging.WARNING, error=str(error))
            return
        self._complained = ""
        if problems is not None and problems != self._problems:
            self._problems = problems
            self._changed(problems)

    def _read(self) -> tuple[Problem, ...] | None:
        """None: the file is the one that was read before."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            self._seen = None
            return ()
        try:
            stat = os.fstat(fd)
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if seen == self._seen:
                return None
            if stat.st_size > MAX_BYTES:
                raise ValueError(f"{self._path}: longer than {MAX_BYTES} bytes")
            data = os.pread(fd, MAX_BYTES, 0)
        finally:
            os.close(fd)
        problems = self._parse(data)
        self._seen = seen
        return problems


def read_quarantine(data: bytes) -> tuple[Problem, ...]:
    """The problems of a quarantine.json, sorted. ValueError when it is none; entries that are none are left out."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"quarantine.json: {error}") from error
    if not isinstance(document, dict) or document.get("version") != 1 or not isinstance(document.get("objects"), list):
        raise ValueError("quarantine.json: not a document of this version")
    found = (_problem(entry) for entry in document["objects"][:MAX_OBJECTS])
    return tuple(sorted({problem for problem in found if problem is not None}))


def _problem(entry: Any) -> Problem | None:
    if not isinstance(entry, dict):
        return None
    texts = [value for key in KEYS if isinstance(value := entry.get(key), str)]
    if len(texts) != len(KEYS):
        return None
    kind, namespace, name, host, error = texts
    if kind not in KINDS or not _NAME.fullmatch(namespace) or not _NAME.fullmatch(name) or not _HOST.fullmatch(host):
        return None
    said = "".join(c if c.isprintable() else " " for c in error)[:TEXT_LENGTH]
    where = f"host {host}" if host else "the catch-all host"
    happens = (
        "its rules choose nothing there"
        if kind == "CanaryRoute"
        else "its routes there answer 503 and its rules choose nothing"
    )
    text = f"nginx refuses what this makes of {where}, so that {happens} until it is changed: {said}"
    return Problem(Source(Ref(kind, namespace, name)), CODE, Severity.ERROR, text)
