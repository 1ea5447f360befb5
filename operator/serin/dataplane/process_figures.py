"""What the processes that serve have used, from /proc. CPU and bytes of processes that ended stay in the sums.

A process that cannot be read (it has just ended) counts with what it had at the last look.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from serin.telemetry.plane_metrics import Processes

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class _Used:
    cpu_ticks: int
    read_bytes: int
    write_bytes: int


class ProcessFigures:
    """Remembers what each process had used. `proc` is where /proc is."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._boot = _boot_time(proc)
        self._running: dict[tuple[int, int], _Used] = {}
        """By pid and start, in ticks: pids are used again."""
        self._ended = _Used(0, 0, 0)

    def of(self, pids: Iterable[int]) -> Processes:
        """All together; `pids` of now."""
        running: dict[tuple[int, int], _Used] = {}
        resident = virtual = 0
        for pid in pids:
            try:
                stat = (self._proc / str(pid) / "stat").read_text()
            except OSError:
                continue
            rest = stat.rpartition(")")[2].split()
            start = int(rest[19])
            read, written = self._bytes(pid)
            running[pid, start] = _Used(int(rest[11]) + int(rest[12]), read, written)
            virtual += int(rest[20])
            resident += int(rest[21]) * _PAGE
        for key in self._running.keys() - running.keys():
            self._ended = _added(self._ended, self._running[key])
        self._running = running
        whole = self._ended
        for used in running.values():
            whole = _added(whole, used)
        oldest = min((start for _, start in running), default=None)
        return Processes(
            number=len(running),
            cpu_seconds=whole.cpu_ticks / _TICKS,
            read_bytes=whole.read_bytes,
            write_bytes=whole.write_bytes,
            resident_bytes=resident,
            virtual_bytes=virtual,
            oldest=0.0 if oldest is None else round(self._boot + oldest / _TICKS, 2),
        )

    def _bytes(self, pid: int) -> tuple[int, int]:
        """Of all reads and writes; (0, 0) where another user's process does not show it."""
        try:
            lines = (self._proc / str(pid) / "io").read_text().splitlines()
        except OSError:
            return 0, 0
        found = dict(line.split(": ", 1) for line in lines if ": " in line)
        return int(found.get("rchar", 0)), int(found.get("wchar", 0))


def _added(a: _Used, b: _Used) -> _Used:
    return _Used(a.cpu_ticks + b.cpu_ticks, a.read_bytes + b.read_bytes, a.write_bytes + b.write_bytes)


def _boot_time(proc: Path) -> float:
    """Seconds since 1970, 0 where it cannot be read."""
    try:
        lines = (proc / "stat").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith("btime ")), 0.0)
