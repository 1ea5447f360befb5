"""A CanaryRoute's weight takes the fast path: it is in the blocks at once, and no document is written for it."""

from typing import Any

from harness.manifests import NAMESPACE, endpoint_slice, ingress, service

from serin.compile.options import Options
from serin.control.engine import Engine
from serin.control.publish import Publisher
from serin.objects.parse import parse_object
from serin.objects.store import Store
from serin.routing.plan import Plan, Pool, Split

HOST = "shop.example"


class Written:
    """Blocks and documents as a test sees them."""

    def __init__(self) -> None:
        self.pools: frozenset[str] = frozenset()
        self.splits: frozenset[str] = frozenset()
        self.weights: list[tuple[int, ...]] = []
        self.plans = 0

    def put_pool(self, pool: Pool) -> bool:
        return True

    def put_split(self, split: Split) -> bool:
        self.weights.append(tuple(share.weight for share in split.shares))
        return True

    def drop(self, ident: str) -> None:
        raise AssertionError(ident)

    def show(self) -> None:
        pass

    def publish(self, plan: Plan) -> dict[str, Exception]:
        self.plans += 1
        return {}


def canary_route(first: int, second: int, *, header: str = "a") -> dict[str, Any]:
    versions = [
        {"name": "v1", "service": {"name": "main"}, "weight": first},
        {"name": "v2", "service": {"name": "next"}, "weight": second},
    ]
    rules = [{"version": "v2", "matches": [{"headers": [{"name": "X", "value": header}]}]}]
    metadata = {"name": "shop", "namespace": NAMESPACE}
    spec = {"versions": versions, "rules": rules}
    return {"apiVersion": "serin.dev/v1alpha1", "kind": "CanaryRoute", "metadata": metadata, "spec": spec}


def test_weights_at_once_and_rules_with_the_next_documents() -> None:
    store, written = Store(), Written()
    engine = Engine(
        store, Options(standalone=True), Publisher(written, written, lambda: 0.0), lambda *_: None, lambda: 0.0
    )

    def put(*manifests: dict[str, Any]) -> None:
        for manifest in manifests:
            view = parse_object(manifest).view
            assert view is not None
            store.apply(view)
        engine.changed()

    put(
        *(service(name) for name in ("main", "next")),
        *(endpoint_slice(name, ["127.0.0.1"]) for name in ("main", "next")),
    )
    put(ingress("main", HOST, "main"), canary_route(9, 1))
    engine.publish()
    assert (written.weights, written.plans) == ([(9, 1)], 1)
    put(canary_route(8, 2))
    assert (written.weights, written.plans) == ([(9, 1), (8, 2)], 1)
    engine.publish()
    assert written.plans == 1
    put(canary_route(8, 2, header="b"))
    assert (written.weights, written.plans) == ([(9, 1), (8, 2)], 1)
    engine.publish()
    assert (written.weights, written.plans) == ([(9, 1), (8, 2)], 2)
