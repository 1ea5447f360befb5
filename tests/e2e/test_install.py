"""helm install, the course notes' canary, requests through the Service and the nodes, uninstall."""

import contextlib
from collections import Counter
from collections.abc import Iterator

import pytest
from harness.e2e.report import Report
from harness.e2e.site import FIRST, SECOND, Site
from harness.waiting import until
from localkube.release import DEMO_HOST, NAMESPACE

REQUESTS = 20
# helm never deletes a chart's definitions, for all objects of that kind would go with them; and when the last replica
# ends it has lost the right to delete its Lease, which says that nobody holds it.
STAYS = {
    "<none> apiextensions.k8s.io/v1 CustomResourceDefinition canaryroutes.serin.dev",
    "<none> apiregistration.k8s.io/v1 APIService v1alpha1.serin.dev",
    f"{NAMESPACE} coordination.k8s.io/v1 Lease serin-leader",
}
ADDRESS = ["get", "ingress", "demo-canary-main", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"]


def everything(site: Site) -> set[str]:
    """`NAMESPACE APIVERSION KIND NAME` of all objects but Events, which come and go by themselves."""
    kinds = site.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    wanted = ",".join(kind for kind in kinds if not kind.startswith(("events", "componentstatuses")))
    columns = "custom-columns=N:.metadata.namespace,A:.apiVersion,K:.kind,M:.metadata.name"
    lines = site.kubectl("get", wanted, "-A", "--no-headers", "-o", columns).splitlines()
    return {" ".join(line.split()) for line in lines}


@pytest.fixture(scope="module")
def before(site: Site) -> set[str]:
    """What is there without Serin: the demo, too."""
    site.uninstall()
    site.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    site.release.apply_demo()
    return everything(site)


@pytest.fixture(scope="module")
def installed(site: Site, before: set[str]) -> Iterator[Site]:
    site.install()
    # helm knows of ready pods, not of kube-proxy, which may take a second more to lead there.
    site.wait(lambda: site.curl(f"http://{DEMO_HOST}/").status == 200, "the Service to lead to a replica")
    yield site
    site.release.delete_demo()


@pytest.mark.parametrize("way", ["service", "node", "other node"])
@pytest.mark.parametrize(("region", "version"), [("cd", "v2"), ("sz", "v2"), ("bj", "v1"), (None, "v1")])
def test_region_chooses_the_version(
    installed: Site, way: str, region: str | None, version: str, report: Report
) -> None:
    """Header Region, by the Service and by a port of either node"""
    release = installed.release
    ports = {
        "service": release.address(),
        "node": release.node_address(FIRST),
        "other node": release.node_address(SECOND),
    }
    headers = ("-H", f"Region: {region}") if region else ()
    answers = (installed.curl(f"http://{DEMO_HOST}/", *headers, place=ports[way]) for _ in range(REQUESTS))
    seen = Counter(answer.backend for answer in answers)
    report(f"{region} by {way}: {dict(seen)}")
    assert seen == {version: REQUESTS}


def test_status_shows_the_address_while_a_replica_runs(installed: Site, report: Report) -> None:
    """ADDRESS of an Ingress while a replica runs"""
    address = installed.release.service()["spec"]["clusterIP"]
    until(lambda: installed.kubectl(*ADDRESS) == address, "the Ingress's address", every=0.2)
    installed.changed()
    installed.release.scale(0)
    until(lambda: not installed.kubectl(*ADDRESS), "the address to be taken back", seconds=60, every=0.2)
    report(shown=address, taken_back="with the last replica")


def test_uninstall_leaves_nothing(installed: Site, before: set[str], report: Report) -> None:
    """helm uninstall leaves what helm never deletes, and nothing else"""
    installed.uninstall()
    with contextlib.suppress(AssertionError):
        until(lambda: everything(installed) - before <= STAYS, "the pods to end", seconds=60, every=0.5)
    left = everything(installed) - before
    assert left - STAYS == set()
    report(left=", ".join(sorted(each.split()[2] for each in left)))
