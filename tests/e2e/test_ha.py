"""Two replicas on two nodes, on the nodes' ports, and a HAProxy outside in front, as docs/ha.md says."""

import time
from collections.abc import Callable, Iterator

import pytest
from harness.e2e import backends
from harness.e2e.balancer import Balancer, balancer, value
from harness.e2e.inside import containers
from harness.e2e.report import Report
from harness.e2e.site import FIRST, SECOND, Site
from harness.e2e.values import read_values
from harness.waiting import until

HOST = "ha.example.com"
NOTHING, NET_BIND_SERVICE = f"{0:016x}", f"{1 << 10:016x}"
SETTLED = 60
"""Requests that go on after something has happened."""
# As the chart's values for this, but that a pod serves on for 5 s: HAProxy notices within 3 here.
VALUES: dict[str, object] = {**read_values("ha"), "controller.preStopSeconds": 5}


@pytest.fixture(scope="module")
def front(
    site: Site, namespace: str, tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]
) -> Iterator[Balancer]:
    """All of it, serving; backends are on the first node, whose loss no test is about."""
    site.uninstall()  # as a first installation: an update of what others left would go replica by replica
    site.install(VALUES)
    web = backends.backend("web", replicas=2, nodeSelector={"kubernetes.io/hostname": f"n{FIRST}"})
    site.apply(*web, backends.ingress("web", HOST, "web"), namespace=namespace)
    site.ready("deployment/web", namespace)
    replaced(site)
    with balancer(site, tmp_path_factory.mktemp("haproxy"), say) as running:
        until(
            lambda: site.curl(f"http://{HOST}/", place=running.door).backend == "web", "an answer by HAProxy", every=0.2
        )
        yield running
    site.uninstall()  # nodes that these pods are on take no other replica: an update to other values would stand still


def nodes(site: Site) -> list[str]:
    return sorted(pod["spec"]["nodeName"] for pod in site.pods())


def replaced(site: Site) -> None:
    """All replicas are there: helm goes on when one more could be missing (maxUnavailable)."""
    site.ready("deployment/serin-controller", site.release.namespace, seconds=180)


def settled(site: Site, front: Balancer, since: int) -> None:
    """The second node's replica is back, and HAProxy knows."""
    front.wait(f"http/n{SECOND}", "UP", since, seconds=90)
    site.wait(lambda: nodes(site) == [f"n{FIRST}", f"n{SECOND}"], "a replica on each node")
    replaced(site)


def test_each_node_has_a_replica_and_clients_keep_their_address(site: Site, front: Balancer, report: Report) -> None:
    """Anti-affinity: one replica on each node; by PROXY protocol backends see the client's address, not HAProxy's"""
    assert nodes(site) == [f"n{FIRST}", f"n{SECOND}"]
    client = site.network.node(FIRST)
    for url, place in ((f"http://{HOST}/", front.door), (f"https://{HOST}/", front.secure)):
        for _ in range(4):  # both replicas, in turn
            headers = site.curl(url, "--insecure", place=place).echo["headers"]
            assert [told for name, told in headers if name.lower() == "x-real-ip"] == [client]
    assert not site.curl(f"http://{HOST}/", place=f"{client}:80").status, "taken without the PROXY line"
    report(replicas=", ".join(nodes(site)), client=client, balancer=front.address)


def test_low_ports_leave_nobody_a_right(site: Site, front: Balancer, plane: str, report: Report) -> None:
    """Ports 80 and 443 of the node: the data plane may bind them at its start, and no thread has any right after it"""
    names: set[str] = set()
    for pod in site.pods():
        controller, data_plane = containers(site, pod)
        for container, possible in ((controller, NOTHING), (data_plane, NET_BIND_SERVICE)):
            for thread in container.threads():
                names.add(thread["Name"])
                assert thread["Uid"].split() == ["101"] * 4
                assert {thread[each] for each in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {NOTHING}, thread["Name"]
                assert thread["CapBnd"] == possible, thread["Name"]
                assert thread["NoNewPrivs"] == "1"
    assert ("nginx" in names) == (plane == "nginx")
    report(threads_of=", ".join(sorted(names)))


def test_a_node_is_drained(site: Site, front: Balancer, report: Report) -> None:
    """kubectl drain of a replica's node, and its return: HAProxy sees /readyz fail while the replica still serves"""
    since = len(front.said())
    try:
        with site.steady(HOST, place=front.door) as load:
            told = time.monotonic()
            site.kubectl("drain", f"n{SECOND}", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=90s")
            ended = time.monotonic() - told
            site.kubectl("uncordon", f"n{SECOND}")
            settled(site, front, since)
            load.more(SETTLED)
    finally:
        site.kubectl("uncordon", f"n{SECOND}")
    assert load.lost == []
    [down] = [line for line in front.said()[since:] if f"Server http/n{SECOND} is DOWN" in line]
    assert "code: 503" in down, "noticed by closed ports"
    report(**load.figures(), drained_in=f"{ended:.1f} s", bound_of_noticing=f"{bound('fall'):g} s")


def test_all_are_replaced_by_an_upgrade(site: Site, front: Balancer, report: Report) -> None:
    """helm upgrade replaces both replicas, one after the other"""
    before = {pod["metadata"]["name"] for pod in site.pods()}
    with site.steady(HOST, place=front.door) as load:
        site.install({**VALUES, "controller.podAnnotations.release": "second"})
        replaced(site)
        load.more(SETTLED)
    assert not before & {pod["metadata"]["name"] for pod in site.pods()}
    assert load.lost == []
    report(**load.figures())


def test_a_node_is_lost(site: Site, front: Balancer, report: Report) -> None:
    """A replica's node is lost: what comes goes to the other one, and HAProxy knows within (fall + 1) × inter"""
    since = len(front.said())
    try:
        with site.steady(HOST, place=front.door) as load:
            load.more(20)
            lost = time.monotonic()
            site.network.cut(SECOND)
            seen = front.wait(f"http/n{SECOND}", "DOWN", since) - lost
            calm = lost + bound("fall") + value("tcp-ut")
            until(lambda: time.monotonic() > calm, "connections to the lost node to be given up")
            load.more(SETTLED)
    finally:
        site.network.mend(SECOND)
    assert {status.split()[0] for status in load.answers(since=calm)} == {"200"}, "it has gone on for longer"
    settled(site, front, since)
    report(**load.figures(), seen_after=f"{seen:.1f} s", bound=f"{bound('fall'):g} s")


def bound(word: str) -> float:
    """Seconds until HAProxy has asked often enough: `fall` or `rise`."""
    return (value(word) + 1) * value("inter")
