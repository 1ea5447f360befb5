"""What people read: of events, of history, and status.message. One sentence each, without a full stop at its end."""

from serin.objects.canary_status import CheckStatus, RunStatus
from serin.rollout.look import Look
from serin.rollout.percent import percent
from serin.rollout.states import State

_LONGEST = 1024


def short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def who(run: RunStatus) -> str:
    return f"{run.version} {run.revision}" if run.revision else run.version


def where(look: Look) -> str:
    """v2 1.8.2 at 25% (step 3/5)."""
    run = look.run
    named = "" if look.step.name == str(run.step) else f" {look.step.name}"
    return f"{who(run)} at {percent(run.weight)} (step {run.step}/{run.steps}{named})"


# --- events ---


def started(look: Look) -> str:
    rollout = look.rollout
    name = f"{rollout.version} {rollout.revision}".rstrip()
    return f"{name} begins to take over from {rollout.baseline}, in {_steps(len(rollout.steps))}"


def superseded(look: Look) -> str:
    rollout, run = look.situation.view.rollout, look.run
    at = f"{who(run)} gave way at step {run.step}/{run.steps}"
    return (
        f"{at}: spec.rollout is gone" if rollout is None else f"{at} to {rollout.version} {rollout.revision}".rstrip()
    )


def step_started(look: Look) -> str:
    mirrored = f", with copies of {percent(look.run.mirror)} of GET requests" if look.run.mirror else ""
    return f"{where(look)}{mirrored}"


def completed(look: Look) -> str:
    run = look.run
    waived = "; checks still lacked data (onNoData Continue)" if look.data_waived and not look.passing else ""
    return f"step {run.step}/{run.steps} of {who(run)} is over{waived}"


def awaiting(look: Look) -> str:
    return f"{where(look)} waits for an approval: serin.dev/action=promote"


def lacking(look: Look) -> str:
    return f"{where(look)} waits for data: {lack(look)}"


def paused(look: Look) -> str:
    return f"{where(look)} is paused{_by(look)}; weights stay, a rollback stays armed"


def resumed(look: Look) -> str:
    return f"{where(look)} goes on"


def check_failed(look: Look) -> str:
    failed = look.failed
    assert failed is not None
    return short(f"check {failed.name} failed{_says(failed)}")


def paused_by_failure(look: Look) -> str:
    return f"{where(look)} is paused by onFailure; weights stay"


def timed_out(look: Look) -> str:
    timeout = f"stepTimeout is over at step {look.run.step}/{look.run.steps}"
    return short(f"{timeout}, and {missing(look)}")


def paused_by_timeout(look: Look) -> str:
    field = "onNoData" if look.lacks_data else "onFailure"
    return f"{where(look)} is paused by {field}; weights stay, a rollback stays armed"


def promoted(look: Look) -> str:
    return f"{who(look.run)} has 100%: fold {look.run.version} into spec.versions"


def taken_back(look: Look, reason: str) -> str:
    run = look.run
    return short(f"{who(run)} went from {percent(run.weight)} to 0%, its rules are suspended: {reason}")


# --- what a step waits for ---


def missing(look: Look) -> str:
    """The first thing that is in the way of the next step, in words."""
    if not look.accepted.holds:
        return f"the CanaryRoute cannot be carried out ({look.accepted.message})"
    if not look.enough:
        return endpoints_missing(look)
    if not look.programmed and look.counted:
        return pending(look)
    return lack(look) or "the approval is to come"


def endpoints_missing(look: Look) -> str:
    return f"{look.rollout.version} has {look.ready} of at least {look.least_ready} ready endpoints"


def pending(look: Look) -> str:
    there, expected = look.situation.serving
    return f"{there}/{expected} replicas have the weights in force"


def lack(look: Look) -> str:
    """Empty when there is data enough."""
    if not look.counted:
        gone = look.situation.facts.missing
        return f"counts are missing of {', '.join(gone[:3])}" + (f" and {len(gone) - 3} more" if len(gone) > 3 else "")
    if not look.run.judged_since:
        return (
            "the warm-up is not over"
            if not look.warm
            else f"{look.rollout.baseline} has too few requests to compare with"
        )
    waiting = next((check for check in look.draft.checks if check.verdict != "Pass"), None)
    return "" if waiting is None else _needs(waiting)


def _needs(check: CheckStatus) -> str:
    if check.failures:
        return f"{check.name} fails ({check.failures} times){_says(check)}"
    if check.needs:
        return f"{check.name} needs about {check.needs} more requests"
    return f"{check.name} has no verdict yet{_says(check)}"


def _says(check: CheckStatus) -> str:
    return f": {check.message}" if check.message else ""


def _by(look: Look) -> str:
    """What holds a run. While it is held, no time counts: what was too long stays too long until it goes on."""
    if look.failed is not None and look.run.paused:
        return f" ({check_failed(look)})"
    if look.run.paused and look.timed_out:
        return f" ({timed_out(look)})"
    both = ("spec.paused" if look.situation.view.paused else "", "action pause" if look.run.paused else "")
    return f" by {' and '.join(filter(None, both))}" if any(both) else ""


def _steps(count: int) -> str:
    return f"{count} steps" if count > 1 else "1 step"


# --- status.message ---


def message(look: Look, state: State) -> str:
    match state:
        case State.IDLE:
            return look.accepted.message or "no rollout: the weights of spec.versions hold"
        case State.INVALID:
            return look.accepted.message
        case State.NEW:
            return f"the run has not begun: {look.accepted.message or 'it begins now'}"
        case State.PROMOTED:
            return promoted(look)
        case State.ENDED:
            return ended(look)
        case _:
            return going_on(look, state)


def ended(look: Look) -> str:
    past, run = look.past, look.run
    because = f": {past.reason}" if past is not None and past.reason else ""
    return f"{who(run)} has 0% ({run.outcome} at step {run.step}/{run.steps}){because}"


def going_on(look: Look, state: State) -> str:
    at = where(look)
    match state:
        case State.PAUSED:
            return f"{at} is paused{_by(look)}; weights stay"
        case State.RAISING | State.MOVED:
            return f"{at} goes to {percent(look.step.weight)} next{_but(look)}"
        case State.AWAITING:
            return f"{at} waits for an approval"
    if not look.able or look.lacks_data or look.failing_outside:
        return f"{at}; {missing(look)}"
    return at


def _but(look: Look) -> str:
    return f"; {missing(look)}" if not look.able else ""
