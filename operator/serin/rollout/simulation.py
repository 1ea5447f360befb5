"""A rollout before it is applied: random traffic, judged and moved by the very machine that decides of the real one.

Approvals are given at once, checks that are asked elsewhere pass, endpoints are always there. The clock is a number.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from serin.objects.canary_status import CanaryStatus, CheckStatus, RunStatus
from serin.objects.views import CanaryRollout, CanaryRoute
from serin.rollout.facts import Facts, OutsideResult, ReplicaCounts
from serin.rollout.machine import advance
from serin.rollout.simulated_traffic import Requests
from serin.rollout.simulated_traffic import Traffic as Traffic
from serin.rollout.situation import Situation, Told
from serin.rollout.standing import current_run, standing

BEGIN = 1_700_000_000.0
"""Seconds since the epoch at which a simulation begins: any will do."""
WEEK = 7 * 86400.0
_MOST_TRANSITIONS = 8
_OF_BEFORE = frozenset(("StepCompleted", "CheckFailed", "TimedOut"))
"""Events about the step that was left with them."""


@dataclass(frozen=True, slots=True)
class Happening:
    """`at`: seconds since the beginning. `step`: "2/5". `weight`: the version's share, parts of 100,000."""

    at: float
    step: str
    weight: int
    text: str


@dataclass(frozen=True, slots=True)
class Simulated:
    """`outcome` as in status.rollout, empty: it still waits, and `message` says for what. `elapsed` in seconds."""

    happenings: tuple[Happening, ...]
    outcome: str
    message: str
    elapsed: float
    candidate_requests: int
    candidate_errors: int


def simulate(view: CanaryRoute, traffic: Traffic, seed: int = 1, most: float = WEEK) -> Simulated:
    """What the rollout of `view` (needed; its status is not looked at) does with such traffic, for `most` seconds."""
    rollout = view.rollout
    assert rollout is not None
    view = replace(view, status=None, action="", paused=False)
    requests, at, told = Requests(view, traffic, seed), 0.0, list[Happening]()
    written, warned = 0.0, ""
    while True:
        for _ in range(_MOST_TRANSITIONS):
            found = advance(_situation(view, requests, BEGIN + at, written))
            if not found.write:
                break
            told += _told(view.status, found.status, at, found.events)
            warned = next((event.note for event in found.events if event.warning), warned)
            view, written = replace(view, status=found.status), BEGIN + at
        run = current_run(view)
        if at >= most or run is None or run.outcome or run.paused:
            return _simulated(view, told, requests, at, warned)
        if run.awaiting_since and not run.approved_at:
            view = replace(view, action=f"promote/{run.step}")
        stand, seconds = standing(view), _pause(rollout, traffic.rps, at)
        assert stand is not None
        requests.pass_by(stand, seconds)
        at += seconds


def _pause(rollout: CanaryRollout, rps: float, at: float) -> float:
    """Until the next look: as often as the controller looks, and less often where requests are rare, or when nothing
    has come of it for hours.
    """
    short = sum(step.duration for step in rollout.steps) < 600
    usual = 60.0 if at > 86400 else 15.0 if at > 7200 else 1.0 if short else 5.0
    return max(usual, min(30.0, 0.2 / rps)) if rps > 0 else 30.0


def _situation(view: CanaryRoute, requests: Requests, now: float, written: float) -> Situation:
    assert view.rollout is not None
    trial, counts = requests.counts()
    return Situation(
        view=view,
        now=now,
        ready={version.name: max(4, view.rollout.min_ready) for version in view.versions},
        facts=Facts((ReplicaCounts("simulated", {trial: counts}),)),
        outside=_passing(view.rollout, now),
        written_at=written,
    )


def _passing(rollout: CanaryRollout, now: float) -> Mapping[str, OutsideResult]:
    found = [check.name for check in rollout.checks if check.type.outside]
    return {name: OutsideResult("Pass", "", "taken as passing", now) for name in found}


def _told(before: CanaryStatus | None, after: CanaryStatus, at: float, events: tuple[Told, ...]) -> list[Happening]:
    """Events, and verdicts that became others."""
    run = after.run
    if run is None:
        return []
    was = (before.run if before is not None else None) or run
    changed = [] if run.outcome else _verdicts(before.checks if before is not None else (), after.checks)
    notes = [event.note for event in events]
    return [
        *(_happening(at, was, text) for text in _passed(before, events)),
        *(
            _happening(at, was if event.reason in _OF_BEFORE else run, event.note)
            for i, event in enumerate(events)
            if not any(event.note in later for later in notes[i + 1 :])
        ),
        *(_happening(at, run, text) for text in changed),
    ]


def _passed(before: CanaryStatus | None, events: tuple[Told, ...]) -> list[str]:
    """Checks that passed with the look that ended their step: their status is that of the next one already."""
    over = any(event.reason == "StepCompleted" for event in events)
    return (
        [f"check {check.name}: Pass" for check in before.checks if check.verdict != "Pass"] if before and over else []
    )


def _happening(at: float, run: RunStatus, text: str) -> Happening:
    return Happening(at, f"{run.step}/{run.steps}", run.weight, text)


def _verdicts(before: tuple[CheckStatus, ...], after: tuple[CheckStatus, ...]) -> list[str]:
    was = {check.name: check.verdict for check in before}
    return [
        f"check {check.name}: {check.verdict}" + (f", {check.message}" if check.message else "")
        for check in after
        if check.verdict not in ("None", was.get(check.name))
    ]


def _simulated(view: CanaryRoute, told: list[Happening], requests: Requests, at: float, warned: str) -> Simulated:
    status = view.status or CanaryStatus()
    run = current_run(view)
    outcome = run.outcome if run is not None else ""
    reason = status.history[0].reason if outcome and status.history else status.message
    if run is not None and run.paused and warned not in reason:
        reason = f"{reason}: {warned}"
    return Simulated(tuple(told), outcome, reason, at, requests.sent, requests.failed)
