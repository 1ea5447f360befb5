"""What each version has of the requests that no rule decided, as words for people and as weights.

The same sums as the routine's (csrc/draw.c): versions out of the request, suspended or without endpoints have nothing,
canaries have their weights, and main has what they leave of the total. When nobody has a part main has it all; of a
CanaryRoute the first version that is there.
"""

from dataclasses import dataclass

from serin.routing.decision import Reason
from serin.routing.plan import Pool, Split, VersionRoute


@dataclass(frozen=True, slots=True)
class Shares:
    """`weights` by version index, out of `total`; total 0: nobody is there to answer. `reason`: who decides."""

    weights: tuple[int, ...]
    total: int
    reason: Reason

    @property
    def possible(self) -> tuple[int, ...]:
        """The versions that some request gets."""
        return tuple(i for i, weight in enumerate(self.weights) if weight)

    def text(self, versions: tuple[VersionRoute, ...]) -> str:
        """`main 90 % / canary 10 %`, or one name alone."""
        if len(self.possible) == 1:
            return versions[self.possible[0]].name
        return " / ".join(f"{versions[i].name} {percent(self.weights[i], self.total)}" for i in self.possible)

    def percents(self, versions: tuple[VersionRoute, ...]) -> tuple[tuple[str, float], ...]:
        """Name and per cent of the versions that some request gets."""
        return tuple((versions[i].name, round(100 * self.weights[i] / self.total, 6)) for i in self.possible)


def shares(split: Split, excluded: int, has_endpoints: tuple[bool, ...]) -> Shares:
    """The shares when the versions of the bit mask `excluded` are out of the request."""
    there = [has and not excluded >> i & 1 for i, has in enumerate(present(split, has_endpoints))]
    weights = [share.weight if there[i] else 0 for i, share in enumerate(split.shares)]
    if split.rest:
        weights[0] = max(0, split.total - sum(weights[1:])) if there[0] else 0
    if not any(weights):
        alone = 0 if split.rest or not any(there) else there.index(True)
        weights[alone] = int(there[alone])
    total = sum(weights)
    possible = [i for i, weight in enumerate(weights) if weight]
    drawn = len(possible) > 1 or (possible and possible[0] != 0 and there[0])
    return Shares(tuple(weights), total, Reason.WEIGHT if drawn else Reason.DEFAULT)


def present(split: Split, has_endpoints: tuple[bool, ...]) -> tuple[bool, ...]:
    """Which versions can take a request: a suspended one cannot, whatever endpoints it has."""
    pairs = zip(split.shares, has_endpoints, strict=True)
    return tuple(has and share.ident not in split.suspended for share, has in pairs)


def percent(weight: int, total: int) -> str:
    """`10 %`, `0.1 %`: as many digits as it needs, at most six."""
    return f"{round(100 * weight / total, 6):g} %"


def answers(pool: Pool | None) -> bool:
    """Whether a pool can serve. A name that the data plane resolves is taken to."""
    return pool is not None and bool(pool.endpoints or pool.external)
