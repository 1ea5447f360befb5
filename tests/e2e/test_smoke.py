"""The whole way once: helm install, the course notes' canary, requests through the Service, upgrade, uninstall."""

import contextlib
import http.client
import json
import socket
from collections import Counter

import pytest
from harness.waiting import until
from localkube.release import DEMO_HOST, NAMESPACE, Release

REQUESTS = 20
# helm never deletes a chart's definitions, for all objects of that kind would go with them; and when the last replica
# ends it has lost the right to delete its Lease, which says that nobody holds it.
STAYS = {
    "<none> apiextensions.k8s.io/v1 CustomResourceDefinition canaryroutes.serin.dev",
    "<none> apiregistration.k8s.io/v1 APIService v1alpha1.serin.dev",
    f"{NAMESPACE} coordination.k8s.io/v1 Lease serin-leader",
}
LOW_PORTS = {
    "controller.hostNetwork": "true",
    "controller.containerPort.http": "80",
    "controller.containerPort.https": "443",
}
NGINX = {"dataPlane.plane": "nginx"}
NONE, NET_BIND_SERVICE = f"{0:016x}", f"{1 << 10:016x}"
RIGHTS = r"grep -hsE '^(Name|CapPrm|CapEff|CapBnd):' /proc/[0-9]*/task/*/status; true"
ADDRESS = ["get", "ingress", "demo-canary-main", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"]


def ask(place: str, region: str | None) -> str:
    """The version that answered, or what was answered instead."""
    connection = http.client.HTTPConnection(place, timeout=10)
    try:
        connection.request("GET", "/", headers={"Host": DEMO_HOST} | ({"Region": region} if region else {}))
        answer = connection.getresponse()
        text = answer.read().decode()
        return str(json.loads(text)["backend"]) if answer.status == 200 else f"{answer.status} {text[:200]}"
    finally:
        connection.close()


def rights(release: Release, address: str, container: str) -> set[tuple[str, ...]]:
    """Name, permitted, effective and possible capabilities of each thread in the pod at `address`."""
    pods = ["get", "pods", f"--field-selector=status.podIP={address}", "--output=name"]
    [pod] = release.kubectl("--namespace", NAMESPACE, *pods).split()
    told = release.kubectl("--namespace", NAMESPACE, "exec", pod, "-c", container, "--", "sh", "-c", RIGHTS).split()
    values = iter(told[1::2])
    return {each for each in zip(values, values, values, values, strict=True) if each[0] not in ("sh", "grep")}


def everything(release: Release) -> set[str]:
    """`NAMESPACE APIVERSION KIND NAME` of all objects but Events, which come and go by themselves."""
    kinds = release.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    wanted = ",".join(kind for kind in kinds if not kind.startswith(("events", "componentstatuses")))
    columns = "custom-columns=N:.metadata.namespace,A:.apiVersion,K:.kind,M:.metadata.name"
    lines = release.kubectl("get", wanted, "-A", "--no-headers", "-o", columns).splitlines()
    return {" ".join(line.split()) for line in lines}


@pytest.fixture(scope="module")
def before(release: Release) -> set[str]:
    """What is there without Serin: the demo, too."""
    release.kubectl("create", "namespace", NAMESPACE)
    release.apply_demo()
    return everything(release)


@pytest.fixture(scope="module")
def installed(release: Release, before: set[str]) -> Release:
    release.install(print)
    return release


@pytest.mark.parametrize("way", ["service", "node"])
@pytest.mark.parametrize(("region", "version"), [("cd", "v2"), ("sz", "v2"), ("bj", "v1"), (None, "v1")])
def test_region_chooses_the_version(installed: Release, way: str, region: str | None, version: str) -> None:
    place = installed.address() if way == "service" else installed.node_address()
    assert Counter(ask(place, region) for _ in range(REQUESTS)) == {version: REQUESTS}


def shown(release: Release) -> str:
    """What the data plane's nginx was given for the demo, as its own container tells."""
    command = ["serin", "render", "--run-dir", "/run/serin", "--host", DEMO_HOST]
    return release.kubectl(
        "--namespace", NAMESPACE, "exec", "deployment/serin-controller", "-c", "data-plane", "--", *command
    )


@pytest.mark.parametrize("lua", ["auto", "off"])
def test_nginx_answers_alike(installed: Release, lua: str) -> None:
    """In a container of its own: no right, nothing but two folders to write to."""
    installed.install(print, {**NGINX, "dataPlane.nginxLua": lua})
    for region, version in (("cd", "v2"), ("sz", "v2"), ("bj", "v1"), (None, "v1")):
        assert Counter(ask(installed.address(), region) for _ in range(REQUESTS)) == {version: REQUESTS}
    until(lambda: "as nginx has it" in shown(installed), "nginx to have what is rendered", seconds=10, every=0.5)
    assert ("drawn from plan/pools.bin" in shown(installed)) == (lua == "auto")


def test_nginx_on_low_ports_has_no_right(installed: Release) -> None:
    installed.install(print, NGINX | LOW_PORTS)
    node = installed.cluster.nodes[0].address
    assert ask(f"{node}:80", "cd") == "v2"
    socket.create_connection((node, 443), timeout=10).close()
    found = rights(installed, node, "data-plane")
    assert "nginx" in {each[0] for each in found}
    assert {each[1:3] for each in found} == {(NONE, NONE)}
    installed.install(print)  # the node has its ports once: the next pod that wants them would wait for this one


def test_low_ports_of_the_node_leave_nobody_a_right(installed: Release) -> None:
    installed.install(print, LOW_PORTS)
    node = installed.cluster.nodes[0].address
    assert ask(f"{node}:80", "cd") == "v2"
    socket.create_connection((node, 443), timeout=10).close()
    assert rights(installed, node, "data-plane") == {
        ("serin", NONE, NONE, NET_BIND_SERVICE),
        ("python3", NONE, NONE, NET_BIND_SERVICE),
    }
    assert {each[1:] for each in rights(installed, node, "controller")} == {(NONE, NONE, NONE)}


def test_status_shows_the_address_while_a_replica_runs(installed: Release) -> None:
    address = installed.service()["spec"]["clusterIP"]
    until(lambda: installed.kubectl(*ADDRESS) == address, "the Ingress's address", every=0.2)
    installed.scale(0)
    until(lambda: not installed.kubectl(*ADDRESS), "the address to be taken back", seconds=60, every=0.2)


def test_uninstall_leaves_nothing(installed: Release, before: set[str]) -> None:
    installed.uninstall()
    with contextlib.suppress(AssertionError):
        until(lambda: everything(installed) - before <= STAYS, "the pods to end", seconds=60, every=0.5)
    assert everything(installed) - before - STAYS == set()
