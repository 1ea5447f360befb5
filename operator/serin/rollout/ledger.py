"""What a check remembers in status.checks[].logE: numbers alone, enough for another leader to go on as this one would.

Counts are cumulative and live in the replicas; the ledger has the totals as last seen, so that a replica that is gone,
or has begun anew, takes nothing away. It must not know what is counted.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from math import inf, isfinite, log

from serin.rollout.evidence import MOST, log_sum


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one check in one trial. `requests`, `bad`: drawn for the candidate; `others`: by rules or mirrored to it.

    For Latency `bad` is what took longer than the threshold of maxRatio, `over` what took longer than max.
    `baseline_every`: the baseline's bad requests where `baseline_bad` counts users.
    """

    requests: int = 0
    bad: int = 0
    baseline: int = 0
    baseline_bad: int = 0
    others: int = 0
    others_bad: int = 0
    over: int = 0
    others_over: int = 0
    baseline_every: int = 0

    @property
    def size(self) -> int:
        return self.requests + self.baseline + self.others

    def plus(self, other: "Tally") -> "Tally":
        return Tally(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def less(self, other: "Tally") -> "Tally":
        return Tally(*(max(0, a - b) for a, b in zip(astuple(self), astuple(other), strict=True)))


NOTHING = Tally()
_TALLY = len(fields(Tally))
_HEAD = 7
LEAST_WEIGHT = 1e-6


@dataclass(frozen=True, slots=True)
class Ledger:
    """`finished`: log of the weighted sum of the evidence of the steps that are over, `spent` the sum of their weights.

    `running`: log of the evidence of the running step, `weight` its weight. `baseline`, `baseline_bad`: requests of the
    baseline in the steps that are over. `held`: the evidence stands still since there was no room for more users.
    `total`: all of the running step; `lost`: the part of it that no replica has any more.
    """

    finished: float = -inf
    spent: float = 0.0
    running: float = 0.0
    weight: float = 0.0
    baseline: int = 0
    baseline_bad: int = 0
    held: bool = False
    total: Tally = NOTHING
    lost: Tally = NOTHING

    def see(self, tally: Tally, *, complete: bool = True) -> "Ledger":
        """With what the replicas say now.

        They say less than before: some are gone, and what they had is kept. They say as much by themselves: all are
        back. While some do not answer nothing is known to be lost, but what was seen goes on counting.
        """
        lost = self.lost
        if tally.size >= self.total.size:
            lost = NOTHING
        elif tally.size + lost.size < self.total.size:
            lost = self.total.less(tally)
        return replace(self, total=tally.plus(lost), lost=lost if complete else self.lost)

    def next_weight(self, step: int, steps: int) -> float:
        """What is left of 1 is shared evenly by this step and those to come: 1/steps, unless a step began anew or the
        steps were edited. The last one leaves a tenth, in case it begins anew.
        """
        left = max(1.0 - self.spent, LEAST_WEIGHT)
        return left * 0.9 if step >= steps else left / (steps - step + 1)

    def close(self) -> "Ledger":
        """The running step is over; closing it again changes nothing."""
        if self.weight == 0.0:
            return replace(self, running=0.0, held=False, total=NOTHING, lost=NOTHING)
        return Ledger(
            finished=log_sum((self.finished, log(self.weight) + self.running)),
            spent=min(self.spent + self.weight, 1.0),
            baseline=self.baseline + self.total.baseline,
            baseline_bad=self.baseline_bad + self.total.baseline_every,
        )

    def numbers(self) -> tuple[float, ...]:
        """At most 32 (status.checks[].logE), each of which must come back as it is."""
        head = (
            max(self.finished, -MOST),
            self.spent,
            self.running,
            self.weight,
            float(self.baseline),
            float(self.baseline_bad),
            float(self.held),
        )
        lost = astuple(self.lost) if self.lost != NOTHING else ()
        return (*head, *map(float, astuple(self.total)), *map(float, lost))


def read(numbers: Sequence[float]) -> Ledger:
    """An empty one for what no ledger has written."""
    if len(numbers) not in {_HEAD + _TALLY, _HEAD + 2 * _TALLY} or not all(map(isfinite, numbers)):
        return Ledger()
    finished, spent, running, weight, baseline, baseline_bad, held = numbers[:_HEAD]
    counts = [int(n) for n in numbers[_HEAD:]]
    if min(counts) < 0 or not (0 <= spent <= 1 and 0 <= weight <= 1):
        return Ledger()
    return Ledger(
        finished=-inf if finished <= -MOST else min(finished, MOST),
        spent=spent,
        running=min(running, MOST),
        weight=weight,
        baseline=int(baseline),
        baseline_bad=int(baseline_bad),
        held=bool(held),
        total=Tally(*counts[:_TALLY]),
        lost=Tally(*counts[_TALLY:]) if len(counts) > _TALLY else NOTHING,
    )
