"""Snapshots with an object put in or taken out: values of their own, which neither store nor origin knows of."""

from typing import Any

from unit.compile.manifests import endpoints, ingress, secret, service, views

from serin.objects.store import Snapshot, Store
from serin.objects.views import View
from serin.refs import Ref


def view(raw: Any) -> View:
    (found,) = views([raw])
    return found


def store_of(*objects: Any) -> Store:
    store = Store()
    for found in views(objects):
        store.apply(found)
    return store


def test_an_object_is_put_in() -> None:
    store = store_of(service("v1"))
    origin = store.snapshot()
    added = view(ingress("main"))
    what_if = origin.with_view(added)
    assert what_if.find(added.meta.ref) is added
    assert origin.find(added.meta.ref) is None
    assert what_if.edits == {added.meta.ref}
    assert what_if.services is origin.services
    assert (store.revision, store.snapshot()) == (origin.revision, origin)


def test_an_object_is_taken_out() -> None:
    store = store_of(ingress("main"))
    ref = Ref("Ingress", "shop", "main")
    what_if = store.snapshot().without(ref)
    assert what_if.find(ref) is None
    assert not what_if.ingresses
    assert store.snapshot().find(ref) is not None


def test_what_changes_nothing_is_the_same_snapshot() -> None:
    origin = store_of(ingress("main")).snapshot()
    again = ingress("main")
    again["metadata"]["resourceVersion"] = "77"
    assert origin.with_view(view(again)) is origin
    assert origin.without(Ref("Ingress", "shop", "other")) is origin
    assert origin.without(Ref("Pod", "shop", "main")) is origin


def test_slices_are_found_by_their_service() -> None:
    origin = store_of(endpoints("v1", "10.0.0.1", name="a"), endpoints("v1", "10.0.0.3", name="c")).snapshot()
    what_if = origin.with_view(view(endpoints("v1", "10.0.0.2", name="b")))
    assert [s.meta.ref.name for s in what_if.slices_of[("shop", "v1")]] == ["v1-a", "v1-b", "v1-c"]
    moved = endpoints("v1", "10.0.0.2", name="b")
    moved["metadata"]["labels"]["kubernetes.io/service-name"] = "v2"
    away = what_if.with_view(view(moved))
    assert [s.meta.ref.name for s in away.slices_of[("shop", "v1")]] == ["v1-a", "v1-c"]
    assert [s.meta.ref.name for s in away.slices_of[("shop", "v2")]] == ["v1-b"]
    gone = away.without(Ref("EndpointSlice", "shop", "v1-b"))
    assert ("shop", "v2") not in gone.slices_of
    assert len(origin.slices_of[("shop", "v1")]) == 2


def test_it_says_in_what_it_differs_from_its_origin_and_from_older_snapshots() -> None:
    store = store_of(service("v1"))
    first = store.snapshot()
    store.apply(view(service("v2")))
    second = store.snapshot()
    main, hidden = Ref("Ingress", "shop", "main"), Ref("Secret", "shop", "users")
    with_main = second.with_view(view(ingress("main")))
    with_secret = first.with_view(view(secret("users", auth="a:b")))
    v2 = Ref("Service", "shop", "v2")
    assert with_main.differs_from(second) == frozenset({main})
    assert second.differs_from(with_main) == frozenset({main})
    assert with_main.differs_from(first) == with_main.changed_since(first.revision) == frozenset({main, v2})
    assert with_main.differs_from(with_secret) == frozenset({main, v2, hidden})
    assert first.differs_from(second) is None
    assert with_main.differs_from(store_of(service("v1"), service("v2")).snapshot()) is None


def test_it_can_be_made_of_plain_mappings() -> None:
    main = view(ingress("main"))
    assert Snapshot(0).with_view(main).find(main.meta.ref) is main
