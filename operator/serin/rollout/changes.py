"""What transitions do: each takes a look and gives the draft that comes of it. When they are taken is not said here."""

from dataclasses import replace
from math import floor

from serin.objects.canary_status import WHOLE, CheckStatus, PastRun, RunStatus
from serin.rollout import texts
from serin.rollout.checks_of_step import checks_id
from serin.rollout.judgement import renewed
from serin.rollout.look import CLOCKS_DIFFER, MOST_HISTORY, Draft, Look
from serin.rollout.situation import Told
from serin.rollout.standing import run_id

# --- beginning ---


def start(look: Look) -> Draft:
    """A new run at its first step, without a share yet: that is a raise of its own."""
    before, rollout = look.draft.run, look.rollout
    run = RunStatus(
        run_id=run_id(look.view),
        version=rollout.version,
        revision=rollout.revision,
        steps=len(rollout.steps),
        started_at=_after(look.now, before.started_at if before is not None else 0.0),
    )
    events = (Told("RolloutStarted", texts.started(look)),)
    begun = replace(look.draft, run=run, checks=(), events=look.draft.events + events)
    return _enter(look.after(begun), 1, 0)


def supersede(look: Look) -> Draft:
    """The run that is going on gives way to one of another version or revision, or to none."""
    return _end(look, "Superseded", texts.superseded(look), Told("Superseded", texts.superseded(look)))


def supersede_and_start(look: Look) -> Draft:
    return start(look.after(supersede(look)))


# --- steps ---


def replace_step(look: Look) -> Draft:
    """The steps were edited: the run goes on at the first one whose weight is not below what is in force."""
    return _enter(look, look.place, look.run.weight)


def begin_again(look: Look) -> Draft:
    """The step from its beginning, with counts of its own: never in the second that it began in, which names them."""
    since = _after(look.now, look.run.step_started_at)
    return _enter(replace(look, now=since), look.run.step, look.run.weight)


def raise_weight(look: Look) -> Draft:
    """To the weight of the step that the run is at. Who approved it while it waited for endpoints meant this one."""
    raised = _enter(look, look.run.step, look.step.weight)
    assert raised.run is not None
    return replace(raised, run=replace(raised.run, approved_at=look.run.approved_at))


def next_step(look: Look) -> Draft:
    done = look.draft.telling(Told("StepCompleted", texts.completed(look)))
    number = look.run.step + 1
    return _enter(look.after(done), number, look.rollout.steps[number - 1].weight)


def begin_judging(look: Look) -> Draft:
    assert look.frozen is not None
    run = replace(look.run, judged_since=_after(look.now, look.run.judged_since))
    return replace(look.draft, run=run, checks=look.frozen)


def _enter(look: Look, number: int, weight: int) -> Draft:
    """Nothing of what was counted, waited for and approved before belongs to what begins here."""
    rollout, run = look.rollout, look.run
    step = rollout.steps[number - 1]
    entered = replace(
        run,
        baseline=rollout.baseline,
        checks_id=checks_id(rollout),
        step=number,
        steps=len(rollout.steps),
        weight=weight,
        mirror=step.mirror if weight == step.weight else 0,
        step_started_at=look.now,
        judged_since=0.0 if rollout.checks else look.now,
        awaiting_since=0.0,
        awaited=0.0,
        approved_at=0.0,
        lacking_since=0.0,
    )
    draft = replace(look.draft, run=entered, checks=renewed(rollout, look.draft.checks))
    if weight != step.weight:
        return draft
    return draft.telling(Told("StepStarted", texts.step_started(look.after(draft))))


# --- waiting ---


def await_approval(look: Look) -> Draft:
    run = replace(look.run, awaiting_since=look.now)
    return replace(look.draft, run=run).telling(Told("AwaitingApproval", texts.awaiting(look)))


def await_no_more(look: Look) -> Draft:
    """Something else is waited for, too: from here on the time-out counts again."""
    return replace(look.draft, run=replace(look.run, awaiting_since=0.0, awaited=float(floor(look.waited))))


def note_lack(look: Look) -> Draft:
    """For the first time in this step, data is all that it waits for."""
    run = replace(look.run, lacking_since=look.now)
    return replace(look.draft, run=run).telling(Told("NeedsData", texts.lacking(look), warning=True))


def hold(look: Look) -> Draft:
    """Paused by spec.paused or an action: shares stay, and the time-out does not count."""
    return _pause(look).telling(Told("Paused", texts.paused(look)))


def go_on(look: Look) -> Draft:
    """The time-out has its whole time again. A step whose check failed begins anew, and that check with nothing held
    against it: somebody has seen it.
    """
    run = look.run
    spare = max(0.0, look.now - run.step_started_at - look.step.duration)
    resumed = replace(run, paused_since=0.0, awaited=float(floor(max(look.waited, spare))))
    draft = replace(look.draft, run=resumed).telling(Told("Resumed", texts.resumed(look)))
    if look.failed is None:
        return draft
    passed = tuple(check for check in draft.checks if check.verdict != "Fail")
    return begin_again(look.after(replace(draft, checks=passed)))


def _pause(look: Look) -> Draft:
    run = look.run
    if run.paused_since:
        return look.draft
    waited = float(floor(look.waited))
    return replace(look.draft, run=replace(run, paused_since=look.now, awaited=waited, awaiting_since=0.0))


# --- failing ---


def pause_failed(look: Look) -> Draft:
    told = (Told("CheckFailed", texts.check_failed(look), warning=True), Told("Paused", texts.paused_by_failure(look)))
    return _hold_run(look).telling(*told)


def pause_timed_out(look: Look) -> Draft:
    told = (Told("TimedOut", texts.timed_out(look), warning=True), Told("Paused", texts.paused_by_timeout(look)))
    return _hold_run(look).telling(*told)


def _hold_run(look: Look) -> Draft:
    paused = _pause(look)
    assert paused.run is not None
    return replace(paused, run=replace(paused.run, paused=True))


def roll_back_failed(look: Look) -> Draft:
    reason = texts.check_failed(look)
    return _end(
        look,
        "RolledBack",
        reason,
        Told("CheckFailed", reason, warning=True),
        Told("RolledBack", texts.taken_back(look, reason), warning=True, on_ingress=True),
    )


def roll_back_timed_out(look: Look) -> Draft:
    reason = texts.timed_out(look)
    return _end(
        look,
        "TimedOut",
        reason,
        Told("TimedOut", reason, warning=True),
        Told("RolledBack", texts.taken_back(look, reason), warning=True, on_ingress=True),
    )


# --- ending ---


def promote(look: Look) -> Draft:
    """The version has all, and keeps it."""
    last = replace(look, draft=look.draft.telling(Told("StepCompleted", texts.completed(look))))
    return promote_now(last, "all steps are over")


def promote_now(look: Look, reason: str) -> Draft:
    return _end(look, "Promoted", reason, Told("Promoted", texts.promoted(look), on_ingress=True))


def abort(look: Look) -> Draft:
    reason = "action abort"
    return _end(look, "Aborted", reason, Told("Aborted", texts.taken_back(look, reason), warning=True))


def revert(look: Look) -> Draft:
    reason = "reverted by action after promotion"
    told = Told("RolledBack", texts.taken_back(look, reason), warning=True, on_ingress=True)
    return _end(look, "RolledBack", reason, told)


def _end(look: Look, outcome: str, reason: str, *events: Told) -> Draft:
    """One place for all ends: the share is all or nothing, and history says so, once for each run."""
    run = look.run
    ended = replace(
        run,
        outcome=outcome,
        weight=WHOLE if outcome == "Promoted" else 0,
        mirror=0,
        awaiting_since=0.0,
        paused_since=0.0,
        paused=False,
    )
    past = PastRun(run.run_id, run.version, run.revision, outcome, reason, run.started_at, look.now)
    older = tuple(p for p in look.draft.history if (p.run_id, p.started_at) != (run.run_id, run.started_at))
    history = (past, *older)[:MOST_HISTORY]
    return replace(look.draft, run=ended, history=history).telling(*events)


def _after(now: float, before: float) -> float:
    """Now, and never the same second as the one before: times are a part of the names of trials. A clock that was set
    back by much has no such second soon.
    """
    return now if now > before or before > now + CLOCKS_DIFFER else before + 1


# --- looking ---


def keep(look: Look, checks: tuple[CheckStatus, ...]) -> Draft:
    """What the judgement found; a check that fails while the run is paused has failed until it goes on."""
    before = {check.name: check for check in look.draft.checks}
    if not look.run.paused_since:
        return replace(look.draft, checks=checks)
    kept = tuple(before[check.name] if before.get(check.name, check).verdict == "Fail" else check for check in checks)
    return replace(look.draft, checks=kept)
