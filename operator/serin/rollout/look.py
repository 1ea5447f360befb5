"""One look at a rollout: what the state machine's guards ask. All of it is computed from a Situation, nothing is kept.

Times are whole seconds, because that is what a status can hold: a leader that reads it must find what was meant.
"""

from dataclasses import dataclass, replace
from math import ceil

from serin.objects.canary_status import WHOLE, CanaryStatus, CheckStatus, LastAction, PastRun, RunStatus
from serin.objects.views import CanaryRollout, CanaryRoute, CanaryStep
from serin.rollout.acceptance import Acceptance
from serin.rollout.checks_of_step import checks_id
from serin.rollout.judgement import worst
from serin.rollout.situation import Situation, Told
from serin.rollout.standing import shares, standing

MOST_HISTORY = 5
CLOCKS_DIFFER = 300.0
"""Seconds that the clocks of two leaders may be apart. A step that is to begin later was begun by a wrong clock."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the next status says of the rollout, while it is being made."""

    run: RunStatus | None
    checks: tuple[CheckStatus, ...] = ()
    last_action: LastAction | None = None
    history: tuple[PastRun, ...] = ()
    events: tuple[Told, ...] = ()

    def telling(self, *events: Told) -> "Draft":
        return replace(self, events=self.events + events)


@dataclass(frozen=True, slots=True)
class Look:
    """`draft` as of this moment. `frozen`: thresholds of the running step that can be known now; None: not yet."""

    situation: Situation
    now: float
    accepted: Acceptance
    draft: Draft
    frozen: tuple[CheckStatus, ...] | None = None

    def after(self, draft: Draft) -> "Look":
        return replace(self, draft=draft)

    @property
    def view(self) -> CanaryRoute:
        """With the draft as its status, so that `standing` tells the trial of this moment."""
        status = self.situation.view.status or CanaryStatus()
        return replace(self.situation.view, status=replace(status, run=self.draft.run, checks=self.draft.checks))

    @property
    def rollout(self) -> CanaryRollout:
        found = self.situation.view.rollout
        assert found is not None
        return found

    @property
    def run(self) -> RunStatus:
        assert self.draft.run is not None
        return self.draft.run

    @property
    def going_on(self) -> bool:
        return self.draft.run is not None and not self.draft.run.outcome

    @property
    def past(self) -> PastRun | None:
        """What history says of the run that ended last."""
        run = self.run
        same = (past for past in self.draft.history if (past.run_id, past.started_at) == (run.run_id, run.started_at))
        return next(same, None)

    # --- steps ---

    @property
    def place(self) -> int:
        """The number of the step that the run belongs to: its own, while that has its weight; else the first that has
        no less. The last one when all have less.
        """
        steps, run = self.rollout.steps, self.run
        if run.step <= len(steps) and steps[run.step - 1].weight == run.weight:
            return run.step
        return next((n for n, step in enumerate(steps, 1) if step.weight >= run.weight), len(steps))

    @property
    def step(self) -> CanaryStep:
        steps = self.rollout.steps
        return steps[min(self.run.step, len(steps)) - 1]

    @property
    def is_last(self) -> bool:
        return self.run.step >= len(self.rollout.steps)

    @property
    def edited(self) -> bool:
        """Whether something was changed that counts of before cannot be compared across: checks, baseline, shares."""
        status, run = self.situation.view.status, self.run
        written = {shown.version: shown.weight for shown in status.weights} if status is not None else {}
        changed = run.baseline != self.rollout.baseline or run.checks_id != checks_id(self.rollout)
        return changed or written != shares_of(self.situation.view)

    # --- what a step waits for ---

    @property
    def warmup(self) -> float:
        return max((check.warmup for check in self.rollout.checks), default=0.0)

    @property
    def warm(self) -> bool:
        return self.now >= self.run.step_started_at + self.warmup

    @property
    def begun_in_future(self) -> bool:
        """Neither its warm-up nor its duration would ever be over."""
        return self.run.step_started_at > self.now + CLOCKS_DIFFER

    @property
    def over(self) -> bool:
        """The step's duration."""
        return self.now >= self.run.step_started_at + self.step.duration

    @property
    def least_ready(self) -> int:
        """At least 1: of a version without endpoints there is nothing to be judged."""
        rollout, ready = self.rollout, self.situation.ready
        if rollout.min_ready_share:
            share = round(rollout.min_ready_share * ready.get(rollout.baseline, 0), 6)
            return max(1, ceil(share))
        return max(1, rollout.min_ready)

    @property
    def ready(self) -> int:
        return self.situation.ready.get(self.rollout.version, 0)

    @property
    def enough(self) -> bool:
        return self.ready >= self.least_ready

    @property
    def programmed(self) -> bool:
        there, expected = self.situation.serving
        return there >= expected > 0

    @property
    def counted(self) -> bool:
        return not self.situation.facts.missing

    @property
    def verdict(self) -> str:
        return worst(self.draft.checks)

    @property
    def passing(self) -> bool:
        return self.run.judged_since > 0 and all(check.verdict == "Pass" for check in self.draft.checks)

    @property
    def failed(self) -> CheckStatus | None:
        return next((check for check in self.draft.checks if check.verdict == "Fail"), None)

    @property
    def failing_outside(self) -> bool:
        """A check has begun to fail, though not yet as often as it takes."""
        return any(check.failures and check.verdict != "Pass" for check in self.draft.checks)

    @property
    def approved(self) -> bool:
        return not self.step.approval or self.run.approved_at > 0

    @property
    def able(self) -> bool:
        """Whether the present weight is in force everywhere, and there are endpoints for more."""
        return self.accepted.holds and self.enough and self.programmed

    @property
    def may_end(self) -> bool:
        """Whether somebody's word is enough to end the step."""
        return self.able and self.counted and self.passing and not self.paused

    @property
    def satisfied(self) -> bool:
        """Whether the step waits for nothing but an approval."""
        return self.over and self.able and ((self.counted and self.passing) or self.data_waived)

    @property
    def to_be_judged(self) -> bool:
        """Not before the first raise: whatever a check finds then, it has nothing to do with the version."""
        return self.run.weight > 0 or self.step.weight == 0

    # --- time ---

    @property
    def paused(self) -> bool:
        return self.situation.view.paused or self.run.paused

    @property
    def waited(self) -> float:
        """Seconds of this step that the time-out does not count."""
        since = self.run.paused_since or self.run.awaiting_since
        return self.run.awaited + (max(0.0, self.now - since) if since else 0.0)

    @property
    def timed_out(self) -> bool:
        rollout, run = self.rollout, self.run
        end = run.step_started_at + self.step.duration + rollout.step_timeout + self.waited
        return rollout.step_timeout > 0 and self.now >= end

    @property
    def lacks_data(self) -> bool:
        """Data alone: everything else that the step needs is there, but for an approval. A replica that does not answer
        does not say either whether it has the shares in force.
        """
        there = self.accepted.holds and self.enough and (self.programmed or not self.counted)
        return there and not self.failing_outside and not (self.counted and self.passing)

    @property
    def waits_for_checks(self) -> bool:
        """Its time is over, and the checks do not let it end, having been looked at once at least."""
        looked = self.warm and (not self.run.judged_since or self.verdict != "None")
        return self.over and looked and self.able and not self.satisfied

    @property
    def data_waived(self) -> bool:
        """Too few requests, not what a replica has counted and does not say."""
        return self.timed_out and self.rollout.on_no_data == "Continue" and self.counted and self.lacks_data


def shares_of(view: CanaryRoute) -> dict[str, float]:
    """What each version has of the requests that no rule decides, in parts of 100,000, as a status can hold it."""
    weights = [version.weight for version in view.versions]
    stand = standing(view)
    found, total = (tuple(weights), sum(weights)) if stand is None else shares(weights, stand.candidate, stand.weight)
    return {
        version.name: round(weight * WHOLE / total, 3) if total else 0.0
        for version, weight in zip(view.versions, found, strict=True)
    }
