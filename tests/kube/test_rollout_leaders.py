"""The leader changes, the API server goes away: nothing skips, nothing repeats, weights are as status says."""

import signal
import time
from collections.abc import Iterator

import pytest
from harness import canaryroutes
from harness.controllers import Field, lines
from harness.drill_fixtures import Island, island, island_server
from harness.kube_rollouts import HOST, Release, objects
from harness.load import load
from harness.rollouts import ERRORS, WIDE, log_lines, step
from harness.serving import Serving
from harness.waiting import until

__all__ = ["island", "island_server"]

TTL = "4s"
FLAGS = ("--access-log", "off", "--election-ttl", TTL)


@pytest.fixture(scope="module")
def prepared(island: Island) -> Island:
    canaryroutes.install(island.kube)
    island.field.make_class()
    island.field.put(*objects())
    return island


@pytest.fixture
def release(prepared: Island) -> Iterator[Release]:
    made = Release(prepared.field)
    yield made
    prepared.recover()
    for serving in prepared.field.started:
        if serving.process.poll() is None:
            serving.process.kill()
            serving.process.wait()
    prepared.field.close()
    prepared.field.started.clear()
    prepared.field.delete("canaryroute", made.name)
    until(lambda: not made.object, "the object to be gone", seconds=WIDE)


def start(prepared: Island, name: str) -> Serving:
    return prepared.field.control(*FLAGS, "--kubeconfig", str(prepared.kubeconfig), run_dir=name)


def identity(serving: Serving) -> str:
    """Of one that has led."""
    return next((line["identity"] for line in lines(serving, "leading")), "")


def leader(field: Field, among: list[Serving]) -> Serving:
    def found() -> Serving | None:
        holder = field.holder()
        return next((one for one in among if holder and identity(one) == holder), None)

    made = until(found, "a leader", seconds=WIDE, every=0.05)
    assert made is not None
    return made


def share_in_force(serving: Serving, number: int = 300) -> float:
    with load(serving.door, HOST, connections=2) as running:
        until(lambda: running.count >= number, "requests", seconds=WIDE)
    assert not running.lost()
    return sum(result.backend == "next" for result in running.results) / running.count


def settles(release: Release, servings: list[Serving]) -> None:
    """Each data plane has the share that status says."""
    for serving in servings:
        until(
            lambda serving=serving: abs(share_in_force(serving) - release.weight / 100) < 0.12,  # type: ignore[misc]
            f"the share {release.weight}",
            seconds=WIDE,
        )


def steps_begun(servings: list[Serving]) -> list[str]:
    """What was told of, by all replicas, in the order of time."""
    told = [line for serving in servings for line in log_lines(serving, "rollout")]
    told.sort(key=lambda line: str(line["time"]))
    return [line["note"] for line in told if line["reason"] == "StepStarted"]


def test_another_leads_at_each_step(prepared: Island, release: Release) -> None:
    steps = [step(f"{weight}%", approval="Required") for weight in (20, 50, 80)]
    both = [start(prepared, "one-0"), start(prepared, "two-0")]
    everybody = list(both)
    release.put(*steps, revision="leaders")
    started = ""
    for number in (1, 2, 3):
        release.reaches(number)
        before = release.becomes("AwaitingApproval")["rollout"]
        assert before["step"] == number
        assert before["startedAt"] == (started or before["startedAt"]), "one run"
        started = before["startedAt"]
        gone = leader(prepared.field, both)
        gone.process.kill()
        gone.process.wait()
        both.remove(gone)
        leader(prepared.field, both)
        assert release.run == before
        settles(release, both)
        both.append(start(prepared, f"more-{number}"))
        everybody.append(both[-1])
        settles(release, both)
        assert release.run == before
        assert release.act(f"promote/{number}")["result"] == "Accepted"
    release.becomes("Promoted")
    settles(release, both)
    assert [note.partition(" at ")[2].split("%")[0] for note in steps_begun(everybody)] == ["20", "50", "80"]


def test_a_leader_killed_in_the_midst_of_a_judged_step(prepared: Island, release: Release) -> None:
    """The other one takes its own counts and the evidence that is in the status."""
    both = [start(prepared, "judged-one"), start(prepared, "judged-two")]
    with load(both[0].door, HOST, connections=2) as first, load(both[1].door, HOST, connections=2) as second:
        release.put(step("50%", "3s"), step("100%", "1s"), checks=(ERRORS | {"max": "10%"},), revision="judged")
        until(lambda: release.weight == 50, "the first step", seconds=WIDE, every=0.05)
        began = release.run["startedAt"]
        gone = leader(prepared.field, both)
        gone.process.kill()
        gone.process.wait()
        status = release.becomes("Promoted")
    assert status["rollout"]["startedAt"] == began
    assert not first.lost()
    assert not second.lost()
    assert len(steps_begun(both)) == 2


def test_the_api_server_goes_away(prepared: Island, release: Release) -> None:
    """Weights stay while it is away, for longer than all steps take; then they come one by one, each for its time."""
    serving = start(prepared, "away")
    weights = (20, 40, 60)
    release.put(*[step(f"{weight}%", "3s") for weight in weights], revision="away")
    until(lambda: release.weight == 20, "the first step", seconds=WIDE, every=0.05)
    before = release.run
    prepared.stop()
    ended = time.monotonic() + 3.0 * len(weights) + 2
    with load(serving.door, HOST, connections=2, pause=0.01) as running:
        until(lambda: time.monotonic() > ended, "the outage to last", seconds=WIDE, every=0.2)
    assert not running.lost()
    share = sum(result.backend == "next" for result in running.results) / running.count
    assert abs(share - 0.2) < 0.1, "nothing was raised meanwhile"
    assert [note.partition(" at ")[2].split("%")[0] for note in steps_begun([serving])] == ["20"]
    prepared.start()
    release.becomes("Promoted")
    assert release.run["startedAt"] == before["startedAt"]
    told = [line for line in log_lines(serving, "rollout") if line["reason"] == "StepStarted"]
    assert [line["note"].partition(" at ")[2].split("%")[0] for line in told] == [str(weight) for weight in weights]
    settles(release, [serving])


def test_an_abort_while_the_leader_cannot_be_reached_is_done_by_the_next(prepared: Island, release: Release) -> None:
    """The leader is stopped, not ended: what it decided on an old status must not come back."""
    both = [start(prepared, "stopped-one"), start(prepared, "stopped-two")]
    release.put(step("20%", approval="Required"), step("50%", approval="Required"), revision="stopped")
    release.becomes("AwaitingApproval")
    stopped = leader(prepared.field, both)
    stopped.process.send_signal(signal.SIGSTOP)
    try:
        release.act("abort")
        status = release.becomes("RolledBack")
    finally:
        stopped.process.send_signal(signal.SIGCONT)
    until(lambda: any(lines(stopped, "not-leading")), "it to see that it leads no more", seconds=WIDE)
    settles(release, both)
    assert release.weight == 0
    assert release.run == status["rollout"]
    assert release.act("promote")["result"] == "Ignored"
