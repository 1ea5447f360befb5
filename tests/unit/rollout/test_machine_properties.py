"""What holds for every rollout, whatever its steps, whatever happens, and whoever leads."""

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.rollout.runs import CHECKS, Played, Verdicts, canary, reread
from unit.rollout.test_status_document import parts

from serin.objects.canary_status import WHOLE, CanaryStatus, CheckStatus, RunStatus
from serin.objects.views import CanaryRoute
from serin.rollout.machine import advance
from serin.rollout.situation import Situation
from serin.rollout.standing import run_id, standing
from serin.rollout.verbs import VERBS

PROFILE = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])

weights = st.lists(st.sampled_from((0, 1, 5, 5, 25, 50, 100)), min_size=1, max_size=5).map(sorted)


@st.composite
def routes(draw: st.DrawFn, *, ending: bool = False) -> CanaryRoute:
    """`ending`: such as wait for nobody, and not for ever."""
    approvals = st.just("None") if ending else st.sampled_from(("None", "None", "Required"))
    steps = [
        {
            "weight": f"{weight}%",
            "duration": draw(st.sampled_from(("0s", "1500ms", "1m", "10m"))),
            "approval": draw(approvals),
        }
        for weight in draw(weights)
    ]
    more: dict[str, Any] = {
        "checks": draw(st.sampled_from(([], CHECKS))),
        "onFailure": "Rollback" if ending else draw(st.sampled_from(("Rollback", "Pause"))),
        "onNoData": draw(st.sampled_from(("Rollback", "Continue") if ending else ("Pause", "Rollback", "Continue"))),
        "stepTimeout": draw(st.sampled_from(("1m", "1h") if ending else ("0s", "1m", "1h"))),
        "revision": draw(st.sampled_from("ab")),
    }
    return canary(steps=steps, **more)


waits = st.tuples(st.just("wait"), st.sampled_from((0.0, 0.4, 7.3, 31.0, 31.0, 70.0, 700.0, 4000.0)))
verdicts = st.tuples(st.just("verdict"), st.sampled_from(("Pass", "NeedsData", "Fail")))
changes = st.one_of(
    verdicts,
    verdicts,
    st.tuples(st.just("failures"), st.sampled_from((0, 1))),
    st.tuples(st.just("frozen"), st.booleans()),
    st.tuples(st.just("ready"), st.sampled_from((0, 3))),
    st.tuples(st.just("serving"), st.sampled_from(((2, 2), (1, 2), (0, 0)))),
    st.tuples(st.just("missing"), st.sampled_from(((), ("10.0.0.2",)))),
    st.tuples(st.just("act"), st.tuples(st.sampled_from(VERBS), st.integers(0, 9)).map("{0[0]}/{0[1]}".format)),
    st.tuples(st.just("edit"), routes()),
    st.tuples(st.just("paused"), st.booleans()),
)
happenings = st.one_of(waits, waits, waits, verdicts, verdicts, changes)


def scripts(most: int = 40) -> st.SearchStrategy[list[tuple[str, Any]]]:
    return st.lists(happenings, min_size=10, max_size=most)


def happen(run: Played, what: str, value: Any) -> None:
    match what:
        case "wait":
            run.now += value
        case "verdict" | "failures" | "frozen":
            setattr(run.judgement, what, value)
        case "ready":
            run.ready["v2"] = value
        case "serving" | "missing":
            setattr(run, what, value)
        case "act":
            run.act(value)
        case "edit":
            run.edit(value)
        case "paused":
            run.view = replace(run.view, paused=value)


@given(routes(), scripts())
@PROFILE
def test_a_status_that_was_read_again_leads_to_the_same(route: CanaryRoute, script: list[tuple[str, Any]]) -> None:
    """A new leader at any point: what it reads is what the old one had, and so is all that comes of it."""
    run = Played(route)
    for what, value in script:
        happen(run, what, value)
        looked = run.judgement.looked
        found = advance(run.situation)
        run.judgement.looked = looked
        as_read = reread(run.view, found.status)
        assert as_read == found.status
        run.view = replace(run.view, status=found.status)
        kept = advance(run.situation)
        run.judgement.looked = looked
        run.view = replace(run.view, status=as_read)
        assert advance(run.situation) == kept


@given(routes(), scripts())
@PROFILE
def test_dropping_what_is_not_to_be_written_changes_nothing(route: CanaryRoute, script: list[tuple[str, Any]]) -> None:
    """One keeps every status in memory, the other only what was to be written."""
    keeps, drops = Played(route), Played(route)
    for what, value in script:
        for run in (keeps, drops):
            happen(run, what, value)
            run.judgement.looked = 0
        kept, dropped = advance(keeps.situation), advance(drops.situation)
        assert (kept.events, kept.status) == (dropped.events, dropped.status)
        keeps.view = replace(keeps.view, status=kept.status)
        if dropped.write:
            drops.view = replace(drops.view, status=dropped.status)
            drops.written_at = drops.now


@given(routes(), scripts(50))
@PROFILE
def test_what_holds_in_every_status(route: CanaryRoute, script: list[tuple[str, Any]]) -> None:
    run = Played(route)
    for what, value in script:
        before = run.view.status
        happen(run, what, value)
        found = run.tick()
        _holds(run, before, found.status)
        run.settle()


def _holds(run: Played, before: CanaryStatus | None, after: CanaryStatus) -> None:
    rollout, now = run.view.rollout, after.run
    was = before.run if before is not None else None
    stand = standing(run.view)
    assert rollout is not None
    assert now is not None
    assert stand is not None
    assert round(sum(version.weight for version in after.weights)) == WHOLE
    if now.outcome:
        assert now.weight == (WHOLE if now.outcome == "Promoted" else 0)
        assert stand.suspended == (now.outcome != "Promoted")
        return
    edited = was is not None and was.steps != now.steps
    on_the_way = was is None or was.run_id != now.run_id or was.outcome or edited
    assert now.weight <= max(rollout.steps[now.step - 1].weight, was.weight if was is not None else 0)
    if was is not None and not on_the_way and now.weight > was.weight:
        assert run.ready["v2"] > 0, "no raise without endpoints"
        assert run.serving[0] == run.serving[1] > 0, "no raise before the weights of before are in force"
        assert not run.view.paused, "no raise while paused"
        assert not was.paused, "no raise while paused"


@given(routes(), st.lists(st.sampled_from((5.0, 40.0, 700.0)), min_size=30, max_size=30))
@PROFILE
def test_steps_come_one_after_the_other(route: CanaryRoute, pauses: list[float]) -> None:
    """However late somebody looks, and with everybody approving all the time."""
    run, entered = Played(route), 0
    seen: list[int] = []
    assert route.rollout is not None
    for number, wait in enumerate(pauses):
        run.act(f"promote/{number}")
        for _ in range(3):
            found = run.tick(wait / 3)
            entered += sum(event.reason == "StepStarted" for event in found.events)
            if found.status.run is not None and (not seen or seen[-1] != found.status.run.step):
                seen.append(found.status.run.step)
    assert seen == list(range(1, len(seen) + 1))
    assert entered == len(seen)
    if run.status.phase == "Promoted":
        assert len(seen) == len(route.rollout.steps)


@given(routes(), scripts(30))
@PROFILE
def test_abort_always_leads_to_nothing(route: CanaryRoute, script: list[tuple[str, Any]]) -> None:
    run = Played(route)
    run.settle()
    for what, value in script:
        happen(run, what, value)
        run.settle()
    run.act("abort/last").settle()
    assert (run.run.weight, run.run.mirror, bool(run.run.outcome)) == (0, 0, True)
    run.ready["v2"], run.serving, run.missing = 3, (2, 2), ()
    run.wait(20_000, every=2000)
    assert run.run.weight == 0


@given(
    routes(ending=True),
    st.sampled_from(("Pass", "NeedsData", "Fail")),
    st.booleans(),
    st.sampled_from((0, 3)),
    st.sampled_from(((2, 2), (1, 2))),
    st.sampled_from(((), ("10.0.0.2",))),
    st.lists(happenings.filter(lambda one: one[0] not in ("act", "edit", "paused")), max_size=10),
)
@PROFILE
def test_every_run_ends_when_time_goes_on(
    route: CanaryRoute,
    verdict: str,
    frozen: bool,
    ready: int,
    serving: tuple[int, int],
    missing: tuple[str, ...],
    script: list[tuple[str, Any]],
) -> None:
    """Unless it waits for a person, or for as long as it takes: Continue waives no counts of replicas that are away."""
    assert route.rollout is not None
    run = Played(route)
    for what, value in script:
        happen(run, what, value)
        run.settle()
    run.judgement = Verdicts(verdict, frozen=frozen)
    run.ready["v2"], run.serving, run.missing = ready, serving, missing
    run.wait(9 * 3600, every=300)
    assert run.run.outcome or (route.rollout.on_no_data == "Continue" and run.run.paused)


@given(routes(), scripts())
@PROFILE
def test_every_end_is_in_history_once(route: CanaryRoute, script: list[tuple[str, Any]]) -> None:
    run = Played(route)
    ended = 0
    for what, value in script:
        happen(run, what, value)
        run.settle()
        names = [(past.run_id, past.started_at) for past in run.status.history]
        assert len(set(names)) == len(names) <= 5
        if run.run.outcome:
            assert run.status.history[0].outcome == run.run.outcome
        ends = sum(event.reason in ("RolledBack", "Aborted", "Promoted", "Superseded") for event in run.events)
        assert ends >= ended
        ended = ends


@given(routes(), scripts())
@PROFILE
def test_no_action_is_carried_out_twice(route: CanaryRoute, script: list[tuple[str, Any]]) -> None:
    run = Played(route)
    given_values: list[str] = []
    for what, value in script:
        happen(run, what, value)
        if what == "act" and (not given_values or given_values[-1] != value):
            given_values.append(value)
        run.settle()
    handled = [event for event in run.events if event.reason in ("ActionAccepted", "ActionIgnored")]
    assert len(handled) == len(given_values)


@given(routes(), parts(RunStatus), st.lists(parts(CheckStatus), max_size=3), st.floats(0, 1e10), st.booleans())
@settings(deadline=None, max_examples=80)
def test_whatever_a_status_says_it_goes_on(
    route: CanaryRoute, run: RunStatus, checks: list[CheckStatus], now: float, ours: bool
) -> None:
    """With the real judgement: nothing that stands in a status makes it fail, and an abort is always taken."""
    found = replace(run, run_id=run_id(route), baseline="v1") if ours else run
    view = replace(route, status=CanaryStatus(run=found, checks=tuple(checks)))
    situation = Situation(view, now, {"v1": 3, "v2": 3, "v3": 1})
    for _ in range(4):
        done = advance(situation)
        situation = replace(situation, view=replace(situation.view, status=reread(view, done.status)))
    aborted = advance(replace(situation, view=replace(situation.view, action="abort/x")))
    assert aborted.status.run is not None
    assert aborted.status.run.outcome
    assert aborted.status.run.weight == 0


def test_the_strategies_reach_every_end() -> None:
    """Else the properties above would say little."""
    found: set[str] = set()

    @given(routes() | routes(ending=True), scripts(30))
    @settings(deadline=None, max_examples=120, derandomize=True, database=None)
    def search(route: CanaryRoute, script: list[tuple[str, Any]]) -> None:
        run = Played(route)
        run.settle()
        for what, value in script:
            happen(run, what, value)
            run.settle()
            found.add(run.run.outcome)

    search()
    assert found == {"", "Promoted", "RolledBack", "Aborted", "TimedOut"}
