"""The whole way once: helm install, the course notes' canary, requests through the Service, uninstall."""

import http.client
import json
from collections import Counter

import pytest
from harness.waiting import until
from localkube.release import DEMO_HOST, NAMESPACE, Release

REQUESTS = 20
# Made anew all the time, or by the cluster itself in every namespace.
NOT_OURS = ("event", "lease.coordination.k8s.io/n", "endpointslice", "pod/", "node", "controllerrevision")
# helm never deletes definitions of a chart, for all their objects would go with them.
STAYS = {"customresourcedefinition.apiextensions.k8s.io/canaryroutes.serin.dev"}


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


def everything(release: Release) -> set[str]:
    """NAMESPACE/KIND/NAME of all objects, but for those that come and go by themselves."""
    kinds = release.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    wanted = ",".join(kind for kind in kinds if not kind.startswith(("events", "componentstatuses", "endpoints")))
    columns = "custom-columns=N:.metadata.namespace,A:.apiVersion,K:.kind,M:.metadata.name"
    lines = release.kubectl("get", wanted, "-A", "--no-headers", "-o", columns).splitlines()
    return {" ".join(line.split()) for line in lines}


@pytest.fixture(scope="module")
def before(release: Release) -> set[str]:
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
    until(lambda: ask(place, None) == "v1", "the first answer by the Service")
    assert Counter(ask(place, region) for _ in range(REQUESTS)) == {version: REQUESTS}


def test_status_shows_the_address(installed: Release) -> None:
    show = ["get", "ingress", "demo-canary-main", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"]
    told = until(lambda: installed.kubectl(*show), "the Ingress's address", every=0.2)
    assert told == installed.service()["spec"]["clusterIP"]


def test_uninstall_leaves_nothing(installed: Release, before: set[str]) -> None:
    installed.uninstall()
    until(lambda: not left_over(installed, before), "everything to be gone", every=0.5)


def left_over(release: Release, before: set[str]) -> set[str]:
    return everything(release) - before
