"""What the data plane's parent asks of a plane: the one thing in which the built-in proxy and nginx differ.

A plane serves requests. Ports for probes, plans that come, signals, names and readiness are the parent's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from serin.dataplane.readiness import WorkerView
from serin.telemetry.nginx_figures import NginxFigures


class SharedState(Protocol):
    """Rows of worker processes and cells of external names (serin.native.state.StateFiles)."""

    def release_worker(self, index: int) -> None: ...

    def pids(self) -> Sequence[int]: ...

    def put_name(self, cell: int, name: str, addresses: Sequence[str]) -> None: ...

    def close(self) -> None: ...


class MakeState(Protocol):
    """Opens the shared memory of a run directory; `keep`: as it is, when it is there and whole."""

    def __call__(self, run_dir: Path, workers: int, *, keep: bool = False) -> SharedState: ...


@dataclass(frozen=True, slots=True)
class PlaneFigures:
    """For the metrics page. `processes` serve, leaving ones included; `died` and `replaced` since the start."""

    processes: int
    died: int
    replaced: int
    connections: Mapping[str, int]
    """Open ones, by what they do."""
    nginx: NginxFigures | None = None
    came: tuple[int, int] = (0, 0)
    """Connections of clients since the start: all, and those that were not closed at once."""


class Plane(Protocol):
    """Its sockets are bound already; nobody can connect before `start`, unless it was serving before."""

    @property
    def subject(self) -> str:
        """What one of `places` is called in messages: `worker`, or `nginx`, which is one alone."""

    @property
    def ports(self) -> tuple[int, int]:
        """Of HTTP and HTTPS."""

    @property
    def places(self) -> tuple[WorkerView | None, ...]: ...

    def start(self, changed: Callable[[], None]) -> None:
        """There is a plan: serve. `changed` is to be called when any of `places` has news."""

    def planned(self, generation: str) -> None:
        """There is a newer plan; the first one comes before `start`."""

    async def restart(self) -> None:
        """Replace the processes without a lost request (SIGHUP)."""

    def reopen_logs(self) -> None: ...

    async def drain(self) -> bool:
        """Take no new connection, answer what is in flight; False when some had to be cut."""

    def kill(self) -> None:
        """Cut everything now; `drain` then has nothing left to wait for."""

    def figures(self) -> PlaneFigures: ...
