"""What the engine looks at: counts of requests by version, as every replica has them; results of outside checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

NO_STATUS = 0
"""The client left before there was an answer: nobody's failure."""
PATIENCE_US = 1_000_000
"""Whoever left after at least so many µs counts for the latency all the same, as an answer that took so long: a version
that hangs would be in no evidence else.
"""
FAILED = 1
"""No answer from the endpoint: not connected, reset, or too slow."""


def _bounds() -> tuple[int, ...]:
    """Each about 15 % above the one before (2 to the power of 1/5): 100 µs to 52 s."""
    return tuple(round(100 * 2 ** (i / 5)) for i in range(96))


BOUNDS_US = _bounds()
"""Inclusive upper bounds of the latency buckets of a trial, in µs; one more bucket has none."""


@dataclass(frozen=True, slots=True)
class VersionCounts:
    """Of one version in one trial, cumulative. `drawn`: by weight or by the user's key, while every version that has a
    weight could be chosen; `other`: by rules, mirrored copies, and whatever else.

    Mappings are from status (NO_STATUS, FAILED, 100 to 599) to requests; tuples have requests by latency bucket, but
    for those of 101 and those of NO_STATUS that took less than PATIENCE_US. `users`: about how many different users, 0
    where there is no splitBy.
    """

    drawn: Mapping[int, int] = field(default_factory=dict)
    other: Mapping[int, int] = field(default_factory=dict)
    drawn_us: tuple[int, ...] = ()
    other_us: tuple[int, ...] = ()
    users: int = 0


@dataclass(frozen=True, slots=True)
class TrialCounts:
    """`versions` by place in spec.versions. `bad_users`: (user, place, status) of each user's first answer of 5xx or
    without answer (4xx too where the trial says so); `full`: no room for more of these, from then on none was noted.
    """

    versions: tuple[VersionCounts, ...] = ()
    bad_users: frozenset[tuple[int, int, int]] = frozenset()
    full: bool = False


@dataclass(frozen=True, slots=True)
class ReplicaCounts:
    """All trials of one data plane by id. `instance` changes when its counts have begun anew."""

    instance: str
    trials: Mapping[str, TrialCounts]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the replicas said in one look. `missing`: those that should have answered and did not, with the reason."""

    replicas: tuple[ReplicaCounts, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutsideResult:
    """One answer of a Prometheus server or a webhook. `verdict`: Pass, Fail or NeedsData; `value` as text for people.

    An address that cannot be reached, or says nothing usable, is a Fail with `message`; no data is NeedsData.
    """

    verdict: str
    value: str
    message: str
    at: float
    query: str = ""
