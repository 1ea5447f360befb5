"""How soon a bad release is found, and how often a good one is taken for bad: three rules on the same random traffic.

The judgement (serin.rollout), a z-test of the totals repeated at every look, and windows of a minute with more than 1 %
of errors, five of which fail (as Flagger counts them). 10 minutes, a look every 15 s, falseAlarm 5 %, maxRatio 1 unless
said. Bars: harmless releases fail in at most 5 % of runs and three standard deviations.
"""

import argparse
import math
import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from harness.releases import (
    LOOK,
    RAMP,
    Look,
    Traffic,
    Verdict,
    at,
    by_rates,
    errors,
    judged,
    looks,
    most_allowed,
    outage,
    rollout,
)


@dataclass(frozen=True)
class Case:
    name: str
    harmless: bool
    steps: Sequence[tuple[float, float]]
    traffic: Traffic
    ratio: float = 1.0


def cases() -> list[Case]:
    def share_of(share: float) -> tuple[tuple[float, float], ...]:
        return ((share, 600.0),)

    half, spiked = at(0.005), outage(0.005, 240, 120)
    ramped = outage(0.005, 300, 150)
    return [
        Case("harmless, 0.5 % both, 10 %, 10 rps", True, share_of(0.1), by_rates(10, half, half)),
        Case("harmless, 1 % both, 10 %, 100 rps", True, share_of(0.1), by_rates(100, at(0.01), at(0.01))),
        Case("harmless, shared outage x20 for 2 min, 10 rps", True, share_of(0.1), by_rates(10, spiked, spiked)),
        Case("harmless, 5-20-50-80 %, outage at 50 %, 10 rps", True, RAMP, by_rates(10, ramped, ramped)),
        Case("at the limit, ratio 1.25, 100 rps", True, share_of(0.1), by_rates(100, at(0.0125), at(0.01)), 1.25),
        Case("0.5 -> 2.5 %, 10 rps, 10 %", False, share_of(0.1), by_rates(10, at(0.025), half)),
        Case("0.5 -> 2.5 %, 100 rps, 10 %", False, share_of(0.1), by_rates(100, at(0.025), half)),
        Case("0.5 -> 20 %, 10 rps, 5 %", False, share_of(0.05), by_rates(10, at(0.2), half)),
        Case("0.5 -> 20 %, 1 rps, 5 %", False, share_of(0.05), by_rates(1, at(0.2), half)),
        Case("0.1 -> 0.3 %, 100 rps, 20 %", False, share_of(0.2), by_rates(100, at(0.003), at(0.001))),
        Case("1 -> 5 %, 10 rps, 5-20-50-80 %", False, RAMP, by_rates(10, at(0.05), at(0.01))),
        Case("1 -> 2 %, ratio 1.25, 10 rps, 5-20-50-80 %", False, RAMP, by_rates(10, at(0.02), at(0.01)), 1.25),
    ]


def z_test(released: Sequence[Sequence[Look]], ratio: float) -> Verdict | None:
    """Totals since the beginning, whatever the shares were; one-sided at 5 %, each look as if it were the only one."""
    n, x, m, y = 0, 0, 0, 0
    for step in released:
        for look in step:
            ours, theirs = look.candidate, look.baseline
            requests, bad = n + ours.good + ours.bad, x + ours.bad
            others, theirs_bad = m + theirs.good + theirs.bad, y + theirs.bad
            pooled = (bad + theirs_bad) / max(requests + others, 1)
            if requests and others and 0 < pooled < 1 and bad:
                spread = math.sqrt(pooled * (1 - pooled) * (1 / requests + 1 / others))
                if (bad / requests - theirs_bad / others) / spread > 1.645:
                    return Verdict(look.at, requests)
        n, x, m, y = requests, bad, others, theirs_bad
    return None


def windows(released: Sequence[Sequence[Look]], ratio: float) -> Verdict | None:
    """Every look asks for the candidate's rate in the last minute; more than 1 % is a failure, the fifth is the end."""
    failures, requests, kept = 0, 0, list[tuple[int, int]]()
    for step in released:
        n, x = 0, 0
        for look in step:
            ours = look.candidate
            kept = [*kept, (ours.good + ours.bad - n, ours.bad - x)][-round(60 / LOOK) :]
            n, x = ours.good + ours.bad, ours.bad
            requests += kept[-1][0]
            if sum(bad for _, bad in kept) > 0.01 * sum(of for of, _ in kept):
                failures += 1
            if failures == 5:
                return Verdict(look.at, requests)
    return None


def ours(released: Sequence[Sequence[Look]], ratio: float) -> Verdict | None:
    return judged(rollout(errors(ratio)), released)


RULES = (("Serin", ours), ("z-test", z_test), ("windows", windows))


def cell(found: Sequence[Verdict], runs: int) -> str:
    if not found:
        return "0 %"
    seconds = statistics.median(verdict.at for verdict in found)
    return f"{100 * len(found) / runs:5.1f} % {seconds:5.0f} s {statistics.median(v.requests for v in found):6.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{options.runs} runs; failed, and of those: median seconds, median requests of the new version until then")
    print(f"{'':<48}" + "".join(f"{name:<26}" for name, _ in RULES))
    missed = False
    for case in cases():
        rng = random.Random(options.seed)
        released = [looks(rng, case.steps, case.traffic) for _ in range(options.runs)]
        found = {name: [v for run in released if (v := rule(run, case.ratio)) is not None] for name, rule in RULES}
        bad = case.harmless and len(found["Serin"]) / options.runs > most_allowed(0.05, options.runs)
        missed = missed or bad
        row = "".join(f"{cell(found[name], options.runs):<26}" for name, _ in RULES)
        print(f"{case.name:<48}{row}{'MISSED' if bad else ''}", flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
