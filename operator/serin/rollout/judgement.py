"""Verdicts on a version from its own traffic: Pass, NeedsData or Fail for each check, with the reason in a sentence.

Fail: the evidence reached what falseAlarm allows, shared by all checks that have evidence; a harmless release comes
there with at most that chance in a whole run, however often it is looked at. NeedsData: too few requests, or they look
worse than allowed and more will tell. All memory is in CheckStatus.log_e (serin.rollout.ledger): no state, no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import exp

from serin.objects.canary_status import CheckStatus, RunStatus
from serin.objects.views import CanaryCheck, CanaryRollout, CheckType
from serin.rollout import figures, latency, ledger
from serin.rollout.counting import answers, requests_per_user, tally
from serin.rollout.facts import OutsideResult
from serin.rollout.observed import Observed
from serin.rollout.outside import judge_outside
from serin.rollout.step_evidence import Setting, carried, evidence, sums
from serin.rollout.verdicts import Finding, verdict

AHEAD = 300.0
"""Seconds that the clock of another leader may be ahead; an answer from later than that was dated by a wrong clock."""


def worst(checks: tuple[CheckStatus, ...]) -> str:
    """Fail before NeedsData before None (not looked at yet) before Pass; None without checks."""
    found = {check.verdict for check in checks}
    return next((text for text in ("Fail", "NeedsData", "None", "Pass") if text in found), "None")


def renewed(rollout: CanaryRollout, before: tuple[CheckStatus, ...]) -> tuple[CheckStatus, ...]:
    """The checks as a step begins with them: nothing counted; what the steps before told is kept. `before` is empty
    when a run begins.
    """
    found = {check.name: check for check in before}
    return tuple(_renewed(rollout, check, found.get(check.name)) for check in rollout.checks)


def _renewed(rollout: CanaryRollout, check: CanaryCheck, before: CheckStatus | None) -> CheckStatus:
    if before is None or check.type.outside:
        return CheckStatus(check.name, checked_at=before.checked_at if before is not None else 0.0)
    book = ledger.read(before.log_e, carried(check))
    setting = Setting(check, before.threshold_us, by_user=False, chance=_chance(rollout))
    closed = book.closed(sums(setting, book) if book.weight else book.carried)
    return CheckStatus(check.name, threshold_us=before.threshold_us, log_e=closed.numbers())


def freeze(rollout: CanaryRollout, checks: tuple[CheckStatus, ...], warm: Observed) -> tuple[CheckStatus, ...] | None:
    """The checks as the judged part of a step begins with them: a Latency check with maxRatio has its threshold, from
    what the baseline did during the warm-up, before anything that is judged was seen. None: not known yet, and there is
    nothing else to be judged. Beside Errors it waits alone, and the step's counts begin anew when it is known.

    Where the baseline is too quiet, or has no traffic any more, the threshold of the step before holds. What failed on
    the baseline in the meantime is kept, for steps in which it has no traffic.
    """
    found, before = [], {status.name: status for status in checks}
    others = any(check.type is CheckType.ERRORS for check in rollout.checks)
    for check, status in zip(rollout.checks, renewed(rollout, checks), strict=True):
        if check.type is not CheckType.LATENCY or check.most_ratio is None:
            counted = _is_counted(check, before.get(check.name))
            found.append(status if counted else _with_baseline(check, status, warm))
            continue
        threshold = latency.threshold(warm.baseline.drawn_us, check.percentile, check.most_ratio)
        if threshold is None and not status.threshold_us and 0 < warm.share < 1 and not others:
            return None
        found.append(replace(status, threshold_us=threshold or status.threshold_us))
    return tuple(found)


def _is_counted(check: CanaryCheck, before: CheckStatus | None) -> bool:
    """Whether these requests of the baseline are in the ledger already, or the check has none."""
    known = before is not None and ledger.read(before.log_e, carried(check)).weight > 0
    return known or check.type is not CheckType.ERRORS


def _with_baseline(check: CanaryCheck, status: CheckStatus, warm: Observed) -> CheckStatus:
    counts = tally(check, 0, warm, by_user=False)
    book = ledger.read(status.log_e, carried(check))
    known = replace(book, baseline=book.baseline + counts.baseline, baseline_bad=book.baseline_bad + counts.extra)
    return replace(status, log_e=known.numbers())


@dataclass(frozen=True, slots=True)
class _Step:
    """What all checks of a look share."""

    rollout: CanaryRollout
    run: RunStatus
    seen: Observed
    by_user: bool


def _chance(rollout: CanaryRollout) -> float:
    """falseAlarm, shared evenly by the checks that have evidence."""
    return rollout.false_alarm / max(sum(not check.type.outside for check in rollout.checks), 1)


def judge(
    rollout: CanaryRollout,
    run: RunStatus,
    checks: tuple[CheckStatus, ...],
    seen: Observed,
    outside: Mapping[str, OutsideResult],
    now: float,
    *,
    by_user: bool,
) -> tuple[CheckStatus, ...]:
    """One status for each check of the rollout, in its order. `seen`: of the trial of this moment; `now` as in status.

    `by_user`: a user stays with a version (`splitBy` is not Request), and answers of one user resemble each other.
    """
    known = {status.name: status for status in checks}
    step = _Step(rollout, run, seen, by_user)
    found = []
    for check in rollout.checks:
        before = known.get(check.name, CheckStatus(check.name))
        if check.type.outside:
            if before.checked_at > now + AHEAD:
                before = replace(before, checked_at=0.0)
            requests = answers(seen.candidate.drawn if run.weight else seen.candidate.other)
            answer = outside.get(check.name)
            found.append(judge_outside(check, before, answer, min(run.judged_since, now), requests))
        elif not run.judged_since:
            found.append(_warming_up(step, check, before))
        else:
            found.append(_judged(step, check, before))
    return tuple(found)


def _warming_up(step: _Step, check: CanaryCheck, before: CheckStatus) -> CheckStatus:
    """Nothing counts yet; tells what is waited for, where it is more than time."""
    status = replace(before, verdict="NeedsData", needs=0, message="warming up: nothing is judged yet")
    had = sum(step.seen.baseline.drawn_us)
    if not is_unknown(check, before) or not 0 < step.seen.share < 1 or had >= latency.ENOUGH:
        return status
    return _awaiting_threshold(step, before)


def is_unknown(check: CanaryCheck, status: CheckStatus) -> bool:
    """Whether what is slow is still to be learned from the baseline."""
    return check.type is CheckType.LATENCY and check.most_ratio is not None and not status.threshold_us


def _awaiting_threshold(step: _Step, before: CheckStatus) -> CheckStatus:
    lacking = max(1, latency.ENOUGH - sum(step.seen.baseline.drawn_us))
    text = f"to know the latency of {step.run.baseline} takes about {lacking} more of its requests"
    return replace(before, verdict="NeedsData", needs=lacking, message=text)


def _judged(step: _Step, check: CanaryCheck, before: CheckStatus) -> CheckStatus:
    if is_unknown(check, before) and 0 < step.seen.share < 1:
        return _awaiting_threshold(step, before)
    threshold = before.threshold_us or _late_threshold(step, check)
    setting = Setting(check, threshold, step.by_user, _chance(step.rollout))
    counts = tally(check, threshold, step.seen, by_user=step.by_user)
    full = step.seen.full and step.by_user and check.type is CheckType.ERRORS
    book = ledger.read(before.log_e, carried(check)).see(counts, complete=step.seen.complete, full=full)
    per_user = requests_per_user(step.seen) if step.by_user else 1.0
    book = book.begun(step.run.step, step.run.steps, step.seen.share, per_user)
    total = evidence(setting, book)
    told = verdict(Finding(setting, step.run, step.seen, book, total))
    # Told so that it can be held against 1 / falseAlarm, whatever the number of checks.
    shown = figures.evidence(exp(min(total, 30.0)) * setting.chance / step.rollout.false_alarm)
    return replace(told, threshold_us=threshold, evidence=shown, log_e=book.numbers())


def _late_threshold(step: _Step, check: CanaryCheck) -> int:
    """At 0 % nothing is compared, and a threshold is only learned for the steps to come, as for a check that has come
    to a running step.
    """
    if check.type is not CheckType.LATENCY or check.most_ratio is None:
        return 0
    return latency.threshold(step.seen.baseline.drawn_us, check.percentile, check.most_ratio) or 0
