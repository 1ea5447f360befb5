"""Releases under traffic, by `serin serve`: the bad one goes back, the good one goes through, no traffic waits."""

import time

from harness.backends import Sickness
from harness.load import Load, load
from harness.manifests import put
from harness.rollouts import ERRORS, P95, Watched, canary_route, share_of, step
from harness.waiting import until
from harness.world import HOST, World

FIRST = 0.2


def more_requests(running: Load, number: int) -> list[object]:
    """Wait for so many, and give those."""
    seen = running.count
    until(lambda: running.count >= seen + number, "requests", seconds=90)
    return list(running.results[seen:])


def test_five_percent_errors_go_back_at_the_first_step(world: World) -> None:
    world.backends.sick["canary"] = Sickness(errors=0.05)
    serving = world.serve()
    with load(serving.door, HOST, connections=8, again=world.plane.is_nginx) as running:
        began = time.monotonic()
        put(
            world.folder / "shop.yaml",
            canary_route(
                step("20%", "1s"),
                step("50%", "1s"),
                step("100%", "1s"),
                checks=(ERRORS | {"maxRatio": "1.5"},),
                rules=[{"version": "canary", "matches": [{"headers": [{"name": "x", "value": "y"}]}]}],
            ),
        )
        watched = Watched(serving)
        status = watched.becomes("RolledBack")
        world.settle(serving, "main")
        ended = time.monotonic()
        more_requests(running, 300)
    seen = [result for result in running.results if began <= result.sent <= ended]
    assert share_of(seen, "canary") < FIRST + 0.05
    after = [result for result in running.results if result.sent > ended]
    assert {result.backend for result in after} == {"main"}
    assert not running.lost()
    assert {result.status for result in after} == {200}
    assert status["rollout"]["outcome"] == "RolledBack"
    assert status["rollout"]["step"] == 1
    assert watched.condition("Promoted")["reason"] == "CheckFailed"
    assert world.backend(serving, headers=(("x", "y"),)) == "main", "its rules are suspended"
    told = watched.told()
    assert told[0] == "RolloutStarted"
    assert told[-1] == "RolledBack"
    assert told.count("RolledBack") == 1


def test_a_healthy_release_is_promoted(world: World) -> None:
    world.backends.sick.update(main=Sickness(errors=0.01), canary=Sickness(errors=0.01))
    serving = world.serve()
    with load(serving.door, HOST, connections=8, again=world.plane.is_nginx) as running:
        check = ERRORS | {"max": "8%"}
        put(
            world.folder / "shop.yaml",
            canary_route(step("20%", "1s"), step("60%", "1s"), step("100%"), checks=(check,)),
        )
        watched = Watched(serving)
        watched.becomes("Promoted")
        more_requests(running, 50)
        assert {result.backend for result in more_requests(running, 200)} == {"canary"}  # type: ignore[attr-defined]
    assert not running.lost()
    told = watched.told()
    assert [reason for reason in told if reason in ("RolloutStarted", "StepStarted", "Promoted")] == [
        "RolloutStarted",
        "StepStarted",
        "StepStarted",
        "StepStarted",
        "Promoted",
    ]
    share = 'canaryroute_weight_ratio{namespace="drills",name="shop",version="canary"} 1\n'
    until(lambda: share in serving.get("/metrics")[1], "the figures")
    page = serving.get("/metrics")[1]
    assert 'canaryroute_phase{namespace="drills",name="shop",phase="Promoted"} 1\n' in page
    assert 'canaryroute_rollouts_total{namespace="drills",name="shop",outcome="Promoted"} 1\n' in page
    assert 'canaryroute_requests_total{namespace="drills",name="shop",version="canary",class="2xx"}' in page
    assert 'canaryroute_request_duration_seconds_count{namespace="drills",name="shop",version="main"}' in page


def test_doubled_latency_is_caught(world: World) -> None:
    # long enough that what a busy machine adds is little beside it
    world.backends.sick.update(main=Sickness(delay=0.15), canary=Sickness(delay=0.3))
    serving = world.serve()
    with load(serving.door, HOST, connections=16, again=world.plane.is_nginx) as running:
        put(world.folder / "shop.yaml", canary_route(step("30%", "1s"), step("100%", "1s"), checks=(P95,)))
        watched = Watched(serving)
        status = watched.becomes("RolledBack")
        assert status["rollout"]["step"] == 1
        assert watched.condition("Promoted")["reason"] == "CheckFailed"
        more_requests(running, 20)
    assert not running.lost()


def test_no_traffic_waits_and_says_so(world: World) -> None:
    serving = world.serve()
    put(world.folder / "shop.yaml", canary_route(step("20%", "0s"), step("100%"), checks=(ERRORS,)))
    watched = Watched(serving)
    until(lambda: watched.run.get("verdict") == "NeedsData", "NeedsData", seconds=90)
    until(lambda: "NeedsData" in watched.told(), "the event", seconds=90)
    assert watched.step == 1
    assert watched.status["phase"] == "Progressing"
    check = watched.status["checks"][0]
    assert check["verdict"] == "NeedsData"
    assert check["needs"] > 0
    assert watched.condition("Promoted")["reason"] == "NeedsData"
    with load(serving.door, HOST, connections=8, again=world.plane.is_nginx):
        watched.becomes("Promoted")
