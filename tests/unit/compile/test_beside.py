"""Who is asked beside the routes: splits that several hosts share come, stay and go with those who name them."""

from unit.compile.manifests import check_pattern, endpoints, ingress, service, snapshot

from serin.compile.beside import Besides, beside_split_id, is_beside, joined
from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.compile.pools import FIRST_PORT
from serin.objects.store import Snapshot
from serin.refs import Ref, Source
from serin.routing.upstream import Upstream

SOURCE, OTHER = Source(Ref("Ingress", "shop", "a"), "x"), Source(Ref("Ingress", "shop", "b"), "x")
URL = {"auth-url": "http://auth.example/"}
AT_A, AT_B = (ingress(name, host=f"{name}.example", notes=URL) for name in ("a", "b"))


def test_a_service_asked_twice_is_one_split() -> None:
    besides = Besides()
    first = besides.service("shop", "errors", 80, SOURCE)
    second = besides.service("shop", "errors", 80, OTHER, Upstream(read_timeout=1.0))
    assert (first.split, first.pool, first.ident) == (second.split, second.pool, second.ident)
    assert (second.upstream.read_timeout, first.name) == (1.0, "shop-errors-80")
    (split,) = besides.splits.values()
    assert (split.id, split.rule.path, split.shape) == (beside_split_id(first.pool), first.pool, (first.ident,))
    assert is_beside(split)
    assert list(besides.pools.values()) == [[SOURCE, OTHER]]


def test_ports() -> None:
    besides = Besides()
    made = [besides.service("shop", "errors", port, SOURCE) for port in (FIRST_PORT, 80, "80", "web")]
    assert len({beside.split for beside in made}) == 4
    assert [(beside.port, beside.name) for beside in made] == [
        ("", "shop-errors"),
        ("80", "shop-errors-80"),
        ("80", "shop-errors-80"),
        ("web", "shop-errors-web"),
    ]
    outside = besides.outside("auth.example", 81, SOURCE)
    assert (outside.service, outside.port, outside.name) == ("", "", "auth.example-81")


def test_what_names_a_pool_is_in_it_once() -> None:
    besides = Besides()
    besides.service("shop", "errors", 80, SOURCE)
    table = {spec: [SOURCE] for spec in besides.pools}
    besides.service("shop", "errors", 80, OTHER)
    joined(table, besides.pools.items())
    assert list(table.values()) == [[SOURCE, OTHER]]


def compiled(found: Snapshot, previous: Compiled | None = None) -> Compiled:
    return compile_snapshot(found, Options(standalone=True), check_pattern, previous)


def besides_of(made: Compiled) -> set[str]:
    return {split.id for split in made.plan.splits.values() if is_beside(split)}


def test_a_split_lives_as_long_as_one_host_names_it() -> None:
    both = snapshot(AT_A, AT_B)
    start = compiled(both)
    assert len(besides_of(start)) == 1
    one = compiled(both.without(Ref("Ingress", "shop", "a")), start)
    assert besides_of(one) == besides_of(start)
    assert one.changes.splits.isdisjoint(besides_of(start))
    none = compiled(both.without(Ref("Ingress", "shop", "a")).without(Ref("Ingress", "shop", "b")), one)
    assert besides_of(none) == set()
    assert besides_of(start) <= none.changes.splits
    assert none.plan.pools == {}
    again = compiled(both, none)
    assert again.plan == start.plan


def test_a_route_and_one_beside_may_share_a_pool() -> None:
    at_c = ingress("c", host="c.example", default="errors", notes={"default-backend": "errors"})
    made = compiled(snapshot(at_c, service("errors"), endpoints("errors", "192.0.2.1")))
    for split in made.plan.splits.values():
        assert all(share.pool in made.plan.pools for share in split.shares)
