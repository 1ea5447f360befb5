"""A name for the very checks that a step is judged by."""

from dataclasses import fields

from serin.objects.views import CanaryRollout
from serin.routing.identity import digest64

_APART = frozenset(("source", "interval"))


def checks_id(rollout: CanaryRollout) -> str:
    """Of all that a verdict depends on: when it changes in a step, the step begins anew."""
    parts = [str(rollout.false_alarm)]
    for check in rollout.checks:
        parts += [repr(getattr(check, part.name)) for part in fields(check) if part.name not in _APART]
    return digest64(parts)
