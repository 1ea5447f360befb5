"""What /proc tells of nginx's processes: who belongs to whom, who still lives, what a process is doing.

All processes of one nginx are of one process group, whose number is the master's: no process can get that number while
one of the group lives, so orphaned workers are found by it. Nothing here signals or waits.
"""

from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
LEAVING = "nginx: worker process is shutting down"


@dataclass(frozen=True, slots=True)
class Entry:
    pid: int
    parent: int
    group: int


def entry(pid: int) -> Entry | None:
    """None when there is no such process, or it only waits to be reaped."""
    try:
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    if not fields or fields[0] in (b"Z", b"X"):
        return None
    return Entry(pid, int(fields[1]), int(fields[2]))


def title(pid: int) -> str:
    """The command line, as the process has set it."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def program(pid: int) -> str:
    """The file that it runs; empty when that cannot be told."""
    try:
        return str((_PROC / str(pid) / "exe").readlink()).removesuffix(" (deleted)")
    except OSError:
        return ""


def group(number: int) -> tuple[int, ...]:
    """All nginx processes of this process group that live."""
    pids = (int(path.name) for path in _PROC.iterdir() if path.name.isdecimal())
    entries = (entry(pid) for pid in pids)
    return tuple(e.pid for e in entries if e is not None and e.group == number and title(e.pid).startswith("nginx: "))


def children(pid: int) -> tuple[int, ...]:
    """Processes that this one has started and that live."""
    try:
        listed = (_PROC / str(pid) / "task" / str(pid) / "children").read_text().split()
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN, or the process is gone
        return tuple(other for other in group(pid) if other != pid)
    return tuple(child for child in map(int, listed) if entry(child) is not None)
