"""What clients and users see of bad objects: the webhook there, gone and hanging, bad Ingresses, a bad ConfigMap.

Under constant load at a host beside them, each request counted.
"""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from harness.e2e.backends import Manifest, backend, ingress
from harness.e2e.control import figure, serves, stopped, webhook_gone
from harness.e2e.report import Report
from harness.e2e.site import Site
from harness.e2e.steady import Steady
from harness.waiting import until

HOST = "good.example.com"
RATE = 30.0
CONFIG_MAP = "serin-controller"
CLIENT = "203.0.113.9"


@pytest.fixture(scope="module")
def web(site: Site, namespace: str) -> Iterator[str]:
    """The namespace with the backend `web`, served by both replicas at HOST."""
    site.install()
    site.apply(*backend("web"), ingress("web", HOST, "web"), namespace=namespace)
    site.ready("deployment/web", namespace)
    for pod in site.pods():
        site.wait(lambda pod=pod: serves(site, pod, HOST), "both replicas to serve it")  # type: ignore[misc]
    yield namespace
    site.changed()


def no_loss(load: Steady) -> None:
    assert not load.lost, (load.figures(), load.answers())


def apply(site: Site, namespace: str, *manifests: Manifest) -> tuple[int, str, float]:
    """By the program kubectl, as users do: exit code, what it said, seconds that it took."""
    plane = site.release.cluster.plane
    command = [str(plane.programs["kubectl"]), f"--kubeconfig={plane.kubeconfig}", "-n", namespace, "apply", "-f", "-"]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
    began = time.monotonic()
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, " ".join((done.stdout + done.stderr).split()), time.monotonic() - began


def with_paths(manifest: Manifest, *paths: str) -> Manifest:
    """The Ingress with these in place of its first rule's only path."""
    rule = manifest["spec"]["rules"][0]["http"]
    rule["paths"] = [rule["paths"][0] | {"path": path} for path in paths]
    return manifest


def served_everywhere(site: Site, host: str) -> float:
    """Seconds until every replica answers for it."""
    began = time.monotonic()
    for pod in site.pods():
        until(lambda pod=pod: serves(site, pod, host), f"{host} to be served", seconds=30, every=0.05)  # type: ignore[misc]
    return time.monotonic() - began


def test_webhook_refuses_and_warns(site: Site, web: str, report: Report) -> None:
    """An Ingress that takes another's path is refused, one that names an unknown Service is warned of"""
    code, refused, _ = apply(site, web, ingress("twin", HOST, "web"))
    report(f"refused: {refused}")
    assert code == 1
    assert f'host "{HOST}" and path "/" is already defined in ingress {web}/web' in refused
    code, warned, _ = apply(site, web, ingress("lonely", "lonely.example.com", "nobody"))
    report(f"told: {warned}")
    assert code == 0
    assert f"Warning: service-not-found: spec.rules[0].http.paths[0]: there is no Service {web}/nobody" in warned


def test_webhook_hanging(site: Site, web: str, report: Report) -> None:
    """kubectl apply while every controller hangs, which takes connections and never answers"""
    with site.steady(HOST, rate=RATE) as load:
        with stopped(site.pods()):
            code, said, took = apply(site, web, ingress("hung", "hung.example.com", "web"))
            assert (code, said) == (0, "ingress.networking.k8s.io/hung created")
        served_everywhere(site, "hung.example.com")
    report(stored_in=f"{took:.1f} s", **load.figures())
    no_loss(load)


def test_bad_ingresses_beside_good_ones(site: Site, web: str, report: Report) -> None:
    """Webhook gone: three Ingresses that keep ingress-nginx from every later change are stored, and others served"""
    bad = [
        ingress("timeout", "timeout.example.com", "web", annotations={"proxy-read-timeout": "-1"}),
        ingress(
            *("pattern", "pattern.example.com", "web"),
            path="/shop[",
            path_type="ImplementationSpecific",
            annotations={"use-regex": "true"},
        ),
        with_paths(ingress("slashes", "slashes.example.com", "web"), "/a", "/a/"),
    ]
    with site.steady(HOST, rate=RATE) as load:
        with webhook_gone(site):
            code, said, stored = apply(site, web, *bad)
        assert code == 0, said
        site.apply(ingress("later", "later.example.com", "web"), namespace=web)
        took = served_everywhere(site, "later.example.com")
        asked = {
            "timeout": ("http://timeout.example.com/", 200),
            "pattern": ("http://pattern.example.com/shop%5B", 503),
            "slashes": ("http://slashes.example.com/a/x", 200),
        }
        seen = {name: site.curl(url).status for name, (url, _) in asked.items()}
        load.more(30)
    report(
        f"answers {seen}", stored_in=f"{stored:.1f} s", later_change_in_force_after=f"{took:.1f} s", **load.figures()
    )
    assert seen == {name: status for name, (_, status) in asked.items()}
    no_loss(load)


def test_bad_value_in_the_config_map(site: Site, web: str, report: Report) -> None:
    """A ConfigMap with a bad value beside good ones; with nginx each change is a reload"""
    with site.steady(HOST, rate=RATE) as load:
        reloads = total_reloads(site)
        change(site, {"use-forwarded-headers": "true"})
        until(lambda: trusted(site), "forwarded headers to count", every=0.1)
        change(site, {"proxy-body-size": "8 megabytes", "keep-alive-requests": "500"})
        until(lambda: told(site), "an Event on the ConfigMap", every=0.2)
        until(lambda: all(invalid(site)), "it to be counted in every replica", every=0.2)
        assert trusted(site)
        load.more(30)
        reloads = total_reloads(site) - reloads
        change(site, {"use-forwarded-headers": None, "proxy-body-size": None, "keep-alive-requests": None})
        until(lambda: not trusted(site) and not any(invalid(site)), "the change to be taken back", every=0.1)
        load.more(30)
    report(f"Event: {told(site)}", **load.figures(), **({"reloads": reloads} if site.plane == "nginx" else {}))
    assert "data[proxy-body-size]: expected a size" in told(site)
    assert reloads >= (4 if site.plane == "nginx" else 0)
    no_loss(load)


def change(site: Site, data: Mapping[str, str | None]) -> None:
    patch = json.dumps({"data": data})
    site.kubectl("-n", site.release.namespace, "patch", "configmap", CONFIG_MAP, "--type=merge", "-p", patch)


def trusted(site: Site) -> bool:
    """Whether every replica passes on the address that a client says is its own."""
    answers = [
        site.curl(f"http://{HOST}/", "-H", f"X-Forwarded-For: {CLIENT}", place=f"{pod['status']['podIP']}:8080")
        for pod in site.pods()
    ]
    return all(["X-Real-IP", CLIENT] in each.echo["headers"] for each in answers)


def told(site: Site) -> str:
    """The message of the Event on the ConfigMap; empty as long as there is none."""
    path = f"/api/v1/namespaces/{site.release.namespace}/events?fieldSelector=involvedObject.kind=ConfigMap"
    events: list[dict[str, Any]] = site.get(path)["items"]
    return next((str(each["message"]) for each in events if each["involvedObject"]["name"] == CONFIG_MAP), "")


def invalid(site: Site) -> list[float]:
    """How many options each replica could not read."""
    series = 'serin_controller_problems{code="config-invalid",severity="error"}'
    return [figure(site, pod, series) for pod in site.pods()]


def total_reloads(site: Site) -> int:
    return int(sum(figure(site, pod, 'serin_nginx_reloads_total{result="taken"}') for pod in site.pods()))
