"""The course notes' releases by hand, under steady load: blue-green by Service and by Ingress, more and fewer pods."""

import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from harness.e2e.backends import Manifest, ingress, service
from harness.e2e.notes import WEB, Stage
from harness.e2e.replicas import everywhere, often, pods
from harness.e2e.report import Report
from harness.e2e.site import Site
from harness.e2e.steady import Steady

BLUE, GREEN = "v1", "v2"
AFTERWARDS = 60


@pytest.fixture(scope="module")
def shop(site: Site, stage: Stage) -> Iterator[str]:
    """The stage's namespace, with Service `colour` that leads to blue; Ingresses for it, for blue, and for `web`."""
    site.install()
    hosts = {"colour": ("colour", BLUE), "direct": (BLUE, BLUE), WEB: (WEB, WEB)}
    ingresses = [ingress(name, f"{name}.example.com", leads_to) for name, (leads_to, _) in hosts.items()]
    with stage.showing(colour_service(BLUE), *ingresses):
        for name, (_, answering) in hosts.items():
            everywhere(site, f"http://{name}.example.com/", answering)
        yield stage.namespace


def colour_service(colour: str) -> Manifest:
    made = service("colour")
    made["spec"]["selector"] = {"app": colour}
    return made


def by_service(site: Site, namespace: str, colour: str) -> None:
    site.apply(colour_service(colour), namespace=namespace)


def by_ingress(site: Site, namespace: str, colour: str) -> None:
    site.apply(ingress("direct", "direct.example.com", colour), namespace=namespace)


@pytest.mark.parametrize(
    ("host", "change"),
    [("colour.example.com", by_service), ("direct.example.com", by_ingress)],
    ids=["by the Service", "by the Ingress"],
)
def test_blue_green_and_back(
    site: Site, shop: str, host: str, change: Callable[[Site, str, str], None], report: Report
) -> None:
    """Blue to green and back: nobody loses a request, nobody sees the old one afterwards"""
    with site.steady(host) as load:
        for colour in (GREEN, BLUE):
            began = time.monotonic()
            change(site, shop, colour)
            switched = everywhere(site, f"http://{host}/", colour)
            load.more(AFTERWARDS)
            assert set(load.answers(since=switched)) == {f"200 {colour}"}
            report(f"to {colour}: last other answer asked for {last_other(load, began, colour):.0f} ms after the first")
    report(**load.figures())
    assert not load.lost


def last_other(load: Steady, began: float, colour: str) -> float:
    """Milliseconds from the first request that got the new one to the last that did not; below 0: none after it."""
    since = [each for each in load.results if each.sent >= began]
    new = min(each.sent for each in since if each.backend == colour)
    return 1000 * (max((each.sent for each in since if each.backend != colour), default=began) - new)


def test_more_pods_and_fewer(site: Site, shop: str, report: Report) -> None:
    """From one pod to three and back to one: no request is lost, all pods get some"""
    url = f"http://{WEB}.example.com/"
    with site.steady(f"{WEB}.example.com") as load:
        for count in (3, 1):
            site.kubectl("-n", shop, "scale", f"deployment/{WEB}", f"--replicas={count}")
            site.ready(f"deployment/{WEB}", shop)
            site.wait(partial(in_use, site, shop, url, count), f"{count} pods in use")
            report(f"{count}: {dict(pods(often(site, url, 30)))}")
        load.more(AFTERWARDS)
    report(**load.figures())
    assert set(load.answers()) == {f"200 {WEB}"}


def in_use(site: Site, namespace: str, url: str, count: int) -> bool:
    """Whether WEB has so many pods, and requests go to each of them and nowhere else."""
    found = {pod["status"].get("podIP", "") for pod in site.pods(f"app={WEB}", namespace)}
    return len(found) == count and set(pods(often(site, url, 20))) == found
