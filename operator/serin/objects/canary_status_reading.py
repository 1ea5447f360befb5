"""The status of a CanaryRoute as it was written. Total and without problems: only the controller writes it.

What cannot be read counts as absent, and a part without its name is left out. A status that somebody else damaged so
is, at worst, that of a run that has not begun: the safe direction.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from math import isfinite
from typing import Any, TypeVar

from serin.objects.canary_status import (
    MOST_COUNT,
    OUTCOMES,
    VERDICTS,
    WHOLE,
    CanaryStatus,
    CheckStatus,
    Condition,
    LastAction,
    PastRun,
    RunStatus,
    VersionStatus,
)
from serin.objects.canary_status_fields import PLACES, Form
from serin.objects.canaryroute_rollout import MOST_STEPS
from serin.objects.fields import Fields

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z", re.ASCII)
_SHARE = re.compile(r"\d{1,3}(?:\.\d{1,6})?%", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,32}(?:\.\d{1,32})?(?:e[-+]?\d{1,3})?", re.ASCII)
_STEP_TEXT = re.compile(r"\d{1,2}/(\d{1,2})", re.ASCII)

_Part = TypeVar("_Part", VersionStatus, CheckStatus, PastRun, Condition, LastAction, RunStatus)


def read_status(fields: Fields) -> CanaryStatus:
    """`fields`: the object's status."""
    return CanaryStatus(
        generation=fields.integer("observedGeneration", 0, MOST_COUNT) or 0,
        phase=fields.text("phase"),
        message=fields.text("message"),
        weights=_unique(_parts(fields, "weights", VersionStatus, "version"), "version"),
        run=_run(fields.mapping("rollout")),
        checks=_unique(_checks(fields), "name"),
        last_action=_part(fields.mapping("lastAction"), LastAction, "value"),
        history=tuple(_parts(fields, "history", PastRun, "run_id")),
        conditions=_unique(_parts(fields, "conditions", Condition, "type"), "type"),
    )


def _run(fields: Fields | None) -> RunStatus | None:
    """One whose end cannot be made out is as good as none."""
    run = _part(fields, RunStatus, "run_id")
    if fields is None or run is None or run.outcome not in ("", *OUTCOMES):
        return None
    steps = _STEP_TEXT.fullmatch(fields.text("stepText"))
    step = min(max(run.step, 1), MOST_STEPS)
    verdict = run.verdict if run.verdict in VERDICTS else "None"
    return replace(run, step=step, steps=int(steps[1]) if steps else step, verdict=verdict)


def _checks(fields: Fields) -> Iterator[CheckStatus]:
    for check in _parts(fields, "checks", CheckStatus, "name"):
        yield check if check.verdict in VERDICTS else replace(check, verdict="None")


def _parts(fields: Fields, key: str, kind: type[_Part], name: str) -> Iterator[_Part]:
    for item in fields.mappings(key):
        found = _part(item, kind, name)
        if found is not None:
            yield found


def _part(fields: Fields | None, kind: type[_Part], name: str) -> _Part | None:
    if fields is None:
        return None
    values: dict[str, Any] = {place.name: _value(fields, place.key, place.form) for place in PLACES[kind]}
    return kind(**values) if values[name] else None


def _unique(parts: Iterator[_Part], name: str) -> tuple[_Part, ...]:
    return tuple({getattr(part, name): part for part in parts}.values())


def _value(fields: Fields, key: str, form: Form) -> object:
    match form:
        case Form.TEXT:
            return fields.text(key)
        case Form.COUNT:
            return fields.integer(key, 0, MOST_COUNT) or 0
        case Form.FLAG:
            return fields.flag(key) is True
        case Form.TIME:
            return seconds_of(fields.text(key))
        case Form.PARTS:
            return round(_share(fields.text(key)))
        case Form.SHARE:
            return _share(fields.text(key))
        case Form.NUMBERS:
            return tuple(_number(text) for _, text in fields.texts(key))


def seconds_of(text: str) -> float:
    """Seconds since the epoch of a time in UTC; 0 when it is none, or one before."""
    if not _RFC3339.fullmatch(text):
        return 0.0
    try:
        return max(0.0, float(int(datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp())))
    except ValueError:
        return 0.0


def _share(text: str) -> float:
    """Parts of 100,000, to thousandths."""
    return min(round(float(text[:-1]) * WHOLE / 100, 3), float(WHOLE)) if _SHARE.fullmatch(text) else 0.0


def _number(text: str) -> float:
    found = float(text) if _NUMBER.fullmatch(text) else 0.0
    return found if isfinite(found) else 0.0
