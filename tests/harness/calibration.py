"""Harmless releases by name, and how many of them the judgement takes back: shared by the short and the long test."""

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.releases import (
    RAMP,
    Traffic,
    at,
    by_cycle,
    by_latency,
    by_rates,
    by_users,
    errors,
    judged,
    latency,
    looks,
    outage,
    rollout,
    slowed,
    slowness,
    warmed,
)

from serin.objects.views import CanaryCheck

STILL = ((0.1, 600.0),)


@dataclass(frozen=True)
class Harmless:
    """`traffic` is made anew for each run. `warm`: the release has a Latency check, which needs a warm-up."""

    traffic: Callable[[random.Random], Traffic]
    steps: Sequence[tuple[float, float]] = STILL
    checks: tuple[CanaryCheck, ...] = (errors(1.0),)
    by_user: bool = False
    warm: bool = False

    def taken_back(self, runs: int, seed: int) -> int:
        """Of so many runs."""
        plan, found = rollout(*self.checks), 0
        for run in range(runs):
            rng = random.Random(seed * 1_000_003 + run)
            warm = warmed(rng, 0.1) if self.warm else None
            found += judged(plan, looks(rng, self.steps, self.traffic(rng)), warm, by_user=self.by_user) is not None
        return found


def _rates(rps: float, candidate: float, baseline: float) -> Callable[[random.Random], Traffic]:
    return lambda rng: by_rates(rps, at(candidate), at(baseline))


def _outage(begins: float, lasts: float) -> Callable[[random.Random], Traffic]:
    rate = outage(0.005, begins, lasts)
    return lambda rng: by_rates(10, rate, rate)


def _cycle(kinds: int) -> Callable[[random.Random], Traffic]:
    return lambda rng: by_cycle(rng, 10, kinds)


def _latency(rps: float, times: float) -> Callable[[random.Random], Traffic]:
    course = slowed(240, 120, times)
    return lambda rng: by_latency(rps, course, course)


def _at_limit(rng: random.Random) -> Traffic:
    slower, usual = slowness(1.3), slowness()
    return by_latency(20, lambda seconds: slower, lambda seconds: usual)


CASES: dict[str, Harmless] = {
    "few errors": Harmless(_rates(10, 0.005, 0.005)),
    "much traffic": Harmless(_rates(100, 0.01, 0.01)),
    "shared outage": Harmless(_outage(240, 120)),
    "weights that change": Harmless(_rates(10, 0.01, 0.01), RAMP),
    "outage at 50 %": Harmless(_outage(300, 150), RAMP),
    "as bad as allowed": Harmless(_rates(100, 0.0125, 0.01), checks=(errors(1.25),)),
    "as bad as max": Harmless(_rates(10, 0.05, 0.05), RAMP, (errors(None, 0.05),)),
    "watched at 100 %": Harmless(_rates(10, 0.01, 0.01), ((0.2, 300.0), (1.0, 600.0))),
    "all at once": Harmless(_rates(10, 0.01, 0.01), ((1.0, 600.0),), warm=True),
    "users who break everything": Harmless(lambda rng: by_users(rng, 10, 40), RAMP, by_user=True),
    "one user in a hundred": Harmless(lambda rng: by_users(rng, 10, 400, each=0.01), by_user=True),
    "cycle of 10 kinds": Harmless(_cycle(10), RAMP),
    "cycle of 34 kinds": Harmless(_cycle(34), RAMP),
    "cycle of 89 kinds": Harmless(_cycle(89), STILL),
    "shared slowness": Harmless(_latency(20, 3.0), STILL, (latency(1.3),), warm=True),
    "as slow as allowed": Harmless(_at_limit, STILL, (latency(1.3),), warm=True),
    "as slow as max": Harmless(_latency(20, 1.0), STILL, (latency(None, 0.0966),), warm=True),
    "two checks": Harmless(_latency(20, 2.0), RAMP, (errors(1.5, 0.05), latency(1.0)), warm=True),
}
_EACH_TIME = {"few errors", "weights that change", "one user in a hundred", "cycle of 89 kinds", "as slow as allowed"}


def at_length(*, warm: bool) -> list[str]:
    """The cases that 2,000 releases each are made of: with SOAK_SECONDS all, else some, for all take minutes."""
    names = CASES if "SOAK_SECONDS" in os.environ else _EACH_TIME
    return [name for name, case in CASES.items() if name in names and case.warm == warm]
