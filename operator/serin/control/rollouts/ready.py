"""How many endpoints of each version are ready: of the very pools that its requests go to. Pure."""

from collections.abc import Iterator, Mapping

from serin.compile.annotations.balancing import Balancing
from serin.compile.compiler import Compiled
from serin.compile.options import Options
from serin.compile.pools import FIRST_PORT, fill_or_close, make_spec
from serin.objects.store import Snapshot
from serin.objects.views import CanaryRoute
from serin.routing.plan import PoolSpec


def ready_endpoints(snapshot: Snapshot, compiled: Compiled, view: CanaryRoute, options: Options) -> Mapping[str, int]:
    """By version, without those whose Service is not there.

    Where rules lead to several pools of one version (by port), the one that has the fewest counts. A name
    outside of the cluster counts as one endpoint. Without any rule it is the port in spec, or the first one.
    """
    specs = _in_force(compiled, view) or _by_themselves(view)
    return {
        name: min(_ready(snapshot, spec, options) for spec in found)
        for name, found in specs.items()
        if all((spec.namespace, spec.service) in snapshot.services for spec in found)
    }


def _ready(snapshot: Snapshot, spec: PoolSpec, options: Options) -> int:
    pool = fill_or_close(snapshot, spec, options)[0]
    return 1 if pool.external else len(pool.endpoints)


def _in_force(compiled: Compiled, view: CanaryRoute) -> dict[str, set[PoolSpec]]:
    """The pools of the routes that the CanaryRoute shares out, as far as they are of the same versions."""
    found: dict[str, set[PoolSpec]] = {}
    for pools in _pools(compiled, view):
        for version, ident in zip(view.versions, pools, strict=True):
            pool = compiled.plan.pools.get(ident)
            if pool is not None:
                found.setdefault(version.name, set()).add(pool.spec)
    return found if len(found) == len(view.versions) else {}


def _pools(compiled: Compiled, view: CanaryRoute) -> Iterator[tuple[str, ...]]:
    ref = view.meta.ref
    for name in compiled.memo.attached.get((ref.namespace, ref.name)) or ():
        host = compiled.plan.hosts.get(name)
        for route in host.routes if host is not None else ():
            if route.canary_route == ref and len(route.versions) == len(view.versions):
                yield tuple(version.pool for version in route.versions)


def _by_themselves(view: CanaryRoute) -> dict[str, set[PoolSpec]]:
    namespace = view.meta.ref.namespace
    return {
        version.name: {make_spec(namespace, version.service, version.port or FIRST_PORT, Balancing())}
        for version in view.versions
    }
