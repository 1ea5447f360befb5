"""spec.rollout of a CanaryRoute: which version moves, by which steps. Its checks are read by `canaryroute_checks`.

A rollout that cannot be read in every part is not carried out at all: a step without its approval, or without a check
that was meant, would send a version more requests than its user allowed.
"""

import itertools
import re
from collections.abc import Sequence

from serin.objects.canary_status import WHOLE
from serin.objects.canaryroute_checks import read_checks
from serin.objects.canaryroute_values import parts_of, read_duration, read_percentage
from serin.objects.fields import Fields, shorten
from serin.objects.names import is_namespace
from serin.objects.views import CanaryRollout, CanaryStep, CanaryVersion, Meta

MOST_STEPS = 20
LONGEST_LABEL = 32
LONGEST_REVISION = 64
MOST_READY = 10_000

_ROLLOUT = frozenset(
    (
        "version",
        "revision",
        "baseline",
        "steps",
        "stepTimeout",
        "minReadyEndpoints",
        "checks",
        "falseAlarm",
        "onFailure",
        "onNoData",
    )
)
_STEP = frozenset(("name", "weight", "duration", "approval", "mirror"))
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search
_FAILURES = ("Rollback", "Pause")
_NO_DATA = ("Pause", "Rollback", "Continue")
_APPROVALS = ("None", "Required")


def read_rollout(fields: Fields, meta: Meta, versions: Sequence[CanaryVersion], *, held: bool) -> CanaryRollout | None:
    """`versions` as they stand, home first; `held`: these, or the rules before them, cannot all be read."""
    report, mark = fields.report, fields.report.mark
    fields.refuse_others(_ROLLOUT)
    version = _version(fields, versions)
    baseline = _baseline(fields, versions, version)
    alarm = _false_alarm(fields)
    ready, share = _min_ready(fields)
    rollout = CanaryRollout(
        version,
        meta.at(fields.path),
        _revision(fields),
        baseline,
        _steps(fields, meta),
        _step_timeout(fields),
        ready,
        share,
        read_checks(fields, meta),
        alarm,
        _one_of(fields, "onFailure", _FAILURES),
        _one_of(fields, "onNoData", _NO_DATA),
    )
    if report.failed_since(mark) or held:
        why = "not all of its versions and rules can be read" if held else "not all of it can be carried out"
        kept = f", and {version} has weight 0" if version else ""
        text = f"{why}; until that is repaired there is no rollout{kept}"
        report.error(fields.path, "canaryroute-rollout-unusable", text)
        return None
    return rollout


def _version(fields: Fields, versions: Sequence[CanaryVersion]) -> str:
    """The name, empty where it is none of the versions."""
    at, name = fields.at("version"), fields.text("version")
    found = next((version for version in versions if version.name == name), None)
    if found is None:
        shown = f", found {shorten(name)!r}" if name else ""
        text = f"expected one of the versions {', '.join(v.name for v in versions)}{shown}"
        fields.report.error(at, "canaryroute-rollout-version", text)
        return ""
    if found.weight and len(versions) > 1:
        text = f"expected a version of weight 0, {name} has {found.weight}: during a rollout the steps say its share"
        fields.report.error(at, "canaryroute-rollout-version", text)
    elif len(versions) == 1:
        fields.report.error(
            at, "canaryroute-rollout-version", "expected another version beside the one that rolls out, to come from"
        )
    return name


def _baseline(fields: Fields, versions: Sequence[CanaryVersion], candidate: str) -> str:
    """By default the other version with the largest weight, of equal ones the first."""
    others = [version for version in versions if version.name != candidate and version.weight]
    name = fields.text("baseline")
    if not fields.has("baseline"):
        return max(others, key=lambda version: version.weight).name if others else ""
    if not any(version.name == name for version in others):
        names = ", ".join(version.name for version in others) or "none"
        text = f"expected another version, with a weight above 0 ({names}), found {shorten(name)!r}"
        fields.report.error(fields.at("baseline"), "canaryroute-rollout-baseline", text)
    return name


def _revision(fields: Fields) -> str:
    revision = fields.text("revision")
    if len(revision) > LONGEST_REVISION or _CONTROL(revision):
        text = f"expected at most {LONGEST_REVISION} characters, none of them a control"
        fields.report.error(fields.at("revision"), "canaryroute-rollout-value", f"{text}, found {shorten(revision)!r}")
    return revision


# --- steps ---


def _steps(fields: Fields, meta: Meta) -> tuple[CanaryStep, ...]:
    report, mark = fields.report, fields.report.mark
    listed = list(fields.mappings("steps"))
    if not 1 <= len(listed) <= MOST_STEPS and not report.failed_since(mark):
        report.error(
            fields.at("steps"), "canaryroute-rollout-steps", f"expected 1 to {MOST_STEPS} steps, found {len(listed)}"
        )
    steps = tuple(_step(item, number, meta) for number, item in enumerate(listed[:MOST_STEPS], start=1))
    for before, step in itertools.pairwise(steps):
        if step.weight < before.weight and not report.failed_since(mark):
            text = f"expected weights that never go down, found {_shown(step)} after {_shown(before)}"
            report.error(f"{step.source.field}.weight", "canaryroute-rollout-steps", text)
    return steps


def _step(fields: Fields, number: int, meta: Meta) -> CanaryStep:
    """What could not be read is told; there is no rollout then."""
    report = fields.report
    fields.refuse_others(_STEP)
    name = fields.text("name", str(number))
    if fields.has("name") and (len(name) > LONGEST_LABEL or not is_namespace(name)):
        text = f"expected at most {LONGEST_LABEL} characters a-z, 0-9 and '-', found {shorten(name)!r}"
        report.error(fields.at("name"), "canaryroute-rollout-steps", text)
    if not fields.has("weight"):
        report.error(fields.at("weight"), "missing-field", 'expected a weight from "0%" to "100%"')
    weight = read_percentage(fields, "weight", "canaryroute-rollout-steps")
    duration = read_duration(fields, "duration", 0.0, "canaryroute-rollout-steps")
    approval = _one_of(fields, "approval", _APPROVALS) == "Required"
    mirror = read_percentage(fields, "mirror", "canaryroute-rollout-steps")
    if fields.has("mirror") and weight:
        text = 'expected a mirror only where the step has weight "0%": later steps send the version real requests'
        report.error(fields.at("mirror"), "canaryroute-rollout-steps", text)
    return CanaryStep(name, weight, duration, approval, mirror, meta.at(fields.path))


def _shown(step: CanaryStep) -> str:
    return f"{step.weight / 1000:g}%"


# --- what holds for all steps ---


def _step_timeout(fields: Fields) -> float:
    found = read_duration(fields, "stepTimeout", 3600.0, "canaryroute-rollout-value")
    if 0 < found < 60:
        text = f"expected a duration of at least 1m, or 0s for no limit, found {shorten(fields.text('stepTimeout'))!r}"
        fields.report.error(fields.at("stepTimeout"), "canaryroute-rollout-value", text)
    return found


def _min_ready(fields: Fields) -> tuple[int, float]:
    """A number and no share, or 0 and a share of 1."""
    value = fields.raw.get("minReadyEndpoints")
    if value is None:
        return 1, 0.0
    if type(value) is int and 1 <= value <= MOST_READY:
        return value, 0.0
    parts = parts_of(value) if isinstance(value, str) else None
    if parts is not None:
        return 0, parts / WHOLE
    expected = f'a whole number from 1 to {MOST_READY} without quotes, or a percentage such as "50%"'
    fields.report.wrong_type(fields.at("minReadyEndpoints"), expected, value)
    return 1, 0.0


def _false_alarm(fields: Fields) -> float:
    """A probability. Exact: a percentage has at most 3 decimals."""
    if not fields.has("falseAlarm"):
        return 0.05
    mark, parts = fields.report.mark, read_percentage(fields, "falseAlarm", "canaryroute-rollout-value")
    if not 100 <= parts <= 20_000 and not fields.report.failed_since(mark):
        text = f'expected a percentage from "0.1%" to "20%", found {fields.text("falseAlarm")!r}'
        fields.report.error(fields.at("falseAlarm"), "canaryroute-rollout-value", text)
    return parts / WHOLE


def _one_of(fields: Fields, key: str, known: Sequence[str]) -> str:
    """The first of `known` is the default."""
    wanted = f"one of {', '.join(known)}"
    mark, found = fields.report.mark, fields.text(key, known[0], wanted)
    if found in known:
        return found
    if not fields.report.failed_since(mark):
        text = f"expected {wanted}, found {shorten(found)!r}"
        fields.report.error(fields.at(key), "canaryroute-rollout-value", text)
    return known[0]
