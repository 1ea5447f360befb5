"""Sums over replicas, and the share that counts are compared by."""

from dataclasses import replace

import pytest
from unit.rollout.runs import canary

from serin.objects.canary_status import CanaryStatus, RunStatus
from serin.objects.views import CanaryRoute
from serin.rollout.facts import Facts, ReplicaCounts, TrialCounts, VersionCounts
from serin.rollout.observed import observe
from serin.rollout.standing import run_id


def at(weight: int, mirror: int = 0) -> CanaryRoute:
    """v1 has 3 parts, v3 one; v2 is the candidate."""
    view = canary()
    run = RunStatus(run_id(view), "v2", "1", "v1", weight=weight, mirror=mirror, judged_since=5.0)
    return replace(view, status=CanaryStatus(run=run))


def counts(
    *bad: int, users: int = 0, full: bool = False, noted: frozenset[tuple[int, int, int]] = frozenset()
) -> TrialCounts:
    versions = tuple(VersionCounts({200: 10, 500: n}, {200: n}, (n, 1), (n,), users) for n in bad)
    return TrialCounts(versions, noted, full)


def test_counts_of_all_replicas_are_added_up() -> None:
    facts = Facts(
        (
            ReplicaCounts("a", {"t": counts(1, 2, 3), "other": counts(100, 100, 100)}),
            ReplicaCounts("b", {"t": counts(10, 20, 30)}),
            ReplicaCounts("c", {}),
        )
    )
    found = observe(at(20_000), "t", facts)
    assert found.baseline.drawn == {200: 20, 500: 11}
    assert found.candidate.drawn == {200: 20, 500: 22}
    assert found.candidate.other == {200: 22}
    assert found.candidate.drawn_us == (22, 2)
    assert found.complete


def test_one_data_plane_that_is_asked_twice_counts_once() -> None:
    """Twice the counts would be twice the evidence."""
    first, later = counts(1, 1, 1), counts(1, 2, 1)
    facts = Facts((ReplicaCounts("a", {"t": first}), ReplicaCounts("a", {"t": later})))
    assert observe(at(20_000), "t", facts).candidate.drawn == {200: 10, 500: 2}


@pytest.mark.parametrize(("weight", "share"), [(0, 0.0), (20_000, 0.25), (50_000, 4 / 7), (100_000, 1.0)])
def test_the_share_is_of_candidate_and_baseline_alone(weight: int, share: float) -> None:
    """At 20 % the baseline has 60 %, the third version the rest."""
    assert observe(at(weight), "t", Facts()).share == pytest.approx(share)


def test_users_of_several_replicas_may_be_the_same() -> None:
    facts = Facts(
        (
            ReplicaCounts("a", {"t": counts(1, 1, 1, users=7, noted=frozenset({(1, 1, 503), (2, 0, 500)}))}),
            ReplicaCounts("b", {"t": counts(1, 1, 1, users=9, noted=frozenset({(1, 1, 503), (3, 1, 1)}), full=True)}),
        )
    )
    found = observe(at(20_000), "t", facts)
    assert found.candidate.users == 9
    assert found.bad_users == {(1, 503), (3, 1)}
    assert found.baseline_bad_users == {(2, 500)}
    assert found.full


def test_who_is_missing() -> None:
    one = (ReplicaCounts("a", {"t": counts(0, 0, 0)}),)
    assert not observe(at(20_000), "t", Facts(one, ("10.0.0.7",))).complete
    assert not observe(at(20_000), "t", Facts()).complete
    assert observe(at(20_000), "t", Facts(one)).complete


def test_requests_can_come_without_being_drawn() -> None:
    assert not observe(at(0), "t", Facts()).reachable
    assert observe(at(0, mirror=1000), "t", Facts()).reachable
