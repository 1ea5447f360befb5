"""The evidence of one check in one step, from the totals of its trial: which e-processes apply, and how they combine.

Rules of the sums: a mean of e-processes holds against "both limits are kept"; the smaller of two against "at least one
of the two is kept".
"""

from dataclasses import dataclass
from math import log

from serin.objects.views import CanaryCheck, CheckType
from serin.rollout.evidence import absolute, log_mean, relative, upper_bound
from serin.rollout.ledger import Ledger, Tally

BOUND_PART = 0.1
"""The part of the allowed error that is spent on the upper bound of the baseline's rate where none is concurrent."""


@dataclass(frozen=True, slots=True)
class Setting:
    """`share` as in Observed. `per_user`: mean requests of a user, 1 where each is drawn by itself.

    `most_at_full`: what Errors are held against when no baseline is concurrent and there is no max; 0: not known.
    """

    share: float
    threshold_us: int = 0
    per_user: float = 1.0
    by_user: bool = False
    most_at_full: float = 0.0


def allowed_at_full(check: CanaryCheck, book: Ledger, chance: float, per_user: float) -> float:
    """maxRatio times what the baseline's rate was at most in the steps that are over."""
    if check.type is not CheckType.ERRORS or check.most_ratio is None or not book.baseline:
        return 0.0
    bound = upper_bound(book.baseline / per_user, book.baseline_bad / per_user, chance * BOUND_PART)
    return min(1.0, check.most_ratio * bound)


def step_evidence(check: CanaryCheck, counts: Tally, setting: Setting) -> float:
    """log E of the step; 0 where there is nothing to hold the counts against."""
    parts = _slowness(check, counts, setting) if check.type is CheckType.LATENCY else _failures(check, counts, setting)
    return log_mean(parts) if parts else 0.0


def _failures(check: CanaryCheck, counts: Tally, setting: Setting) -> list[float]:
    parts = []
    if check.most_ratio is not None and 0 < setting.share < 1:
        parts.append(relative(setting.share, check.most_ratio, counts.bad, counts.baseline_bad))
    if check.most is not None:
        # Users of requests by rules are not told apart: where answers resemble each other, those count at 0 % alone.
        others = not setting.by_user or setting.share == 0
        requests = counts.requests + (counts.others if others else 0)
        parts.append(absolute(check.most, requests, counts.bad + (counts.others_bad if others else 0)))
    elif setting.share == 1 and setting.most_at_full:
        parts.append(log(1 - BOUND_PART) + absolute(setting.most_at_full, counts.requests, counts.bad))
    return parts


def _slowness(check: CanaryCheck, counts: Tally, setting: Setting) -> list[float]:
    """For maxRatio the candidate must be slow both more often than the baseline (which shared slowness is not) and more
    often than the percentile allows: by either alone it might still be within maxRatio.
    """
    most, each = 1 - check.percentile / 100, setting.per_user
    parts = []
    if check.most_ratio is not None and setting.threshold_us and setting.share > 0:
        own = absolute(most, counts.requests / each, counts.bad / each)
        if setting.share < 1:
            own = min(own, relative(setting.share, 1.0, counts.bad / each, counts.baseline_bad / each))
        parts.append(own)
    if check.most is not None:
        others = not setting.by_user or setting.share == 0
        requests = counts.requests + (counts.others if others else 0)
        over = counts.over + (counts.others_over if others else 0)
        parts.append(absolute(most, requests / each, over / each))
    return parts
