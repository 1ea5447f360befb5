"""Gathers what the metrics page shows: counts of the shared memory, names of the plan, the parent's own view."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from serin.dataplane.plane import PlaneFigures
from serin.dataplane.process_figures import ProcessFigures
from serin.dataplane.readiness import View, reasons
from serin.dataplane.resolver import Name
from serin.native import stats
from serin.render.rundir import RunDirectory
from serin.telemetry.metrics import Controller, DataPlane, ExternalName, metrics_page
from serin.telemetry.route_names import RouteNames

CONTROLLER_LIMIT = 1 << 24
"""Longest text taken from plan/metrics."""


class Figures:
    """Makes the page; keeps the names of routes between two pages. Not for two threads at once."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._names = RouteNames(RunDirectory(run_dir))
        self._processes = ProcessFigures()

    def page(self, dataplane: DataPlane, pids: Iterable[int] = ()) -> bytes:
        """`pids`: the processes that serve."""
        names = self._names.current()
        return metrics_page(
            stats.read(self._run_dir),
            names,
            dataplane,
            self._controller(),
            self._names.series,
            self._processes.of(pids),
            self._names.canaries,
        )

    def _controller(self) -> Controller | None:
        try:
            with (self._run_dir / "plan" / "metrics").open(encoding="utf-8", errors="replace") as file:
                text = file.read(CONTROLLER_LIMIT)
                written = (self._run_dir / "plan" / "metrics").stat().st_mtime
        except OSError:
            return None
        if len(text) == CONTROLLER_LIMIT:
            text = text[: text.rfind("\n") + 1]
        return Controller(text, max(0.0, time.time() - written))


def dataplane_figures(view: View, plane: PlaneFigures, external: Mapping[str, Name], plans: int = 0) -> DataPlane:
    """The parent's view as figures; generations that are no numbers count as 0."""
    return DataPlane(
        ready=not reasons(view),
        generation=_number(view.generation),
        workers=tuple(_number(w.generation) if w is not None else None for w in view.workers),
        processes=plane.processes,
        died=plane.died,
        replaced=plane.replaced,
        connections=plane.connections,
        external={text: ExternalName(len(n.addresses or ()), n.failures) for text, n in external.items()},
        nginx=plane.nginx,
        plans=plans,
        came=plane.came,
    )


def _number(generation: str) -> int:
    return int(generation) if generation.isdecimal() else 0
