"""Which CanaryRoutes are looked at because something is other than before; how many of their endpoints are ready."""

from dataclasses import replace
from typing import Any

import pytest
from harness.manifests import endpoint_slice, ingress, service
from harness.rollouts import canary_route, step

from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.control.rollouts.changes import Changes
from serin.control.rollouts.ports import Seen
from serin.control.rollouts.ready import ready_endpoints
from serin.objects.canary_status import CanaryStatus
from serin.objects.parse import parse_object
from serin.objects.store import Store
from serin.objects.views import CanaryRoute
from serin.refs import Ref

OPTIONS = Options(standalone=True)
SHOP, OTHER = ("drills", "shop"), ("drills", "other")


class World:
    def __init__(self) -> None:
        self.store = Store()
        self.compiled: Compiled | None = None
        self.changes = Changes()
        for name in ("main", "canary", "a", "b"):
            self.put(service(name), endpoint_slice(name, ["10.0.0.1", "10.0.0.2"]))
        self.put(ingress("main", "shop.example", "main"), ingress("a", "other.example", "a"))
        self.put(canary_route(step("20%")), canary_route(step("20%"), name="other", versions=("a", "b")))

    def put(self, *manifests: dict[str, Any]) -> None:
        for manifest in manifests:
            view = parse_object(manifest).view
            assert view is not None
            self.store.apply(view)

    def seen(self) -> Seen:
        snapshot = self.store.snapshot()
        self.compiled = compile_snapshot(snapshot, OPTIONS, lambda *_: None, self.compiled)
        return Seen(snapshot, self.compiled, self.compiled.problems)

    def changed(self) -> frozenset[tuple[str, str]]:
        return self.changes.changed(self.seen())

    def route(self, name: str = "shop") -> CanaryRoute:
        found = self.store.snapshot().find(Ref("CanaryRoute", "drills", name))
        assert isinstance(found, CanaryRoute)
        return found

    def ready(self) -> dict[str, int]:
        seen = self.seen()
        return dict(ready_endpoints(seen.snapshot, seen.compiled, self.route(), OPTIONS))


@pytest.fixture
def world() -> World:
    made = World()
    assert made.changed() == {SHOP, OTHER}, "everything is new at first"
    assert made.changed() == set()
    return made


def test_one_whose_object_is_other_than_before(world: World) -> None:
    world.put(canary_route(step("30%")))
    assert world.changed() == {SHOP}
    world.store.apply(replace(world.route("other"), status=CanaryStatus(phase="Idle")))
    assert world.changed() == {OTHER}


def test_one_whose_endpoints_may_be(world: World) -> None:
    world.put(endpoint_slice("b", ["10.0.0.1"]))
    assert world.changed() == {OTHER}
    world.put(service("nobody"))
    assert world.changed() == set()
    world.store.delete(Ref("Service", "drills", "canary"))
    assert SHOP in world.changed()


def test_one_whose_problems_are(world: World) -> None:
    world.store.delete(Ref("Ingress", "drills", "main"))
    assert world.changed() == {SHOP}
    assert [problem.code for problem in world.changes.problems(Ref("CanaryRoute", *SHOP))]
    assert not world.changes.problems(Ref("CanaryRoute", *OTHER))
    world.put(ingress("main", "shop.example", "main"))
    assert world.changed() == {SHOP}
    assert not world.changes.problems(Ref("CanaryRoute", *SHOP))


def test_of_those_that_are_gone_nothing_is_said(world: World) -> None:
    world.store.delete(Ref("CanaryRoute", *SHOP))
    assert world.changed() == set()


def test_endpoints_are_those_of_the_pools_in_force(world: World) -> None:
    assert world.ready() == {"main": 2, "canary": 2}
    world.put(endpoint_slice("canary", []))
    assert world.ready() == {"main": 2, "canary": 0}


def test_a_version_without_service_is_left_out(world: World) -> None:
    world.store.delete(Ref("Service", "drills", "canary"))
    assert world.ready() == {"main": 2}


def test_without_a_rule_the_first_port_counts(world: World) -> None:
    world.store.delete(Ref("Ingress", "drills", "main"))
    assert world.ready() == {"main": 2, "canary": 2}


def test_a_name_outside_of_the_cluster_counts_as_one(world: World) -> None:
    outside = service("canary")
    outside["spec"] |= {"type": "ExternalName", "externalName": "v2.example.com"}
    world.put(outside)
    assert world.ready() == {"main": 2, "canary": 1}
