"""Where the rollouts of CanaryRoutes stand, in words for `serin explain`."""

from collections.abc import Mapping

from serin.compile.compiler import Compiled
from serin.objects.canary_status import RunStatus
from serin.objects.views import CanaryRoute
from serin.refs import Ref
from serin.rollout.standing import current_run
from serin.routing.explain_users import Run


def runs_of(compiled: Compiled) -> Mapping[Ref, Run]:
    """By CanaryRoute; those without a rollout, or with one that cannot be carried out, only where it was taken back."""
    found = {reading.ref: _run(reading.view) for reading in compiled.memo.canary_routes.values()}
    return {ref: run for ref, run in found.items() if run is not None}


def _run(view: CanaryRoute) -> Run | None:
    if view.rollout is None:
        last = None if view.status is None else view.status.run
        ended_badly = last is not None and last.version == view.held and last.outcome not in ("", "Promoted")
        if last is None or not view.held or not ended_badly:
            return None
        text = f"{_named(last.revision)}, which cannot be carried out"
        return Run(view.held, text, _why(view, last), view.meta.at("spec.rollout"))
    rollout, run = view.rollout, current_run(view)
    named = _named(rollout.revision)
    if run is None:
        known = (
            "" if view.status is not None else ": there is no status here"
        )  # files of `serin explain` seldom have one
        return Run(rollout.version, f"{named}, which has not begun{known}", source=rollout.source)
    if run.outcome == "Promoted":
        return Run(rollout.version, f"{named}, promoted", source=rollout.source)
    if run.outcome:
        return Run(rollout.version, f"{named}, taken back", _why(view, run), rollout.source)
    paused = ", paused" if run.paused or view.paused else ""
    return Run(rollout.version, f"{named}, step {run.step}/{run.steps}{paused}", source=rollout.source)


def _named(revision: str) -> str:
    return f"run of revision {revision}" if revision else "run without revision"


def _why(view: CanaryRoute, run: RunStatus) -> str:
    """The reason of the end, where status has it."""
    past = () if view.status is None else view.status.history
    reason = next((ended.reason for ended in past if ended.run_id == run.run_id), "")
    return f"{_named(run.revision)} ended as {run.outcome}" + (f": {reason}" if reason else "")
