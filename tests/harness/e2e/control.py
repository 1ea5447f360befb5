"""Breaks what stands behind the data planes, and mends it: API server, controllers' rights, the webhook's Service."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.e2e.curl import curl
from harness.e2e.site import FIRST, SECOND, Site

Pod = Mapping[str, Any]
CONTROLLER = "bin/serin controller"
"""In the command line of the process that is supervised, and not in its supervisor's."""


@contextlib.contextmanager
def api_server_away(site: Site) -> Iterator[float]:
    """API server, controller manager and scheduler are gone in the block; gives when. Both nodes are Ready after it.

    They crash: one that ends in order takes itself out of the Service `kubernetes` before, and kube-proxy, whose pauses
    grow to a minute, leads nobody to it for so long after its return.
    """
    plane = site.release.cluster.plane
    plane.stop(0.0)
    try:
        yield time.monotonic()
    finally:
        plane.start()
        names = [f"node/n{index}" for index in (FIRST, SECOND)]
        site.kubectl("wait", *names, "--for=condition=Ready", "--timeout=60s")


def reaches_api_server(site: Site) -> bool:
    """Whether pods on either node do: kube-proxy, too, has to notice that an API server is back."""
    place = f"{site.network.first_service}:443"
    return all(
        curl("https://kubernetes/version", "-k", place=place, enter=site.network.enter(index)).status
        for index in (FIRST, SECOND)
    )


@contextlib.contextmanager
def rights_taken(site: Site) -> Iterator[None]:
    """Serin's bindings are gone in the block, so that whatever it asks the API server is refused."""
    kinds = {"clusterrolebindings": (), "rolebindings": ("-n", site.release.namespace)}
    listed = (site.kubectl("get", kind, *where, "-l", _ours(site), "-o", "json") for kind, where in kinds.items())
    bindings = [each for told in listed for each in json.loads(told)["items"]]
    assert {each["kind"] for each in bindings} == {"ClusterRoleBinding", "RoleBinding"}
    for each in bindings:
        kept = ("name", "namespace", "labels", "annotations")
        each["metadata"] = {key: value for key, value in each["metadata"].items() if key in kept}
    try:
        for kind, where in kinds.items():
            site.kubectl("delete", kind, *where, "-l", _ours(site))
        yield
    finally:
        site.kubectl("create", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": bindings}))


@contextlib.contextmanager
def webhook_gone(site: Site) -> Iterator[None]:
    """The webhook's Service leads to no pod in the block; controllers have crashed, with all connections to them."""
    service = f"service/{site.release.name}-admission"
    where = ("-n", site.release.namespace, "patch", service, "--type=merge", "-p")
    site.kubectl(*where, json.dumps({"spec": {"selector": {"gone": "true"}}}))
    try:
        site.wait(lambda: not _webhook_endpoints(site), "the webhook's Service to have no endpoint")
        for pod in site.pods():
            kill(pod, CONTROLLER)
        yield
    finally:
        site.kubectl(*where, json.dumps({"spec": {"selector": {"gone": None}}}))
        site.wait(lambda: _webhook_endpoints(site), "the webhook's Service to have endpoints")


@contextlib.contextmanager
def stopped(pods: list[dict[str, Any]]) -> Iterator[None]:
    """The pods' controllers hang in the block: their ports take connections, and nobody answers."""
    found = [pid for pod in pods for pid in processes(pod, CONTROLLER)]
    assert len(found) == len(pods)
    try:
        for pid in found:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def processes(pod: Pod, program: str) -> set[int]:
    """Ids on this machine of the pod's processes whose command line has `program` in it; needs no API server."""
    uid = pod["metadata"]["uid"]
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if program in command and f"pod{uid}" in (place / "cgroup").read_text():
                found.add(int(place.name))
    return found


def kill(pod: Pod, program: str) -> int:
    """SIGKILL to the only process of that kind; gives its id."""
    [pid] = processes(pod, program)
    os.kill(pid, signal.SIGKILL)
    return pid


def serves(site: Site, pod: Pod, host: str) -> bool:
    """Whether this replica answers 200 for `host`."""
    return site.curl(f"http://{host}/", place=f"{pod['status']['podIP']}:8080").status == 200


def readiness(site: Site, pod: Pod) -> str:
    """STATUS TEXT of the data plane's /readyz, asked by the node as the kubelet does."""
    answer = site.curl("http://probe/readyz", place=f"{pod['status']['podIP']}:10254")
    return f"{answer.status} {answer.error or answer.body.strip()}"


def figure(site: Site, pod: Pod, series: str) -> float:
    """One series of the pod's /metrics, by its name with its labels; 0 when there is none."""
    lines = site.curl("http://probe/metrics", place=f"{pod['status']['podIP']}:10254").body.splitlines()
    return next((float(line.split()[-1]) for line in lines if line.rpartition(" ")[0] == series), 0.0)


def _ours(site: Site) -> str:
    return f"app.kubernetes.io/instance={site.release.name}"


def _webhook_endpoints(site: Site) -> list[object]:
    path = f"/apis/discovery.k8s.io/v1/namespaces/{site.release.namespace}/endpointslices"
    slices = site.get(f"{path}?labelSelector=kubernetes.io/service-name={site.release.name}-admission")["items"]
    return [each for piece in slices for each in piece["endpoints"] or ()]
