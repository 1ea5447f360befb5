"""What counts as bad for a check, out of what was seen of a trial."""

from collections.abc import Mapping

from serin.objects.views import CanaryCheck, CheckType
from serin.rollout.facts import FAILED, NO_STATUS, VersionCounts
from serin.rollout.latency import rounded, slow
from serin.rollout.ledger import Tally
from serin.rollout.observed import Observed


def tally(check: CanaryCheck, threshold_us: int, seen: Observed, *, by_user: bool) -> Tally:
    """Of a check of Errors or Latency. `by_user`: answers of one user resemble each other (splitBy), so that a user is
    bad once, however often.
    """
    if check.type is CheckType.LATENCY:
        return _slow(check, threshold_us, seen)
    return _failed(check, seen, by_user=by_user)


def answers(counts: Mapping[int, int]) -> int:
    """Requests that had an outcome: those whose client left before are nobody's."""
    return sum(n for status, n in counts.items() if status != NO_STATUS)


def is_bad(status: int, statuses: tuple[str, ...]) -> bool:
    """`statuses`: codes and classes such as 5xx. An attempt without an answer is bad whatever they are."""
    return status == FAILED or str(status) in statuses or f"{status // 100}xx" in statuses


def requests_per_user(seen: Observed) -> float:
    """At least 1: the design effect of answers that are the same for all requests of a user."""
    users = seen.candidate.users + seen.baseline.users
    requests = sum(seen.candidate.drawn_us) + sum(seen.baseline.drawn_us)
    return max(1.0, requests / users) if users else 1.0


def _failed(check: CanaryCheck, seen: Observed, *, by_user: bool) -> Tally:
    def bad(counts: VersionCounts) -> int:
        return sum(n for status, n in counts.drawn.items() if is_bad(status, check.statuses))

    def users(noted: frozenset[tuple[int, int]]) -> int:
        return len({user for user, status in noted if is_bad(status, check.statuses)})

    return Tally(
        requests=answers(seen.candidate.drawn),
        bad=users(seen.bad_users) if by_user else bad(seen.candidate),
        baseline=answers(seen.baseline.drawn),
        baseline_bad=users(seen.baseline_bad_users) if by_user else bad(seen.baseline),
        others=answers(seen.candidate.other),
        others_bad=sum(n for status, n in seen.candidate.other.items() if is_bad(status, check.statuses)),
        extra=bad(seen.baseline),
    )


def _slow(check: CanaryCheck, threshold_us: int, seen: Observed) -> Tally:
    most_us = rounded(check.most * 1e6) if check.most is not None else 0
    requests, bad = slow(seen.candidate.drawn_us, threshold_us)
    baseline, baseline_bad = slow(seen.baseline.drawn_us, threshold_us)
    return Tally(
        requests=requests,
        bad=bad if threshold_us else 0,
        baseline=baseline,
        baseline_bad=baseline_bad if threshold_us else 0,
        others=sum(seen.candidate.other_us),
        others_bad=slow(seen.candidate.other_us, most_us)[1] if most_us else 0,
        extra=slow(seen.candidate.drawn_us, most_us)[1] if most_us else 0,
    )
