"""The store: snapshots stay as they are, and know what changed."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from serin.objects.changelog import ChangeLog
from serin.objects.store import Snapshot, Store
from serin.objects.views import ConfigMap, EndpointSlice, Meta, Namespace, View
from serin.refs import Ref


def config(name: str, text: str = "", version: str = "1") -> ConfigMap:
    return ConfigMap(Meta(Ref("ConfigMap", "default", name), version=version), {"x": text})


def endpoint_slice(name: str, service: str, version: str = "1") -> EndpointSlice:
    return EndpointSlice(Meta(Ref("EndpointSlice", "default", name), version=version), service, (), ())


def test_a_snapshot_stays_as_it_is() -> None:
    store = Store()
    store.apply(config("a", "old"))
    before = store.snapshot()
    store.apply(config("a", "new"))
    store.apply(config("b"))
    after = store.snapshot()
    assert {key: view.data["x"] for key, view in before.config_maps.items()} == {("default", "a"): "old"}
    assert {key: view.data["x"] for key, view in after.config_maps.items()} == {
        ("default", "a"): "new",
        ("default", "b"): "",
    }
    assert (before.revision, after.revision) == (1, 3)


def test_without_a_change_the_snapshot_is_the_same_and_other_kinds_are_shared() -> None:
    store = Store()
    store.apply(config("a"))
    first = store.snapshot()
    assert store.snapshot() is first
    store.apply(Namespace(Meta(Ref("Namespace", "", "n"))))
    assert store.snapshot().config_maps is first.config_maps


def test_a_change_of_nothing_but_the_version_is_none() -> None:
    store = Store()
    assert store.apply(config("a", "x", version="1"))
    assert not store.apply(config("a", "x", version="2"))
    assert store.snapshot().config_maps["default", "a"].meta.version == "1"
    assert store.apply(config("a", "y", version="3"))
    changed = replace(config("a", "y"), meta=Meta(Ref("ConfigMap", "default", "a"), annotations={"a": "b"}))
    assert store.apply(changed)
    assert store.revision == 3


def test_delete_tells_whether_there_was_something() -> None:
    store = Store()
    store.apply(config("a"))
    assert store.delete(Ref("ConfigMap", "default", "a"))
    assert not store.delete(Ref("ConfigMap", "default", "a"))
    assert not store.delete(Ref("Deployment", "default", "a"))
    assert store.snapshot().config_maps == {}
    assert store.revision == 2


def test_slices_are_found_by_their_service_also_when_they_move() -> None:
    store = Store()
    for name, service in (("b", "web"), ("a", "web"), ("c", "api")):
        store.apply(endpoint_slice(name, service))
    before = store.snapshot()
    store.apply(endpoint_slice("a", "api"))
    store.delete(Ref("EndpointSlice", "default", "b"))
    after = store.snapshot()

    def names(snapshot: Snapshot, service: str) -> list[str]:
        return [view.meta.ref.name for view in snapshot.slices_of.get(("default", service), ())]

    assert (names(before, "web"), names(before, "api")) == (["a", "b"], ["c"])
    assert (names(after, "web"), names(after, "api")) == ([], ["a", "c"])
    assert ("default", "web") not in after.slices_of


def test_changes_since_a_revision() -> None:
    store = Store()
    store.apply(config("a"))
    first = store.snapshot()
    store.apply(config("b"))
    store.delete(Ref("ConfigMap", "default", "a"))
    second = store.snapshot()
    store.apply(config("c"))
    assert second.changed_since(first.revision) == frozenset(Ref("ConfigMap", "default", n) for n in "ab")
    assert second.changed_since(second.revision) == frozenset()
    assert first.changed_since(second.revision) is None
    assert second.changed_since(-1) is None


def test_find_is_by_name() -> None:
    store = Store()
    store.apply(config("a"))
    snapshot = store.snapshot()
    assert snapshot.find(Ref("ConfigMap", "default", "a")) is snapshot.config_maps["default", "a"]
    assert snapshot.find(Ref("ConfigMap", "other", "a")) is None
    assert snapshot.find(Ref("Deployment", "default", "a")) is None


def test_the_log_forgets_and_says_so() -> None:
    log = ChangeLog(kept=4)
    refs = [Ref("Secret", "", str(i)) for i in range(30)]
    for i, ref in enumerate(refs):
        log.add(ref)
        assert log.revision == i + 1
        assert log.between(max(0, i - 3), i + 1) == frozenset(refs[max(0, i - 3) : i + 1])
    assert log.between(0, 30) is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["web", "api", None]), st.booleans())))
def test_the_store_holds_what_a_plain_dict_holds(steps: list[tuple[str, str | None, bool]]) -> None:
    store, model = Store(), dict[str, str]()
    taken: list[tuple[Snapshot, dict[str, str]]] = []
    for name, service, take in steps:
        view: View | None = None if service is None else endpoint_slice(name, service)
        if service is None or view is None:
            assert store.delete(Ref("EndpointSlice", "default", name)) == (model.pop(name, None) is not None)
        else:
            assert store.apply(view) == (model.get(name) != service)
            model[name] = service
        if take:
            taken.append((store.snapshot(), dict(model)))
    for snapshot, held in taken:
        assert {key[1]: view.service for key, view in snapshot.endpoint_slices.items()} == held
        by_service = {key[1]: [view.meta.ref.name for view in views] for key, views in snapshot.slices_of.items()}
        assert by_service == {s: sorted(n for n, x in held.items() if x == s) for s in set(held.values())}
