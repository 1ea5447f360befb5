"""What clients see while replicas of Serin end: deleted, killed, drained, scaled. Under constant load.

Requests come through the Service: what is lost is lost with all that kube-proxy does about it.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from harness.e2e.backends import backend, ingress
from harness.e2e.killing import kill, restarts
from harness.e2e.report import Report
from harness.e2e.site import SECOND, Site
from harness.e2e.steady import Steady
from localkube.client import RequestFailedError

HOST = "replicas.example.com"
RATE, AT_MOST = 25.0, 400.0
# A worker's command line, in either plane.
WORKER = {"proxy": "serin.dataplane.proxy.worker", "nginx": "nginx: worker process"}


@pytest.fixture(scope="module")
def web(site: Site, namespace: str) -> Iterator[str]:
    """The namespace with a backend that answers for HOST, of which a drain takes one pod at a time."""
    site.install()
    site.apply(
        *backend("web", replicas=2, pre_stop=2),
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "web"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
        },
        ingress("web", HOST, "web"),
        namespace=namespace,
    )
    site.ready("deployment/web", namespace)
    site.wait(lambda: site.curl(f"http://{HOST}/").status == 200, "an answer")
    yield namespace
    site.changed()


@pytest.fixture
def replicas(site: Site, web: str) -> Site:
    """Two replicas, whatever the test before left."""
    assert web
    site.install()
    site.settled()
    return site


def get_pod(site: Site, pod: dict[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] | None = site.get(
        f"/api/v1/namespaces/{site.release.namespace}/pods/{pod['metadata']['name']}"
    )
    return found


def no_loss(load: Steady) -> None:
    assert not load.lost, (load.figures(), load.answers())


def test_deleted_and_scaled(replicas: Site, report: Report) -> None:
    """A replica is deleted; one replica instead of two, and two again"""
    with replicas.steady(HOST, rate=RATE, seconds=AT_MOST) as load:
        replicas.kubectl("-n", replicas.release.namespace, "delete", "pod", replicas.pods()[0]["metadata"]["name"])
        replicas.settled()
        load.more(20)
    report("deleted", **load.figures())
    no_loss(load)
    with replicas.steady(HOST, rate=RATE, seconds=AT_MOST) as load:
        replicas.release.scale(1)
        replicas.settled(1)
        load.more(20)
        replicas.release.scale(2)
        replicas.settled()
        load.more(20)
    report("2 to 1 to 2", **load.figures())
    no_loss(load)


def test_killed(replicas: Site, report: Report) -> None:
    """A worker is killed (SIGKILL), then a data plane with all its processes"""
    pod, *_ = replicas.pods()
    with replicas.steady(HOST, "/?sleep=20ms", rate=2 * RATE, seconds=AT_MOST) as load:
        load.more(20)
        kill(pod, "data-plane", WORKER[replicas.plane])
        load.more(80)
    report("a worker", **load.figures())
    assert len(load.lost) <= 5, (load.figures(), load.answers())
    with replicas.steady(HOST, "/?sleep=20ms", rate=2 * RATE, seconds=AT_MOST) as load:
        before = restarts(get_pod(replicas, pod), "data-plane")
        kill(pod, "data-plane")
        replicas.wait(
            lambda: restarts(get_pod(replicas, pod), "data-plane") > before, "the container to be started again"
        )
        replicas.settled()
        healed = time.monotonic()
        load.more(80)
    report("the data plane", **load.figures())
    assert not [each for each in load.lost if each.sent > healed], load.answers(healed)


@contextlib.contextmanager
def drained(site: Site, node: int) -> Iterator[None]:
    """`kubectl drain`; pods may go there again after it."""
    try:
        options = ("--ignore-daemonsets", "--delete-emptydir-data", "--timeout=90s")
        site.kubectl("drain", f"n{node}", *options)
        yield
    finally:
        site.kubectl("uncordon", f"n{node}")


def evict(site: Site, pod: dict[str, Any]) -> int:
    """The answer's status: 429 says that the PodDisruptionBudget forbids it."""
    name, namespace = pod["metadata"]["name"], site.release.namespace
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    try:
        site.release.cluster.plane.admin.request("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", body)
    except RequestFailedError as error:
        return error.status
    return 201


def test_drained_node(replicas: Site, report: Report) -> None:
    """A node is drained, with a replica and backends on it; its PodDisruptionBudget keeps the other replica"""
    with replicas.steady(HOST, rate=RATE, seconds=AT_MOST) as load:
        with drained(replicas, SECOND):
            replicas.settled()
            assert {pod["spec"]["nodeName"] for pod in replicas.pods()} == {"n1"}
        first, second = replicas.pods()
        evicted = [evict(replicas, first), evict(replicas, second)]
        replicas.settled()
        load.more(40)
    report(**load.figures(), evictions=evicted)
    no_loss(load)
    assert evicted == [201, 429]
    assert {pod["spec"]["nodeName"] for pod in replicas.pods()} == {"n1", "n2"}


def leader(site: Site) -> str:
    """The pod that holds the Lease."""
    [lease] = site.get(f"/apis/coordination.k8s.io/v1/namespaces/{site.release.namespace}/leases")["items"]
    return str(lease["spec"].get("holderIdentity") or "")


def test_killed_leader(replicas: Site, web: str, report: Report) -> None:
    """The leader is killed, which gives nothing back, and its pod deleted: the other replica writes in its place"""
    before = leader(replicas)
    [pod] = [each for each in replicas.pods() if each["metadata"]["name"] == before]
    status = f"/apis/networking.k8s.io/v1/namespaces/{web}/ingresses/late"
    with replicas.steady(HOST, rate=RATE, seconds=AT_MOST) as load:
        kill(pod, "controller")
        killed = time.monotonic()
        # Before the kubelet has seen the end: of a pod that is being deleted it starts no container again.
        replicas.kubectl("-n", replicas.release.namespace, "delete", "pod", before, "--wait=false")
        replicas.apply(ingress("late", f"late.{HOST}", "web"), namespace=web)
        replicas.wait(lambda: replicas.curl(f"http://late.{HOST}/").status == 200, "an answer for the new Ingress")
        served = time.monotonic() - killed
        replicas.wait(lambda: leader(replicas) not in ("", before), "another leader")
        taken = time.monotonic() - killed
        replicas.wait(lambda: replicas.get(status)["status"]["loadBalancer"].get("ingress"), "the Ingress's address")
        written = time.monotonic() - killed
        replicas.settled()
        load.more(20)
    times = {"new_Ingress_served_after": served, "Lease_taken_after": taken, "status_written_after": written}
    report(**load.figures(), **{name: f"{value:.1f} s" for name, value in times.items()})
    no_loss(load)
