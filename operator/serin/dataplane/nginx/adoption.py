"""What a supervisor that was killed has left running: its nginx, and where that one listens.

Only an nginx of this prefix and of the same program is taken over; orphaned workers, whose master is dead too, lend
their sockets and end when another master serves.
"""

import contextlib
import logging
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from serin.dataplane.nginx import processes
from serin.dataplane.nginx.components import Components
from serin.dataplane.nginx.process import PID
from serin.dataplane.nginx.sockets import Listening, open_sockets, remembered, take
from serin.dataplane.settings import DataPlaneSettings
from serin.dataplane.sockets import listen_addresses
from serin.errors import RunDirectoryError
from serin.telemetry import log

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Former:
    """`master` is 0 when there is none; `group` the process group of what runs, 0 when nothing does."""

    master: int = 0
    group: int = 0


def find(prefix: Path, components: Components) -> Former:
    """What runs of an earlier nginx. RunDirectoryError when it is one that cannot be taken over."""
    try:
        pid = int((prefix / PID).read_text())
    except (OSError, ValueError):
        return Former()
    members = processes.group(pid)
    if pid not in members:
        return Former(0, pid) if members else Former()
    title = processes.title(pid)
    if not title.startswith("nginx: master process") or f" -p {prefix}/ " not in title:
        return Former()
    binary = str(Path(components.binary).resolve())
    if processes.program(pid) not in ("", binary, f"{binary}.real"):
        raise RunDirectoryError(
            f"{prefix}: another program's nginx runs here (process {pid}, {processes.program(pid)}); "
            f"end it with `kill -QUIT {pid}` first"
        )
    return Former(pid, pid)


def listening(settings: DataPlaneSettings, prefix: Path, former: Former) -> Listening:
    """The sockets of what runs, else new ones. UsageError when a port cannot be had."""
    found = remembered(prefix)
    if found is None or not former.group:
        return open_sockets(settings, found)
    _compare(found, settings, former)
    for pid in (former.master,) if former.master else processes.group(former.group):
        if take(found, pid):
            return found
    if not former.master:
        regain(found, (former.group,))
    return found


def regain(listening: Listening, orphans: Iterable[int]) -> None:
    """Have the sockets before another master is started. Those of a dead one's workers, where they can be had; else
    the workers end and the ports are bound anew. UsageError when one cannot be."""
    if listening.sockets:
        return
    members = [pid for number in orphans for pid in processes.group(number)]
    if any(take(listening, pid) for pid in members):
        return
    for pid in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
    listening.bind()
    listening.listen()


def _compare(found: Listening, settings: DataPlaneSettings, former: Former) -> None:
    """Say so when it does not listen where it was asked to."""
    asked = (settings.http_port or found.ports[0], settings.https_port or found.ports[1])
    addresses = sorted(listen_addresses(settings.bind))
    if asked == found.ports and addresses == sorted(address for address, _ in found.http):
        return
    log.event(
        _log,
        log.PORTS_KEPT,
        level=logging.WARNING,
        asked=f"{','.join(addresses)} {asked[0]} {asked[1]}",
        kept=f"{','.join(address for address, _ in found.http)} {found.ports[0]} {found.ports[1]}",
        text=f"nginx of before (process group {former.group}) goes on; to have other ports end it first",
    )
