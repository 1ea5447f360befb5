"""How each value of a status is written in the object: one table for reading it and for writing it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from serin.objects.canary_status import CheckStatus, Condition, LastAction, PastRun, RunStatus, VersionStatus


class Form(Enum):
    TEXT = "a text"
    COUNT = "a whole number, not below 0"
    FLAG = "true or false"
    TIME = "seconds since the epoch, as RFC 3339 to the second"
    PARTS = "parts of 100,000, as per cent with at most 3 decimals"
    SHARE = "parts of 100,000, as per cent with at most 6 decimals"
    NUMBERS = "decimal numbers as texts"


@dataclass(frozen=True, slots=True)
class Place:
    """`name` of the value, `key` of the object. `always`: written when empty or 0, too. `longest`: of a text."""

    name: str
    key: str
    form: Form = Form.TEXT
    always: bool = False
    longest: int = 1024


RUN = (
    Place("run_id", "runId", longest=64),
    Place("version", "version", longest=32),
    Place("revision", "revision", longest=64),
    Place("baseline", "baseline", longest=32),
    Place("step", "step", Form.COUNT),
    Place("weight", "weight", Form.PARTS, always=True),
    Place("mirror", "mirror", Form.PARTS),
    Place("started_at", "startedAt", Form.TIME),
    Place("step_started_at", "stepStartedAt", Form.TIME),
    Place("judged_since", "judgedSince", Form.TIME),
    Place("next_at", "nextAt", Form.TIME),
    Place("awaiting_since", "awaitingSince", Form.TIME),
    Place("awaited", "awaitedSeconds", Form.COUNT),
    Place("approved_at", "approvedAt", Form.TIME),
    Place("paused", "paused", Form.FLAG),
    Place("paused_since", "pausedSince", Form.TIME),
    Place("lacking_since", "needsDataSince", Form.TIME),
    Place("checks_id", "checksId", longest=32),
    Place("verdict", "verdict", always=True),
    Place("outcome", "outcome"),
)
"""Beside these, `steps` is a part of stepText."""

CHECK = (
    Place("name", "name", longest=32),
    Place("verdict", "verdict", always=True),
    Place("candidate", "candidate", longest=64),
    Place("baseline", "baseline", longest=64),
    Place("requests", "requests", Form.COUNT),
    Place("baseline_requests", "baselineRequests", Form.COUNT),
    Place("bad", "bad", Form.COUNT),
    Place("baseline_bad", "baselineBad", Form.COUNT),
    Place("threshold_us", "thresholdUs", Form.COUNT),
    Place("limit", "limit", longest=64),
    Place("evidence", "evidence", longest=64),
    Place("log_e", "logE", Form.NUMBERS),
    Place("needs", "needs", Form.COUNT),
    Place("failures", "failures", Form.COUNT),
    Place("checked_at", "checkedAt", Form.TIME),
    Place("query", "query", longest=8192),
    Place("message", "message"),
)
VERSION = (
    Place("version", "version", longest=32),
    Place("weight", "weight", Form.SHARE, always=True),
    Place("ready", "readyEndpoints", Form.COUNT, always=True),
)
ACTION = (
    Place("value", "value", longest=256),
    Place("result", "result"),
    Place("message", "message"),
    Place("at", "at", Form.TIME),
)
PAST = (
    Place("run_id", "runId", longest=64),
    Place("version", "version", longest=32),
    Place("revision", "revision", longest=64),
    Place("outcome", "outcome"),
    Place("reason", "reason"),
    Place("started_at", "startedAt", Form.TIME),
    Place("finished_at", "finishedAt", Form.TIME),
)
CONDITION = (
    Place("type", "type", longest=316),
    Place("status", "status"),
    Place("reason", "reason"),
    Place("message", "message", always=True, longest=32768),
    Place("since", "lastTransitionTime", Form.TIME, always=True),
    Place("generation", "observedGeneration", Form.COUNT),
)
PLACES: Mapping[type, tuple[Place, ...]] = {
    RunStatus: RUN,
    CheckStatus: CHECK,
    VersionStatus: VERSION,
    LastAction: ACTION,
    PastRun: PAST,
    Condition: CONDITION,
}
