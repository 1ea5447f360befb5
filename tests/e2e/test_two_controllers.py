"""Two releases on one cluster, a Deployment and a DaemonSet, each with a class of its own."""

import functools
from collections.abc import Iterator
from typing import Any

import pytest
from harness.e2e import backends
from harness.e2e.report import Report
from harness.e2e.site import FIRST, SECOND, Site
from harness.e2e.values import read_values
from localkube.release import Release

ANNOTATION = "kubernetes.io/ingress.class"
OTHER = "inside"
HTTP = 80


def values(plane: str) -> dict[str, object]:
    """A DaemonSet on ports 80 and 443 of its nodes, by the network plugin; no Service."""
    return {
        **read_values("daemonset"),
        "dataPlane.plane": plane,
        "controller.ingressClassResource.name": OTHER,
        "controller.ingressClassResource.controllerValue": f"serin.dev/{OTHER}",
        "controller.preStopSeconds": 2,
    }


@pytest.fixture(scope="module")
def other(site: Site) -> Iterator[Release]:
    """The second release, beside the first one; it is gone at the end."""
    site.install()
    with site.namespace() as namespace:
        release = site.release.beside(f"serin-{OTHER}", namespace)
        release.install(print, values(site.plane))
        yield release
        if release.name in release.helm("list", "--short", "-n", namespace).split():
            release.uninstall()


def told_by(name: str, way: str, word: str) -> dict[str, Any]:
    """An Ingress that names its class by the field, or by the annotation of old."""
    made = backends.ingress(name, f"{name}.example.com", "web")
    del made["spec"]["ingressClassName"]
    if way == "field":
        made["spec"]["ingressClassName"] = word
    else:
        made["metadata"]["annotations"][ANNOTATION] = word
    return made


@pytest.fixture(scope="module")
def hosts(site: Site, other: Release, namespace: str) -> dict[str, str]:
    """Host → class; one Ingress for each way to name each class."""
    named = {f"{word}-{way}": (way, word) for word in ("nginx", OTHER) for way in ("field", "annotation")}
    made = [told_by(name, way, word) for name, (way, word) in named.items()]
    site.apply(*backends.backend("web"), *made, namespace=namespace)
    site.ready("deployment/web", namespace)
    return {f"{name}.example.com": word for name, (_, word) in named.items()}


def places(site: Site) -> dict[str, list[str]]:
    """Where each of the two takes requests."""
    nodes = [f"{site.network.node(index)}:{HTTP}" for index in (FIRST, SECOND)]
    return {"nginx": [site.release.address()], OTHER: nodes}


def test_each_serves_its_own_class(site: Site, hosts: dict[str, str], report: Report) -> None:
    """A Deployment and a DaemonSet with hostPort: each serves its own class, by field and by annotation, no other"""
    asked = 0
    for controller, doors in places(site).items():
        for door in doors:
            for host, word in hosts.items():
                wanted = "web" if word == controller else "404"
                site.wait(functools.partial(answers, site, host, door, wanted), f"{wanted} for {host} at {door}")
                asked += 1
    report(places=sum(map(len, places(site).values())), hosts=len(hosts), answers_as_expected=asked)


def test_each_shows_its_own_address(
    site: Site, other: Release, namespace: str, hosts: dict[str, str], report: Report
) -> None:
    """ADDRESS is the Service's of the one, the nodes' of the other; each has a Lease of its own"""
    wanted = {"nginx": {site.release.address().partition(":")[0]}, OTHER: set(map(site.network.node, (FIRST, SECOND)))}
    for host, word in hosts.items():
        path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{host.partition('.')[0]}"
        site.wait(functools.partial(shows, site, path, wanted[word]), f"{host} to show {wanted[word]}")
    leases = {each: lease(site, each) for each in (site.release, other)}
    assert all(leases.values())
    assert lease_holder(site, site.release) != lease_holder(site, other)
    report(nginx=", ".join(wanted["nginx"]), **{OTHER: ", ".join(sorted(wanted[OTHER]))}, leases=2)


def answers(site: Site, host: str, door: str, wanted: str) -> bool:
    return site.curl(f"http://{host}/", place=door).backend.split()[0] == wanted


def shows(site: Site, ingress: str, addresses: set[str]) -> bool:
    told = site.get(ingress)["status"].get("loadBalancer", {}).get("ingress", [])
    return {each["ip"] for each in told} == addresses


def lease(site: Site, release: Release) -> Any:
    return site.get(f"/apis/coordination.k8s.io/v1/namespaces/{release.namespace}/leases/{release.name}-leader")


def lease_holder(site: Site, release: Release) -> str:
    return str(lease(site, release)["spec"]["holderIdentity"])


def test_one_goes_and_the_other_does_not_notice(
    site: Site, other: Release, namespace: str, hosts: dict[str, str], report: Report
) -> None:
    """helm uninstall of the second: the first loses no request, keeps its pods, class, addresses and CanaryRoutes"""
    names = {pod["metadata"]["name"] for pod in site.pods()}
    before = {pod["metadata"]["name"]: restarts(pod) for pod in site.pods()}
    ingress = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/nginx-field"
    shown = site.get(ingress)["status"]
    with site.steady("nginx-field.example.com") as load:
        other.uninstall()
        pods = f"/api/v1/namespaces/{other.namespace}/pods"
        site.wait(lambda: not site.get(pods)["items"], "the second release's pods to be gone")
        load.more(40)
    assert load.lost == []
    assert set(load.answers()) == {"200 web"}
    assert {pod["metadata"]["name"]: restarts(pod) for pod in site.pods()} == before
    assert names == before.keys()
    assert site.get(ingress)["status"] == shown
    assert site.get("/apis/networking.k8s.io/v1/ingressclasses/nginx")
    assert site.get(f"/apis/networking.k8s.io/v1/ingressclasses/{OTHER}") is None
    assert site.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/canaryroutes.serin.dev")
    report(**load.figures())


def restarts(pod: dict[str, Any]) -> int:
    return sum(each["restartCount"] for each in pod["status"]["containerStatuses"])
