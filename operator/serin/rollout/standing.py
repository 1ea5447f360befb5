"""Where a CanaryRoute's rollout stands, as its status says: the shares in force. All replicas read the same from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

from serin.objects.canary_status import WHOLE, RunStatus
from serin.objects.views import CanaryRoute
from serin.routing.identity import digest64

MOST_TOTAL = 1 << 31


@dataclass(frozen=True, slots=True)
class Standing:
    """`candidate`: index of the version in rollout. `weight`, `mirror`: its parts of 100,000. `suspended`: it was taken
    back, and not even rules send requests to it. `trial`: names the counts of this moment, empty: nothing is judged.
    """

    candidate: int
    weight: int
    suspended: bool = False
    mirror: int = 0
    trial: str = ""


def run_id(view: CanaryRoute) -> str:
    """Names a run, by version, its Service and revision: 16 hex digits. The same run never begins twice by itself."""
    assert view.rollout is not None
    version = next(v for v in view.versions if v.name == view.rollout.version)
    return digest64((version.name, version.service, str(version.port or ""), view.rollout.revision))


def current_run(view: CanaryRoute) -> RunStatus | None:
    """The run of status that is the one of spec."""
    if view.rollout is None or view.status is None or view.status.run is None:
        return None
    return view.status.run if view.status.run.run_id == run_id(view) else None


def standing(view: CanaryRoute) -> Standing | None:
    """None without a rollout: the weights of spec.versions hold as they are.

    A run that has not begun yet has 0; one that ended well has all; one that was taken back is suspended.
    """
    if view.rollout is None:
        return None
    names = [version.name for version in view.versions]
    candidate, run = names.index(view.rollout.version), current_run(view)
    if run is None:
        return Standing(candidate, 0)
    if run.outcome == "Promoted":
        return Standing(candidate, WHOLE)
    if run.outcome:
        return Standing(candidate, 0, suspended=True)
    return Standing(candidate, run.weight, mirror=run.mirror, trial=_trial(view, run))


def _trial(view: CanaryRoute, run: RunStatus) -> str:
    phase = f"judged {int(run.judged_since)}" if run.judged_since else "warm-up"
    ref = view.meta.ref
    times = (str(int(run.started_at)), str(int(run.step_started_at)))
    return digest64((ref.namespace, ref.name, run.run_id, *times, str(run.step), str(run.weight), phase))


def shares(weights: Sequence[int], candidate: int, part: int) -> tuple[tuple[int, ...], int]:
    """Integer weights and their sum when `candidate` has `part` of 100,000 and the others what is left, in proportion.

    The candidate's share is exact. So are the others' where their weights without common factors add up to at most
    21474; larger ones are rounded to that, none of them to nothing, and the same whatever the candidate has.
    """
    others = [0 if i == candidate else weight for i, weight in enumerate(weights)]
    rest = WHOLE - part
    if not any(others):
        return tuple(int(i == candidate) for i in range(len(others))), 1
    divisor = gcd(*others)
    others = [weight // divisor for weight in others]
    total = sum(others)
    if total * WHOLE > MOST_TOTAL:
        scale = MOST_TOTAL // WHOLE
        others = [max(1, weight * scale // total) if weight else 0 for weight in others]
        total = sum(others)
    found = [part * total if i == candidate else weight * rest for i, weight in enumerate(others)]
    common = gcd(*found)
    return tuple(weight // common for weight in found), sum(found) // common


def salts(view: CanaryRoute) -> tuple[int, int]:
    """The numbers that a user's key is hashed with: of the run, which draws its users anew, and of the object."""
    ref, revision = view.meta.ref, view.rollout.revision if view.rollout is not None else ""
    return int(digest64((ref.namespace, ref.name, revision)), 16), int(digest64((ref.namespace, ref.name)), 16)
