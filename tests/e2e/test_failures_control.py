"""What clients see while what stands behind the data planes fails: API server, controllers, an upgrade.

Under constant load, each request counted. In front, both replicas' data planes are there, but for one that is killed.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from harness.e2e.backends import backend, ingress
from harness.e2e.control import (
    CONTROLLER,
    api_server_away,
    kill,
    processes,
    reaches_api_server,
    readiness,
    rights_taken,
    serves,
)
from harness.e2e.killing import is_ready, restarts
from harness.e2e.report import Report
from harness.e2e.site import Site
from harness.e2e.steady import Steady
from harness.waiting import until
from localkube.release import CHART

HOST = "control.example.com"
BACKEND = "serin echo"
RATE, MINUTE = 30.0, 60.0
NO_PLAN = "503 no plan yet: plan/generation is not there"
EVEN = {
    "maxSkew": 1,
    "topologyKey": "kubernetes.io/hostname",
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"app": "web"}},
}


@pytest.fixture(scope="module")
def web(site: Site, namespace: str) -> Iterator[str]:
    """The namespace with the backend `web`, a pod on each node, served by both replicas at HOST."""
    site.install()
    site.apply(
        *backend("web", replicas=2, topologySpreadConstraints=[EVEN]), ingress("web", HOST, "web"), namespace=namespace
    )
    site.ready("deployment/web", namespace)
    for pod in site.pods():
        site.wait(lambda pod=pod: serves(site, pod, HOST), "both replicas to serve it")  # type: ignore[misc]
    yield namespace
    site.changed()


def no_loss(load: Steady) -> None:
    assert not load.lost, (load.figures(), load.answers())


def untouched(pod: dict[str, Any]) -> dict[str, object]:
    """Since when each condition is what it is, and how often containers were started: equal when nothing happened."""
    since = {each["type"]: each["lastTransitionTime"] for each in pod["status"]["conditions"]}
    return since | {name: restarts(pod, name) for name in ("controller", "data-plane")}


def crash(site: Site, pods: list[dict[str, Any]], program: str) -> None:
    """Kill the program in each pod, and wait until it runs again in all of them."""
    ended = {kill(pod, program) for pod in pods}
    site.wait(lambda: all(processes(pod, program) - ended for pod in pods), f"{program} to be started again")


def seconds_until_served(site: Site, namespace: str, name: str) -> float:
    """From a new Ingress to answers of every replica."""
    host = f"{name}.example.com"
    begun = time.monotonic()
    site.apply(ingress(name, host, "web"), namespace=namespace)
    for pod in site.pods():
        until(lambda pod=pod: serves(site, pod, host), f"{host} to be served", seconds=90, every=0.05)  # type: ignore[misc]
    return time.monotonic() - begun


def test_controllers_crash_loop(site: Site, web: str, report: Report) -> None:
    """Every replica's controller crashes again and again: an upgrade to a flag that does not exist, rights are gone"""
    site.ready("deployment/web", web)
    release, old = site.release, site.pods()
    names = {pod["metadata"]["name"] for pod in old}
    with site.steady(HOST, rate=RATE) as load:
        site.changed()
        release.helm(
            *("upgrade", release.name, str(CHART), "-n", release.namespace, "--reuse-values"),
            "--set=controller.extraArgs.no-such-flag=yes",
        )
        [new] = until(lambda: running(site, names), "a pod of the broken release", seconds=180, every=0.2)
        with rights_taken(site):
            for _ in range(2):  # the supervisor waits 1 s, then 2
                crash(site, old, CONTROLLER)
            kill(site.pods("app=web", web)[1], BACKEND)
            until(lambda: readiness(site, new) == NO_PLAN, "the new pod to say that it has no plan", every=0.2)
            until(lambda: "command-ended" in log(site, new), "its controller to fail", every=0.2)
            load.more(100)
            assert [readiness(site, pod) for pod in old] == ["200 ok"] * 2
            assert {pod["metadata"]["name"] for pod in site.pods() if is_ready(pod)} == names
        began = time.monotonic()
        release.helm("rollback", release.name, "-n", release.namespace, "--wait", "--timeout=60s")
        healed = time.monotonic() - began
        took = seconds_until_served(site, web, "healed")
    report(**load.figures(), rollback=f"{healed:.1f} s", change_in_force_after=f"{took:.1f} s")
    no_loss(load)
    assert [untouched(pod) for pod in site.pods()] == [untouched(pod) for pod in old]


def running(site: Site, old: set[str]) -> list[dict[str, Any]]:
    return [pod for pod in site.pods() if pod["metadata"]["name"] not in old and pod["status"].get("podIP")]


def log(site: Site, pod: dict[str, Any]) -> str:
    return site.kubectl("-n", site.release.namespace, "logs", pod["metadata"]["name"], "-c", "controller")


def test_api_server_gone_for_a_minute(site: Site, web: str, report: Report) -> None:
    """API server gone for a minute; a backend, a controller and at last a data plane are killed meanwhile"""
    witness, struck = site.pods()
    backend_pod = site.pods("app=web", web)[0]
    place = site.release.address()
    with site.steady(HOST, rate=RATE, place=place) as load, api_server_away(site) as away:
        load.more(200)
        for _ in range(2):  # the kubelet waits 10 s before the second start, and 20 s before the third
            crash(site, [backend_pod], BACKEND)
        kill(backend_pod, BACKEND)
        killed = processes(struck, CONTROLLER)
        kill(struck, "serin supervise")
        site.wait(lambda: processes(struck, CONTROLLER) - killed, "the controller's container to be started again")
        load.more(100)
        assert readiness(site, witness) == readiness(site, struck) == "200 ok"
        load.stop()
        with site.steady(HOST, rate=RATE, place=place) as torn:
            kill(struck, "serin data-plane")
            killed_at = time.monotonic()
            until(lambda: readiness(site, struck) == "200 ok", "it to serve its last good plan", seconds=90, every=0.05)
            back = time.monotonic()
            torn.more(max(50, int((away + MINUTE - back) * RATE)), seconds=MINUTE)
        gone_for = time.monotonic() - away
    began = time.monotonic()
    site.apply(ingress("after", "after.example.com", "web"), namespace=web)
    until(lambda: reaches_api_server(site), "kube-proxy to lead to the API server again", seconds=90, every=0.2)
    led = time.monotonic() - began
    took = seconds_until_served(site, web, "after")
    report(f"gone for {gone_for:.0f} s, a backend and a controller killed", **load.figures())
    report("a data plane killed, whose pod nobody takes out", back_after=f"{back - killed_at:.1f} s", **torn.figures())
    report("after its return", kube_proxy_leads_to_it_after=f"{led:.1f} s", change_in_force=f"{took:.1f} s later")
    no_loss(load)
    assert not [each for each in torn.lost if each.sent > back]
    site.wait(lambda: killed_once(site, struck), "the kubelet to tell of it")
    site.wait(lambda: all(map(is_ready, site.pods())), "both replicas to be Ready")
    now = {pod["metadata"]["name"]: pod for pod in site.pods()}
    assert set(now) == {witness["metadata"]["name"], struck["metadata"]["name"]}
    assert untouched(now[witness["metadata"]["name"]]) == untouched(witness)


def killed_once(site: Site, before: dict[str, Any]) -> bool:
    """Whether each of the pod's containers was started once more than before."""
    path = f"/api/v1/namespaces/{site.release.namespace}/pods/{before['metadata']['name']}"
    now = site.get(path)
    return all(restarts(now, name) == restarts(before, name) + 1 for name in ("controller", "data-plane"))
