"""The controller is killed at each step: nothing skips, nothing repeats, and what is in force is what status says."""

import contextlib
import os
import signal
import time

from harness.load import load
from harness.manifests import put
from harness.rollouts import ERRORS, WIDE, Watched, canary_route, step
from harness.serving import Serving, is_running
from harness.waiting import until
from harness.world import HOST, World

STEPS = (
    step("10%", approval="Required"),
    step("30%", "1s"),
    step("50%", approval="Required"),
    step("100%", "1s"),
)


def kill(serving: Serving) -> None:
    """Without a word, the data plane after it: a machine that lost its power."""
    left = serving.data_plane()
    serving.process.kill()
    serving.process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.kill(left, signal.SIGTERM)
    until(lambda: not is_running(left), "the data plane to end", seconds=WIDE)


def lives_until(watched: Watched, moment: float) -> bool:
    """Wait for a run, and for the moment to kill it, unless it ends before."""
    until(lambda: watched.run, "a run", seconds=WIDE)
    until(lambda: watched.status["phase"] == "Promoted" or time.monotonic() > moment, "the moment")
    return bool(watched.status["phase"] == "Promoted")


def share_in_force(world: World, serving: Serving, number: int = 400) -> float:
    with load(serving.door, HOST, connections=4, again=world.plane.is_nginx) as running:
        until(lambda: running.count >= number, "requests", seconds=WIDE)
    return sum(result.backend == "canary" for result in running.results) / running.count


def test_killed_at_each_step_it_goes_on_where_it_was(world: World) -> None:
    put(world.folder / "shop.yaml", canary_route(*STEPS))
    serving = world.serve()
    watched = Watched(serving)
    for number, weight in ((1, "10%"), (3, "50%")):
        watched.becomes("AwaitingApproval")
        before = watched.run
        assert (before["step"], before["weight"]) == (number, weight)
        kill(serving)
        serving = world.serve()
        watched = Watched(serving)
        assert watched.run == before
        assert abs(share_in_force(world, serving) - float(weight[:-1]) / 100) < 0.12
        assert watched.run == before, "the same run, not begun anew"
        assert watched.status["phase"] == "AwaitingApproval"
        watched.act(f"promote/{number}")
    watched.becomes("Promoted")
    until(lambda: "Promoted" in watched.told(), "it to be told", seconds=WIDE)
    told = watched.told()  # by all of them: they share a log
    assert [r for r in told if r in ("RolloutStarted", "StepStarted", "Promoted")] == [
        "RolloutStarted",
        *["StepStarted"] * len(STEPS),
        "Promoted",
    ]
    kill(serving)
    serving = world.serve()
    assert share_in_force(world, serving) == 1.0
    assert Watched(serving).status["phase"] == "Promoted"


def test_killed_again_and_again_no_step_is_skipped_and_none_comes_twice(world: World) -> None:
    """At whatever moment: the steps that were told are each step once, in order."""
    put(world.folder / "shop.yaml", canary_route(*[step(f"{weight}%", "1s") for weight in (10, 20, 30, 40, 100)]))
    started: list[tuple[int, str]] = []
    for turn in range(8):
        serving = world.serve()
        watched = Watched(serving)
        over = lives_until(watched, time.monotonic() + 0.3 * turn)
        started.append((watched.step, watched.run["startedAt"]))
        kill(serving)
        if over:
            break
    assert len({began for _, began in started}) == 1, "one run"
    assert [number for number, _ in started] == sorted(number for number, _ in started)
    serving = world.serve()
    assert Watched(serving).becomes("Promoted")["history"][0]["outcome"] == "Promoted"


def test_a_verb_that_was_put_while_nobody_ran_is_done_once(world: World) -> None:
    put(world.folder / "shop.yaml", canary_route(step("10%", approval="Required"), step("50%", approval="Required")))
    serving = world.serve()
    watched = Watched(serving)
    watched.becomes("AwaitingApproval")
    kill(serving)
    (serving.run_dir / "actions" / "drills.shop.1").write_text("promote\n")
    serving = world.serve()
    watched = Watched(serving)
    watched.reaches(2)
    watched.becomes("AwaitingApproval")
    kill(serving)
    serving = world.serve()
    watched = Watched(serving)
    assert not list((serving.run_dir / "actions").iterdir())
    watched.act("pause")
    assert watched.becomes("Paused")["rollout"]["step"] == 2


def test_an_action_in_the_file_is_done_once_whatever_came_after_it(world: World) -> None:
    file = world.folder / "shop.yaml"
    steps = (step("10%", approval="Required"), step("50%", approval="Required"), step("60%", approval="Required"))
    put(file, canary_route(*steps))
    serving = world.serve()
    watched = Watched(serving)
    watched.becomes("AwaitingApproval")
    put(file, canary_route(*steps, action="promote/1"))
    watched.reaches(2)
    watched.act("pause")
    watched.becomes("Paused")
    kill(serving)
    serving = world.serve()
    watched = Watched(serving)
    watched.act("resume")
    watched.becomes("AwaitingApproval")
    assert watched.step == 2
    assert watched.status["lastAction"]["value"] == "resume"


def test_checks_go_on_over_a_restart(world: World) -> None:
    """What was counted before is kept: evidence is in the status, counts are in the run directory."""
    put(
        world.folder / "shop.yaml",
        canary_route(step("50%", "0s", approval="Required"), checks=(ERRORS | {"max": "10%"},)),
    )
    serving = world.serve()
    watched = Watched(serving)
    with load(serving.door, HOST, connections=4, again=world.plane.is_nginx):
        until(lambda: watched.run.get("verdict") == "Pass", "Pass", seconds=WIDE)
    watched.becomes("AwaitingApproval")
    requests = watched.status["checks"][0]["requests"]
    kill(serving)
    serving = world.serve()
    watched = Watched(serving)
    assert watched.status["checks"][0]["requests"] >= requests
    assert watched.run["verdict"] == "Pass"
