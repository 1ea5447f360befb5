"""Whether a status is worth a write: at once when something happened, and every 30 seconds for numbers alone."""

from dataclasses import replace

from serin.objects.canary_status import CanaryStatus, CheckStatus

NUMBERS_EVERY = 30.0
"""Seconds."""


def is_worth_writing(before: CanaryStatus | None, after: CanaryStatus, since: float) -> bool:
    """`since`: seconds since the last write."""
    if before is None or _without_numbers(before) != _without_numbers(after):
        return True
    return before != after and since >= NUMBERS_EVERY


def _without_numbers(status: CanaryStatus) -> CanaryStatus:
    """Texts that have numbers in them count as numbers: what they tell of is told by a reason, too. So do endpoints,
    as long as there is one: while Pods are replaced their number is another each second.
    """
    return replace(
        status,
        message="",
        weights=tuple(replace(version, ready=min(version.ready, 1)) for version in status.weights),
        checks=tuple(_bare(check) for check in status.checks),
        conditions=tuple(replace(condition, message="") for condition in status.conditions),
    )


def _bare(check: CheckStatus) -> CheckStatus:
    return CheckStatus(
        check.name, check.verdict, threshold_us=check.threshold_us, limit=check.limit, failures=check.failures
    )
