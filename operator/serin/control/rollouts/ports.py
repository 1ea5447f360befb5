"""What the driver of rollouts needs from others: the facts, the outside world's answers, a place for status."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from serin.compile.compiler import Compiled
from serin.objects.canary_status import CanaryStatus
from serin.objects.store import Snapshot
from serin.objects.views import CanaryRoute
from serin.problems import Problem
from serin.refs import Ref
from serin.rollout.facts import Facts, OutsideResult


class FactsSource(Protocol):
    """The counts of all replicas (serin.control.facts)."""

    async def look(self, trials: Collection[str] | None = None) -> Facts:
        """Those of `trials` (ids) at least. A replica that does not answer within 2 s or so is among `missing`."""

    def programmed(self, trial: str) -> tuple[int, int]:
        """As of the last look: replicas that have it in force, and all there are. Empty: those that answered."""


class OutsideSource(Protocol):
    """Prometheus servers and webhooks, asked at their own pace (serin.control.outside)."""

    def look(self, view: CanaryRoute, now: float) -> Mapping[str, OutsideResult]:
        """What is known now of the checks of the running step, by name; what is due is asked meanwhile."""

    def keep(self, refs: Collection[Ref]) -> None:
        """Forget all other CanaryRoutes."""


class Statuses(Protocol):
    """Where the status of a CanaryRoute is kept."""

    def known(self, view: CanaryRoute) -> CanaryRoute:
        """`view`, or what is known to be newer: after a write, until the write is seen as all others see it."""

    async def write(self, view: CanaryRoute, status: CanaryStatus) -> None:
        """Keeps it, as long as the object is the one in `view`. ChangedError when it is not.

        Any other failure is told by SerinError, OSError or TimeoutError; it is decided anew later.
        """

    def forget(self, refs: frozenset[Ref]) -> None:
        """Objects that are there no more."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of all objects at one moment. `problems`: of all objects, sorted."""

    snapshot: Snapshot
    compiled: Compiled
    problems: tuple[Problem, ...] = ()
