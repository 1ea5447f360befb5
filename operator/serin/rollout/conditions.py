"""The conditions of a status, which programs look at. As in metav1, a condition's time is that of its last change."""

from dataclasses import dataclass

from serin.objects.canary_status import CanaryStatus, Condition
from serin.rollout import texts
from serin.rollout.look import Look
from serin.rollout.states import State


@dataclass(frozen=True, slots=True)
class _Said:
    type: str
    status: str
    reason: str
    message: str = ""


def conditions(look: Look, state: State) -> tuple[Condition, ...]:
    said = (_accepted(look), _programmed(look), _promoted(look, state), _ready(look))
    return tuple(_dated(look, one) for one in said if one is not None)


def before(look: Look, kind: str) -> Condition | None:
    """The condition as it was written last."""
    status = look.situation.view.status or CanaryStatus()
    return next((condition for condition in status.conditions if condition.type == kind), None)


def _dated(look: Look, said: _Said) -> Condition:
    was = before(look, said.type)
    since = was.since if was is not None and was.status == said.status and was.since else look.now
    generation = look.situation.view.generation
    return Condition(said.type, said.status, said.reason, texts.short(said.message), since, generation)


def _accepted(look: Look) -> _Said:
    found = look.accepted
    return _Said("Accepted", "True" if found.holds else "False", found.reason, found.message)


def _programmed(look: Look) -> _Said:
    if look.programmed:
        return _Said("Programmed", "True", "Programmed")
    return _Said("Programmed", "False", "Pending", texts.pending(look))


def _ready(look: Look) -> _Said:
    """As kstatus understands it: the object is carried out. It does not wait for the run."""
    for part in (_accepted(look), _programmed(look)):
        if part.status != "True":
            return _Said("Ready", "False", part.reason, part.message)
    return _Said("Ready", "True", "Programmed")


def _promoted(look: Look, state: State) -> _Said | None:
    """None without a rollout: whoever waits for it goes on waiting."""
    match state:
        case State.IDLE:
            return None
        case State.INVALID | State.NEW:
            known = "NotStarted" if look.accepted.holds else look.accepted.reason
            return _Said("Promoted", "Unknown", known, look.accepted.message)
        case State.PROMOTED:
            return _Said("Promoted", "True", "Promoted", texts.promoted(look))
        case State.ENDED:
            return _Said("Promoted", "False", _end_reason(look), texts.ended(look))
        case _:
            return _Said("Promoted", "Unknown", reason(look, state), texts.going_on(look, state))


def reason(look: Look, state: State) -> str:
    """Of a run that goes on, what it waits for, in one word."""
    if state is State.PAUSED:
        return "Paused"
    if not look.enough:
        return "EndpointsMissing"
    if state is State.AWAITING:
        return "AwaitingApproval"
    if state in (State.WARMING, State.JUDGING) and look.waits_for_checks:
        return "NeedsData"
    return "StepRunning"


def _end_reason(look: Look) -> str:
    """RolledBack by a check says so; what it was is kept in history."""
    past = look.past
    if look.run.outcome != "RolledBack":
        return look.run.outcome
    return "RolledBack" if past is not None and past.reason.startswith("reverted") else "CheckFailed"
