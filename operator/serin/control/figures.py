"""The controller's own figures as text for plan/metrics, which the data plane hands on at /metrics.

Names begin with `serin_controller_`. The time they were written is one of them, so that a reader sees their age.
"""

import collections
from collections.abc import Iterable, Sequence

from serin.control.engine import Counts
from serin.problems import Problem
from serin.routing.plan import Plan
from serin.telemetry.exposition import label_text
from serin.telemetry.figure import Figure

PREFIX = "serin_controller_"


def metrics_text(
    counts: Counts, plan: Plan | None, problems: Sequence[Problem], written: float, others: Iterable[Figure] = ()
) -> str:
    """Prometheus text format 0.0.4; `written` in seconds since the epoch. `others`: of other parts than the engine."""
    gauges = {
        "written_timestamp_seconds": ("When these figures were written", written),
        "revision": ("Revision of the objects in the last compile", counts.revision),
        "compile_seconds": ("Duration of the last compile", counts.compile_ms / 1000),
        "hosts": ("Hosts of the plan", len(plan.hosts) if plan else 0),
        "splits": ("Splits of the plan", len(plan.splits) if plan else 0),
        "pools": ("Pools of the plan", len(plan.pools) if plan else 0),
        "certificates": ("Certificates of the plan", len(plan.certificates) if plan else 0),
    }
    counters = {
        "compiles_total": ("Compiles", counts.compiles),
        "compile_failures_total": ("Compiles that failed, which is a bug of Serin", counts.compile_failures),
        "publications_total": ("Plans published", counts.publications),
        "publication_failures_total": ("Plans that could not be written", counts.publication_failures),
        "endpoint_changes_total": ("Pools changed without a compile", counts.endpoint_changes),
    }
    lines = []
    for kind, figures in (("gauge", gauges), ("counter", counters)):
        for name, (text, value) in figures.items():
            lines += [*heading(name, text, kind), f"{PREFIX}{name} {value:.15g}"]
    lines += heading("problems", "Problems of the objects by code and severity", "gauge")
    by_code = collections.Counter((problem.code, problem.severity) for problem in problems)
    lines += [
        f'{PREFIX}problems{{code="{code}",severity="{severity}"}} {number}'
        for (code, severity), number in sorted(by_code.items())
    ]
    lines += _lines(others)
    return "\n".join(lines) + "\n"


def _lines(figures: Iterable[Figure]) -> list[str]:
    """A family's samples together, in the order in which the families were first named."""
    families: dict[str, list[Figure]] = {}
    for figure in figures:
        families.setdefault(figure.name, []).append(figure)
    lines = []
    for name, members in families.items():
        lines += heading(name, members[0].help, members[0].kind)
        for figure in members:
            labels = label_text(dict(figure.labels))
            lines.append(
                f"{PREFIX}{name}{{{labels}}} {figure.value:.15g}" if labels else f"{PREFIX}{name} {figure.value:.15g}"
            )
    return lines


def heading(name: str, text: str, kind: str) -> list[str]:
    return [f"# HELP {PREFIX}{name} {text}", f"# TYPE {PREFIX}{name} {kind}"]
