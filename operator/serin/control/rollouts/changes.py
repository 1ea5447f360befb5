"""Which CanaryRoutes have something new to be looked at for, between two looks at all objects. Pure."""

from dataclasses import dataclass, field

from serin.control.engine import ENDPOINT_KINDS, services_of
from serin.control.rollouts.ports import Seen
from serin.objects.store import Key, Snapshot
from serin.objects.views import CanaryRoute
from serin.problems import Problem
from serin.refs import Ref

KIND = "CanaryRoute"


@dataclass(slots=True)
class Changes:
    """`changed` is to be told of each moment once, in order."""

    _views: dict[Key, CanaryRoute] = field(default_factory=dict)
    _snapshot: Snapshot | None = None
    _problems: tuple[Problem, ...] | None = None
    _by_ref: dict[Ref, tuple[Problem, ...]] = field(default_factory=dict)

    def changed(self, seen: Seen) -> frozenset[Key]:
        """Those that are new or other than before, whose endpoints may be, or whose problems are."""
        routes = seen.snapshot.canary_routes
        found = {key for key, view in routes.items() if self._views.get(key) is not view}
        found |= self._by_endpoints(seen.snapshot)
        if seen.problems is not self._problems:
            before, self._by_ref = self._by_ref, _by_ref(seen.problems)
            differing = {ref for ref in before.keys() | self._by_ref.keys() if before.get(ref) != self._by_ref.get(ref)}
            found |= {(ref.namespace, ref.name) for ref in differing}
        self._views, self._snapshot, self._problems = dict(routes), seen.snapshot, seen.problems
        return frozenset(found & routes.keys())

    def problems(self, ref: Ref) -> tuple[Problem, ...]:
        """Of the object itself, as of the last moment."""
        return self._by_ref.get(ref, ())

    def _by_endpoints(self, snapshot: Snapshot) -> set[Key]:
        before = self._snapshot
        if before is None or before.revision == snapshot.revision:
            return set()
        refs = snapshot.changed_since(before.revision)
        if refs is None:
            return set(snapshot.canary_routes)
        services = {s for ref in refs if ref.kind in ENDPOINT_KINDS for s in services_of(ref, snapshot, before)}
        if not services:
            return set()
        return {
            key
            for key, view in snapshot.canary_routes.items()
            if any((key[0], version.service) in services for version in view.versions)
        }


def _by_ref(problems: tuple[Problem, ...]) -> dict[Ref, tuple[Problem, ...]]:
    found: dict[Ref, list[Problem]] = {}
    for problem in problems:
        if problem.source.ref.kind == KIND:
            found.setdefault(problem.source.ref, []).append(problem)
    return {ref: tuple(of_one) for ref, of_one in found.items()}
