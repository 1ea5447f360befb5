"""What the state machine is given in one look, and what it gives back: values, so that a test is a table of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from serin.objects.canary_status import CanaryStatus, CheckStatus
from serin.objects.views import CanaryRoute
from serin.problems import Problem
from serin.rollout.facts import Facts, OutsideResult
from serin.rollout.judging import Judging


class Judges(Protocol):
    """The statistics, as the state machine sees them. `view` has the present status, and so names the trial."""

    def freeze(
        self, view: CanaryRoute, checks: tuple[CheckStatus, ...], facts: Facts
    ) -> tuple[CheckStatus, ...] | None:
        """The checks with what they hold a step against, from what the warm-up showed; None: not known yet."""

    def judge(
        self,
        view: CanaryRoute,
        checks: tuple[CheckStatus, ...],
        facts: Facts,
        outside: Mapping[str, OutsideResult],
        now: float,
    ) -> tuple[CheckStatus, ...]:
        """The checks with their verdicts."""


@dataclass(frozen=True, slots=True)
class Situation:
    """`view` has the status that was written last. `now` and `written_at`: seconds since the epoch.

    `ready`: ready endpoints by version; a version without an entry has no Service. `serving`: how many replicas have
    the present shares in force, and how many there are. `problems`: those of this very object. `written_at`: when this
    process wrote the status last, 0: never.
    """

    view: CanaryRoute
    now: float
    ready: Mapping[str, int]
    facts: Facts = field(default_factory=Facts)
    outside: Mapping[str, OutsideResult] = field(default_factory=dict)
    serving: tuple[int, int] = (1, 1)
    problems: tuple[Problem, ...] = ()
    written_at: float = 0.0
    judgement: Judges = field(default_factory=Judging)


@dataclass(frozen=True, slots=True)
class Told:
    """An Event to be recorded about the CanaryRoute, once the status it belongs to is written; `on_ingress`: about the
    Ingresses that it shares out, too.
    """

    reason: str
    note: str
    warning: bool = False
    on_ingress: bool = False


@dataclass(frozen=True, slots=True)
class Advance:
    """`write` False: nothing came of it but, at most, newer numbers; `status` may be dropped."""

    status: CanaryStatus
    events: tuple[Told, ...] = ()
    write: bool = False
