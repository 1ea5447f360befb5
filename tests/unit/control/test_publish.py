"""The order in which a plan comes into force, told by the calls that reach shared memory and documents."""

import dataclasses
import logging

import pytest

from serin.control.publish import LEAVING, Publisher
from serin.native.pools import UnknownPoolError
from serin.routing.plan import Endpoint, Host, Plan, Pool, PoolSpec, RuleId, Share, Split, Trial

Call = tuple[str, str]


class Calls:
    """Blocks and documents that only write down what they are asked to do."""

    def __init__(self, *held: str) -> None:
        self.made: list[Call] = []
        self.held = set(held)
        self.shown: frozenset[str] = frozenset()
        self.full = False
        self.broken: str | None = None
        self.unrendered: tuple[str, ...] = ()

    @property
    def splits(self) -> frozenset[str]:
        return frozenset(i for i in self.held if i.startswith("s"))

    @property
    def pools(self) -> frozenset[str]:
        return frozenset(i for i in self.held if i.startswith("p"))

    def put_pool(self, pool: Pool) -> bool:
        if pool.spec.id == self.broken:
            raise ValueError("not an IPv4 or IPv6 address")
        self.made.append(("pool", pool.spec.id))
        self.held.add(pool.spec.id)
        return True

    def put_split(self, split: Split) -> bool:
        if not {share.pool for share in split.shares} <= self.pools:
            self.made.append(("too early", split.id))
            raise UnknownPoolError
        self.made.append(("split", split.id))
        self.held.add(split.id)
        return True

    def drop(self, ident: str) -> None:
        self.made.append(("drop", ident))
        self.held.discard(ident)

    def show(self) -> None:
        self.shown = frozenset(self.held)

    def publish(self, plan: Plan) -> dict[str, Exception]:
        if self.full:
            raise OSError(28, "No space left on device")
        assert self.held == self.shown, "documents before their blocks are seen"
        assert self.broken or set(plan.splits) | set(plan.pools) <= self.held, "documents before their blocks"
        self.made.append(("publish", ""))
        return {name: TypeError("no form in a document") for name in self.unrendered}

    def taken(self) -> list[Call]:
        made, self.made = self.made, []
        return made


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def pool(ident: str, *ports: int) -> Pool:
    return Pool(PoolSpec(ident, "shop", ident, 80), tuple(Endpoint("192.0.2.1", port) for port in ports))


def split(ident: str, *shares: tuple[str, int]) -> Split:
    rule = RuleId("shop.example", "/", "Prefix")
    return Split(ident, rule, tuple(Share(f"v-{name}", name, weight) for name, weight in shares))


def plan(*parts: Pool | Split, host: str = "shop.example") -> Plan:
    return Plan(
        hosts={host: Host(host)},
        splits={part.id: part for part in parts if isinstance(part, Split)},
        pools={part.spec.id: part for part in parts if isinstance(part, Pool)},
        certificates={},
        users={},
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def publisher(calls: Calls, clock: Clock) -> Publisher:
    return Publisher(calls, calls, clock)


FIRST = plan(pool("p1", 1), pool("p2", 2), split("s1", ("p1", 0), ("p2", 10)))


def test_blocks_come_before_the_documents_that_name_them(publisher: Publisher, calls: Calls) -> None:
    publisher.batch(FIRST)
    assert calls.taken() == [("pool", "p1"), ("pool", "p2"), ("split", "s1"), ("publish", "")]


def test_weights_alone_go_out_at_once_and_need_no_documents(
    publisher: Publisher, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    publisher.batch(FIRST)
    calls.taken()
    assert [record.getMessage() for record in caplog.records] == []
    changed = plan(*FIRST.pools.values(), split("s1", ("p1", 0), ("p2", 50)))
    publisher.at_once(changed)
    assert not publisher.is_due(changed)
    assert calls.taken() == [("split", "s1")]
    assert [(r.getMessage(), r.serin_fields["weights"]) for r in caplog.records] == [  # type: ignore[attr-defined]
        ("weights-changed", "0 50")
    ]


def test_a_rollback_is_logged_and_a_trial_is_not(
    publisher: Publisher, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = FIRST.splits["s1"]
    publisher.batch(FIRST)
    judged = dataclasses.replace(first, trial=Trial("1" * 16))
    publisher.at_once(dataclasses.replace(FIRST, splits={"s1": judged}))
    assert caplog.records == []
    back = dataclasses.replace(judged, trial=None, suspended=(first.shares[1].ident,))
    publisher.at_once(dataclasses.replace(FIRST, splits={"s1": back}))
    assert [r.serin_fields["suspended"] for r in caplog.records] == [first.shares[1].ident]  # type: ignore[attr-defined]
    assert calls.taken().count(("split", "s1")) == 3


def test_endpoints_alone_go_out_at_once(publisher: Publisher, calls: Calls) -> None:
    publisher.batch(FIRST)
    calls.taken()
    assert publisher.endpoints([pool("p1", 1, 7), pool("p2", 2), pool("p9", 9)]) == 1
    assert calls.taken() == [("pool", "p1")], "p2 is as it was, p9 is in no plan"


def test_split_with_another_list_of_versions_waits_for_the_documents(publisher: Publisher, calls: Calls) -> None:
    publisher.batch(FIRST)
    calls.taken()
    grown = plan(*FIRST.pools.values(), pool("p3", 3), split("s1", ("p1", 0), ("p2", 10), ("p3", 5)), host="more")
    publisher.at_once(grown)
    assert publisher.is_due(grown)
    assert calls.taken() == [("pool", "p3")]
    publisher.batch(grown)
    assert calls.taken() == [("split", "s1"), ("publish", "")]


def test_equal_plan_touches_nothing(publisher: Publisher, calls: Calls) -> None:
    publisher.batch(FIRST)
    calls.taken()
    equal = dataclasses.replace(FIRST, hosts=dict(FIRST.hosts))
    publisher.at_once(equal)
    assert not publisher.is_due(equal)
    assert calls.taken() == []


def test_what_left_the_plan_is_dropped_later(publisher: Publisher, calls: Calls, clock: Clock) -> None:
    publisher.batch(FIRST)
    publisher.batch(plan(pool("p1", 1)))
    calls.taken()
    assert publisher.sweep_due == clock.now + LEAVING
    publisher.sweep()
    assert calls.taken() == []
    clock.now += LEAVING
    publisher.sweep()
    assert sorted(calls.taken()) == [("drop", "p2"), ("drop", "s1")]
    assert publisher.sweep_due is None


def test_what_comes_back_in_time_stays(publisher: Publisher, calls: Calls, clock: Clock) -> None:
    publisher.batch(FIRST)
    publisher.batch(plan(pool("p1", 1)))
    publisher.batch(FIRST)
    clock.now += 10 * LEAVING
    publisher.sweep()
    assert calls.held == {"p1", "p2", "s1"}


def test_blocks_of_an_earlier_run_are_dropped(clock: Clock) -> None:
    calls = Calls("p1", "p-old", "s-old")
    publisher = Publisher(calls, calls, clock)
    publisher.batch(FIRST)
    clock.now += LEAVING
    publisher.sweep()
    assert calls.held == {"p1", "p2", "s1"}


def test_a_pool_that_cannot_be_put_leaves_all_others_in_force(
    publisher: Publisher, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    calls.broken = "p2"
    whole = plan(*FIRST.pools.values(), *FIRST.splits.values(), pool("p3", 3), split("s2", ("p3", 100)))
    with caplog.at_level(logging.ERROR):
        publisher.batch(whole)
    assert calls.taken() == [("pool", "p1"), ("pool", "p3"), ("too early", "s1"), ("split", "s2"), ("publish", "")]
    assert caplog.messages == ["block-refused", "block-refused"]
    calls.broken = None
    publisher.batch(whole)
    assert calls.taken() == [("pool", "p2"), ("split", "s1"), ("publish", "")]


def test_a_host_that_cannot_be_rendered_is_told_and_keeps_what_it_names(
    publisher: Publisher, calls: Calls, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    publisher.batch(FIRST)
    without = plan(pool("p1", 1))
    publisher.batch(without)
    calls.unrendered = ("shop.example",)
    with caplog.at_level(logging.ERROR):
        publisher.batch(without)
    assert caplog.messages == ["host-refused"]
    assert publisher.plan is without
    clock.now += 10 * LEAVING
    publisher.sweep()
    assert calls.held == {"p1", "p2", "s1"}
    calls.unrendered = ()
    publisher.batch(without)
    clock.now += LEAVING
    publisher.sweep()
    assert calls.held == {"p1"}


def test_full_disk_keeps_the_plan_in_force_and_can_be_tried_again(publisher: Publisher, calls: Calls) -> None:
    publisher.batch(FIRST)
    more = plan(*FIRST.pools.values(), *FIRST.splits.values(), host="more")
    calls.full = True
    with pytest.raises(OSError, match="No space left"):
        publisher.batch(more)
    assert publisher.plan is FIRST
    calls.full = False
    publisher.at_once(more)
    assert publisher.is_due(more)
    publisher.batch(more)
    assert publisher.plan is more
