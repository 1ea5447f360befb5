"""Requests that nobody sent: random numbers of good and bad, fast and slow answers, counted as the data planes count.

The same seed gives the same requests. Arrivals are a Poisson process; latencies are lognormal around 50 ms.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from math import cos, erf, exp, log, pi, sqrt

from serin.objects.canary_status import WHOLE
from serin.objects.views import CanaryRoute
from serin.rollout.facts import BOUNDS_US, TrialCounts, VersionCounts
from serin.rollout.standing import Standing, shares
from serin.routing.user_split import mix64

_GOLDEN = 0x9E3779B97F4A7C15
MEDIAN_US, SPREAD = 50_000, 0.4
PER_USER = 10
"""Requests of a user, where users keep their version."""
MOST_USERS = 4096
BY_RULES = 0.05
"""At 0 %, the part of all requests that rules bring to the version, where there are any."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """`rps`: requests in a second, of all versions together. Rates of errors are parts of 1."""

    rps: float
    error_rate: float
    baseline_error_rate: float
    latency_factor: float = 1.0


class Dice:
    """SplitMix64 by counting (Steele, Lea, Flood 2014)."""

    def __init__(self, seed: int) -> None:
        self._state = mix64(seed & ((1 << 64) - 1))

    def uniform(self) -> float:
        """Above 0, below 1."""
        self._state = (self._state + _GOLDEN) & ((1 << 64) - 1)
        return ((mix64(self._state) >> 12) + 0.5) / (1 << 52)

    def poisson(self, mean: float) -> int:
        """Exact below 40, else the normal distribution's rounding."""
        if mean >= 40:
            normal = sqrt(-2 * log(self.uniform())) * cos(2 * pi * self.uniform())
            return max(0, round(mean + sqrt(mean) * normal))
        count, product, left = 0, self.uniform(), exp(-mean)
        while product > left:
            count += 1
            product *= self.uniform()
        return count


def latencies(factor: float) -> tuple[tuple[int, float], ...]:
    """(bucket, part of all answers), those that are met at all."""

    def below(us: float) -> float:
        return (1 + erf(log(us / (MEDIAN_US * factor)) / (SPREAD * sqrt(2)))) / 2

    edges = [0.0, *(below(us) for us in BOUNDS_US), 1.0]
    parts = [(i, b - a) for i, (a, b) in enumerate(pairwise(edges)) if b - a > 1e-4]
    total = sum(part for _, part in parts)
    return tuple((i, part / total) for i, part in parts)


@dataclass
class _Version:
    good: int = 0
    bad: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_US) + 1))


class Requests:
    """What one data plane would have counted. `failed`, `sent`: of the candidate, since the beginning."""

    def __init__(self, view: CanaryRoute, traffic: Traffic, seed: int) -> None:
        assert view.rollout is not None
        self._traffic, self._dice = traffic, Dice(seed)
        self._weights = [version.weight for version in view.versions]
        self._latencies = latencies(1.0), latencies(traffic.latency_factor)
        self._sticky = view.keeps_users
        self._by_rules = any(rule.version == view.rollout.version for rule in view.rules)
        self._trial = ""
        self.sent = self.failed = 0
        self._begin("")

    def _begin(self, trial: str) -> None:
        self._trial = trial
        self._drawn = [_Version() for _ in self._weights]
        self._other = [_Version() for _ in self._weights]
        self._users: set[tuple[int, int, int]] = set()

    def pass_by(self, standing: Standing, seconds: float) -> None:
        """The requests of so many seconds in which the shares were these."""
        if standing.trial != self._trial:
            self._begin(standing.trial)
        weights, total = shares(self._weights, standing.candidate, standing.weight)
        mean = self._traffic.rps * seconds
        for place, weight in enumerate(weights):
            self._add(self._drawn[place], place, standing, mean * weight / total, drawn=True)
        if standing.weight == 0 and not standing.suspended:
            part = standing.mirror / WHOLE + (BY_RULES if self._by_rules else 0.0)
            self._add(self._other[standing.candidate], standing.candidate, standing, mean * part, drawn=False)

    def _add(self, counts: _Version, place: int, standing: Standing, mean: float, *, drawn: bool) -> None:
        if mean <= 0:
            return
        ours = place == standing.candidate
        rate = self._traffic.error_rate if ours else self._traffic.baseline_error_rate
        bad, good = self._dice.poisson(mean * rate), self._dice.poisson(mean * (1 - rate))
        counts.bad += bad
        counts.good += good
        for bucket, part in self._latencies[ours]:
            counts.buckets[bucket] += self._dice.poisson((bad + good) * part)
        if ours:
            self.sent, self.failed = self.sent + good + bad, self.failed + bad
        if self._sticky and drawn:
            users = max(1, (counts.good + counts.bad) // PER_USER)
            for _ in range(min(bad, MOST_USERS - len(self._users))):
                self._users.add((int(self._dice.uniform() * users), place, 503))

    def counts(self) -> tuple[str, TrialCounts]:
        """The trial that they belong to, and its counts."""
        versions = tuple(
            VersionCounts(
                {200: drawn.good, 503: drawn.bad},
                {200: other.good, 503: other.bad},
                tuple(drawn.buckets),
                tuple(other.buckets),
                (drawn.good + drawn.bad) // PER_USER if self._sticky else 0,
            )
            for drawn, other in zip(self._drawn, self._other, strict=True)
        )
        return self._trial, TrialCounts(versions, frozenset(self._users), full=len(self._users) >= MOST_USERS)
