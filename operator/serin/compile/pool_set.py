"""All pools, filled, as edited by one compile."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from serin.compile.draft import Draft, Uses
from serin.compile.memo import Memo, Problems
from serin.compile.options import Key, Options
from serin.compile.pools import fill_or_close
from serin.objects.store import Snapshot
from serin.refs import Ref, Source
from serin.routing.plan import Plan, PoolSpec


class PoolSet:
    """`changed` has the ids of pools that differ from the plan before."""

    def __init__(self, memo: Memo, plan: Plan, snapshot: Snapshot, options: Options, problems: Problems) -> None:
        self._snapshot = snapshot
        self._options = options
        self._problems = problems
        self._old = plan
        self.pools = Draft(plan.pools)
        self.pools_of = Draft(memo.pools_of)
        self.found = Draft(memo.pool_problems)
        self.changed: set[str] = set()

    def update(
        self,
        users: Uses[str, tuple[Source, ...]],
        specs: Mapping[str, PoolSpec],
        services: Iterable[Key],
        *,
        again: bool,
    ) -> None:
        """Fills the pools that came up, those of `services`, and with `again` all; drops those that nobody names."""
        touched = set(users.touched)
        refill = set(self.pools.result()) if again else {i for key in services for i in self.pools_of.get(key) or ()}
        for ident in touched:
            if not users.of(ident):
                self._drop(ident)
                refill.discard(ident)
            elif self.pools.get(ident) is None:
                self._index(specs[ident])
                refill.add(ident)
        for ident in refill:
            known = self.pools.get(ident)
            self._fill(specs[ident] if known is None else known.spec)
        for ident in touched | refill:
            self._report(ident, users.of(ident))

    def _fill(self, spec: PoolSpec) -> None:
        pool, problems = fill_or_close(self._snapshot, spec, self._options)
        self.pools.put(spec.id, pool)
        self.found.put(spec.id, problems or None)
        if self.pools.get(spec.id) is not self._old.pools.get(spec.id):
            self.changed.add(spec.id)

    def _index(self, spec: PoolSpec) -> None:
        key = (spec.namespace, spec.service)
        self.pools_of.put(key, tuple(sorted((*(self.pools_of.get(key) or ()), spec.id))))

    def _drop(self, ident: str) -> None:
        pool = self.pools.get(ident)
        if pool is None:
            return
        key = (pool.spec.namespace, pool.spec.service)
        self.pools_of.put(key, tuple(i for i in self.pools_of.get(key) or () if i != ident) or None)
        self.pools.put(ident, None)
        self.found.put(ident, None)
        self.changed.add(ident)

    def _report(self, ident: str, users: Mapping[str, tuple[Source, ...]]) -> None:
        """A pool's problems are those of every field that names it."""
        found = self.found.get(ident) or ()
        problems = tuple(
            problem if source.ref.kind == "Service" else replace(problem, source=source)
            for problem in found
            for sources in users.values()
            for source in sources
        )
        self._problems.put(("pool", ident, ""), problems or None)


def changed_services(changed: Iterable[Ref], old: Snapshot, new: Snapshot) -> set[Key]:
    """The Services of which something changed that a pool is filled from."""
    services: set[Key] = set()
    for ref in changed:
        key = (ref.namespace, ref.name)
        if ref.kind in ("Service", "Endpoints"):
            services.add(key)
        elif ref.kind == "EndpointSlice":
            for piece in (old.endpoint_slices.get(key), new.endpoint_slices.get(key)):
                if piece is not None:
                    services.add((ref.namespace, piece.service))
    return services
