"""What was seen of one trial: the counts of all replicas added up, and the share that the candidate had of the draw.

Pure sums. What a missing or restarted replica means is judged elsewhere (serin.rollout.judgement, .ledger).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest

from serin.objects.canary_status import WHOLE
from serin.objects.views import CanaryRoute
from serin.rollout.facts import Facts, ReplicaCounts, TrialCounts, VersionCounts
from serin.rollout.standing import current_run, shares

NOBODY = VersionCounts()


@dataclass(frozen=True, slots=True)
class Observed:
    """`share`: the candidate's part of the drawn requests that went to it or to the baseline, 0 to 1, the same for all
    that is counted here. `bad_users`: (user, status) of users with a failure, on the candidate and on the baseline.

    `full`: a replica had no room for more of these. `missing`: replicas that should have answered and did not;
    `silent`: none answered at all. `reachable`: rules or a mirror can bring requests to the candidate.
    """

    share: float
    candidate: VersionCounts = NOBODY
    baseline: VersionCounts = NOBODY
    bad_users: frozenset[tuple[int, int]] = frozenset()
    baseline_bad_users: frozenset[tuple[int, int]] = frozenset()
    full: bool = False
    missing: tuple[str, ...] = ()
    silent: bool = False
    reachable: bool = False
    versions: tuple[VersionCounts, ...] = field(default=(), repr=False)

    @property
    def complete(self) -> bool:
        return not self.missing and not self.silent


def observe(view: CanaryRoute, trial: str, facts: Facts) -> Observed:
    """The sums of `trial` (standing(view).trial) over all replicas that answered. The view needs a run."""
    run = current_run(view)
    assert view.rollout is not None
    assert run is not None
    names = [version.name for version in view.versions]
    candidate, baseline = names.index(view.rollout.version), names.index(view.rollout.baseline)
    weights, _ = shares([v.weight for v in view.versions], candidate, run.weight)
    both = weights[candidate] + weights[baseline]
    counts = [replica.trials[trial] for replica in _each_once(facts.replicas) if trial in replica.trials]
    users = frozenset[tuple[int, int, int]]().union(*(found.bad_users for found in counts))
    versions = tuple(_sum(counts, place) for place in range(len(names)))
    return Observed(
        share=weights[candidate] / both if both else run.weight / WHOLE,
        candidate=versions[candidate],
        baseline=versions[baseline],
        bad_users=frozenset((user, status) for user, place, status in users if place == candidate),
        baseline_bad_users=frozenset((user, status) for user, place, status in users if place == baseline),
        full=any(found.full for found in counts),
        missing=facts.missing,
        silent=not facts.replicas,
        reachable=bool(run.mirror) or any(rule.version == view.rollout.version for rule in view.rules),
        versions=versions,
    )


def _each_once(replicas: Iterable[ReplicaCounts]) -> Iterable[ReplicaCounts]:
    """Counts that two addresses lead to are no more proof than one: the last answer of each data plane."""
    return {replica.instance or str(place): replica for place, replica in enumerate(replicas)}.values()


def _sum(counts: Iterable[TrialCounts], place: int) -> VersionCounts:
    """`users` is the largest of any replica's: a user may have met several, so that their sum would be too many."""
    found = [trial.versions[place] for trial in counts if place < len(trial.versions)]
    drawn, other = Counter[int](), Counter[int]()
    for version in found:
        drawn.update(version.drawn)
        other.update(version.other)
    return VersionCounts(
        drawn=dict(drawn),
        other=dict(other),
        drawn_us=_columns(version.drawn_us for version in found),
        other_us=_columns(version.other_us for version in found),
        users=max((version.users for version in found), default=0),
    )


def _columns(rows: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(map(sum, zip_longest(*rows, fillvalue=0)))
