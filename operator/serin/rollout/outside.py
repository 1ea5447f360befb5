"""Checks that others answer (Prometheus, Webhook): no counts, so plain answers, and how many in a row have failed."""

from dataclasses import replace

from serin.objects.canary_status import CheckStatus
from serin.objects.views import CanaryCheck, CheckType
from serin.rollout.facts import OutsideResult
from serin.rollout.figures import count, decimal


def judge_outside(
    check: CanaryCheck, before: CheckStatus, answer: OutsideResult | None, since: float, requests: int
) -> CheckStatus:
    """Fails at failureThreshold failures in a row; passes with its last answer. Each answer counts once, by its time.

    `since`: answers from before count for nothing (warm-up, the step before); 0: still warming up. `requests`: the
    candidate's in this step, for minRequests.
    """
    status = replace(before, limit=_limit(check), requests=requests)
    if answer is not None and answer.at > before.checked_at:
        status = replace(status, candidate=answer.value, checked_at=answer.at, query=answer.query)
        if answer.at >= since > 0:
            failed = before.failures + 1 if answer.verdict == "Fail" else before.failures
            status = replace(status, failures=0 if answer.verdict == "Pass" else failed, message=answer.message)
            return _verdict(check, status, answer.verdict)
    if since == 0 or before.checked_at < since:
        return replace(status, verdict="NeedsData", failures=0, needs=0, message="not asked in this step yet")
    if before.needs:
        return _awaiting_requests(check, replace(status, message=before.message.partition("; needs about ")[0]))
    return status


def _verdict(check: CanaryCheck, status: CheckStatus, answered: str) -> CheckStatus:
    if status.failures >= check.failure_threshold:
        times = f"failed {status.failures} times one after the other" if status.failures > 1 else "failed"
        return replace(status, verdict="Fail", needs=0, message=_joined(times, status.message))
    if answered == "Fail":
        part = f"failed {status.failures} times of the {check.failure_threshold} that count"
        return replace(status, verdict="NeedsData", needs=0, message=_joined(part, status.message))
    if answered == "Pass":
        return _awaiting_requests(check, status)
    return replace(status, verdict="NeedsData", needs=0)


def _awaiting_requests(check: CanaryCheck, passed: CheckStatus) -> CheckStatus:
    lacking = max(0, check.min_requests - passed.requests)
    if not lacking:
        return replace(passed, verdict="Pass", needs=0)
    text = f"{passed.message or 'passed'}; needs about {count(lacking)} more requests"
    return replace(passed, verdict="NeedsData", needs=lacking, message=text)


def _joined(said: str, message: str) -> str:
    return f"{said}: {message}" if message else said


def _limit(check: CanaryCheck) -> str:
    if check.type is CheckType.WEBHOOK:
        return ""
    parts = []
    if check.least is not None:
        parts.append(f"at least {decimal(check.least)}")
    if check.most is not None:
        parts.append(f"at most {decimal(check.most)}")
    return ", ".join(parts)
