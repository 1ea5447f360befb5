"""The annotation serin.dev/action: which verb does what in which state, and why it is ignored in all others.

A value is carried out once: when it is another than status.lastAction has. Nothing here removes it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from serin.objects.canary_status import LastAction
from serin.rollout import changes, texts
from serin.rollout.look import Draft, Look
from serin.rollout.situation import Told
from serin.rollout.states import GOING_ON, State, state_of

LONGEST = 256
VERBS = ("promote", "promote-full", "abort", "pause", "resume", "retry", "revert")

_TOKEN = re.compile(r"([0-9a-f]{16})\.([0-9]{1,3})(?:\..*)?", re.ASCII)
_OF_A_STEP = frozenset(("promote", "promote-full"))
"""Verbs that somebody gives for the step that is seen. The others mean the run: an abort is not too late by a step."""
_AT_FIRST_SIGHT = frozenset(("abort", "pause"))
"""Verbs that hold things back, and so are carried out though the object was never seen before."""


@dataclass(frozen=True, slots=True)
class Ignored:
    reason: str


Outcome = tuple[Draft, str] | Ignored
"""The draft, and what came of the verb in words; or why nothing did."""


def act(look: Look) -> Draft:
    """The draft with the action carried out, if there is one that was not seen before."""
    value = look.situation.view.action.strip()[:LONGEST]
    last = look.draft.last_action
    if not value or (last is not None and last.value == value):
        return look.draft
    too_old = _too_old(look, value)
    if too_old is None and _comes_first(look, value.partition("/")[0]):
        return look.draft
    outcome = too_old or _carried_out(look, value)
    if isinstance(outcome, Ignored):
        reason = texts.short(outcome.reason)
        noted = replace(look.draft, last_action=LastAction(value, "Ignored", reason, look.now))
        return noted.telling(Told("ActionIgnored", f"{_shown(value)}: {reason}", warning=True))
    draft, note = outcome
    told = (
        *look.draft.events,
        Told("ActionAccepted", f"{_shown(value)}: {note}"),
        *draft.events[len(look.draft.events) :],
    )
    return replace(draft, last_action=LastAction(value, "Accepted", texts.short(note), look.now), events=told)


def _shown(text: str) -> str:
    """In Events and messages, which terminals show."""
    return "".join(c if c.isprintable() else " " for c in text)


def _carried_out(look: Look, value: str) -> Outcome:
    verb, _, token = value.partition("/")
    if verb not in VERBS:
        return Ignored(f"there is no action {_shown(verb)}, expected one of {', '.join(VERBS)}")
    return _stale(look, verb, token) or _RULES[verb](look, state_of(look))


def _too_old(look: Look, value: str) -> Ignored | None:
    """An object that comes back from a backup, or a repository, without status must not repeat what was once done."""
    if look.situation.view.status is not None or value.partition("/")[0] in _AT_FIRST_SIGHT:
        return None
    return Ignored("it was there before the CanaryRoute was seen for the first time; give it anew")


def _comes_first(look: Look, verb: str) -> bool:
    """Whether the table has something to do before the action is looked at: a run begins, and has no share yet; or
    steps or checks were edited, and what the checks found is not about these.
    """
    state = state_of(look)
    if state is State.NEW:
        return look.accepted.holds
    return verb == "promote" and (state is State.MOVED or (state in GOING_ON and look.edited))


def _stale(look: Look, verb: str, token: str) -> Ignored | None:
    found, run = _TOKEN.fullmatch(token), look.draft.run
    if found is None:
        return None
    if run is None or found[1] != run.run_id or state_of(look) is State.NEW:
        return Ignored("it is for another run" if run is not None else "it is for a run, and there is none")
    step = int(found[2])
    if verb in _OF_A_STEP and step != run.step:
        return Ignored(f"step {step} is already over" if step < run.step else f"step {step} has not begun")
    return None


# --- each verb ---


def _promote(look: Look, state: State) -> Outcome:
    """Approves, and ends the step at once where everything but its duration is there."""
    if state not in GOING_ON:
        return _no_run(look, state)
    run = replace(look.run, approved_at=look.now)
    approved = look.after(replace(look.draft, run=run))
    if state is State.MOVED or state is State.RAISING or not look.may_end:
        return approved.draft, f"approved; {_rest(look)}"
    if look.is_last:
        return changes.promote(approved), "the last step is over"
    return changes.next_step(approved), f"step {run.step} is over"


def _rest(look: Look) -> str:
    if look.paused:
        return "the step ends after the run is resumed"
    if look.may_end:
        return "the step has not begun yet"
    return f"the step does not end yet: {texts.missing(look)}"


def _promote_full(look: Look, state: State) -> Outcome:
    if state not in GOING_ON:
        return _no_run(look, state)
    return changes.promote_now(look, "action promote-full"), "100% at once"


def _abort(look: Look, state: State) -> Outcome:
    if look.going_on or state is State.PROMOTED:
        return changes.abort(look), "0%, rules suspended"
    if state is State.NEW:
        return changes.abort(look.after(changes.start(look))), "the run does not begin"
    return Ignored(
        "nothing to abort: it was taken back already" if state is State.ENDED else "there is no run to abort"
    )


def _pause(look: Look, state: State) -> Outcome:
    if state is State.NEW:
        return _paused(look.after(changes.start(look))), "the run begins paused"
    if state not in GOING_ON:
        return _no_run(look, state)
    return _paused(look), "weights stay, a rollback stays armed"


def _paused(look: Look) -> Draft:
    return replace(look.draft, run=replace(look.run, paused=True))


def _resume(look: Look, state: State) -> Outcome:
    if state not in GOING_ON:
        return _no_run(look, state)
    if not look.run.paused:
        return Ignored("spec.paused holds it: set it to false" if look.situation.view.paused else "it is not paused")
    held = "; spec.paused still holds it" if look.situation.view.paused else ""
    return replace(look.draft, run=replace(look.run, paused=False)), f"goes on{held}"


def _retry(look: Look, state: State) -> Outcome:
    if state is State.ENDED:
        return changes.start(look), "the run begins again at step 1"
    if state is State.PROMOTED:
        return Ignored("the run was promoted: there is nothing to try again")
    return Ignored("the run is going on: abort it first") if state in GOING_ON else _no_run(look, state)


def _revert(look: Look, state: State) -> Outcome:
    if state is State.PROMOTED:
        return changes.revert(look), "0%, rules suspended"
    return Ignored("the run is going on: abort it instead") if state in GOING_ON else _no_run(look, state)


def _no_run(look: Look, state: State) -> Ignored:
    match state:
        case State.IDLE:
            return Ignored("there is no rollout")
        case State.INVALID:
            return Ignored(f"the rollout cannot be carried out: {look.accepted.message}")
        case State.NEW:
            return Ignored(f"the run has not begun: {look.accepted.message or 'it begins with the next look'}")
        case _:
            return Ignored(f"the run is over ({look.run.outcome})")


_RULES: Mapping[str, Callable[[Look, State], Outcome]] = {
    "promote": _promote,
    "promote-full": _promote_full,
    "abort": _abort,
    "pause": _pause,
    "resume": _resume,
    "retry": _retry,
    "revert": _revert,
}
