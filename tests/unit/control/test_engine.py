"""The two paths, walked through in a time that the test sets."""

import logging
from collections.abc import Iterable
from typing import Any

import pytest
from harness.manifests import NAMESPACE, canary, endpoint_slice, ingress, service

import serin.control.engine as module
from serin.compile.compiler import Compiled
from serin.compile.options import Options
from serin.control.engine import REMIND, RETRY, Engine, Observer
from serin.control.holdoff import FIRST, QUIET
from serin.control.publish import Publisher
from serin.objects.parse import parse_object
from serin.objects.store import Store
from serin.problems import Problem, Severity
from serin.refs import Ref, Source
from serin.routing.plan import Plan, Pool, Split

HOST = "shop.example"


class World:
    """Blocks and documents that remember what is in force; a clock; a store to change."""

    def __init__(self, *observers: Observer) -> None:
        self.now = 1000.0
        self.store = Store()
        self.in_force: dict[str, Pool | Split] = {}
        self.documents: list[Plan] = []
        self.full = False
        self.engine = Engine(
            self.store,
            Options(standalone=True),
            Publisher(self, self, lambda: self.now),
            lambda text, ignore_case: None,
            lambda: self.now,
            observers,
        )

    @property
    def splits(self) -> frozenset[str]:
        return frozenset(i for i, block in self.in_force.items() if isinstance(block, Split))

    @property
    def pools(self) -> frozenset[str]:
        return frozenset(i for i, block in self.in_force.items() if isinstance(block, Pool))

    def put_pool(self, pool: Pool) -> bool:
        self.in_force[pool.spec.id] = pool
        return True

    def put_split(self, split: Split) -> bool:
        self.in_force[split.id] = split
        return True

    def drop(self, ident: str) -> None:
        del self.in_force[ident]

    def show(self) -> None:
        pass

    def publish(self, plan: Plan) -> dict[str, Exception]:
        if self.full:
            raise OSError(28, "No space left on device")
        self.documents.append(plan)
        return {}

    def apply(self, *manifests: dict[str, Any], problems: Iterable[Problem] = ()) -> None:
        for manifest in manifests:
            view = parse_object(manifest, version=f"{self.now}").view
            assert view is not None
            self.store.apply(view)
        self.engine.changed(problems)

    def weights(self) -> list[int]:
        (split,) = (self.in_force[ident] for ident in self.splits)
        assert isinstance(split, Split)
        return [share.weight for share in split.shares]

    def addresses(self, service_name: str) -> set[str]:
        pools = [block for block in self.in_force.values() if isinstance(block, Pool)]
        return {e.address for pool in pools if pool.spec.service == service_name for e in pool.endpoints}

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.engine.run_due()


@pytest.fixture
def world() -> World:
    made = World()
    made.apply(
        service("main"),
        endpoint_slice("main", ["192.0.2.1"]),
        service("next"),
        endpoint_slice("next", ["192.0.2.2"]),
        ingress("main", HOST, "main"),
        canary("canary", HOST, "next", weight="10"),
    )
    made.engine.publish()
    made.pass_time(10.0)
    return made


def test_the_first_plan_is_published_whole(world: World) -> None:
    assert [set(plan.hosts) for plan in world.documents] == [{HOST}]
    assert world.weights()[1] == 10
    assert world.addresses("main") == {"192.0.2.1"}
    assert world.engine.due is None


def test_a_weight_is_in_force_before_any_time_has_passed(world: World) -> None:
    world.apply(canary("canary", HOST, "next", weight="50"))
    assert world.weights()[1] == 50
    world.pass_time(10.0)
    assert len(world.documents) == 1, "no document says anything of weights"


def test_endpoints_are_in_force_before_any_time_has_passed_and_without_a_compile(world: World) -> None:
    compiles = world.engine.counts.compiles
    world.apply(endpoint_slice("next", ["192.0.2.7", "192.0.2.8"]))
    assert world.addresses("next") == {"192.0.2.7", "192.0.2.8"}
    assert world.addresses("main") == {"192.0.2.1"}
    assert world.engine.counts.compiles == compiles
    world.pass_time(10.0)
    assert len(world.documents) == 1


def test_endpoints_that_are_deleted_are_gone_at_once(world: World) -> None:
    world.store.delete(Ref("EndpointSlice", "drills", "next-1"))
    world.engine.changed()
    assert world.addresses("next") == set()


def test_the_problems_of_endpoints_follow_with_the_batch(world: World) -> None:
    world.apply(endpoint_slice("next", []))
    world.pass_time(FIRST)
    assert "no-ready-endpoints" in {problem.code for problem in world.engine.problems}


def test_a_new_host_goes_out_soon_after_peace(world: World) -> None:
    world.apply(ingress("more", "more.example", "main"))
    assert len(world.documents) == 1
    assert world.engine.due == world.now + FIRST
    world.pass_time(FIRST)
    assert set(world.documents[-1].hosts) == {HOST, "more.example"}


def test_a_plan_that_serves_nobody_any_more_is_a_warning(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for name in ("main", "canary"):
            world.store.delete(Ref("Ingress", NAMESPACE, name))
        world.engine.changed()
        world.pass_time(FIRST)
    said = {record.getMessage(): record.levelno for record in caplog.records}
    assert said["plan-published"] == logging.WARNING


def test_a_crowd_of_changes_goes_out_together(world: World) -> None:
    for number in range(30):
        world.apply(ingress(f"i{number}", f"h{number}.example", "main"))
        world.pass_time(FIRST / 2)
    world.pass_time(QUIET)
    assert len(world.documents) <= 4
    assert len(world.documents[-1].hosts) == 31


def test_a_full_disk_is_tried_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.full = True
    world.apply(ingress("more", "more.example", "main"))
    world.pass_time(FIRST)
    assert world.engine.counts.publication_failures == 1
    assert world.engine.due == world.now + RETRY
    world.pass_time(RETRY / 2)
    assert world.engine.counts.publication_failures == 1, "not before its time"
    world.full = False
    world.pass_time(RETRY)
    assert set(world.documents[-1].hosts) == {HOST, "more.example"}
    assert world.engine.due is None


def test_a_disk_that_stays_full_is_said_once_a_minute(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def said() -> int:
        return sum(record.getMessage() == "run-directory-failed" for record in caplog.records)

    world.full = True
    world.apply(ingress("more", "more.example", "main"))
    world.pass_time(FIRST)
    while world.engine.counts.publication_failures < REMIND / RETRY:
        world.pass_time(RETRY)
    assert said() == 1
    world.pass_time(RETRY)
    world.pass_time(RETRY)
    assert said() == 2, "it is still so"
    world.full = False
    world.pass_time(RETRY)
    world.full = True
    world.apply(ingress("other", "other.example", "main"))
    world.pass_time(RETRY)
    assert said() == 3, "after a success a failure is news"


def test_weights_that_found_no_room_are_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(World, "put_split", full)
        world.apply(canary("canary", HOST, "next", weight="70"))
        assert world.weights()[1] == 10
    world.pass_time(RETRY)
    assert world.weights()[1] == 70


def test_a_compile_that_fails_leaves_the_last_plan_and_recovers(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    with monkeypatch.context() as patched:
        patched.setattr(module, "compile_snapshot", broken)
        world.apply(canary("canary", HOST, "next", weight="70"))
        world.pass_time(10.0)
    assert world.weights()[1] == 10
    assert world.engine.counts.compile_failures >= 1
    assert "a bug of ours" in str([vars(record) for record in caplog.records])
    world.apply(ingress("more", "more.example", "main"))
    assert world.weights()[1] == 70


def test_problems_of_the_source_are_told_once_and_when_they_are_gone(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    broken = Problem(Source(Ref("File", "", "x.yaml"), "line 3"), "yaml-invalid", Severity.ERROR, "expected YAML")
    world.apply(problems=[broken])
    world.apply(problems=[broken])
    world.apply(problems=[])
    assert [record.getMessage() for record in caplog.records] == ["problem", "problem-gone"]


def test_observers_are_told_from_the_first_publication_on(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[int, list[str]]] = []

    def fails(compiled: Compiled, problems: tuple[Problem, ...]) -> None:
        raise RuntimeError("ours")

    def notes(compiled: Compiled, problems: tuple[Problem, ...]) -> None:
        seen.append((compiled.revision, [problem.code for problem in problems]))

    world = World(fails, notes)
    world.apply(ingress("main", HOST, "main"))
    assert (seen, caplog.records) == ([], []), "a Service that is missing may be on its way"
    world.apply(service("main"), endpoint_slice("main", ["192.0.2.1"]))
    world.engine.publish()
    assert seen == [(3, [])]
    world.apply(ingress("other", "other.example", "nobody"))
    assert seen[1:] == [(4, ["service-not-found"])]
    source = Problem(Source(Ref("File", "", "a.yaml")), "yaml-broken", Severity.ERROR, "no YAML")
    world.apply(problems=[source])
    world.apply(problems=[source])
    assert seen[2:] == [(4, ["yaml-broken", "service-not-found"])], "once, since nothing else changed"
    assert world.engine.problems is world.engine.problems
