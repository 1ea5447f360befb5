"""Raw events, whatever is in them, become what is told of, or nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.cluster import told
from serin.cluster.intake import Intake
from serin.cluster.kinds import CONFIG_MAP, INGRESS, INGRESS_CLASS, NAMESPACE, SECRET, SERVICE
from serin.cluster.scope import Feed, Interest, Scope, by_name_feed, watched_feeds
from serin.cluster.told import LAST_APPLIED, read_event, read_object
from serin.objects.views import Ingress
from serin.refs import Ref

FEED = Feed(INGRESS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["metadata", "name", "status", "loadBalancer", "ingress", "ip"]), inner)
    ),
    max_leaves=12,
)


def ingress(**more: Any) -> dict[str, Any]:
    meta = {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": {"rules": []}} | more


@given(st.dictionaries(st.sampled_from(["type", "object"]), JSON))
def test_total(event: dict[str, Any]) -> None:
    told = read_event(FEED, Interest(), event)
    assert told is None or told.ref.name


def test_object_is_told_of() -> None:
    told = read_event(FEED, Interest(), {"type": "MODIFIED", "object": ingress()})
    assert told is not None
    assert (told.ref, told.uid, told.version) == (Ref("Ingress", "shop", "web"), "u1", "7")
    assert told.parsed is not None
    assert isinstance(told.parsed.view, Ingress)
    assert told.parsed.view.meta.version == "7"
    assert not told.listed


def test_listed_and_deleted() -> None:
    listed = read_event(FEED, Interest(), {"type": None, "object": ingress()})
    deleted = read_event(FEED, Interest(), {"type": "DELETED", "object": ingress()})
    assert listed is not None
    assert listed.listed
    assert deleted is not None
    assert deleted.parsed is None


def test_copy_of_the_manifest_is_dropped() -> None:
    raw = ingress()
    raw["metadata"]["annotations"] = {LAST_APPLIED: "{…}", "a": "b"}
    told = read_event(FEED, Interest(), {"type": "ADDED", "object": raw})
    assert told is not None
    assert told.parsed is not None
    assert told.parsed.view is not None
    assert told.parsed.view.meta.annotations == {"a": "b"}


def test_addresses() -> None:
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1", "ports": []}, {"hostname": "lb.test"}, "x"]}}
    told = read_event(FEED, Interest(), {"type": "ADDED", "object": ingress(status=status)})
    assert told is not None
    assert told.addresses == ((("ip", "192.0.2.1"),), (("hostname", "lb.test"),))


def test_unreadable_object_is_told_of_with_its_problem() -> None:
    raw = ingress()
    raw["metadata"]["annotations"] = ["not", "a", "mapping"]
    told = read_event(FEED, Interest(), {"type": "ADDED", "object": raw})
    assert told is not None
    assert told.parsed is not None
    assert told.parsed.view is None
    assert [problem.code for problem in told.parsed.problems] == ["annotations-unreadable"]


def test_interest() -> None:
    interest = Interest()
    secret, service, config_class = Ref("Secret", "a", "x"), Ref("Service", "b", "x"), Ref("IngressClass", "", "x")
    assert all(map(interest.keeps, (secret, service, config_class)))
    interest.namespaces = frozenset(("a",))
    assert [*map(interest.keeps, (secret, service, config_class))] == [True, False, True]
    interest.wanted = frozenset()
    assert not interest.keeps(secret)
    # By name, in whatever namespace.
    interest.namespaces, interest.wanted = frozenset(("b",)), frozenset((secret,))
    assert interest.keeps(secret)


def test_not_wanted_is_not_even_parsed() -> None:
    interest = Interest()
    interest.wanted = frozenset()
    raw = {"metadata": {"name": "x", "namespace": "a"}, "data": {"tls.key": "c2VjcmV0"}}
    assert read_event(Feed(SECRET), interest, {"type": "ADDED", "object": raw}) is None


@pytest.mark.parametrize(
    ("scope", "namespaces", "kinds"),
    [
        (Scope(), {""}, 7),
        (Scope(namespace="shop"), {"shop", ""}, 7),
        (Scope(selector="team=shop"), {""}, 8),
    ],
)
def test_feeds(scope: Scope, namespaces: set[str], kinds: int) -> None:
    feeds = watched_feeds(scope)
    assert len(feeds) == kinds
    assert {feed.namespace for feed in feeds} == namespaces
    by_kind = {feed.kind: feed for feed in feeds}
    assert by_kind[SERVICE].path == ("/api/v1/namespaces/shop/services" if scope.namespace else "/api/v1/services")
    assert by_kind[INGRESS_CLASS].path == "/apis/networking.k8s.io/v1/ingressclasses"
    assert by_kind[INGRESS_CLASS].optional == bool(scope.namespace)
    if scope.selector:
        assert by_kind[NAMESPACE].labels == "team=shop"


def test_feeds_of_what_is_read_by_name() -> None:
    inside, outside = Ref("ConfigMap", "shop", "x"), Ref("Secret", "other", "x")
    assert by_name_feed(Scope(), inside) == Feed(CONFIG_MAP)
    assert by_name_feed(Scope(), outside) == Feed(SECRET, fields="type!=kubernetes.io/tls")
    assert by_name_feed(Scope(namespace="shop"), inside) == Feed(CONFIG_MAP, "shop")
    assert by_name_feed(Scope(namespace="shop"), outside) == Feed(SECRET, "other", fields="metadata.name=x")


def test_what_a_fault_of_ours_keeps_from_being_read_stays_what_it_was(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the watch ends nor the audit calls it dead, and the log does not say what is in it."""
    feed, intake = Feed(SECRET), Intake()
    ref = Ref("Secret", "a", "x")

    def raw(version: str) -> dict[str, Any]:
        meta = {"name": "x", "namespace": "a", "uid": "u", "resourceVersion": version}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"tls.key": "c2VjcmV0"}}

    def fail(found: dict[str, Any]) -> None:
        raise RuntimeError(str(found))

    intake.apply(read_object(feed, ref, raw("1"), "MODIFIED"))
    assert [view.meta.ref for view in intake.take().applied] == [ref]
    monkeypatch.setattr(told, "parse_object", fail)
    intake.apply(read_object(feed, ref, raw("2"), "MODIFIED"))
    assert not intake.take()
    assert intake.inventory.knows(ref, "u", "2")
    assert [problem.code for problem in intake.inventory.problems] == ["object-unreadable"]
    assert "c2VjcmV0" not in str([vars(record) for record in caplog.records])
    monkeypatch.undo()
    intake.apply(read_object(feed, ref, raw("3"), "MODIFIED"))
    assert intake.take()
    assert not intake.inventory.problems
