"""A CanaryRoute's rollout on a real API server: status, conditions, Events; verbs by kubectl in every state."""

from collections.abc import Iterator

import pytest
from harness.backends import Sickness
from harness.controllers import Field
from harness.drill_fixtures import backends, network, shared_field
from harness.kube_rollouts import HOST, Release, serving
from harness.load import Load, load
from harness.rollouts import ERRORS, WIDE, share_of, step
from harness.serving import Serving
from harness.waiting import until

__all__ = ["backends", "network", "serving", "shared_field"]

APPROVED = step("20%", approval="Required")


@pytest.fixture
def running(serving: Serving) -> Iterator[Load]:
    with load(serving.door, HOST, connections=4) as made:
        yield made
        assert not made.lost()


@pytest.fixture
def release(shared_field: Field, serving: Serving) -> Iterator[Release]:
    made = Release(shared_field)
    yield made
    shared_field.backends.sick.clear()
    made.delete(serving)


def test_a_healthy_release_is_promoted_and_kubectl_waits_for_it(
    release: Release, serving: Serving, running: Load
) -> None:
    release.put(step("20%", "1s"), step("100%", "1s"), checks=(ERRORS,), revision="good")
    said = release.kubectl("wait", "canaryroute/release", "--for=condition=Promoted", f"--timeout={WIDE:g}s")
    assert "condition met" in said
    status = release.status
    assert (status["phase"], status["rollout"]["outcome"], release.weight) == ("Promoted", "Promoted", 100)
    assert {name: release.condition(name)["status"] for name in ("Accepted", "Programmed", "Ready")} == dict.fromkeys(
        ("Accepted", "Programmed", "Ready"), "True"
    )
    assert status["observedGeneration"] == release.object["metadata"]["generation"]
    release.field.becomes(serving, "next", HOST)
    until(lambda: "Promoted" in release.events(), "the Event", seconds=WIDE)
    assert {"RolloutStarted", "StepStarted", "Promoted"} <= set(release.events())
    until(lambda: "Promoted" in release.events("Ingress"), "the Event on the Ingress", seconds=WIDE)
    shown = release.kubectl("get", "cnr", "release")
    assert "Promoted" in shown
    assert "good" in shown


def test_a_bad_one_goes_back_at_its_first_step(release: Release, serving: Serving, running: Load) -> None:
    release.field.backends.sick["next"] = Sickness(errors=0.05)
    seen = running.count
    release.put(step("20%", "1s"), step("100%", "1s"), checks=(ERRORS,), revision="bad")
    status = release.becomes("RolledBack")
    assert share_of(running.results[seen:], "next") < 0.3
    assert (status["rollout"]["step"], release.weight) == (1, 0)
    assert release.condition("Promoted")["status"] == "False"
    release.field.becomes(serving, "main", HOST)
    until(lambda: "RolledBack" in release.events("Ingress"), "the Event on the Ingress", seconds=WIDE)
    assert release.events().count("RolledBack") == 1


def test_nothing_but_status_is_written(release: Release) -> None:
    release.put(APPROVED, revision="untouched")
    before = release.object
    release.becomes("AwaitingApproval")
    after = release.object
    assert after["spec"] == before["spec"]
    for name in ("generation", "annotations", "finalizers", "labels"):
        assert after["metadata"].get(name) == before["metadata"].get(name)


def test_approval_and_then_the_next_step(release: Release) -> None:
    release.put(APPROVED, step("50%", approval="Required"), revision="approved")
    assert release.becomes("AwaitingApproval")["rollout"]["step"] == 1
    assert release.act("promote/1")["result"] == "Accepted"
    release.reaches(2)
    assert release.becomes("AwaitingApproval")["rollout"]["weight"] == "50%"
    assert release.act("promote/2")["result"] == "Accepted"
    release.becomes("Promoted")


@pytest.mark.parametrize("state", ["Progressing", "AwaitingApproval", "Paused"])
def test_abort_while_it_goes_on(release: Release, serving: Serving, state: str) -> None:
    first = step("20%", "1h") if state == "Progressing" else APPROVED
    release.put(first, revision=f"abort-{state}")
    release.becomes("AwaitingApproval" if state == "Paused" else state)
    if state == "Paused":
        release.act("pause")
        release.becomes("Paused")
    assert release.act("abort")["result"] == "Accepted"
    status = release.becomes("RolledBack")
    assert (status["rollout"]["outcome"], release.weight) == ("Aborted", 0)
    release.field.becomes(serving, "main", HOST)


def test_pause_holds_the_share_and_resume_goes_on(release: Release) -> None:
    release.put(step("20%", "2s"), step("40%", "1h"), revision="paused")
    until(lambda: release.weight == 20, "the first raise", seconds=WIDE)
    release.act("pause/1")
    release.becomes("Paused")
    assert release.weight == 20
    assert release.act("resume/1")["result"] == "Accepted"
    release.reaches(2)
    assert release.becomes("Progressing")["rollout"]["weight"] == "40%"


def test_retry_after_an_abort_begins_the_same_run_at_its_first_step(release: Release) -> None:
    release.put(step("10%", "0s"), APPROVED, revision="again")
    release.reaches(2)
    release.act("abort/1")
    run = release.becomes("RolledBack")["rollout"]
    assert release.act("retry/1")["result"] == "Accepted"
    release.reaches(2)
    status = release.becomes("AwaitingApproval")
    assert status["rollout"]["runId"] == run["runId"]
    assert not status["rollout"].get("outcome")


def test_revert_after_promotion(release: Release, serving: Serving) -> None:
    release.put(step("100%", "0s"), revision="reverted")
    release.becomes("Promoted")
    release.field.becomes(serving, "next", HOST)
    assert release.act("revert/1")["result"] == "Accepted"
    release.becomes("RolledBack")
    assert release.weight == 0
    release.field.becomes(serving, "main", HOST)


def test_promote_full_ends_all_steps(release: Release, serving: Serving) -> None:
    release.put(APPROVED, step("50%", "1h"), revision="full")
    release.becomes("AwaitingApproval")
    assert release.act("promote-full")["result"] == "Accepted"
    release.becomes("Promoted")
    release.field.becomes(serving, "next", HOST)


def test_what_cannot_be_done_is_ignored_and_said(release: Release) -> None:
    release.put(APPROVED, revision="ignored")
    release.becomes("AwaitingApproval")
    run = release.run["runId"]
    ignored = release.act("revert")
    assert ignored["result"] == "Ignored"
    assert ignored["message"]
    assert release.act(f"promote/{'0' * 16}.1.1")["result"] == "Ignored", "of another run"
    assert release.act("nonsense")["result"] == "Ignored"
    assert release.status["phase"] == "AwaitingApproval"
    assert release.run["runId"] == run
    until(lambda: "ActionIgnored" in release.events(), "the Event", seconds=WIDE)


def test_another_revision_begins_anew_at_weight_0(release: Release) -> None:
    release.put(APPROVED, revision="one")
    first = release.becomes("AwaitingApproval")["rollout"]["runId"]
    release.put(step("0%", approval="Required"), APPROVED, revision="two")
    until(lambda: release.run.get("runId") not in (None, first), "another run", seconds=WIDE)
    release.becomes("AwaitingApproval")
    assert release.weight == 0
    assert release.status["history"][0]["outcome"] == "Superseded"


def test_without_a_rollout_the_conditions_are_there_too(release: Release) -> None:
    home = {"name": "main", "service": {"name": "main"}, "weight": 3}
    other = {"name": "next", "service": {"name": "next"}, "weight": 1}
    route = {"apiVersion": "serin.dev/v1alpha1", "kind": "CanaryRoute", "metadata": {"name": release.name}}
    release.field.put({**route, "spec": {"versions": [home, other]}})
    assert release.becomes("Idle")["weights"] == [
        {"version": "main", "weight": "75%", "readyEndpoints": 1},
        {"version": "next", "weight": "25%", "readyEndpoints": 1},
    ]
    assert release.condition("Ready")["status"] == "True"
    release.field.put({**route, "spec": {"versions": [home, other], "targets": [{"name": "nobody"}]}})
    until(lambda: release.condition("Accepted").get("status") == "False", "Accepted to be False", seconds=WIDE)
    assert release.condition("Accepted")["reason"] == "TargetNotFound"
