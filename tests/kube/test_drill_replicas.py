"""Two replicas in pods of one Deployment: one writes, both serve, whatever becomes of the other."""

from typing import Any

import pytest
from harness.controllers import Field
from harness.drill_fixtures import backends, network, shared_field
from harness.drilling import PAUSE, STEADY_HOST, WIDE, Drill, assert_served, backend, steady_objects
from harness.load import load
from harness.manifests import endpoint_slice, ingress
from harness.serving import Serving
from harness.waiting import until

__all__ = ["backends", "network", "shared_field"]

ADDRESS = "192.0.2.5"
TTL = "4s"
KUBELET = "test.example/kubelet"
"""Keeps a deleted pod there until its containers have ended, as a kubelet does."""
FLAGS = ("--access-log", "off", "--publish-status-address", ADDRESS, "--status-update-interval", "5s")


def pod(name: str, field: Field) -> dict[str, Any]:
    """No node will have it; enough to be counted as a replica."""
    labels = {"app": field.namespace, "pod-template-hash": name}
    container = {"name": "controller", "image": "serin"}
    metadata = {"name": name, "labels": labels, "finalizers": [KUBELET]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


@pytest.fixture
def replicas(shared_field: Field, monkeypatch: pytest.MonkeyPatch) -> dict[str, Serving]:
    field = shared_field
    field.make_class()
    field.put(*steady_objects(), pod("one", field), pod("two", field))
    monkeypatch.setenv("POD_NAMESPACE", field.namespace)
    started = {}
    for name in ("one", "two"):
        monkeypatch.setenv("POD_NAME", name)
        started[name] = field.control(*FLAGS, "--election-ttl", TTL, run_dir=name)
        until(lambda: holder(field), "a holder", seconds=WIDE)
    return started


def holder(field: Field) -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{field.namespace}/leases/serin-{field.ingress_class}-leader"
    found = field.kube.get(path)
    return (found or {}).get("spec", {}).get("holderIdentity") or ""


def shown(field: Field) -> str:
    path = "jsonpath={.status.loadBalancer.ingress[*].ip}"
    return field.kube.kubectl("-n", field.namespace, "get", "ingress", "steady", "-o", path).stdout


def end_in_its_pod(field: Field, name: str, serving: Serving) -> None:
    """As a pod ends: it is marked, its containers get SIGTERM, it goes when they have ended."""
    field.kube.kubectl("-n", field.namespace, "delete", "pod", name, "--wait=false")
    assert serving.stop() == 0
    path = f"/api/v1/namespaces/{field.namespace}/pods/{name}"
    field.kube.request("PATCH", path, {"metadata": {"finalizers": None}})


def test_one_writes_and_both_serve_until_each_ends(
    shared_field: Field, replicas: dict[str, Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    field, one, two = shared_field, replicas["one"], replicas["two"]
    assert holder(field) == "one"
    until(lambda: shown(field) == ADDRESS, "the address", seconds=WIDE)
    with (
        load(one.door, STEADY_HOST, connections=1, pause=PAUSE) as at_one,
        load(two.door, STEADY_HOST, connections=1, pause=PAUSE) as at_two,
    ):
        one.process.kill()
        one.process.wait()
        until(lambda: holder(field) == "two", "the other one to take over", seconds=WIDE)
        field.put(*backend("more", "10.99.0.11"), ingress("more", "more.example", "more"))
        until(lambda: field.answer(two, "more.example") == "main", "a change", seconds=WIDE, every=0.05)
        assert_served(at_one)
        assert_served(at_two)

        monkeypatch.setenv("POD_NAME", "one")  # the container comes again in its pod
        again = Drill(field, field.control(*FLAGS, "--election-ttl", TTL, run_dir="one"))
        assert again.serving.data_plane() == one.data_plane(), "which served on"
        again.answers("main", "more.example")
        assert holder(field) == "two"

        at_two.stop()
        end_in_its_pod(field, "two", two)
        until(lambda: holder(field) == "one", "the Lease to come back", seconds=WIDE)
        assert shown(field) == ADDRESS, "a replica stays"
        field.put(endpoint_slice("steady", ["10.99.0.21"]))
        again.answers("next", STEADY_HOST)

        assert_served(at_one)
        at_one.stop()
        end_in_its_pod(field, "one", again.serving)
        assert not at_one.lost()
        assert not at_two.lost()
    assert shown(field) == "", "the last one took it away"
    assert holder(field) == ""


def test_a_container_that_is_restarted_in_its_pod_keeps_the_address(
    shared_field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = shared_field
    field.make_class()
    field.put(*steady_objects(), pod("three", field))
    monkeypatch.setenv("POD_NAMESPACE", field.namespace)
    monkeypatch.setenv("POD_NAME", "three")
    serving = field.control(*FLAGS, run_dir="three")
    until(lambda: shown(field) == ADDRESS, "the address", seconds=WIDE)
    assert serving.stop() == 0
    assert shown(field) == ADDRESS
    assert holder(field) == "", "given back all the same"
    end_in_its_pod(field, "three", serving)
