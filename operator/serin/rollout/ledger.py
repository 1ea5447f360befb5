"""What a check remembers in status.checks[].logE: numbers alone, enough for another leader to go on as this one would.

Counts are cumulative and live in the replicas; the ledger has the totals as last seen, so that a replica that is gone,
or has begun anew, takes nothing away. It must not know what is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite

from serin.rollout.evidence import MOST


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one check in one trial. `requests`, `bad`: drawn for the candidate; `others`: by rules or mirrored to it.

    For Latency `bad`, `baseline_bad` took longer than the threshold of maxRatio, `extra` (drawn) and `others_bad`
    longer than max. For Errors `extra` has the baseline's bad requests each by itself, where `baseline_bad` has users.
    """

    requests: int = 0
    bad: int = 0
    baseline: int = 0
    baseline_bad: int = 0
    others: int = 0
    others_bad: int = 0
    extra: int = 0

    @property
    def size(self) -> int:
        return self.requests + self.baseline + self.others

    def numbers(self) -> tuple[int, ...]:
        return (
            self.requests,
            self.bad,
            self.baseline,
            self.baseline_bad,
            self.others,
            self.others_bad,
            self.extra,
        )

    def plus(self, other: "Tally") -> "Tally":
        return Tally(*(a + b for a, b in zip(self.numbers(), other.numbers(), strict=True)))

    def less(self, other: "Tally") -> "Tally":
        return Tally(*(max(0, a - b) for a, b in zip(self.numbers(), other.numbers(), strict=True)))


NOTHING = Tally()
LEAST_WEIGHT = 1e-6
MOST_NUMBERS = 40
"""That a status has room for."""
_TALLY = len(NOTHING.numbers())
_HEAD = 7


@dataclass(frozen=True, slots=True)
class Ledger:
    """`carried`: logs of the evidence of the steps that are over (serin.rollout.evidence.go_on), `spent` the weights.

    `weight`, `share`, `per_user`: of the running step: its weight, the candidate's part of its requests, the mean
    requests of a user. `total`: what was counted in it; `lost`: the part of it that no replica has any more; `held`: it
    stands still since there was no room to tell more users apart. `baseline`, `baseline_bad`: requests of the baseline
    in the steps that are over, and in warm-ups.
    """

    carried: tuple[float, ...] = ()
    spent: float = 0.0
    weight: float = 0.0
    share: float = 0.0
    per_user: float = 1.0
    held: bool = False
    baseline: int = 0
    baseline_bad: int = 0
    total: Tally = NOTHING
    lost: Tally = NOTHING

    def see(self, tally: Tally, *, complete: bool = True, full: bool = False) -> "Ledger":
        """With what the replicas say now.

        They say less than before: some are gone, and what they had is kept. They say as much by themselves: all are
        back. While some do not answer nothing is known to be lost, but what was seen goes on counting. `full`: from now
        on bad users are missing.
        """
        if self.held:
            return self
        lost = self.lost
        if tally.size >= self.total.size:
            lost = NOTHING
        elif tally.size + lost.size < self.total.size:
            lost = self.total.less(tally)
        return replace(self, total=tally.plus(lost), lost=lost if complete else self.lost, held=full)

    def begun(self, step: int, steps: int, share: float, per_user: float) -> "Ledger":
        """With a weight for the running step, which stays.

        The first has half, for most faults are there from the beginning, and the others share what is left evenly. The
        last leaves something in case it begins anew.
        """
        left = max(1.0 - self.spent, LEAST_WEIGHT)
        weight = left * 0.95 if step >= steps else left / 2 if step == 1 else left / (steps - step + 1)
        return replace(self, weight=self.weight or weight, share=share, per_user=per_user)

    def closed(self, carried: tuple[float, ...]) -> "Ledger":
        """The running step is over, and this is what it comes to with those before."""
        return Ledger(
            carried=carried,
            spent=min(self.spent + self.weight, 1.0),
            per_user=self.per_user,
            baseline=self.baseline + self.total.baseline,
            baseline_bad=self.baseline_bad + self.total.extra,
        )

    def numbers(self) -> tuple[float, ...]:
        """At most MOST_NUMBERS (status.checks[].logE); each must come back as it is."""
        head = (
            self.spent,
            self.weight,
            self.share,
            self.per_user,
            float(self.held),
            float(self.baseline),
            float(self.baseline_bad),
        )
        lost = self.lost.numbers() if self.lost != NOTHING else ()
        carried = (max(x, -MOST) for x in self.carried)
        return (*head, *map(float, self.total.numbers()), *map(float, lost), *carried)


def read(numbers: Sequence[float], carried: int) -> Ledger:
    """`carried`: so many logarithms once a step is over. An empty one for what no ledger of such a check wrote."""
    known = {_HEAD + tallies * _TALLY + logs: (tallies, logs) for tallies in (1, 2) for logs in (0, carried)}
    if len(numbers) not in known or not all(map(isfinite, numbers)):
        return Ledger()
    tallies, logs = known[len(numbers)]
    spent, weight, share, per_user, held, baseline, baseline_bad = numbers[:_HEAD]
    counts = [int(n) for n in numbers[_HEAD : _HEAD + tallies * _TALLY]]
    if min(counts) < 0 or not all(0 <= x <= 1 for x in (spent, weight, share)):
        return Ledger()
    last = numbers[len(numbers) - logs :]
    return Ledger(
        carried=tuple(-inf if x <= -MOST else min(x, MOST) for x in last),
        spent=spent,
        weight=weight,
        share=share,
        per_user=max(per_user, 1.0),
        held=bool(held),
        baseline=int(baseline),
        baseline_bad=int(baseline_bad),
        total=Tally(*counts[:_TALLY]),
        lost=Tally(*counts[_TALLY:]) if tallies == 2 else NOTHING,
    )
