"""The course notes' Services: without endpoints, headless, with affinity, by another name that DNS knows."""

import time
from collections.abc import Iterator

import pytest
from harness.e2e.backends import Manifest, ingress
from harness.e2e.notes import HEADLESS, LATE, Stage
from harness.e2e.replicas import doors, everywhere, often, pods
from harness.e2e.report import Report
from harness.e2e.site import Site


def external(name: str) -> Manifest:
    """A Service of type ExternalName."""
    spec = {"type": "ExternalName", "externalName": name, "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "external"}, "spec": spec}


@pytest.fixture(scope="module")
def shop(site: Site, stage: Stage, namespace: str) -> Iterator[str]:
    """The stage's namespace; `external` is in another one."""
    site.install()
    site.apply(
        external(f"tea.{stage.namespace}.svc.cluster.local"),
        ingress("external", "external.example.com", "external"),
        namespace=namespace,
    )
    shown = [ingress(name, f"{name}.example.com", name) for name in (LATE, HEADLESS)]
    with stage.showing(*shown, ingress("sticky", "sticky.example.com", HEADLESS, annotations={"affinity": "cookie"})):
        yield stage.namespace


def test_without_endpoints(site: Site, shop: str, report: Report) -> None:
    """A Service without endpoints is 503, and serves as soon as a pod is ready"""
    url = f"http://{LATE}.example.com/"
    everywhere(site, url, "503")
    site.kubectl("-n", shop, "scale", f"deployment/{LATE}", "--replicas=1")
    site.ready(f"deployment/{LATE}", shop)
    ready = time.monotonic()
    served = everywhere(site, url, LATE)
    report(f"200 in both replicas {served - ready:.1f} s after the pod was ready")
    site.kubectl("-n", shop, "scale", f"deployment/{LATE}", "--replicas=0")
    everywhere(site, url, "503")


def test_headless(site: Site, shop: str, report: Report) -> None:
    """A headless Service: all of its pods"""
    url = f"http://{HEADLESS}.example.com/"
    everywhere(site, url, HEADLESS)
    found = {pod["status"]["podIP"] for pod in site.pods(f"app={HEADLESS}", shop)}
    site.wait(lambda: set(pods(often(site, url, 20))) == found, "both pods in use")
    report(f"{dict(pods(often(site, url, 20)))}")


def test_a_cookie_keeps_the_pod(site: Site, shop: str, report: Report) -> None:
    """Affinity: the cookie of one replica leads to the same pod in both"""
    url = "http://sticky.example.com/"
    everywhere(site, url, HEADLESS)
    site.wait(lambda: len(pods(often(site, url, 20))) == 2, "both pods in use without a cookie")
    first, second = doors(site)
    given = site.curl(url, place=first)
    cookie = ("-H", f"Cookie: {given.headers['set-cookie'].partition(';')[0]}")
    kept = pods(often(site, url, 10, *cookie, place=first)) + pods(often(site, url, 10, *cookie, place=second))
    assert kept == {given.echo["pod"]: 20}
    report("20 of 20 with it")


def test_external_name(site: Site, stage: Stage, shop: str, namespace: str, report: Report) -> None:
    """ExternalName: the name of another namespace's Service, asked of the cluster's DNS, and then another name"""
    url = "http://external.example.com/"
    everywhere(site, url, "tea")
    site.apply(external(f"coffee.{stage.namespace}.svc.cluster.local"), namespace=namespace)
    changed = time.monotonic()
    report(f"tea, then coffee {everywhere(site, url, 'coffee') - changed:.1f} s after the change")
