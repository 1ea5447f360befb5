"""Where a rollout can stand. The state is never stored: it follows from the object and its status, in this order."""

from enum import Enum

from serin.rollout.look import Look
from serin.rollout.standing import run_id


class State(Enum):
    IDLE = "no rollout"
    INVALID = "a rollout that cannot be made out"
    NEW = "a rollout whose run has not begun"
    MOVED = "the steps were edited, and the run is at none of them"
    PAUSED = "held by spec.paused, an action, onFailure or onNoData; a rollback stays armed"
    RAISING = "at a step whose weight is not in force yet"
    WARMING = "requests do not count yet"
    AWAITING = "everything is there but an approval"
    JUDGING = "requests count"
    PROMOTED = "ended well"
    ENDED = "taken back, or aborted"


GOING_ON = frozenset((State.MOVED, State.PAUSED, State.RAISING, State.WARMING, State.AWAITING, State.JUDGING))


def state_of(look: Look) -> State:
    return _without_run(look) or _ended(look) or _going_on(look)


def _without_run(look: Look) -> State | None:
    if not look.accepted.holds and look.accepted.reason == "InvalidSpec":
        return State.INVALID
    if look.situation.view.rollout is None:
        return State.IDLE
    run = look.draft.run
    if run is None or run.run_id != run_id(look.situation.view) or run.outcome == "Superseded":
        return State.NEW
    return None


def _ended(look: Look) -> State | None:
    outcome = look.run.outcome
    if not outcome:
        return None
    return State.PROMOTED if outcome == "Promoted" else State.ENDED


def _going_on(look: Look) -> State:
    run = look.run
    if look.place != run.step:
        return State.MOVED
    if run.paused_since:
        return State.PAUSED
    if look.step.weight != run.weight:
        return State.RAISING
    if run.awaiting_since:
        return State.AWAITING
    return State.JUDGING if run.judged_since else State.WARMING
