"""The evidence of one check, from the totals of a step's trial: which e-processes apply, and how they combine.

Rules of the sums: a mean of e-processes holds against "both limits are kept"; the smaller of two against "at least one
of the two is kept".
"""

from dataclasses import dataclass, replace
from math import inf, log

from serin.objects.views import CanaryCheck, CheckType
from serin.rollout.evidence import ABOVE_BY, LIKELY, WORSE_BY, absolute, go_on, log_mean, relative, upper_bound
from serin.rollout.ledger import Ledger, Tally

BOUND_PART = 0.1
"""The part of the allowed error that is spent on the upper bound of the baseline's rate where none is concurrent."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a check's counts are held against in a step. `chance`: the error that the check may make in a whole run."""

    check: CanaryCheck
    threshold_us: int
    by_user: bool
    chance: float


def carried(check: CanaryCheck) -> int:
    """How many logarithms a check carries from step to step."""
    ratio, most = check.most_ratio is not None, check.most is not None
    own = len(WORSE_BY) + (len(ABOVE_BY) if check.type is CheckType.LATENCY else 0)
    return own * ratio + len(ABOVE_BY) * most


def most_at_full(setting: Setting, book: Ledger) -> float:
    """What Errors are held against when no baseline is concurrent and there is no max: maxRatio times what the
    baseline's rate was at most in the steps that are over and in warm-ups. 0: it was not measured.
    """
    check = setting.check
    if check.type is not CheckType.ERRORS or check.most_ratio is None or not book.baseline:
        return 0.0
    requests, bad = book.baseline / book.per_user, book.baseline_bad / book.per_user
    return min(1.0, check.most_ratio * upper_bound(requests, bad, setting.chance * BOUND_PART))


def sums(setting: Setting, book: Ledger) -> tuple[float, ...]:
    """As many logarithms as are carried, with the running step in them; the ledger has its weight.

    Where answers of one user resemble each other a step stands for itself (Bonferroni): its users are in the next, too.
    """
    return go_on(() if setting.by_user else book.carried, book.weight, _running(setting, book.total, book))


def evidence(setting: Setting, book: Ledger) -> float:
    """log E of the run: it fails at log(1 / chance)."""
    return log_mean(_by_limit(setting, book))


def leaning(setting: Setting, book: Ledger) -> float:
    """log E of the running step as if it were the only one, by that limit which it speaks against most."""
    return max(_by_limit(setting, replace(book, carried=(), weight=1.0)))


def _by_limit(setting: Setting, book: Ledger) -> list[float]:
    """log E by limit: for maxRatio, for max."""
    check, logs, parts = setting.check, sums(setting, book), list[float]()
    if check.most_ratio is not None:
        parts.append(_compared(logs, check) if book.share < 1 else _full(setting, book))
    if check.most is not None:
        parts.append(log_mean(logs[-len(ABOVE_BY) :]))
    return parts


def _compared(logs: tuple[float, ...], check: CanaryCheck) -> float:
    worse = log_mean(logs[: len(WORSE_BY)], LIKELY)
    if check.type is CheckType.ERRORS:
        return worse
    # Slow both more often than the baseline, which shared slowness is not, and than the percentile allows: by either
    # alone it might still be within maxRatio.
    return min(worse, log_mean(logs[len(WORSE_BY) : len(WORSE_BY) + len(ABOVE_BY)]))


def _running(setting: Setting, counts: Tally, book: Ledger) -> tuple[float, ...]:
    check, each = setting.check, book.per_user if setting.check.type is CheckType.LATENCY else 1.0
    logs: tuple[float, ...] = ()
    if check.most_ratio is not None and check.type is CheckType.ERRORS:
        logs += relative(book.share, check.most_ratio, counts.bad, counts.baseline_bad)
    elif check.most_ratio is not None:
        concurrent = 0 < book.share < 1 and setting.threshold_us > 0
        requests, bad, theirs = counts.requests / each, counts.bad / each, counts.baseline_bad / each
        logs += relative(book.share if concurrent else 0.0, 1.0, bad, theirs)
        logs += absolute(_slow_part(check), requests if concurrent else 0.0, bad)
    if check.most is not None:
        # Users of requests by rules are not told apart: where answers resemble each other, those count at 0 % alone.
        others = not setting.by_user or book.share == 0
        requests = counts.requests + (counts.others if others else 0)
        drawn_bad, most = (
            (counts.extra, _slow_part(check)) if check.type is CheckType.LATENCY else (counts.bad, check.most)
        )
        bad = drawn_bad + (counts.others_bad if others else 0)
        logs += absolute(most, requests / each, bad / each)
    return logs


def _full(setting: Setting, book: Ledger) -> float:
    """At 100 %, with nothing to compare with at the time; of this step alone.

    Not before minRequests: nothing tells a moment's hiccup of all from a fault of the version.
    """
    counts = book.total
    if counts.requests < setting.check.min_requests:
        return log(book.weight)
    if setting.check.type is CheckType.LATENCY:
        each = book.per_user
        most = _slow_part(setting.check) if setting.threshold_us else 1.0
        return log(book.weight) + log_mean(absolute(most, counts.requests / each, counts.bad / each))
    if setting.check.most is not None:
        return -inf  # max holds them alone.
    known = most_at_full(setting, book) or 1.0
    return log(book.weight) + log(1 - BOUND_PART) + log_mean(absolute(known, counts.requests, counts.bad))


def _slow_part(check: CanaryCheck) -> float:
    """How many answers may be slower than the percentile: a part of 1."""
    return 1 - check.percentile / 100
