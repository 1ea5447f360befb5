"""Each row of the table of transitions: when it is taken, and what comes of it."""

from dataclasses import replace

import pytest
from unit.rollout.runs import CHECKS, STEPS, Played, at_step, canary, parsed, played

from serin.rollout import machine, transitions
from serin.rollout.ledger import Ledger, read
from serin.rollout.look import Look
from serin.rollout.standing import run_id, standing

# --- the ordinary way ---


def test_a_run_begins_without_a_share_and_is_raised_when_that_is_in_force() -> None:
    run = Played(canary())
    run.tick()
    assert (run.at, run.told) == (("Progressing", 1, 0), ["RolloutStarted"])
    run.serving = (1, 2)
    run.settle(1)
    assert run.at == ("Progressing", 1, 0)
    assert run.reason("Programmed") == ("False", "Pending")
    run.serving = (2, 2)
    run.settle(1)
    assert (run.at, run.told) == (("Progressing", 1, 5), ["StepStarted"])
    assert [(w.version, w.weight) for w in run.status.weights] == [("v1", 71_250), ("v2", 5_000), ("v3", 23_750)]


def test_a_first_step_of_0_percent_begins_with_the_run() -> None:
    run = Played(canary(steps=[{"weight": "0%", "mirror": "10%"}, {"weight": "100%"}]))
    run.tick()
    assert run.told == ["RolloutStarted", "StepStarted"]
    stand = standing(run.view)
    assert stand is not None
    assert (stand.weight, stand.mirror, run.run.mirror) == (0, 10_000, 10_000)


def test_requests_count_after_the_warm_up() -> None:
    run = played()
    warm = standing(run.view)
    run.settle(29)
    assert (run.run.judged_since, run.judgement.looked) == (0, 0)
    run.settle(1)
    judged = standing(run.view)
    assert run.run.judged_since == run.now
    assert warm is not None
    assert judged is not None
    assert warm.trial != judged.trial
    assert run.run.verdict == "Pass"


def test_the_longest_warm_up_counts() -> None:
    checks = [
        {"name": "errors", "type": "Errors", "max": "1%", "warmup": "10s"},
        {"name": "p95", "type": "Latency", "max": "1s", "warmup": "40s"},
    ]
    run = played(canary(checks=checks))
    assert run.settle(39).run.judged_since == 0
    assert run.settle(1).run.judged_since > 0


def test_a_warm_up_lasts_until_the_thresholds_are_known() -> None:
    run = played(frozen=False)
    run.wait(120)
    assert (run.run.judged_since, run.reason()) == (0, ("Unknown", "NeedsData"))
    assert "v1 has too few requests" in run.status.message
    run.judgement.frozen = True
    assert run.settle(1).run.step == 2


def test_without_checks_there_is_no_warm_up() -> None:
    run = played(canary(checks=[]))
    assert run.run.judged_since == run.run.step_started_at
    assert run.settle(60).at == ("Progressing", 2, 25)


def test_a_step_ends_when_its_time_is_over_and_all_checks_pass() -> None:
    run = played()
    assert run.run.next_at == run.now + 60
    assert run.settle(59).at == ("Progressing", 1, 5)
    assert run.settle(1).at == ("Progressing", 2, 25)
    assert run.told == ["RolloutStarted", "StepStarted", "StepCompleted", "StepStarted"]


def test_one_check_without_data_keeps_a_step() -> None:
    checks = [*CHECKS, {"name": "p95", "type": "Latency", "max": "1s"}]
    run = played(canary(checks=checks), of={"p95": "NeedsData"}, needs=80)
    run.wait(300)
    assert (run.at, run.run.verdict) == (("Progressing", 1, 5), "NeedsData")
    assert run.status.message == "v2 1 at 5% (step 1/3); p95 needs about 80 more requests"
    assert run.told.count("NeedsData") == 1
    run.judgement.of.clear()
    assert run.settle(1).run.step == 2


def test_after_the_last_step_it_is_promoted_and_stays() -> None:
    run = at_step(3)
    run.wait(599)
    assert run.at == ("Progressing", 3, 100)
    run.settle(1)
    assert (run.at, run.told) == (("Promoted", 3, 100), ["StepCompleted", "Promoted"])
    assert run.reason() == ("True", "Promoted")
    assert "fold v2 into spec.versions" in run.status.message
    assert [past.outcome for past in run.status.history] == ["Promoted"]
    run.judgement.verdict = "Fail"
    run.wait(86_400, every=600)
    assert (run.at, run.told) == (("Promoted", 3, 100), [])


def test_a_bake_at_100_percent_still_goes_back() -> None:
    run = at_step(3)
    run.wait(500)
    run.judgement.verdict = "Fail"
    run.settle(1)
    assert (run.at, run.told) == (("RolledBack", 3, 0), ["CheckFailed", "RolledBack"])


def test_a_hold_back_is_given_up_at_the_end() -> None:
    run = played(canary(steps=[{"weight": "95%"}], checks=[]))
    assert run.at == ("Promoted", 1, 100)


def test_blue_green() -> None:
    steps = [{"weight": "0%", "approval": "Required"}, {"weight": "100%", "duration": "10m"}]
    run = played(canary(steps=steps))
    run.wait(3600 * 30, every=600)
    assert run.at == ("AwaitingApproval", 1, 0)
    run.act("promote").settle(1)
    assert run.at == ("Progressing", 2, 100)
    run.wait(600)
    assert run.at == ("Promoted", 2, 100)


# --- approval ---


def test_awaiting_approval_does_not_time_out() -> None:
    run = at_step(2)
    run.wait(300)
    assert (run.at, run.told) == (("AwaitingApproval", 2, 25), ["AwaitingApproval"])
    assert run.reason() == ("Unknown", "AwaitingApproval")
    run.wait(86_400 * 3, every=3600)
    assert run.at == ("AwaitingApproval", 2, 25)


def test_waiting_for_more_than_an_approval_is_counted() -> None:
    run = at_step(2)
    run.wait(300 + 7200, every=60)
    run.judgement.verdict = "NeedsData"
    run.settle(5)
    assert (run.status.phase, run.run.awaiting_since) == ("Progressing", 0)
    assert 7200 <= run.run.awaited <= 7210
    run.wait(3500)
    assert run.status.phase == "Progressing"
    run.wait(200)
    assert run.status.phase == "Paused"


def test_a_replica_away_for_a_moment_does_not_end_the_wait_for_approval() -> None:
    run = at_step(2)
    run.wait(300)
    run.told  # noqa: B018
    run.judgement.verdict = "NeedsData"
    run.missing = ("10.0.0.2",)
    run.wait(60)
    run.missing = ()
    run.judgement.verdict = "Pass"
    run.wait(60)
    assert (run.at, run.told) == (("AwaitingApproval", 2, 25), [])


def test_rollback_is_armed_while_an_approval_is_awaited() -> None:
    run = at_step(2)
    run.wait(300)
    run.judgement.verdict = "Fail"
    assert run.settle(1).at == ("RolledBack", 2, 0)


def test_an_approval_is_for_one_step_and_so_is_the_time_it_took() -> None:
    steps = [{"weight": weight, "approval": "Required"} for weight in ("5%", "25%", "100%")]
    run = played(canary(steps=steps)).wait(7200, every=600)
    run.act("promote").settle(1).wait(60)
    assert run.at == ("AwaitingApproval", 2, 25)
    run.judgement.verdict = "NeedsData"
    run.wait(3700, every=100)
    assert (run.status.phase, run.run.awaited < 600) == ("Paused", True)


def test_approved_too_early_it_waits_for_the_rest() -> None:
    run = at_step(2)
    run.act("promote").settle(1)
    assert (run.at, run.result) == (("Progressing", 2, 25), "Accepted")
    run.wait(290)
    assert run.at == ("Progressing", 2, 25)
    run.settle(10)
    assert run.at == ("Progressing", 3, 100)


# --- failing ---


def test_a_failed_check_takes_it_back_in_one_write() -> None:
    run = at_step(2)
    run.wait(60)
    run.judgement.verdict = "Fail"
    writes = run.writes
    run.tick(1)
    assert run.writes == writes + 1
    assert (run.at, run.told) == (("RolledBack", 2, 0), ["CheckFailed", "RolledBack"])
    stand = standing(run.view)
    assert stand is not None
    assert (stand.weight, stand.suspended, stand.mirror) == (0, True, 0)
    assert run.reason() == ("False", "CheckFailed")
    assert run.status.history[0].outcome == "RolledBack"
    assert run.run.verdict == "Fail"  # the column VERDICT
    assert "check errors failed" in run.status.message
    run.judgement.verdict = "Pass"
    run.wait(86_400, every=600)
    assert (run.at, run.told) == (("RolledBack", 2, 0), [])


def test_on_failure_pause_holds_it_until_somebody_looks() -> None:
    run = at_step(2, onFailure="Pause")
    run.wait(60)
    run.judgement.verdict = "Fail"
    run.settle(1)
    assert (run.at, run.told) == (("Paused", 2, 25), ["CheckFailed", "Paused"])
    run.judgement.verdict = "Pass"
    run.wait(60)
    assert (run.at, run.run.verdict) == (("Paused", 2, 25), "Fail")
    began = run.run.step_started_at
    run.act("resume").settle(1)
    assert (run.status.phase, run.run.step) == ("Progressing", 2)
    assert run.run.step_started_at > began
    assert run.told == ["ActionAccepted", "Resumed", "StepStarted"]


def test_on_failure_edited_while_paused_by_it() -> None:
    run = at_step(2, onFailure="Pause")
    run.wait(60)
    run.judgement.verdict = "Fail"
    run.settle(1)
    run.edit(canary(onFailure="Rollback")).settle(1)
    assert run.at == ("RolledBack", 2, 0)


def test_nothing_fails_before_there_was_a_request() -> None:
    run = Played(canary(), verdict="Fail")
    run.ready["v2"] = 0
    run.wait(300)
    assert (run.at, run.judgement.looked) == (("Progressing", 1, 0), 0)


# --- paused ---


@pytest.mark.parametrize("by", ["spec", "action"])
def test_paused_weights_stay_and_time_out_does_not_count(by: str) -> None:
    run = at_step(2)
    hold(run, by)
    run.settle(1)
    assert (run.at, run.told[-1], run.reason()) == (("Paused", 2, 25), "Paused", ("Unknown", "Paused"))
    run.wait(86_400, every=600)
    assert (run.at, run.told) == (("Paused", 2, 25), [])
    release(run, by)
    run.settle(1)
    assert run.told[-2:] == ["Resumed", "AwaitingApproval"]
    assert run.at == ("AwaitingApproval", 2, 25)


@pytest.mark.parametrize("by", ["spec", "action"])
def test_paused_a_rollback_stays_armed(by: str) -> None:
    run = at_step(2)
    hold(run, by)
    run.wait(60)
    run.judgement.verdict = "Fail"
    assert run.settle(1).at == ("RolledBack", 2, 0)


def hold(run: Played, by: str) -> None:
    if by == "spec":
        run.edit(canary(paused=True))
    else:
        run.act("pause")


def release(run: Played, by: str) -> None:
    if by == "spec":
        run.edit(canary())
    else:
        run.act("resume")


def test_paused_before_it_began_it_has_no_share() -> None:
    run = Played(canary(paused=True))
    run.wait(7200, every=60)
    assert run.at == ("Paused", 1, 0)
    assert run.edit(canary()).settle(1).at == ("Progressing", 1, 5)


def test_paused_by_both_it_takes_both_to_go_on() -> None:
    run = at_step(2)
    run.act("pause").settle(1)
    run.edit(canary(paused=True)).settle(1)
    run.act("resume").settle(1)
    assert (run.result, run.status.phase) == ("Accepted", "Paused")
    assert run.edit(canary()).settle(1).status.phase == "Progressing"


# --- endpoints, programmed, counts ---


def test_too_few_endpoints_hold_it_and_time_out_by_on_failure() -> None:
    run = at_step(2)
    run.act("promote").settle(1)
    run.ready["v2"] = 0
    run.wait(300)
    assert (run.at, run.reason()) == (("Progressing", 2, 25), ("Unknown", "EndpointsMissing"))
    assert "v2 has 0 of at least 1 ready endpoints" in run.status.message
    run.wait(3590)
    assert (run.at, run.told) == (("Progressing", 2, 25), ["ActionAccepted", "EndpointsMissing"])
    run.wait(20)
    assert (run.at, run.told) == (("RolledBack", 2, 0), ["TimedOut", "RolledBack"])
    assert (run.run.outcome, run.reason()) == ("TimedOut", ("False", "TimedOut"))


def test_endpoints_that_come_back_let_it_go_on() -> None:
    run = played()
    run.ready["v2"] = 0
    run.wait(120)
    assert run.at == ("Progressing", 1, 5)
    run.ready["v2"] = 1
    assert run.settle(1).at == ("Progressing", 2, 25)


@pytest.mark.parametrize(
    ("least", "ready", "enough"),
    [
        (4, 3, False),
        (3, 3, True),
        ("50%", 2, True),
        ("50%", 1, False),
        ("34%", 1, False),
        ("33%", 1, True),
        ("0%", 0, False),
    ],
)
def test_least_endpoints(least: object, ready: int, enough: bool) -> None:
    run = Played(canary(minReadyEndpoints=least))
    run.ready = {"v1": 3, "v2": ready, "v3": 1}
    run.settle()
    assert run.run.weight == (5000 if enough else 0)


def test_a_share_of_no_endpoints_is_one_all_the_same() -> None:
    run = Played(canary(minReadyEndpoints="50%"))
    run.ready = {"v1": 0, "v2": 0, "v3": 0}
    assert run.settle().run.weight == 0
    run.ready["v2"] = 1
    assert run.settle(1).run.weight == 5000


def test_without_endpoints_from_the_beginning_it_times_out() -> None:
    run = Played(canary(onFailure="Pause"))
    run.ready["v2"] = 0
    run.wait(3700, every=30)
    assert (run.at, run.told) == (("Paused", 1, 0), ["RolloutStarted", "EndpointsMissing", "TimedOut", "Paused"])
    run.ready["v2"] = 3
    run.act("resume").settle(1)
    assert run.at == ("Progressing", 1, 5)


def test_nothing_advances_while_a_replica_has_other_weights() -> None:
    run = played()
    run.serving = (1, 2)
    run.wait(300)
    assert (run.at, run.reason("Programmed"), run.reason("Ready")) == (
        ("Progressing", 1, 5),
        ("False", "Pending"),
        ("False", "Pending"),
    )
    assert "1/2 replicas" in run.status.message
    run.serving = (2, 2)
    assert run.settle(1).run.step == 2


def test_nothing_advances_while_counts_are_missing() -> None:
    run = played()
    run.missing = ("10.0.0.2: timed out",)
    run.wait(300)
    assert (run.at, run.reason()) == (("Progressing", 1, 5), ("Unknown", "NeedsData"))
    assert "10.0.0.2: timed out" in run.status.message
    run.missing = ()
    assert run.settle(1).run.step == 2


# --- time-outs ---


@pytest.mark.parametrize(
    ("on_no_data", "at", "told"),
    [
        ("Pause", ("Paused", 1, 5), ["NeedsData", "TimedOut", "Paused"]),
        ("Rollback", ("RolledBack", 1, 0), ["NeedsData", "TimedOut", "RolledBack"]),
        ("Continue", ("Progressing", 2, 25), ["NeedsData", "StepCompleted", "StepStarted"]),
    ],
)
def test_without_data_for_too_long(on_no_data: str, at: tuple[str, int, int], told: list[str]) -> None:
    run = at_step(1, onNoData=on_no_data)
    run.judgement.verdict = "NeedsData"
    run.wait(60 + 3590)
    assert run.at == ("Progressing", 1, 5)
    run.settle(10)
    assert (run.at, run.told) == (at, told)


def test_continue_waits_for_an_approval_all_the_same() -> None:
    run = at_step(2, onNoData="Continue")
    run.judgement.verdict = "NeedsData"
    run.wait(300 + 3600)
    assert run.at == ("AwaitingApproval", 2, 25)
    run.wait(86_400, every=3600)
    assert run.at == ("AwaitingApproval", 2, 25)
    run.act("promote").settle(1)
    assert run.at == ("Progressing", 3, 100)


def test_data_that_comes_as_the_time_is_over_is_in_time() -> None:
    run = at_step(2, stepTimeout="1m", onNoData="Rollback")
    run.judgement.verdict = "NeedsData"
    run.wait(350)
    run.judgement.verdict = "Pass"
    run.settle(10)
    assert run.at == ("AwaitingApproval", 2, 25)
    run.wait(86_400, every=3600)
    assert run.at == ("AwaitingApproval", 2, 25)


@pytest.mark.parametrize(("on_failure", "phase"), [("Rollback", "RolledBack"), ("Pause", "Paused")])
def test_a_check_that_goes_on_failing_outside_times_out_by_on_failure(on_failure: str, phase: str) -> None:
    run = at_step(1, onFailure=on_failure, onNoData="Continue")
    run.judgement.verdict, run.judgement.failures = "NeedsData", 1
    run.wait(60 + 3600)
    assert run.status.phase == phase


def test_step_timeout_0_never_strikes() -> None:
    run = at_step(1, stepTimeout="0s", onNoData="Rollback")
    run.judgement.verdict = "NeedsData"
    run.wait(86_400 * 30, every=7200)
    assert run.at == ("Progressing", 1, 5)


def test_resumed_after_a_time_out_it_has_the_whole_time_again() -> None:
    run = at_step(1)
    run.judgement.verdict = "NeedsData"
    run.wait(60 + 3600 + 5)
    assert run.status.phase == "Paused"
    judged = run.run.judged_since
    run.wait(7200, every=60)
    run.act("resume").settle(1)
    assert (run.status.phase, run.run.judged_since) == ("Progressing", judged)
    run.wait(3590)
    assert run.status.phase == "Progressing"
    run.wait(20)
    assert run.status.phase == "Paused"


# --- the spec is edited ---


def test_another_revision_supersedes_a_run() -> None:
    run = at_step(2)
    first = run.run.run_id
    run.edit(canary(revision="2"))
    run.tick(1)
    assert (run.at, run.told) == (("Progressing", 1, 0), ["Superseded", "RolloutStarted"])
    assert run.run.run_id == run_id(run.view) != first
    assert [(past.run_id, past.outcome) for past in run.status.history] == [(first, "Superseded")]
    assert run.settle(1).at == ("Progressing", 1, 5)


def test_another_revision_after_a_rollback_begins_anew() -> None:
    run = at_step(2)
    run.act("abort").settle(1)
    run.edit(canary(revision="2")).settle(1)
    assert run.at == ("Progressing", 1, 5)
    assert [past.outcome for past in run.status.history] == ["Aborted"]


def test_another_revision_that_cannot_be_carried_out_yet() -> None:
    run = at_step(2)
    run.edit(canary(revision="2"))
    del run.ready["v2"]
    run.settle(1)
    assert (run.status.phase, run.run.outcome, run.told) == ("Invalid", "Superseded", ["ServiceNotFound", "Superseded"])
    run.ready["v2"] = 1
    assert run.settle(1).at == ("Progressing", 1, 5)


def test_history_has_the_last_five() -> None:
    run = played()
    for number in range(2, 9):
        run.edit(canary(revision=str(number))).settle(1)
    assert [past.revision for past in run.status.history] == ["7", "6", "5", "4", "3"]


def test_rollout_removed() -> None:
    run = at_step(2)
    versions = [
        {"name": "v1", "service": {"name": "shop-v1"}, "weight": 1},
        {"name": "v2", "service": {"name": "shop-v2"}},
    ]
    run.edit(parsed({"versions": versions})).settle(1)
    assert (run.status.phase, run.run.outcome, run.told) == ("Idle", "Superseded", ["Superseded"])
    assert [(w.version, w.weight) for w in run.status.weights] == [("v1", 100_000), ("v2", 0)]
    assert [condition.type for condition in run.status.conditions] == ["Accepted", "Programmed", "Ready"]
    run.edit(canary()).settle(1)
    assert run.at == ("Progressing", 1, 5)


def test_rollout_removed_after_promotion_is_no_end_of_its_own() -> None:
    run = at_step(3)
    run.wait(600)
    versions = [{"name": "v2", "service": {"name": "shop-v2"}, "weight": 100}]
    run.told  # noqa: B018
    run.edit(parsed({"versions": versions})).settle(1)
    assert (run.status.phase, run.run.outcome, run.told) == ("Idle", "Promoted", [])


@pytest.mark.parametrize(
    ("weights", "step", "weight"),
    [
        (["5%", "25%", "60%", "100%"], 2, 25),
        (["1%", "2%", "25%", "100%"], 3, 25),
        (["10%", "40%", "100%"], 2, 40),
        (["50%"], 1, 50),
        (["1%", "10%"], 2, 10),
        (["25%"], 1, 25),
    ],
)
def test_edited_steps_go_on_at_the_first_that_is_not_below(weights: list[str], step: int, weight: int) -> None:
    run = at_step(2)
    run.edit(canary(steps=[{"weight": text, "duration": "1m"} for text in weights])).settle(1)
    assert run.at == ("Progressing", step, weight)
    assert run.run.run_id == run_id(run.view)


def test_an_edit_raises_nothing_while_paused_or_without_endpoints() -> None:
    run = at_step(2)
    run.edit(canary(steps=[{"weight": "50%"}], paused=True)).settle(1)
    assert run.at == ("Paused", 1, 25)
    run.ready["v2"] = 0
    run.edit(canary(steps=[{"weight": "50%"}])).settle(1)
    assert run.at == ("Progressing", 1, 25)
    run.ready["v2"] = 3
    assert run.settle(1).at == ("Progressing", 1, 50)


def test_a_rollback_stays_armed_while_an_edited_weight_waits_for_endpoints() -> None:
    run = at_step(2)
    run.ready["v2"] = 0
    run.edit(canary(steps=[{"weight": "50%"}])).settle(1)
    run.judgement.verdict = "Fail"
    run.wait(35)
    assert run.at == ("RolledBack", 1, 0)


def test_edited_times_hold_at_once() -> None:
    run = at_step(2)
    began = run.run.step_started_at
    shorter = [*STEPS[:1], {"weight": "25%", "duration": "40s"}, *STEPS[2:]]
    run.wait(30)
    run.edit(canary(steps=shorter)).settle(1)
    assert (run.run.step_started_at, run.run.next_at) == (began, began + 40)
    run.settle(9)
    assert run.at == ("Progressing", 3, 100)


@pytest.mark.parametrize(
    "edit",
    [
        {"checks": [{"name": "errors", "type": "Errors", "maxRatio": "2", "warmup": "30s"}]},
        {"falseAlarm": "1%"},
        {"baseline": "v3"},
        {
            "versions": [
                {"name": "v1", "service": {"name": "shop-v1"}, "weight": 9},
                {"name": "v2", "service": {"name": "shop-v2"}},
                {"name": "v3", "service": {"name": "shop-v3"}, "weight": 1},
            ]
        },
    ],
)
def test_what_makes_counts_incomparable_begins_the_step_anew(edit: dict[str, object]) -> None:
    run = at_step(2)
    run.wait(60)
    before = standing(run.view)
    run.edit(canary(**edit)).settle(1)  # type: ignore[arg-type]
    assert (run.at, run.run.judged_since, run.run.step_started_at) == (("Progressing", 2, 25), 0, run.now)
    assert standing(run.view) != before
    run.wait(300)
    assert run.status.phase == "AwaitingApproval"


# --- what begins anew ---


def test_begun_and_raised_in_one_second_are_two_trials() -> None:
    run = Played(canary())
    run.tick()
    begun = standing(run.view)
    run.tick()
    raised = standing(run.view)
    assert begun is not None
    assert raised is not None
    assert (begun.weight, raised.weight) == (0, 5000)
    assert run.run.step_started_at == run.run.started_at
    assert raised.trial != begun.trial


def test_no_replica_at_all_is_no_replica_that_has_the_shares() -> None:
    run = Played(canary())
    run.serving = (0, 0)
    run.wait(60)
    assert run.run.weight == 0


def test_what_was_waited_for_in_a_step_adds_nothing_to_the_time_of_the_next() -> None:
    run = at_step(2, stepTimeout="10m").act("pause").settle().wait(5 * 3600, every=600)
    run.act("resume").settle(10)
    assert run.run.awaited > 4 * 3600
    run.act("promote").settle(60)
    assert (run.run.step, run.run.awaited) == (3, 0)
    run.judgement.verdict = "NeedsData"
    run.wait(1210)
    assert run.status.phase == "Paused"


def test_a_run_that_is_tried_again_has_no_evidence_of_before() -> None:
    run = with_memory(at_step(1))
    run.act("abort").settle().act("retry").settle()
    assert [read(check.log_e, 6) for check in run.status.checks] == [Ledger()]


def test_a_check_that_somebody_has_seen_fail_has_no_evidence_of_before() -> None:
    """Else it would fail again with the first look."""
    run = at_step(1, onFailure="Pause")
    run.judgement.verdict = "Fail"
    run.wait(40)
    with_memory(run)
    run.judgement.verdict = "Pass"
    run.act("resume").settle()
    assert [read(check.log_e, 6) for check in run.status.checks] == [Ledger()]


def test_a_run_that_ended_is_not_held() -> None:
    run = at_step(1).act("pause").settle().act("abort").settle()
    assert (run.run.outcome, run.run.paused, run.run.paused_since) == ("Aborted", False, 0)


def test_less_is_always_possible() -> None:
    run = at_step(2)
    run.ready["v2"] = 0
    run.edit(canary(steps=[{"weight": "5%"}, {"weight": "10%"}])).settle(1)
    assert (run.run.step, run.run.weight) == (2, 10_000)


def with_memory(run: Played) -> Played:
    """As after many requests, with much against it."""
    known = Ledger(carried=(9.0,) * 6, spent=0.5, weight=0.5).numbers()
    checks = tuple(replace(check, log_e=known) for check in run.status.checks)
    run.view = replace(run.view, status=replace(run.status, checks=checks))
    return run


# --- clocks and replicas that are away ---


def test_a_step_begun_by_a_clock_that_was_set_back_begins_anew() -> None:
    """Else its warm-up would not be over for a month, and no check could take it back."""
    run = at_step(1)
    run.now -= 30 * 86_400
    run.settle()
    assert (run.at, run.run.step_started_at) == (("Progressing", 1, 5), run.now)
    run.judgement.verdict = "Fail"
    run.settle(31)
    assert run.status.phase == "RolledBack"


def test_a_leader_whose_clock_is_a_little_behind_goes_on_with_the_step() -> None:
    run = at_step(1)
    began = run.run.step_started_at
    run.settle(-300)
    assert run.run.step_started_at == began


@pytest.mark.parametrize(
    ("on_no_data", "phase"), [("Pause", "Paused"), ("Continue", "Paused"), ("Rollback", "RolledBack")]
)
def test_a_replica_that_is_away_for_too_long_is_a_lack_of_data(on_no_data: str, phase: str) -> None:
    """A node that is down must not take a healthy release back; and what it counted may be bad."""
    run = at_step(1, onNoData=on_no_data)
    run.missing, run.serving = ("serin-x: no answer in 2 s",), (1, 2)
    run.wait(4000, every=100)
    assert run.at[:2] == (phase, 1)
    assert "counts are missing of serin-x" in run.status.message


def test_data_is_not_waived_while_which_replicas_there_are_is_not_known() -> None:
    run = at_step(1, onNoData="Continue")
    run.missing = ("which replicas there are cannot be read",)
    run.wait(4000, every=100)
    assert run.at == ("Paused", 1, 5)


def test_once_approved_it_waits_for_what_is_missing_and_not_for_ever() -> None:
    run = at_step(2).wait(330)
    assert run.status.phase == "AwaitingApproval"
    run.missing, run.serving = ("serin-x: no answer in 2 s",), (1, 2)
    assert run.settle(10).status.phase == "AwaitingApproval"
    run.act("promote").settle(10)
    assert (run.status.phase, run.reason()[1]) == ("Progressing", "StepRunning")
    assert "counts are missing of serin-x" in run.status.message
    run.wait(4000, every=100)
    assert run.status.phase == "Paused"


# --- all of them ---


def test_every_row_is_taken_by_a_test_above(monkeypatch: pytest.MonkeyPatch) -> None:
    found: set[str] = set()

    def taken(look: Look) -> transitions.Row | None:
        row = transitions.taken(look)
        if row is not None:
            found.add(row.name)
        return row

    monkeypatch.setattr(machine, "taken", taken)
    test_a_step_ends_when_its_time_is_over_and_all_checks_pass()
    test_after_the_last_step_it_is_promoted_and_stays()
    test_waiting_for_more_than_an_approval_is_counted()
    test_paused_before_it_began_it_has_no_share()
    test_a_failed_check_takes_it_back_in_one_write()
    test_on_failure_pause_holds_it_until_somebody_looks()
    test_too_few_endpoints_hold_it_and_time_out_by_on_failure()
    test_another_revision_supersedes_a_run()
    test_another_revision_that_cannot_be_carried_out_yet()
    test_rollout_removed()
    test_edited_steps_go_on_at_the_first_that_is_not_below(["10%", "40%", "100%"], 2, 40)
    test_edited_steps_go_on_at_the_first_that_is_not_below(["1%", "2%", "25%", "100%"], 3, 25)
    test_what_makes_counts_incomparable_begins_the_step_anew({"falseAlarm": "1%"})
    test_a_step_begun_by_a_clock_that_was_set_back_begins_anew()
    assert {row.name for row in transitions.TABLE} == found


def test_names_of_rows_are_unique() -> None:
    names = [row.name for row in transitions.TABLE]
    assert len(set(names)) == len(names)
