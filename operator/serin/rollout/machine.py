"""One step of a rollout: what is the case goes in, the next status comes out. The clock is a number that is passed in.

Everything that a run needs to go on is in the status, so that it does not matter who calls this, or after which pause.
"""

from dataclasses import replace
from math import ceil, floor

from serin.objects.canary_status import WHOLE, CanaryStatus, RunStatus, VersionStatus
from serin.objects.views import CanaryRoute
from serin.rollout import texts
from serin.rollout.acceptance import acceptance
from serin.rollout.changed import is_worth_writing
from serin.rollout.changes import keep
from serin.rollout.conditions import before, conditions, reason
from serin.rollout.look import Draft, Look, shares_of
from serin.rollout.situation import Advance, Situation, Told
from serin.rollout.states import GOING_ON, State, state_of
from serin.rollout.transitions import taken
from serin.rollout.verbs import act

_PHASES = {
    State.IDLE: "Idle",
    State.INVALID: "Invalid",
    State.PAUSED: "Paused",
    State.AWAITING: "AwaitingApproval",
    State.PROMOTED: "Promoted",
    State.ENDED: "RolledBack",
}
_NOT_CARRIED_OUT = frozenset(("Conflicted", "TargetNotFound", "ServiceNotFound"))
"""Reasons of the condition Accepted that are an Event of their own."""


def advance(situation: Situation) -> Advance:
    """At most one transition of the table. Call it again once its status is written, until nothing is to be written.

    An Advance whose `write` is False may be dropped: the next call finds all of it again.
    """
    status = situation.view.status or CanaryStatus()
    draft = Draft(status.run, status.checks, status.last_action, status.history)
    look = Look(situation, float(floor(situation.now)), acceptance(situation), draft)
    look = _judged(look)
    acted = look.after(act(look))
    if acted.draft.last_action is look.draft.last_action or acted.draft.run is look.draft.run:
        row = taken(acted)
        acted = acted if row is None else acted.after(row.change(acted))
    return _finished(acted)


def _judged(look: Look) -> Look:
    """With the verdicts of this moment, or with what a step will be held against when its warm-up is over."""
    if state_of(look) not in GOING_ON - {State.MOVED} or look.edited or not look.to_be_judged:
        return look
    situation, checks = look.situation, look.draft.checks
    if look.run.judged_since:
        found = situation.judgement.judge(look.view, checks, situation.facts, situation.outside, look.now)
        return _learned(look.after(keep(look, found)))
    return replace(look, frozen=situation.judgement.freeze(look.view, checks, situation.facts)) if look.warm else look


def _learned(look: Look) -> Look:
    """Checks that waited for the baseline alone, while others were judged, may know by now what is slow."""
    waiting, situation = {check.name for check in look.draft.checks if not check.threshold_us}, look.situation
    if look.failed is not None or not waiting:
        return look
    found = situation.judgement.freeze(look.view, look.draft.checks, situation.facts) or ()
    learned = any(check.threshold_us and check.name in waiting for check in found)
    return replace(look, frozen=found) if learned else look


# --- the status ---


def _finished(look: Look) -> Advance:
    situation, state = look.situation, state_of(look)
    view = situation.view
    run = None if look.draft.run is None else _shown(look, state, look.draft.run)
    look = look.after(replace(look.draft, run=run))
    status = CanaryStatus(
        generation=view.generation,
        phase=_PHASES.get(state, "Progressing") if state is not State.NEW or look.accepted.holds else "Invalid",
        message=texts.short(texts.message(look, state)),
        weights=_weights(look.view, situation),
        run=run,
        checks=look.draft.checks,
        last_action=look.draft.last_action,
        history=look.draft.history,
        conditions=conditions(look, state),
    )
    events = (*_accepted_events(look), *look.draft.events, *_endpoint_events(look, state))
    write = bool(events) or is_worth_writing(view.status, status, look.now - situation.written_at)
    return Advance(status, events, write)


def _shown(look: Look, state: State, run: RunStatus) -> RunStatus:
    """With what follows from the rest."""
    if run.outcome:
        weight = WHOLE if run.outcome == "Promoted" else 0
        return replace(run, weight=weight, mirror=0, verdict=look.verdict, next_at=0.0)
    if state not in GOING_ON:
        return replace(run, next_at=0.0)
    rollout = look.rollout
    mirror = look.step.mirror if run.weight == look.step.weight else 0
    waits = state in (State.PAUSED, State.AWAITING, State.RAISING, State.MOVED)
    warm = 0.0 if run.judged_since else look.warmup
    next_at = 0.0 if waits else float(ceil(run.step_started_at + max(look.step.duration, warm)))
    return replace(run, steps=len(rollout.steps), mirror=mirror, verdict=look.verdict, next_at=next_at)


def _weights(view: CanaryRoute, situation: Situation) -> tuple[VersionStatus, ...]:
    return tuple(VersionStatus(name, weight, situation.ready.get(name, 0)) for name, weight in shares_of(view).items())


# --- events that follow from conditions ---


def _accepted_events(look: Look) -> tuple[Told, ...]:
    found, was = look.accepted, before(look, "Accepted")
    if found.reason not in _NOT_CARRIED_OUT or (was is not None and was.reason == found.reason):
        return ()
    return (Told(found.reason, found.message, warning=True),)


def _endpoint_events(look: Look, state: State) -> tuple[Told, ...]:
    was = before(look, "Promoted")
    if state not in GOING_ON or reason(look, state) != "EndpointsMissing":
        return ()
    if was is not None and was.reason == "EndpointsMissing":
        return ()
    return (Told("EndpointsMissing", texts.endpoints_missing(look), warning=True),)
