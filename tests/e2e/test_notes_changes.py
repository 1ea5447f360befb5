"""The course notes' releases by hand, under steady load: blue-green by Service and by Ingress, more and fewer pods."""

import time
from collections.abc import Callable
from functools import partial

import pytest
from harness.e2e.backends import backend, ingress, service
from harness.e2e.replicas import everywhere, often, pods
from harness.e2e.report import Report
from harness.e2e.site import Site
from harness.e2e.steady import Steady

COLOURS = ("blue", "green")
PRE_STOP = 3
AFTERWARDS = 60


@pytest.fixture(scope="module")
def shop(site: Site, namespace: str) -> str:
    """Namespace of blue and green, Service `colour` that leads to blue, `web` to scale, an Ingress for each."""
    site.install()
    chosen = service("colour")
    chosen["spec"]["selector"] = {"app": "blue"}
    hosts = [("colour", "colour"), ("direct", "blue"), ("web", "web")]
    site.apply(
        *(part for name in COLOURS for part in backend(name)),
        *backend("web", pre_stop=PRE_STOP),
        chosen,
        *(ingress(name, f"{name}.example.com", backend_name) for name, backend_name in hosts),
        namespace=namespace,
    )
    for name in (*COLOURS, "web"):
        site.ready(f"deployment/{name}", namespace)
    for name, answering in (("colour", "blue"), ("direct", "blue"), ("web", "web")):
        everywhere(site, f"http://{name}.example.com/", answering)
    return namespace


def by_service(site: Site, namespace: str, colour: str) -> None:
    chosen = service("colour")
    chosen["spec"]["selector"] = {"app": colour}
    site.apply(chosen, namespace=namespace)


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
        for colour in ("green", "blue"):
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
    url = "http://web.example.com/"
    with site.steady("web.example.com") as load:
        for count in (3, 1):
            site.kubectl("-n", shop, "scale", "deployment/web", f"--replicas={count}")
            site.ready("deployment/web", shop)
            site.wait(partial(in_use, site, shop, url, count), f"{count} pods in use")
            report(f"{count}: {dict(pods(often(site, url, 30)))}")
        load.more(AFTERWARDS)
    report(**load.figures())
    assert set(load.answers()) == {"200 web"}


def in_use(site: Site, namespace: str, url: str, count: int) -> bool:
    """Whether web has so many pods, and requests go to each of them and nowhere else."""
    found = {pod["status"].get("podIP", "") for pod in site.pods("app=web", namespace)}
    return len(found) == count and set(pods(often(site, url, 20))) == found
