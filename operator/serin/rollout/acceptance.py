"""Whether what a CanaryRoute asks for can be carried out at all, from the problems that compiling found of it."""

from dataclasses import dataclass

from serin.problems import Severity
from serin.rollout.situation import Situation

CONFLICTED = frozenset(("canaryroute-conflict",))
TARGET_NOT_FOUND = frozenset(("canaryroute-target-not-found", "canaryroute-without-ingress"))


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The condition Accepted: `reason` is Accepted or PartiallyResolved when it holds, else says why not."""

    holds: bool
    reason: str
    message: str = ""


def acceptance(situation: Situation) -> Acceptance:
    """The first of what stands in the way; where only a part of the object is affected, it is carried out without it.

    A target that is not found leaves the others. Nobody counts how many paths a conflict leaves, so that it holds the
    whole: what another CanaryRoute shares out would be judged by nothing of its own.
    """
    view = situation.view
    errors = [problem for problem in situation.problems if problem.severity is Severity.ERROR]
    in_rollout = [problem for problem in errors if problem.source.field.startswith("spec.rollout")]
    if not view.versions or (view.rollout is None and view.held):
        found = (in_rollout or errors)[:1]
        return Acceptance(False, "InvalidSpec", found[0].text if found else "no version can be made out")
    for problem in errors:
        if problem.code in CONFLICTED:
            return Acceptance(False, "Conflicted", problem.text)
    lost = [problem for problem in errors if problem.code in TARGET_NOT_FOUND]
    if lost and len(lost) >= len(view.targets or (None,)):
        return Acceptance(False, "TargetNotFound", lost[0].text)
    without = [version for version in view.versions if version.name not in situation.ready]
    needed = {view.versions[0].name, *((view.rollout.version, view.rollout.baseline) if view.rollout else ())}
    for version in without:
        if version.name in needed:
            return Acceptance(
                False, "ServiceNotFound", f"there is no Service {version.service} (version {version.name})"
            )
    if errors:
        return Acceptance(True, "PartiallyResolved", errors[0].text)
    if without:
        text = f"there is no Service {without[0].service} (version {without[0].name})"
        return Acceptance(True, "PartiallyResolved", text)
    return Acceptance(True, "Accepted")
