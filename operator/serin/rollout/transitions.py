"""The state machine as a table: the first row that fits is taken, one for each look.

Rows further up are more urgent. A rollback comes before everything that could let a run go on, an edited spec before
what is judged by counts of before. Every state of a run that goes on has rows that lead out of it without any action,
unless it waits for a person (AWAITING, PAUSED) or for as long as it takes (stepTimeout 0s).
"""

from collections.abc import Callable
from dataclasses import dataclass

from serin.rollout import changes
from serin.rollout.look import Draft, Look
from serin.rollout.states import GOING_ON, State, state_of

Guard = Callable[[Look], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """`name` is unique; tests go by it."""

    name: str
    states: frozenset[State]
    guard: Guard
    change: Callable[[Look], Draft]


def _in(*states: State) -> frozenset[State]:
    return frozenset(states)


_AT_A_STEP = GOING_ON - {State.MOVED}
_RUNNING = _in(State.WARMING, State.AWAITING, State.JUDGING)
_UNHELD = _in(State.RAISING, *_RUNNING)
_TIMED = _UNHELD - {State.AWAITING}


def _always(_: Look) -> bool:
    return True


def _was_going_on(look: Look) -> bool:
    return look.going_on


def _accepted(look: Look) -> bool:
    return look.accepted.holds


def _replaced(look: Look) -> bool:
    return look.going_on and look.accepted.holds


def _edited(look: Look) -> bool:
    return look.edited


def _fails(action: str) -> Guard:
    return lambda look: look.failed is not None and look.rollout.on_failure == action


def _fails_unpaused(look: Look) -> bool:
    """Where it is about to be resumed, that failure is the one that somebody has seen."""
    about_to_go_on = look.run.paused_since > 0 and not look.paused
    new = look.failed is not None and not look.run.paused and not about_to_go_on
    return new and look.rollout.on_failure == "Pause"


def _to_be_paused(look: Look) -> bool:
    return look.paused


def _to_go_on(look: Look) -> bool:
    return not look.paused


def _known(look: Look) -> bool:
    return look.frozen is not None


def _may_change(look: Look) -> bool:
    """Less is always possible."""
    return look.able or look.step.weight < look.run.weight


def _may_leave(look: Look) -> bool:
    return look.satisfied and look.approved and not look.is_last


def _may_be_promoted(look: Look) -> bool:
    return look.satisfied and look.approved and look.is_last


def _waits_for_approval_alone(look: Look) -> bool:
    return look.satisfied and not look.approved


def _waits_for_more(look: Look) -> bool:
    """A replica that does not answer for a moment takes nothing back; once approved, it is what is waited for."""
    return not look.satisfied and (look.counted or look.approved)


def _times_out(action: str) -> Guard:
    """Whether the time is over and what is missing leads to the action: data by onNoData, the rest by onFailure."""

    def guard(look: Look) -> bool:
        return look.timed_out and _after_timeout(look) == action

    return guard


def _after_timeout(look: Look) -> str:
    if not look.lacks_data:
        return look.rollout.on_failure
    waits_for_replica = look.rollout.on_no_data == "Continue" and not look.counted
    return "Pause" if waits_for_replica else look.rollout.on_no_data


def _clock_was_set_back(look: Look) -> bool:
    return look.begun_in_future


def _lacks_data(look: Look) -> bool:
    return look.waits_for_checks and look.lacks_data and not look.run.lacking_since


TABLE: tuple[Row, ...] = (
    # the run and the spec
    Row("rollout removed", _in(State.IDLE), _was_going_on, changes.supersede),
    Row("replaced", _in(State.NEW), _replaced, changes.supersede_and_start),
    Row("replaced, not accepted", _in(State.NEW), _was_going_on, changes.supersede),
    Row("started", _in(State.NEW), _accepted, changes.start),
    Row("steps edited", _in(State.MOVED), _always, changes.replace_step),
    Row("checks or shares edited", _AT_A_STEP, _edited, changes.begin_again),
    # worse than the baseline
    Row("failed, rolled back", _AT_A_STEP, _fails("Rollback"), changes.roll_back_failed),
    Row("failed, paused", _AT_A_STEP, _fails_unpaused, changes.pause_failed),
    Row("begun in the future", _AT_A_STEP, _clock_was_set_back, changes.begin_again),
    # somebody holds it
    Row("paused", _UNHELD, _to_be_paused, changes.hold),
    Row("resumed", _in(State.PAUSED), _to_go_on, changes.go_on),
    # requests begin to count, while paused too
    Row(
        "judged from now on",
        _in(State.WARMING, State.JUDGING, State.RAISING, State.PAUSED),
        _known,
        changes.begin_judging,
    ),
    # forward
    Row("raised", _in(State.RAISING), _may_change, changes.raise_weight),
    Row("next step", _RUNNING, _may_leave, changes.next_step),
    Row("promoted", _RUNNING, _may_be_promoted, changes.promote),
    Row("waits for approval", _in(State.WARMING, State.JUDGING), _waits_for_approval_alone, changes.await_approval),
    Row("waits for more", _in(State.AWAITING), _waits_for_more, changes.await_no_more),
    # too long
    Row("timed out, rolled back", _TIMED, _times_out("Rollback"), changes.roll_back_timed_out),
    Row("timed out, paused", _TIMED, _times_out("Pause"), changes.pause_timed_out),
    Row("lacks data", _RUNNING - {State.AWAITING}, _lacks_data, changes.note_lack),
)


def taken(look: Look) -> Row | None:
    """The row of the table that this look takes."""
    state = state_of(look)
    return next((row for row in TABLE if state in row.states and row.guard(look)), None)
