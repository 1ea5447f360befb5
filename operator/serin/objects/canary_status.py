"""The status of a CanaryRoute: all that is known of its rollout, so that whoever leads next goes on exactly there.

Read from the object (canary_status_reading), written by the leader alone (rollout.status_document). Times are seconds
since the epoch, 0: not yet; shares are parts of 100,000.
"""

from dataclasses import dataclass, field

WHOLE = 100_000
"""Parts that a share is counted in: per cent with three decimals."""
MOST_COUNT = (1 << 63) - 1
"""The largest number that a status can hold."""
PHASES = ("Idle", "Progressing", "AwaitingApproval", "Paused", "Promoted", "RolledBack", "Invalid")
VERDICTS = ("Pass", "NeedsData", "Fail", "None")
"""Of a check, and of all of a step. None: not looked at yet."""
OUTCOMES = ("Promoted", "RolledBack", "Aborted", "Superseded", "TimedOut")
"""How a run ends."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """status.rollout: the run that is going on, or ended last. `step` from 1, of `steps`.

    `weight`: the candidate's share in force, parts of 100,000; `mirror` likewise. `judged_since`: from when requests of
    this step count (after the warm-up). `awaited`: seconds of this step that its time-out does not count: waiting for
    an approval alone, or paused. `paused`: by an action, onFailure or onNoData (spec.paused alone leaves it False);
    `paused_since`: by whatever. `lacking_since`: from when data was all that the step waited for, the first time.
    `checks_id`: digest of the checks that judge this step, as they were when it began.
    `outcome`: empty while it goes on, else one of OUTCOMES.
    """

    run_id: str
    version: str
    revision: str = ""
    baseline: str = ""
    step: int = 1
    steps: int = 1
    weight: int = 0
    mirror: int = 0
    started_at: float = 0.0
    step_started_at: float = 0.0
    judged_since: float = 0.0
    next_at: float = 0.0
    awaiting_since: float = 0.0
    awaited: float = 0.0
    approved_at: float = 0.0
    paused: bool = False
    paused_since: float = 0.0
    lacking_since: float = 0.0
    checks_id: str = ""
    verdict: str = "None"
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class CheckStatus:
    """status.checks[]: what a check found in the running step, and all that its judgement goes on with.

    `bad`, `baseline_bad`: failures (or slow answers) among `requests`, `baseline_requests`. `threshold_us`: what slow
    means in this step, Latency alone. `log_e`: see serin.rollout.evidence. `needs`: about so many more requests.
    """

    name: str
    verdict: str = "None"
    candidate: str = ""
    baseline: str = ""
    requests: int = 0
    baseline_requests: int = 0
    bad: int = 0
    baseline_bad: int = 0
    threshold_us: int = 0
    limit: str = ""
    evidence: str = ""
    log_e: tuple[float, ...] = ()
    needs: int = 0
    failures: int = 0
    checked_at: float = 0.0
    query: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """status.weights[]: a version's share of the requests that no rule decides, in parts of 100,000."""

    version: str
    weight: float
    ready: int


@dataclass(frozen=True, slots=True)
class LastAction:
    """status.lastAction. `result` is Accepted or Ignored."""

    value: str
    result: str
    message: str
    at: float


@dataclass(frozen=True, slots=True)
class PastRun:
    """status.history[], newest first, 5 at most."""

    run_id: str
    version: str
    revision: str
    outcome: str
    reason: str
    started_at: float
    finished_at: float


@dataclass(frozen=True, slots=True)
class Condition:
    """metav1.Condition. `status` is True, False or Unknown."""

    type: str
    status: str
    reason: str
    message: str
    since: float
    generation: int = 0


@dataclass(frozen=True, slots=True)
class CanaryStatus:
    """`phase`: one of PHASES, as in the CRD."""

    generation: int = 0
    phase: str = ""
    message: str = ""
    weights: tuple[VersionStatus, ...] = ()
    run: RunStatus | None = None
    checks: tuple[CheckStatus, ...] = ()
    last_action: LastAction | None = None
    history: tuple[PastRun, ...] = ()
    conditions: tuple[Condition, ...] = field(default_factory=tuple)
