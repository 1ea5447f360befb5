"""Serin on a cluster with two nodes: what tests of tests/e2e ask of it, in their own words."""

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from harness.e2e.curl import Answer, curl
from harness.e2e.killing import is_ready
from harness.e2e.steady import Steady, steady
from harness.waiting import until
from localkube.build import Say
from localkube.client import RequestFailedError
from localkube.network import Network
from localkube.release import Release

FIRST, SECOND = 1, 2
"""The nodes. Load comes from the first; what is broken is the second."""
_RATE, _SECONDS = 40.0, 150.0
_SELECTOR = "app.kubernetes.io/component=controller"
_ELECTION_TTL, _GRACE = 8, 4
"""Seconds: how long a dead leader keeps others from writing, and how long a WebSocket holds up a pod that ends."""


def base(plane: str) -> dict[str, object]:
    """The values that every test begins with: two replicas, each on a node of its own as long as there are two.

    What only makes a test wait is shorter than the chart has it. A pod is taken out after as long as there.
    """
    labels = {"app.kubernetes.io/instance": "serin", "app.kubernetes.io/component": "controller"}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
        "matchLabelKeys": ["pod-template-hash"],
    }
    return {
        "dataPlane.plane": plane,
        "controller.replicaCount": 2,
        "controller.preStopSeconds": 5,
        "controller.electionTTL": f"{_ELECTION_TTL}s",
        "controller.readinessProbe.periodSeconds": 1,
        "controller.readinessProbe.failureThreshold": 15,
        "dataPlane.shutdownGraceSeconds": _GRACE,
        "controller.topologySpreadConstraints": [spread],
    }


class Site:
    """One plane's cluster. `release` is the chart's; several can stand beside it (`release.beside`)."""

    def __init__(self, release: Release, plane: str, say: Say) -> None:
        self.release = release
        self.plane = plane
        self._say = say
        self._values: dict[str, object] | None = None

    @property
    def network(self) -> Network:
        """Also cuts and mends a node."""
        return self.release.cluster.network

    def install(self, values: Mapping[str, object] | None = None) -> None:
        """The release with base() and `values`, ready; does nothing when that is what there is."""
        wanted = base(self.plane) | dict(values or {})
        if self._values != wanted:
            self._values = None
            self.release.install(self._say, wanted)
            self._values = wanted

    def uninstall(self) -> None:
        """And forget; nothing happens when it is not installed."""
        self._values = None
        if self.release.name in self.release.helm("list", "--all", "--short", "-n", self.release.namespace).split():
            self.release.uninstall()
            # A pod that was kept out by the anti-affinity of one that ends is looked at again after 5 minutes.
            self.wait(lambda: not self._all_pods(), "the replicas to be gone", seconds=120.0)

    def changed(self) -> None:
        """For tests that change the release by hand: the next install() upgrades whatever it finds."""
        self._values = None

    # requests ------------------------------------------------------------------------------------------------------

    def curl(self, url: str, *options: str, place: str | None = None) -> Answer:
        """By the Service, or at `place` (ADDRESS:PORT), from inside the first node."""
        where = place or self.release.address(443 if url.startswith("https") else 80)
        return curl(url, *options, place=where, enter=self.network.enter(FIRST))

    def steady(
        self,
        host: str,
        path: str = "/",
        *,
        rate: float = _RATE,
        seconds: float = _SECONDS,
        place: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[Steady]:
        """Requests at `rate` a second from inside the first node, until the block ends (`seconds` at most)."""
        url = f"http://{place or self.release.address()}{path}"
        told = {"Host": host, **(headers or {})}
        return steady(self.network.enter(FIRST), url, told, rate=rate, seconds=seconds)

    # objects -------------------------------------------------------------------------------------------------------

    def kubectl(self, *args: str, text: str | None = None) -> str:
        return self.release.kubectl(*args, text=text)

    def apply(self, *manifests: Mapping[str, Any], namespace: str = "default") -> None:
        """Server-side; `namespace` for those that name none."""
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        self.kubectl("-n", namespace, "apply", "--server-side", "--force-conflicts", "-f", "-", text=items)

    def get(self, path: str) -> Any:
        """An object or list as the API server has it; None when there is no such."""
        try:
            return self.release.cluster.plane.admin.request("GET", path)
        except RequestFailedError as error:
            if error.status == 404:
                return None
            raise

    def pods(self, selector: str = _SELECTOR, namespace: str = "") -> list[dict[str, Any]]:
        """Those that are not being deleted: of Serin, or of another selector and namespace."""
        return [pod for pod in self._all_pods(selector, namespace) if "deletionTimestamp" not in pod["metadata"]]

    def settled(self, count: int = 2) -> None:
        """Wait until so many replicas are ready, and none is still ending."""

        def holds() -> bool:
            return len(self._all_pods()) == count == sum(map(is_ready, self.pods()))

        self.wait(holds, f"{count} replicas and no other", seconds=90)

    def _all_pods(self, selector: str = _SELECTOR, namespace: str = "") -> list[dict[str, Any]]:
        path = f"/api/v1/namespaces/{namespace or self.release.namespace}/pods?labelSelector={selector}"
        found: list[dict[str, Any]] = self.get(path)["items"]
        return found

    def ready(self, name: str, namespace: str, seconds: float = 90.0) -> None:
        """Wait for a rollout: `deployment/web`, `daemonset/serin-controller`."""
        self.kubectl("-n", namespace, "rollout", "status", name, f"--timeout={seconds:g}s")

    def wait(self, condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
        """Until the condition holds; errors of an API server that is away count as not yet."""

        def holds() -> object:
            with contextlib.suppress(RequestFailedError):
                return condition()
            return False

        until(holds, what, seconds=seconds, every=0.1)

    @contextlib.contextmanager
    def namespace(self) -> Iterator[str]:
        """One of the caller's own; its deletion is begun at the end, and not awaited."""
        name = f"e2e-{secrets.token_hex(3)}"
        self.kubectl("create", "namespace", name)
        try:
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false")
