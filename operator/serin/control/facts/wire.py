"""What replicas tell each other: the counts of trials, and which of them are in force, as JSON. Pure.

Replicas of two releases meet during an update, so that an answer is read as strictly as one of a stranger: what is not
understood is no count.
"""

import base64
import binascii
import json
import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from serin.errors import SerinError
from serin.rollout.facts import BOUNDS_US, ReplicaCounts, TrialCounts, VersionCounts

FORMAT = 1
"""Another number means that fields mean something else; fields that are new have no such number."""
MOST_BYTES = 16 << 20
"""Of an answer: about a million users who got a bad answer."""
MOST_VERSIONS = 16
_BUCKETS = len(BOUNDS_US) + 1
_USER = struct.Struct("<QBH")
_LIMIT = 1 << 64

Read = Callable[[Collection[str] | None], ReplicaCounts]
"""Gives the counts of our data plane: of these trials, or of all. An empty `instance`: there are none."""


class AnswerError(SerinError):
    """Not an answer; says what was expected."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one replica. `in_force`: ids of the trials whose weights its data plane has."""

    counts: ReplicaCounts
    in_force: frozenset[str]


def encode(answer: Answer, trials: Collection[str] | None = None) -> bytes:
    """Of these trials, or of all that there are."""
    counts = answer.counts
    wanted = {name: each for name, each in counts.trials.items() if trials is None or name in trials}
    told = {
        "format": FORMAT,
        "instance": counts.instance,
        "inForce": sorted(answer.in_force if trials is None else answer.in_force & frozenset(trials)),
        "trials": {name: _trial(each) for name, each in wanted.items()},
    }
    return json.dumps(told, separators=(",", ":")).encode()


def decode(body: bytes) -> Answer:
    """AnswerError."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise AnswerError("its answer is no JSON") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        found = told.get("format") if isinstance(told, dict) else None
        raise AnswerError(f"its answer has format {str(found)[:20]}, expected {FORMAT}; is it of another release?")
    try:
        return Answer(
            ReplicaCounts(_text(told["instance"]), {_text(k): _read_trial(v) for k, v in told["trials"].items()}),
            frozenset(_text(name) for name in _list(told["inForce"])),
        )
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise AnswerError(f"its answer cannot be read: {str(error)[:100]}") from None


def _trial(trial: TrialCounts) -> dict[str, Any]:
    users = b"".join(_USER.pack(*user) for user in sorted(trial.bad_users))
    return {
        "versions": [_version(each) for each in trial.versions],
        "badUsers": base64.b64encode(users).decode(),
        "full": trial.full,
    }


def _version(version: VersionCounts) -> dict[str, Any]:
    return {
        "drawn": {str(status): count for status, count in version.drawn.items()},
        "other": {str(status): count for status, count in version.other.items()},
        "drawnUs": list(version.drawn_us),
        "otherUs": list(version.other_us),
        "users": version.users,
    }


def _read_trial(told: Any) -> TrialCounts:
    versions = _list(told["versions"])
    if len(versions) > MOST_VERSIONS:
        raise ValueError(f"{len(versions)} versions")
    try:
        users = frozenset(_USER.iter_unpack(base64.b64decode(told["badUsers"], validate=True)))
    except (binascii.Error, struct.error) as error:
        raise ValueError("badUsers") from error
    return TrialCounts(tuple(_read_version(each) for each in versions), users, told["full"] is True)


def _read_version(told: Any) -> VersionCounts:
    return VersionCounts(
        drawn=_statuses(told["drawn"]),
        other=_statuses(told["other"]),
        drawn_us=_buckets(told["drawnUs"]),
        other_us=_buckets(told["otherUs"]),
        users=_count(told["users"]),
    )


def _statuses(told: Mapping[str, Any]) -> dict[int, int]:
    found = {}
    for status, count in told.items():
        if not status.isascii() or not status.isdigit() or len(status) > 3:
            raise ValueError(f"status {status[:20]}")
        found[int(status)] = _count(count)
    return found


def _buckets(told: Any) -> tuple[int, ...]:
    if len(_list(told)) not in (0, _BUCKETS):
        raise ValueError(f"{len(told)} buckets, expected {_BUCKETS}")
    return tuple(_count(each) for each in told)


def _count(told: Any) -> int:
    if type(told) is not int or not 0 <= told < _LIMIT:
        raise ValueError("a count that is none")
    return told


def _text(told: Any) -> str:
    if not isinstance(told, str) or len(told) > 64:
        raise ValueError("expected a name")
    return told


def _list(told: Any) -> list[Any]:
    if not isinstance(told, list):
        raise TypeError("expected a list")
    return told
