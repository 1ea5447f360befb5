"""Releases that never happened: random traffic by totals per look, judged by the real judgement, thousands of times.

Requests arrive as a Poisson process and are split at random, so that good and bad ones of each version are independent
Poisson numbers in every look: a run of 60,000 requests costs what its 40 looks cost.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from serin.native.twin.draw import draw_level
from serin.objects.canary_status import CheckStatus, RunStatus
from serin.objects.views import CanaryCheck, CanaryRollout, CheckType
from serin.refs import Ref, Source
from serin.rollout.facts import BOUNDS_US, VersionCounts
from serin.rollout.judgement import freeze, judge, renewed, worst
from serin.rollout.observed import Observed
from serin.rollout.simulated_traffic import latencies

SOURCE = Source(Ref("CanaryRoute", "prod", "shop"), "spec.rollout")
LOOK = 15.0
RAMP = ((0.05, 150.0), (0.2, 150.0), (0.5, 150.0), (0.8, 150.0))
Rate = Callable[[float], float]
"""A part of 1, by seconds since the release began."""


def errors(ratio: float | None = 1.0, most: float | None = None, name: str = "errors") -> CanaryCheck:
    return CanaryCheck(name, CheckType.ERRORS, SOURCE, most=most, most_ratio=ratio)


def latency(ratio: float | None = 1.3, most: float | None = None, percentile: int = 95) -> CanaryCheck:
    return CanaryCheck("latency", CheckType.LATENCY, SOURCE, most=most, most_ratio=ratio, percentile=percentile)


def rollout(*checks: CanaryCheck, false_alarm: float = 0.05) -> CanaryRollout:
    return CanaryRollout("v2", SOURCE, baseline="v1", checks=checks, false_alarm=false_alarm)


def poisson(rng: random.Random, mean: float) -> int:
    """Exact below 40, else the normal distribution's rounding."""
    if mean >= 40:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    if mean <= 0:
        return 0
    count, left = 0, math.exp(-mean)
    product = rng.random()
    while product > left:
        count += 1
        product *= rng.random()
    return count


@dataclass
class Counted:
    """Of one version, in one step. `users`: those who got a bad answer."""

    good: int = 0
    bad: int = 0
    buckets: list[int] = field(default_factory=list)
    users: set[int] = field(default_factory=set)
    all_users: int = 0

    def seen(self) -> VersionCounts:
        return VersionCounts({200: self.good, 503: self.bad}, {}, tuple(self.buckets), (), self.all_users)


@dataclass(frozen=True)
class Look:
    """After a look: seconds since the release began, and the totals of the running step."""

    at: float
    share: float
    candidate: Counted
    baseline: Counted


Traffic = Callable[[random.Random, Counted, Counted, float, float], None]
"""Adds a look's requests to the candidate's and the baseline's counts; share and seconds since the beginning follow."""


def by_rates(rps: float, candidate: Rate, baseline: Rate) -> Traffic:
    def look(rng: random.Random, ours: Counted, theirs: Counted, share: float, at: float) -> None:
        for counted, part, rate in ((ours, share, candidate(at)), (theirs, 1 - share, baseline(at))):
            mean = rps * LOOK * part
            counted.bad += poisson(rng, mean * rate)
            counted.good += poisson(rng, mean * (1 - rate))

    return look


def by_latency(
    rps: float, candidate: Callable[[float], Sequence[float]], baseline: Callable[[float], Sequence[float]]
) -> Traffic:
    """`candidate`, `baseline`: the distribution over buckets by seconds since the release began."""

    def look(rng: random.Random, ours: Counted, theirs: Counted, share: float, at: float) -> None:
        for counted, part, parts in ((ours, share, candidate(at)), (theirs, 1 - share, baseline(at))):
            counted.buckets = counted.buckets or [0] * len(parts)
            mean = rps * LOOK * part
            for index, p in enumerate(parts):
                if p:
                    counted.buckets[index] += poisson(rng, mean * p)
            counted.good = sum(counted.buckets)

    return look


def looks(rng: random.Random, steps: Sequence[tuple[float, float]], traffic: Traffic) -> list[list[Look]]:
    """The looks of each step; `steps` are (share of the candidate, seconds)."""
    at, released = 0.0, list[list[Look]]()
    for share, seconds in steps:
        ours, theirs, found = Counted(), Counted(), list[Look]()
        for _ in range(round(seconds / LOOK)):
            traffic(rng, ours, theirs, share, at)
            at += LOOK
            found.append(Look(at, share, _copy(ours), _copy(theirs)))
        released.append(found)
    return released


def _copy(counted: Counted) -> Counted:
    return replace(counted, buckets=list(counted.buckets), users=set(counted.users))


@dataclass(frozen=True)
class Verdict:
    """`at`: seconds until the check failed, with so many requests of the candidate until then."""

    at: float
    requests: int


def judged(
    plan: CanaryRollout,
    released: Sequence[Sequence[Look]],
    warm: Observed | None = None,
    *,
    by_user: bool = False,
) -> Verdict | None:
    """When the release is found to be worse; None: never."""
    checks: tuple[CheckStatus, ...] = ()
    before = 0
    for number, step in enumerate(released, 1):
        checks = renewed(plan, checks)
        if warm is not None:
            checks = freeze(plan, checks, warm) or checks
        last = -1
        for look in step:
            # Without another bad answer of the candidate the evidence against it does not grow.
            if look.candidate.bad == last and look is not step[-1]:
                continue
            last = look.candidate.bad if not look.candidate.buckets else -1
            run = RunStatus(
                "0" * 16, "v2", "", "v1", number, len(released), round(look.share * 100_000), judged_since=1.0
            )
            seen = Observed(
                look.share,
                look.candidate.seen(),
                look.baseline.seen(),
                frozenset((user, 503) for user in look.candidate.users),
                frozenset((user, 503) for user in look.baseline.users),
            )
            checks = judge(plan, run, checks, seen, {}, look.at, by_user=by_user)
            if worst(checks) == "Fail":
                return Verdict(look.at, before + look.candidate.good + look.candidate.bad)
        before += step[-1].candidate.good + step[-1].candidate.bad
    return None


def most_allowed(chance: float, runs: int) -> float:
    """The part of runs that may fail when each does with `chance`: three standard deviations above."""
    return chance + 3 * math.sqrt(chance * (1 - chance) / runs)


# --- harmless releases, each in a way that has fooled somebody ---


def at(rate: float) -> Rate:
    return lambda seconds: rate


def outage(rate: float, begins: float, lasts: float, times: float = 20.0) -> Rate:
    """Of both versions: something that they share is broken for a while."""
    return lambda seconds: rate * times if begins <= seconds < begins + lasts else rate


def by_users(rng: random.Random, rps: float, broken: int, burst: int = 10, each: float = 0.1) -> Traffic:
    """Users keep their version, and some break whatever they touch: `burst` bad answers at a time, in a part `each` of
    the looks. A user who is on the candidate stays there while its share grows.
    """
    place = [rng.random() for _ in range(broken)]

    def look(rng: random.Random, ours: Counted, theirs: Counted, share: float, seconds: float) -> None:
        for counted, part in ((ours, share), (theirs, 1 - share)):
            counted.good += poisson(rng, rps * LOOK * part)
            counted.all_users = max(1, (counted.good + counted.bad) // burst)
        for user, bucket in enumerate(place):
            if rng.random() < each:
                counted = ours if bucket < share else theirs
                counted.bad += burst
                counted.users.add(user)

    return look


def by_cycle(rng: random.Random, rps: float, kinds: int) -> Traffic:
    """Requests come in a strict cycle of kinds, of which one always fails; versions by the real draw."""
    seed, failing, first = rng.getrandbits(64), rng.randrange(kinds), [0]

    def look(rng: random.Random, ours: Counted, theirs: Counted, share: float, seconds: float) -> None:
        weight, begin, end = round(share * 100), first[0], first[0] + round(rps * LOOK)
        mine = end * weight // 100 - begin * weight // 100
        ours.good += mine
        theirs.good += end - begin - mine
        for n in range(begin + (failing - begin) % kinds, end, kinds):
            hit, _ = draw_level(n, weight, 100, seed)
            counted = ours if hit else theirs
            counted.bad += 1
            counted.good -= 1
        first[0] = end

    return look


def slowness(times: float = 1.0) -> tuple[float, ...]:
    """Parts of all answers by bucket: lognormal around 50 ms."""
    found = [0.0] * (len(BOUNDS_US) + 1)
    for bucket, part in latencies(times):
        found[bucket] = part
    return tuple(found)


def slowed(begins: float, lasts: float, times: float) -> Callable[[float], Sequence[float]]:
    usual, slow = slowness(), slowness(times)
    return lambda seconds: slow if begins <= seconds < begins + lasts else usual


def warmed(rng: random.Random, share: float, requests: int = 120) -> Observed:
    """A warm-up just long enough: the threshold is as uncertain as it can be. One request in a hundred fails."""
    found = [poisson(rng, requests * part) for part in slowness()]
    found[50] += max(0, 100 - sum(found))
    drawn = {200: poisson(rng, requests * 0.99), 503: poisson(rng, requests * 0.01)}
    return Observed(share, baseline=VersionCounts(drawn, drawn_us=tuple(found)))
