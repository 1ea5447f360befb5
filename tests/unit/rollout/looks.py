"""One look of the judgement at counts that a test gives."""

from dataclasses import replace

from harness.releases import rollout

from serin.objects.canary_status import CheckStatus, RunStatus
from serin.objects.views import CanaryCheck
from serin.rollout.facts import VersionCounts
from serin.rollout.judgement import freeze, judge
from serin.rollout.observed import Observed

RUN = RunStatus("0" * 16, "v2", "1.8.2", "v1", 2, 4, 25_000, judged_since=1000.0)


def answers(good: int, bad: int, status: int = 503) -> VersionCounts:
    return VersionCounts({200: good, status: bad})


def seen(ours: VersionCounts, theirs: VersionCounts, share: float = 0.25) -> Observed:
    return Observed(share, ours, theirs, reachable=True)


def look(
    check: CanaryCheck,
    found: Observed,
    run: RunStatus = RUN,
    before: CheckStatus | None = None,
    by_user: bool = False,
    others: tuple[CanaryCheck, ...] = (),
) -> CheckStatus:
    plan = rollout(check, *others)
    return judge(plan, run, () if before is None else (before,), found, {}, 1100.0, by_user=by_user)[0]


def timed(fast: int, slow: int) -> VersionCounts:
    """Fast answers take about 50 ms, slow ones about 400."""
    counts = [0] * 97
    counts[45], counts[60] = fast, slow
    return VersionCounts({200: fast + slow}, drawn_us=tuple(counts))


PREVIEW = replace(RUN, step=1, weight=0)
FULL = replace(RUN, step=3, steps=3, weight=100_000)


def users(*ids: int) -> frozenset[tuple[int, int]]:
    return frozenset((user, 503) for user in ids)


def warmed(fast: int = 950, slow: int = 50, share: float = 0.25) -> Observed:
    return Observed(share, baseline=timed(fast, slow))


def frozen(check: CanaryCheck) -> CheckStatus:
    checks = freeze(rollout(check), (), warmed(1000, 0))
    assert checks is not None
    return checks[0]
