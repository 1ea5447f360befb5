"""`serin canary simulate`: what a rollout would do with such traffic, by the engine and the judgement that decide it.

Approvals count as given at once, Prometheus and webhook checks as passing, endpoints as ready; that is said.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serin.cli import problems
from serin.cli.canary.tables import duration, table
from serin.cli.paths import existing
from serin.cli.terminal import Paint
from serin.compile.canaryroutes import read_canary_route
from serin.control.patterns import check_pattern
from serin.errors import UsageError
from serin.files import FileSource
from serin.objects.canary_status import WHOLE
from serin.objects.views import CanaryRoute
from serin.problems import Problem, Severity
from serin.rollout.percent import percent
from serin.rollout.simulation import Simulated, Traffic, simulate

LEAST_BASELINE = 0.005
"""Errors of the version before, where neither flag says otherwise and the new one has more."""


def run(arguments: argparse.Namespace) -> int:
    """0 whatever came of it. UsageError where there is no rollout that could run."""
    view, found = _read(arguments.file, arguments.name)
    if any(problem.severity is Severity.ERROR for problem in found) or view.rollout is None:
        for line in problems.lines(found, Paint(sys.stderr)):
            print(line, file=sys.stderr)
        raise UsageError(f"{view.meta.ref} has no rollout that could be simulated")
    traffic = Traffic(arguments.rps, *_error_rates(arguments), arguments.latency_factor)
    simulated = simulate(view, traffic, seed=arguments.seed)
    if arguments.json:
        print(json.dumps(_as_json(simulated), indent=2))
        return 0
    paint = Paint(sys.stdout)
    for problem in problems.lines(found, paint):
        print(problem)
    for line in _text(view, traffic, simulated, paint):
        print(line)
    return 0


def _error_rates(arguments: argparse.Namespace) -> tuple[float, float]:
    """Of the new version, and of the one before."""
    ours: float | None = arguments.error_rate
    before: float | None = arguments.baseline_error_rate
    if before is None:
        before = LEAST_BASELINE if ours is None else min(ours, LEAST_BASELINE)
    return before if ours is None else ours, before


def _read(path: Path, name: str | None) -> tuple[CanaryRoute, tuple[Problem, ...]]:
    """The CanaryRoute, and what is wrong with it by itself: other objects need not be in the file."""
    source = FileSource(existing([path]))
    try:
        views = [view for view in source.load().applied if isinstance(view, CanaryRoute)]
        told = source.problems
    finally:
        source.close()
    fitting = [view for view in views if name in (None, view.meta.ref.name)]
    if len(fitting) != 1:
        there = ", ".join(sorted(view.meta.ref.name for view in views)) or "none"
        for line in problems.lines(told, Paint(sys.stderr)):
            print(line, file=sys.stderr)
        wanted = f"a CanaryRoute {name}" if name else "one CanaryRoute, or --name to choose"
        raise UsageError(f"{path}: expected {wanted}; there is {there}")
    (view,) = fitting
    reading = read_canary_route(view, check_pattern, None)
    own = {problem for problem in told if problem.source.ref == view.meta.ref}
    return view, tuple(sorted({*own, *reading.problems}))


# --- as text ---


def _text(view: CanaryRoute, traffic: Traffic, simulated: Simulated, paint: Paint) -> Iterator[str]:
    assert view.rollout is not None
    yield (
        f"{view.rollout.version} with {percent(traffic.error_rate * WHOLE)} errors beside "
        f"{percent(traffic.baseline_error_rate * WHOLE)}, {traffic.rps:g} requests in a second"
        + (f", answers {traffic.latency_factor:g} times as slow" if traffic.latency_factor != 1 else "")
    )
    for text in _assumed(view):
        yield paint("dim", text)
    yield ""
    head, *others = table([("TIME", "STEP", "FOR", "WEIGHT", "WHAT HAPPENS"), *_rows(simulated)])
    yield paint("dim", head)
    yield from others
    yield ""
    yield (
        f"{view.rollout.version} had {simulated.candidate_requests} requests in {duration(simulated.elapsed)}, "
        f"{simulated.candidate_errors} of them failed"
    )
    yield ending(simulated)


def _rows(simulated: Simulated) -> Iterator[tuple[str, ...]]:
    """With how long the step has lasted: that is what a verdict took."""
    begun: dict[str, float] = {}
    for one in simulated.happenings:
        lasted = one.at - begun.setdefault(one.step, one.at)
        yield duration(one.at), one.step, duration(lasted), percent(one.weight), one.text


def ending(simulated: Simulated) -> str:
    """The last line: what came of it."""
    after = duration(simulated.elapsed)
    if simulated.outcome == "Promoted":
        return f"promoted after {after}"
    if simulated.outcome:
        return f"rolled back after {after}: {simulated.message or simulated.outcome}"
    return f"waits: {simulated.message} (after {after})"


def _assumed(view: CanaryRoute) -> Iterator[str]:
    assert view.rollout is not None
    if any(step.approval for step in view.rollout.steps):
        yield "approvals count as given at once"
    outside = [c.name for c in view.rollout.checks if c.type.outside]
    if outside:
        yield f"asked elsewhere, and counted as passing: {', '.join(outside)}"


def _as_json(simulated: Simulated) -> dict[str, Any]:
    return {
        "outcome": simulated.outcome,
        "message": simulated.message,
        "seconds": round(simulated.elapsed, 3),
        "requests": simulated.candidate_requests,
        "errors": simulated.candidate_errors,
        "happenings": [
            {"at": round(h.at, 3), "step": h.step, "weight": percent(h.weight), "text": h.text}
            for h in simulated.happenings
        ],
    }
