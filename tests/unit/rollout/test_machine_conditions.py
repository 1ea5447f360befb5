"""What a status says beside the run: conditions, phase, weights; when it is written, and what is told of it."""

from dataclasses import replace

import pytest
from unit.rollout.runs import NOON, Played, at_step, canary, parsed, played

from serin.problems import Problem, Severity
from serin.refs import Source
from serin.rollout.situation import Told

ALL_TARGETS = "canaryroute-target-not-found"


def problem(run: Played, code: str, field: str = "spec", severity: Severity = Severity.ERROR) -> Problem:
    return Problem(Source(run.view.meta.ref, field), code, severity, f"about {code}")


def targeted(*names: str) -> Played:
    versions = [{"name": "v1", "service": {"name": "shop-v1"}, "weight": 1}]
    return Played(parsed({"versions": versions, "targets": [{"name": name} for name in names] or None}))


# --- Accepted ---


@pytest.mark.parametrize(
    ("codes", "targets", "expected"),
    [
        ([], 0, ("True", "Accepted")),
        (["canaryroute-conflict"], 0, ("False", "Conflicted")),
        (["canaryroute-without-ingress"], 0, ("False", "TargetNotFound")),
        ([ALL_TARGETS], 1, ("False", "TargetNotFound")),
        ([ALL_TARGETS], 2, ("True", "PartiallyResolved")),
        ([ALL_TARGETS, ALL_TARGETS], 2, ("False", "TargetNotFound")),
        (["canaryroute-pattern-broken"], 0, ("True", "PartiallyResolved")),
    ],
)
def test_accepted(codes: list[str], targets: int, expected: tuple[str, str]) -> None:
    run = targeted(*(f"shop{number}" for number in range(targets)))
    run.problems = tuple(problem(run, code) for code in codes)
    run.settle()
    assert run.reason("Accepted") == expected
    assert run.reason("Ready") == (("True", "Programmed") if expected[0] == "True" else expected)


def test_a_warning_takes_nothing_away() -> None:
    run = targeted()
    run.problems = (problem(run, "canaryroute-overrides", severity=Severity.WARNING),)
    assert run.settle().reason("Accepted") == ("True", "Accepted")


def test_a_rollout_that_cannot_be_made_out() -> None:
    run = targeted()
    run.view = replace(run.view, held="v2")
    run.problems = (problem(run, "canaryroute-steps", "spec.rollout.steps"),)
    run.settle()
    assert (run.status.phase, run.reason("Accepted")) == ("Invalid", ("False", "InvalidSpec"))
    assert run.status.message == "about canaryroute-steps"


def test_without_versions_it_is_invalid() -> None:
    run = targeted()
    run.view = replace(run.view, versions=())
    assert run.settle().status.phase == "Invalid"


@pytest.mark.parametrize(
    ("lost", "expected"),
    [("v1", ("False", "ServiceNotFound")), ("v2", ("False", "ServiceNotFound")), ("v3", ("True", "PartiallyResolved"))],
)
def test_services(lost: str, expected: tuple[str, str]) -> None:
    run = Played(canary())
    del run.ready[lost]
    run.settle()
    assert run.reason("Accepted") == expected
    assert (run.status.run is None) == (expected[0] == "False"), "a run does not begin without its Services"
    run.ready[lost] = 1
    assert run.settle(1).run.weight == 5000


@pytest.mark.parametrize("code", ["canaryroute-conflict", "canaryroute-without-ingress"])
def test_a_run_that_is_not_accepted_any_more_is_held_and_times_out(code: str) -> None:
    run = played()
    run.problems = (problem(run, code),)
    run.wait(3600)
    assert run.at == ("Progressing", 1, 5)
    run.wait(120)
    assert run.run.outcome == "TimedOut"
    reason = "Conflicted" if "conflict" in code else "TargetNotFound"
    assert run.told == ["RolloutStarted", "StepStarted", reason, "TimedOut", "RolledBack"]


# --- metav1 ---


def test_the_time_of_a_condition_is_that_of_its_status() -> None:
    run = played()
    first = {condition.type: condition.since for condition in run.status.conditions}
    assert set(first.values()) == {NOON}
    run.wait(60)
    run.judgement.verdict = "NeedsData"
    run.wait(600)
    assert run.reason() == ("Unknown", "NeedsData")
    assert {condition.type: condition.since for condition in run.status.conditions} == first
    run.serving = (1, 2)
    run.settle(1)
    changed = {c.type: c.since for c in run.status.conditions if c.since != first[c.type]}
    assert changed == {"Programmed": run.now, "Ready": run.now}


def test_conditions_speak_of_the_generation() -> None:
    run = played()
    run.edit(canary()).settle(1)
    assert run.status.generation == 2
    assert {condition.generation for condition in run.status.conditions} == {2}


def test_a_check_that_failed_is_still_the_reason_after_a_restart() -> None:
    run = at_step(2).wait(60)
    run.judgement.verdict = "Fail"
    run.settle(1)
    run.view = replace(run.view, status=replace(run.status, conditions=()))
    assert run.settle(1).reason() == ("False", "CheckFailed")


# --- weights ---


def test_static_weights_and_ready_endpoints() -> None:
    versions = [{"name": name, "service": {"name": f"shop-{name}"}, "weight": 1} for name in ("a", "b", "c")]
    run = Played(parsed({"versions": versions}))
    run.ready = {"a": 5, "b": 0, "c": 1}
    run.settle()
    assert [(w.version, w.weight, w.ready) for w in run.status.weights] == [
        ("a", 33333.333, 5),
        ("b", 33333.333, 0),
        ("c", 33333.333, 1),
    ]
    assert run.status.phase == "Idle"
    run.ready["b"] = 2
    run.settle(1)
    assert run.status.weights[1].ready == 2


# --- writing ---


def test_numbers_alone_are_written_every_30_seconds() -> None:
    run = at_step(2).wait(60)
    before, writes = run.status.checks[0].requests, run.writes
    for _ in range(5):
        assert not run.tick(5).write
    assert (run.status.checks[0].requests, run.writes) == (before, writes)
    assert run.tick(5).write
    assert run.status.checks[0].requests > before
    assert run.writes == writes + 1


def test_a_verdict_is_written_at_once() -> None:
    run = played()
    run.settle(40)
    run.judgement.verdict = "NeedsData"
    assert run.tick(1).write


def test_nothing_new_is_never_written() -> None:
    run = Played(canary(checks=[], steps=[{"weight": "5%", "approval": "Required"}]))
    run.wait(60)
    writes = run.writes
    run.wait(86_400, every=600)
    assert run.writes == writes


def test_an_advance_that_is_not_to_be_written_may_be_dropped() -> None:
    """Whoever looks often and whoever looks rarely come to the same."""
    often, rarely = at_step(2), at_step(2)
    often.wait(299, every=1)
    rarely.settle(30).wait(269, every=269)
    often.settle(1)
    rarely.settle(1)
    assert often.run == rarely.run
    assert often.status.phase == rarely.status.phase == "AwaitingApproval"


# --- events ---


def test_of_the_end_the_ingresses_are_told() -> None:
    run = at_step(3)
    run.wait(600)
    assert [event.reason for event in run.events if event.on_ingress] == ["Promoted"]
    run.act("revert").settle(1)
    assert [event.reason for event in run.events if event.on_ingress] == ["Promoted", "RolledBack"]


def test_events_say_what_went_wrong() -> None:
    run = at_step(2).wait(60)
    run.judgement.verdict = "Fail"
    run.settle(1)
    assert run.events[-2:] == [
        Told("CheckFailed", "check errors failed", warning=True),
        Told(
            "RolledBack",
            "v2 1 went from 25% to 0%, its rules are suspended: check errors failed",
            warning=True,
            on_ingress=True,
        ),
    ]


def test_events_are_told_with_a_write_alone() -> None:
    run = played()
    for _ in range(200):
        found = run.tick(10)
        assert found.write or not found.events


@pytest.mark.parametrize("times", [1, 5])
def test_needs_data_is_told_once_for_each_step(times: int) -> None:
    run = at_step(2)
    run.judgement.verdict = "NeedsData"
    run.wait(400)
    for _ in range(times):
        run.judgement.verdict = "Pass"
        run.wait(20)
        run.judgement.verdict = "NeedsData"
        run.wait(20)
    assert run.told.count("NeedsData") == 1


def test_needs_data_is_told_again_in_another_step() -> None:
    run = at_step(1, stepTimeout="0s")
    for _ in range(2):
        run.judgement.verdict = "NeedsData"
        run.wait(400)
        run.act(f"promote/{run.now}")
        run.judgement.verdict = "Pass"
        run.settle(1)
    assert run.told.count("NeedsData") == 2


def test_endpoints_missing_is_told_each_time_they_go() -> None:
    run = at_step(2)
    for _ in range(2):
        run.ready["v2"] = 0
        run.wait(20)
        run.ready["v2"] = 3
        run.wait(20)
    assert run.told == ["EndpointsMissing", "EndpointsMissing"]


def test_a_paused_run_says_what_holds_it() -> None:
    by_action = at_step(2).act("pause").settle(1)
    assert by_action.status.message == "v2 1 at 25% (step 2/3) is paused by action pause; weights stay"
    by_action.edit(canary(paused=True)).settle(1)
    assert "is paused by spec.paused and action pause;" in by_action.status.message

    failed = at_step(2, onFailure="Pause").wait(60)
    failed.judgement.verdict = "Fail"
    assert "is paused (check errors failed);" in failed.settle(1).status.message

    without_data = at_step(1, stepTimeout="1m")
    without_data.judgement.verdict, without_data.judgement.needs = "NeedsData", 80
    without_data.wait(3600, every=60)
    because = "stepTimeout is over at step 1/3, and errors needs about 80 more requests"
    assert f"is paused ({because});" in without_data.status.message


def test_named_steps_are_called_by_their_names() -> None:
    run = played(canary(steps=[{"name": "testers", "weight": "0.5%", "approval": "Required"}], revision=""))
    assert run.status.message.startswith("v2 at 0.5% (step 1/1 testers)")
