"""The object that a review is about, read as the store would read it. Nothing is known here of other objects."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from serin.admission.review import Review
from serin.objects.parse import parse_object
from serin.objects.views import CanaryRoute, Ingress
from serin.problems import Problem
from serin.refs import Ref

KINDS = frozenset((("networking.k8s.io", "Ingress"), ("serin.dev", "CanaryRoute")))
"""What is judged; everything else is none of our business."""

Judged = Ingress | CanaryRoute


@dataclass(frozen=True, slots=True)
class Candidate:
    """`stored` is the object as it is now, None when it is a new one. The problems are those of reading each."""

    view: Judged
    problems: tuple[Problem, ...] = ()
    stored: Judged | None = None
    stored_problems: tuple[Problem, ...] = ()

    @property
    def ref(self) -> Ref:
        return self.view.meta.ref


def candidate_of(review: Review, now: float) -> Candidate | None:
    """None: there is nothing to judge. `now` (seconds since the epoch) is the age of an object that has none yet."""
    if review.operation not in ("CREATE", "UPDATE") or review.sub_resource or review.kind not in KINDS:
        return None
    if review.new is None or _is_being_deleted(review.new):
        return None
    view, problems = _read(review.new)
    stored, stored_problems = (None, ()) if review.old is None else _read(review.old)
    if view is None:
        return None
    if view.meta.created == 0:
        created = now if stored is None else stored.meta.created
        view = replace(view, meta=replace(view.meta, created=created))
    if stored is None or stored.meta.ref != view.meta.ref:
        return Candidate(view, problems)
    return Candidate(view, problems, stored, stored_problems)


def _is_being_deleted(raw: Mapping[str, Any]) -> bool:
    """Taking away the last finalizer must never be refused."""
    metadata = raw.get("metadata")
    return isinstance(metadata, Mapping) and metadata.get("deletionTimestamp") is not None


def _read(raw: Mapping[str, Any]) -> tuple[Judged | None, tuple[Problem, ...]]:
    parsed = parse_object(raw)
    return (parsed.view if isinstance(parsed.view, Judged) else None), parsed.problems
