"""What clients see while backends fail: updates, processes killed, a node lost. Under constant load, each one counted.

Everything that is broken here is a backend, or the node that half of the backends and one of two replicas are on.
"""

import collections
import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from harness.e2e.backends import PREFIX, Manifest, backend, ingress
from harness.e2e.killing import is_ready, kill, restarts
from harness.e2e.report import Report
from harness.e2e.site import FIRST, SECOND, Site
from harness.e2e.steady import Steady

KEPT, PLAIN = "kept", "plain"
REPLICAS = 4
RATE, AT_MOST = 20.0, 300.0
# Seconds that nobody expects to wait. A node that is silent is noticed after 12 (localkube.cluster).
SLOW = 1.0
SHORT = {"proxy-connect-timeout": "1", "proxy-read-timeout": "3"}


def host(name: str) -> str:
    return f"{name}.failing.example.com"


def spread(name: str) -> dict[str, Any]:
    """As many of its pods on one node as on the other."""
    return {
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": name}},
                "matchLabelKeys": ["pod-template-hash"],
            }
        ]
    }


@pytest.fixture(scope="module")
def backends(site: Site, namespace: str) -> str:
    """The namespace with two backends, all of them ready and answering."""
    site.install()
    manifests: list[Manifest] = [
        *backend(KEPT, replicas=REPLICAS, pre_stop=2, **spread(KEPT)),
        *backend(PLAIN, replicas=REPLICAS, **spread(PLAIN)),
    ]
    site.apply(*manifests, *(ingress(name, host(name), name) for name in (KEPT, PLAIN)), namespace=namespace)
    for name in (KEPT, PLAIN):
        site.ready(f"deployment/{name}", namespace)
        site.wait(lambda name=name: site.curl(f"http://{host(name)}/").status == 200, f"an answer of {name}")  # type: ignore[misc]
    return namespace


def pods(site: Site, namespace: str, name: str) -> list[dict[str, Any]]:
    return site.pods(f"app={name}", namespace)


def all_ready(site: Site, namespace: str, name: str) -> bool:
    found = pods(site, namespace, name)
    return len(found) == REPLICAS and all(map(is_ready, found))


def no_loss(load: Steady) -> None:
    assert not load.lost, (load.figures(), load.answers())


def test_rolling_update(site: Site, backends: str, report: Report) -> None:
    """Rolling update of backends"""
    with (
        site.steady(host(KEPT), rate=RATE, seconds=AT_MOST) as kept,
        site.steady(host(PLAIN), rate=RATE, seconds=AT_MOST) as plain,
    ):
        site.kubectl("-n", backends, "rollout", "restart", f"deployment/{KEPT}", f"deployment/{PLAIN}")
        for name in (KEPT, PLAIN):
            site.ready(f"deployment/{name}", backends)
        for load in (kept, plain):
            load.more(20)
    report("with preStop", **kept.figures())
    report("without preStop", **plain.figures())
    no_loss(kept)
    no_loss(plain)


def test_killed_process(site: Site, backends: str, report: Report) -> None:
    """The process of a backend is killed (SIGKILL), and a pod deleted by force"""
    first, second, *_ = pods(site, backends, PLAIN)
    with site.steady(host(PLAIN), "/?sleep=50ms", rate=2 * RATE, seconds=AT_MOST) as load:
        kill(first, "echo")
        path = f"/api/v1/namespaces/{backends}/pods/{first['metadata']['name']}"
        site.wait(lambda: restarts(site.get(path), "echo") > 0, "the container to be started again")
        site.kubectl("-n", backends, "delete", "pod", second["metadata"]["name"], "--force", "--grace-period=0")
        site.wait(lambda: all_ready(site, backends, PLAIN), "all pods to be ready again")
        load.more(50)
    report("50 ms of work each", **load.figures())
    no_loss(load)


@contextlib.contextmanager
def node_lost(site: Site) -> Iterator[None]:
    """The second node is gone while the block runs, and back and ready after it, with all that runs on it."""
    site.network.cut(SECOND)
    try:
        yield
    finally:
        site.network.mend(SECOND)
        site.kubectl("wait", "node/n2", "--for=condition=Ready", "--timeout=60s")


def replica_on_first_node(site: Site) -> str:
    """ADDRESS:PORT of it, by which kube-proxy has no say."""
    [address] = [pod["status"]["podIP"] for pod in site.pods() if pod["spec"]["nodeName"] == f"n{FIRST}"]
    return f"{address}:8080"


def test_lost_node(site: Site, backends: str, report: Report) -> None:
    """A node is lost, with half of the backends and one of two replicas"""
    for name in (KEPT, PLAIN):
        nodes = collections.Counter(pod["spec"]["nodeName"] for pod in pods(site, backends, name))
        assert nodes == {"n1": 2, "n2": 2}
    settings = (f"{PREFIX}{key}={value}" for key, value in SHORT.items())
    site.kubectl("-n", backends, "annotate", "ingress", PLAIN, *settings)
    left = replica_on_first_node(site)
    with (
        site.steady(host(KEPT), rate=RATE, seconds=AT_MOST, place=left) as usual,
        site.steady(host(PLAIN), rate=RATE, seconds=AT_MOST, place=left) as short,
        site.steady(host(KEPT), rate=RATE, seconds=AT_MOST) as service,
    ):
        cut = time.monotonic()
        with node_lost(site):
            site.wait(lambda: sum(map(is_ready, pods(site, backends, KEPT))) == 2, "its pods to count as not ready")
            noticed = time.monotonic()
            service.more(40)
            after = [each for each in service.results if each.sent > noticed + SLOW]
        for name in (KEPT, PLAIN):
            site.wait(lambda name=name: all_ready(site, backends, name), f"{name}'s pods to be ready again")  # type: ignore[misc]
        site.wait(lambda: all(map(is_ready, site.pods())), "both replicas")
        mended = time.monotonic()
        for load in (usual, short, service):
            load.more(20)
    report("noticed by Kubernetes", after=f"{noticed - cut:.1f} s")
    report("at the replica that is left", **figures(usual))
    report(f"there, with {', '.join(f'{key} {value}' for key, value in SHORT.items())}", **figures(short))
    report("by the Service", **figures(service))
    no_loss(short)
    assert after
    assert not any(each.lost for each in after), "the Service leads to the lost node, though it was noticed"
    # Requests on connections that were kept to endpoints of the lost node wait for as long as proxy-read-timeout.
    assert len(usual.lost) < usual.sent / 20
    for load in (usual, service):
        assert not [each for each in load.lost if each.sent > mended], load.answers(mended)


def figures(load: Steady) -> dict[str, str]:
    """With those that took longer than anybody expects."""
    slow = sum(each.done - each.sent > SLOW for each in load.results)
    return load.figures() | {f"slower than {SLOW:g} s": str(slow)}
