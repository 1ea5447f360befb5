"""Each verb in each state: carried out, or ignored with a reason; and never twice."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from unit.rollout.runs import Played, at_step, canary, parsed, played

from serin.objects.views import CanaryRoute
from serin.rollout.standing import standing
from serin.rollout.verbs import VERBS

PLAIN = {"versions": [{"name": "v1", "service": {"name": "shop-v1"}, "weight": 1}]}


def idle() -> Played:
    return Played(parsed(PLAIN)).settle()


def invalid() -> Played:
    run = idle()
    return run.edit(unusable()).settle()


def unusable() -> CanaryRoute:
    return replace(parsed(PLAIN), held="v2")


def unaccepted() -> Played:
    run = Played(canary())
    del run.ready["v2"]
    return run.settle()


def raising() -> Played:
    run = Played(canary())
    run.ready["v2"] = 0
    return run.settle()


def warming() -> Played:
    return at_step(2)


def judging() -> Played:
    return at_step(2).wait(60)


def lacking() -> Played:
    run = at_step(2)
    run.judgement.verdict = "NeedsData"
    return run.wait(60)


def awaiting() -> Played:
    return at_step(2).wait(300)


def paused() -> Played:
    return at_step(2).wait(60).act("pause").settle(1)


def paused_by_failure() -> Played:
    run = at_step(2, onFailure="Pause").wait(60)
    run.judgement.verdict = "Fail"
    return run.settle(1)


def timed_out() -> Played:
    run = lacking()
    return run.wait(300 + 3600, every=60)


def promoted() -> Played:
    return at_step(3).wait(600)


def rolled_back() -> Played:
    run = judging()
    run.judgement.verdict = "Fail"
    run.settle(1)
    run.judgement.verdict = "Pass"
    return run


def aborted() -> Played:
    return judging().act("abort").settle(1)


STATES: dict[str, Callable[[], Played]] = {
    made.__name__: made
    for made in (
        idle,
        invalid,
        unaccepted,
        raising,
        warming,
        judging,
        lacking,
        awaiting,
        paused,
        paused_by_failure,
        timed_out,
        promoted,
        rolled_back,
        aborted,
    )
}
GOING_ON = ("raising", "warming", "judging", "lacking", "awaiting", "paused", "paused_by_failure", "timed_out")
ACCEPTED = {
    "promote": GOING_ON,
    "promote-full": GOING_ON,
    "abort": (*GOING_ON, "unaccepted", "promoted"),
    "pause": (*GOING_ON, "unaccepted"),
    "resume": ("paused", "paused_by_failure", "timed_out"),
    "retry": ("rolled_back", "aborted"),
    "revert": ("promoted",),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", STATES)
def test_accepted_or_ignored_with_a_reason(state: str, verb: str) -> None:
    run = STATES[state]()
    before = run.status
    run.told  # noqa: B018
    run.act(f"{verb}/now").tick(1)
    last = run.status.last_action
    assert last is not None
    assert (last.value, last.at) == (f"{verb}/now", run.now)
    assert last.message
    if state in ACCEPTED[verb]:
        assert last.result == "Accepted"
        assert "ActionAccepted" in run.told
    else:
        assert last.result == "Ignored"
        assert "ActionIgnored" in run.told
        assert (run.status.run, run.status.weights) == (before.run, before.weights)


@pytest.mark.parametrize("state", [state for state in STATES if state not in ("idle", "invalid")])
def test_abort_leads_to_nothing_in_every_state(state: str) -> None:
    run = STATES[state]()
    run.act("abort/2")
    writes = run.writes
    run.tick(1)
    assert run.writes == writes + 1
    stand = standing(run.view)
    assert stand is not None
    assert (stand.weight, stand.suspended, stand.mirror, stand.trial) == (0, True, 0, "")
    assert run.run.outcome
    run.ready["v2"] = 3
    run.wait(7200, every=600)
    assert run.run.weight == 0


@pytest.mark.parametrize("state", GOING_ON)
def test_promote_full_leads_to_everything_at_once(state: str) -> None:
    run = STATES[state]()
    run.act("promote-full").tick(1)
    assert run.at[0::2] == ("Promoted", 100)
    assert run.told[-2:] == ["ActionAccepted", "Promoted"]
    assert run.status.history[0].reason == "action promote-full"


def test_promote_ends_a_step_whose_checks_pass() -> None:
    run = judging()
    run.act("promote").tick(1)
    assert (run.at, run.told) == (("Progressing", 3, 100), ["ActionAccepted", "StepCompleted", "StepStarted"])
    run.wait(60)
    run.act("promote/2").tick(1)
    assert run.at == ("Promoted", 3, 100)


@pytest.mark.parametrize("state", ["warming", "lacking", "paused", "paused_by_failure", "timed_out", "raising"])
def test_promote_where_checks_do_not_pass_is_an_approval_alone(state: str) -> None:
    run = STATES[state]()
    weight = run.run.weight
    run.act("promote").tick(1)
    assert (run.run.approved_at, run.run.weight) == (run.now, weight)
    assert run.told[-1] == "ActionAccepted"


def test_promote_while_counts_are_missing_is_an_approval_alone() -> None:
    run = judging()
    run.missing = ("10.0.0.2",)
    run.act("promote").settle(1)
    assert (run.at, run.result) == (("Progressing", 2, 25), "Accepted")
    run.missing = ()
    run.wait(300)
    assert run.at == ("Progressing", 3, 100)


@pytest.mark.parametrize("state", ["rolled_back", "aborted"])
def test_retry_begins_the_same_run_at_its_first_step(state: str) -> None:
    run = STATES[state]()
    first, trial = run.run, standing(run.view)
    run.act("retry").tick(1)
    assert (run.at, run.run.run_id) == (("Progressing", 1, 0), first.run_id)
    assert run.run.started_at > first.started_at
    assert standing(run.view) != trial
    run.settle()
    assert run.at == ("Progressing", 1, 5)
    run.act("abort/again").settle(1)
    assert run.status.history[0].outcome == "Aborted"
    assert len(run.status.history) == 2


def test_counts_are_never_mixed_however_fast_things_go() -> None:
    """The same run, aborted and begun again, and its checks edited, all in one second."""
    run = played()
    trials = [standing(run.view)]
    run.act("abort").settle()
    run.act("retry").settle()
    trials.append(standing(run.view))
    run.edit(canary(falseAlarm="1%")).settle()
    trials.append(standing(run.view))
    run.edit(canary(falseAlarm="2%")).settle()
    trials.append(standing(run.view))
    assert len({found.trial for found in trials if found is not None}) == 4


def test_revert_goes_straight_back() -> None:
    run = promoted()
    run.told  # noqa: B018
    run.act("revert").tick(1)
    assert (run.at, run.told) == (("RolledBack", 3, 0), ["ActionAccepted", "RolledBack"])
    assert (run.run.outcome, run.reason()) == ("RolledBack", ("False", "RolledBack"))
    assert [(past.outcome, past.reason) for past in run.status.history] == [
        ("RolledBack", "reverted by action after promotion")
    ]
    stand = standing(run.view)
    assert stand is not None
    assert stand.suspended
    run.act("retry").settle(1)
    assert run.at == ("Progressing", 1, 5)


def test_abort_before_the_run_began_keeps_it_from_beginning() -> None:
    run = unaccepted()
    run.act("abort").settle(1)
    run.ready["v2"] = 3
    run.wait(600)
    assert run.at == ("RolledBack", 1, 0)
    assert run.reason() == ("False", "Aborted")


def test_abort_of_a_run_whose_rollout_cannot_be_read_any_more() -> None:
    run = judging()
    run.edit(unusable()).settle(1)
    assert run.status.phase == "Invalid"
    run.act("abort").settle(1)
    assert (run.status.phase, run.run.outcome, run.run.weight) == ("Invalid", "Aborted", 0)


# --- once ---


def test_a_value_is_carried_out_once() -> None:
    run = judging()
    run.act("promote").settle(1)
    assert run.run.step == 3
    run.settle(1)
    assert run.run.step == 3
    run.act("").settle(1)
    run.act("promote").settle(40)
    assert run.run.step == 3
    run.act("promote/another").settle(1)
    assert run.at == ("Promoted", 3, 100)


def test_a_value_stays_handled_over_a_new_run() -> None:
    run = judging()
    run.act("abort").settle(1)
    run.edit(canary(revision="2")).settle(1)
    assert run.at == ("Progressing", 1, 5)


def test_an_action_with_a_new_revision_is_for_the_new_run() -> None:
    run = judging()
    run.edit(canary(revision="2")).act("abort")
    run.settle(1)
    assert run.at == ("RolledBack", 1, 0)
    assert [past.outcome for past in run.status.history] == ["Aborted", "Superseded"]


@pytest.mark.parametrize("verb", VERBS)
def test_what_stands_there_at_first_sight(verb: str) -> None:
    """After a restore without status: nothing but what holds back is carried out."""
    run = Played(canary()).act(verb)
    run.settle()
    expected = {"abort": ("RolledBack", 1, 0), "pause": ("Paused", 1, 0)}
    assert run.at == expected.get(verb, ("Progressing", 1, 5))
    assert run.result == ("Accepted" if verb in expected else "Ignored")


def test_a_status_that_is_lost_begins_at_the_first_step() -> None:
    run = promoted()
    run.view = replace(run.view, status=None, action="promote-full/old")
    run.settle(1)
    assert run.at == ("Progressing", 1, 5)


# --- tokens ---


@pytest.mark.parametrize("verb", ["promote", "promote-full"])
def test_a_token_of_another_step_is_ignored(verb: str) -> None:
    run = awaiting()
    run.act(f"{verb}/{run.token(1)}").settle(1)
    assert (run.at, run.result) == (("AwaitingApproval", 2, 25), "Ignored")
    assert run.status.last_action is not None
    assert run.status.last_action.message == "step 1 is already over"
    run.act(f"{verb}/{run.token(3)}").settle(1)
    assert run.status.last_action.message == "step 3 has not begun"
    run.act(f"{verb}/{run.token(2)}").settle(1)
    assert run.result == "Accepted"


@pytest.mark.parametrize("verb", ["abort", "pause"])
def test_to_hold_back_is_never_too_late_by_a_step(verb: str) -> None:
    run = awaiting()
    run.act(f"{verb}/{run.token(1)}").settle(1)
    assert run.result == "Accepted"


@pytest.mark.parametrize("verb", VERBS)
def test_a_token_of_another_run_is_ignored(verb: str) -> None:
    run = awaiting()
    run.act(f"{verb}/{'0' * 16}.2.1795262400").settle(1)
    assert run.result == "Ignored"
    assert run.status.last_action is not None
    assert run.status.last_action.message == "it is for another run"


def test_a_token_of_the_run_before_one_that_has_not_begun_is_ignored() -> None:
    run = awaiting()
    token = run.token()
    del run.ready["v2"]
    run.edit(canary(revision="2")).settle(1)
    run.act(f"abort/{token}").settle(1)
    assert run.result == "Ignored"
    run.ready["v2"] = 3
    assert run.settle(1).at == ("Progressing", 1, 5)


@pytest.mark.parametrize("token", ["2026-11-21T01:30:00Z", "by-anna", "x.1.2", "0123456789abcdef"])
def test_any_other_token_only_makes_the_value_new(token: str) -> None:
    run = awaiting()
    run.act(f"promote/{token}").settle(1)
    assert run.at == ("Progressing", 3, 100)


@pytest.mark.parametrize("value", ["Promote", "rollback", "promote full", "/", "abort2", "ABORT"])
def test_unknown_verbs_are_ignored_with_those_that_there_are(value: str) -> None:
    run = awaiting()
    run.act(value).settle(1)
    assert run.result == "Ignored"
    assert run.status.last_action is not None
    assert "expected one of promote, promote-full, abort" in run.status.last_action.message


def test_a_value_that_is_too_long_is_handled_once() -> None:
    run = awaiting()
    run.act("promote/" + "x" * 1000).settle(1)
    assert run.at == ("Progressing", 3, 100)
    run.wait(60)
    assert run.at == ("Progressing", 3, 100)


def test_blanks_around_a_value_do_not_count() -> None:
    run = awaiting()
    run.act(" promote\n").settle(1)
    assert run.at == ("Progressing", 3, 100)


@pytest.mark.parametrize("value", ["abort\x1b[31m", "no\r\nlines", "abort/\x1b]0;x\x07", "\u202eabort"])
def test_what_a_terminal_would_obey_is_in_no_event(value: str) -> None:
    run = judging().act(value).settle()
    told = [event.note for event in run.events if event.reason in ("ActionIgnored", "ActionAccepted")]
    assert len(told) == 1
    assert told[0].isprintable()
    assert run.status.last_action is not None
    assert run.status.last_action.message.isprintable()


def test_no_action_is_none() -> None:
    run = played()
    run.act("").settle(1)
    assert run.status.last_action is None


def test_of_a_status_without_a_run_nothing_is_known() -> None:
    run = idle()
    run.act(f"abort/{'0' * 16}.1.1").settle(1)
    assert run.status.last_action is not None
    assert run.status.last_action.message == "it is for a run, and there is none"


def test_an_approval_given_while_the_step_waits_for_endpoints_is_kept() -> None:
    run = Played(canary(steps=[{"weight": "5%", "duration": "1m", "approval": "Required"}, {"weight": "50%"}]))
    run.ready["v2"] = 0
    run.settle().act("promote").settle()
    assert (run.result, run.run.weight) == ("Accepted", 0)
    run.ready["v2"] = 3
    run.settle().wait(61)
    assert run.at == ("Progressing", 2, 50)


def test_an_approval_of_checks_that_were_edited_at_once_ends_no_step_by_the_old_ones() -> None:
    run = at_step(1).wait(40)
    stricter = [{"name": "errors", "type": "Errors", "maxRatio": "1.1", "warmup": "30s"}]
    run.edit(canary(checks=stricter)).act("promote").settle()
    assert (run.result, run.run.step, run.run.judged_since) == ("Accepted", 1, 0)
