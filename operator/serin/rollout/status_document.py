"""A status as the object has it, for whoever writes it. Reading it gives the same status again.

Times are whole seconds, shares are texts, and what is empty is left out. Texts and numbers are cut to what the
definition takes: a status that is refused would stop a rollout, and a replica may say whatever it likes.
"""

from datetime import UTC, datetime

from serin.objects.canary_status import MOST_COUNT, CanaryStatus, RunStatus
from serin.objects.canary_status_fields import PLACES, Form, Place
from serin.rollout.percent import percent

_LONGEST = 1024
_LAST = 253_402_300_799
"""The last second of the year 9999, after which no text is a time."""


def to_document(status: CanaryStatus) -> dict[str, object]:
    """The value of `status`, as JSON can hold it."""
    found: dict[str, object] = {
        "observedGeneration": status.generation,
        "phase": status.phase,
        "message": status.message[:_LONGEST],
        "weights": [_part(version) for version in status.weights],
        "rollout": None if status.run is None else _run(status.run),
        "checks": [_part(check) for check in status.checks],
        "lastAction": None if status.last_action is None else _part(status.last_action),
        "history": [_part(past) for past in status.history],
        "conditions": [_part(condition) for condition in status.conditions],
    }
    return {key: value for key, value in found.items() if value}


def _run(run: RunStatus) -> dict[str, object]:
    return {**_part(run), "stepText": f"{run.step}/{run.steps}"}


def _part(part: object) -> dict[str, object]:
    values = ((place, getattr(part, place.name)) for place in PLACES[type(part)])
    return {place.key: _written(place, value) for place, value in values if value or place.always}


def _written(place: Place, value: object) -> object:
    match value:
        case tuple():
            return [repr(float(number)) for number in value]
        case str():
            return value[: place.longest]
        case bool():
            return value
        case int() | float():
            return _number(place, value)
        case _:
            raise TypeError(place.name)


def _number(place: Place, value: float) -> object:
    match place.form:
        case Form.TIME:
            return time_text(value)
        case Form.PARTS | Form.SHARE:
            return percent(value)
        case _:
            return min(int(value), MOST_COUNT)


def time_text(seconds: float) -> str:
    """RFC 3339 in UTC, the second that has begun: 2026-11-21T01:30:00Z."""
    return datetime.fromtimestamp(min(int(seconds), _LAST), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
