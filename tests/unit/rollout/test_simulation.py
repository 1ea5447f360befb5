"""What a rollout would do, simulated: it ends as the traffic deserves, and the same each time."""

from dataclasses import replace
from typing import Any

from unit.rollout.runs import canary

from serin.objects.views import CanaryRoute, CanarySplitBy
from serin.refs import Source
from serin.rollout.simulation import Simulated, Traffic, simulate

CHECKS: list[dict[str, Any]] = [
    {"name": "errors", "type": "Errors", "maxRatio": "1.5", "max": "5%"},
    {"name": "p95", "type": "Latency", "maxRatio": "1.5"},
]
STEPS: list[dict[str, Any]] = [
    {"name": "testers", "weight": "0%", "approval": "Required"},
    {"weight": "10%", "duration": "5m"},
    {"weight": "50%", "duration": "10m", "approval": "Required"},
    {"weight": "100%", "duration": "10m"},
]


def release(**rollout: Any) -> CanaryRoute:
    return canary(**{"steps": STEPS, "checks": CHECKS, **rollout})


def steps(found: Simulated) -> list[int]:
    """The shares that the version had, in order."""
    return list(dict.fromkeys(happening.weight for happening in found.happenings))


def test_a_good_release_is_promoted_step_by_step() -> None:
    found = simulate(release(), Traffic(50, 0.005, 0.005))
    assert found.outcome == "Promoted"
    assert steps(found) == [0, 10_000, 50_000, 100_000]
    assert 25 * 60 <= found.elapsed < 40 * 60


def test_a_bad_release_is_taken_back_at_its_first_step() -> None:
    found = simulate(release(), Traffic(200, 0.05, 0.005))
    assert found.outcome == "RolledBack"
    assert max(steps(found)) == 10_000
    assert "check errors failed" in found.message
    assert 0 < found.candidate_errors < found.candidate_requests < 3000


def test_a_slow_release_is_taken_back() -> None:
    found = simulate(release(), Traffic(200, 0.005, 0.005, latency_factor=2))
    assert found.outcome == "RolledBack"
    assert "check p95 failed" in found.message


def test_without_traffic_it_waits_and_says_so() -> None:
    found = simulate(release(), Traffic(0.01, 0.005, 0.005))
    assert found.outcome == ""
    assert "more requests" in found.message
    assert found.elapsed < 3 * 3600


def test_without_time_out_it_waits_on() -> None:
    found = simulate(release(stepTimeout="0s"), Traffic(0.001, 0.005, 0.005), most=7200)
    assert found.outcome == ""
    assert 7200 <= found.elapsed < 7300


def test_the_same_seed_the_same_story() -> None:
    traffic = Traffic(50, 0.005, 0.005)
    assert simulate(release(), traffic, seed=3) == simulate(release(), traffic, seed=3)
    assert simulate(release(), traffic, seed=3) != simulate(release(), traffic, seed=4)


def test_users_who_keep_their_version() -> None:
    view = release()
    view = replace(view, split_by=CanarySplitBy("Cookie", "bucket", Source(view.meta.ref, "spec.splitBy")))
    assert simulate(view, Traffic(50, 0.005, 0.005)).outcome == "Promoted"
    assert simulate(view, Traffic(200, 0.1, 0.005)).outcome == "RolledBack"


def test_a_failure_that_only_pauses() -> None:
    found = simulate(release(onFailure="Pause"), Traffic(200, 0.2, 0.005))
    assert found.outcome == ""
    assert "check errors failed" in found.message


def test_a_broken_release_does_not_stand_until_the_latency_of_the_baseline_is_known() -> None:
    steps = [{"weight": "90%", "duration": "10m"}, {"weight": "100%", "duration": "10m"}]
    checks: list[dict[str, Any]] = [
        {"name": "errors", "type": "Errors", "maxRatio": "1.5"},
        {"name": "p95", "type": "Latency", "percentile": 95, "maxRatio": "1.3"},
    ]
    broken = simulate(canary(steps=steps, checks=checks), Traffic(0.5, 1.0, 0.0))
    assert (broken.outcome, broken.elapsed < 600) == ("RolledBack", True)
    healthy = simulate(canary(steps=steps, checks=checks), Traffic(2, 0.0, 0.0))
    assert any("check p95: Pass" in happening.text for happening in healthy.happenings)
