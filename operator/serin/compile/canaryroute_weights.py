"""The weights of a CanaryRoute in force: those of its spec, and where its rollout stands by its status.

Everything that a step, a raise or a rollback changes comes out here, as values of a Split, which goes to shared memory
and needs no new document. What is only written down in status (evidence, times) must change nothing.
"""

from dataclasses import dataclass

from serin.objects.views import CanaryRoute, CheckType
from serin.rollout.standing import Standing, salts, shares, standing
from serin.routing.plan import Trial


@dataclass(frozen=True, slots=True)
class Weights:
    """`parts` in the order of spec.versions, out of `total`. `candidate`: the place of the version in rollout, or -1.

    `suspended`: it was taken back, and rules do not reach it either. `trial`: of the splits of routes. `mirror`: parts
    of 100,000 requests that the candidate gets a copy of. `salts`: None where each request is drawn by itself.
    """

    parts: tuple[int, ...] = ()
    total: int = 0
    candidate: int = -1
    suspended: bool = False
    mirror: int = 0
    trial: Trial | None = None
    salts: tuple[int, int] | None = None


NO_WEIGHTS = Weights()


def weights_of(view: CanaryRoute) -> Weights:
    """Of a view with versions."""
    written = tuple(version.weight for version in view.versions)
    salted = salts(view) if view.keeps_users else None
    found = standing(view)
    if found is None:
        gone = _taken_back(view)
        return Weights(written, sum(written), candidate=gone, suspended=gone >= 0, salts=salted)
    parts, total = shares(written, found.candidate, found.weight)
    return Weights(
        parts,
        total,
        found.candidate,
        found.suspended,
        0 if found.suspended else found.mirror,
        _trial(view, found),
        salted,
    )


def _trial(view: CanaryRoute, found: Standing) -> Trial | None:
    if not found.trial or view.rollout is None:
        return None
    counted = [status for check in view.rollout.checks if check.type is CheckType.ERRORS for status in check.statuses]
    return Trial(found.trial, 0, view.keeps_users and any(status.startswith("4") for status in counted))


def _taken_back(view: CanaryRoute) -> int:
    """The place of a version whose rollout cannot be carried out (any more) and whose last run was taken back, or -1.

    A slip in the spec must not let rules through to it again.
    """
    run = None if view.status is None else view.status.run
    if not view.held or run is None or run.version != view.held or run.outcome in ("", "Promoted"):
        return -1
    return [version.name for version in view.versions].index(view.held)
