"""Serin by its chart and the image of this working tree, and the course notes' canary, on whatever cluster there is.

Every step but the node: `make cluster` (release.py) and `make kind` (kind.py) add how an image gets there.
"""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localkube import image
from localkube.build import Say
from localkube.commands import run
from localkube.errors import LocalKubeError

NAME = NAMESPACE = "serin"
CHART = image.ROOT / "charts" / "serin"
DEMO = Path(__file__).parent / "manifests" / "canary.yaml"
DEMO_HOST = "canary.example.com"
_TIMEOUT = "180s"
# Nothing here gives a LoadBalancer its address, for which helm would wait.
_VALUES = {"controller.image.pullPolicy": "Never", "controller.service.type": "NodePort"}


class Installation(ABC):
    """What helm and kubectl do with one release of the chart. `folder` is for helm's own files."""

    def __init__(
        self, kubeconfig: Path, folder: Path, programs: Mapping[str, Path], *, name: str, namespace: str
    ) -> None:
        self.name = name
        self.namespace = namespace
        self.kubeconfig = kubeconfig
        self._folder = folder
        self.programs = programs

    @abstractmethod
    def load_image(self, say: Say) -> str:
        """Build the image and put it on the nodes when it has changed; what tells it from those before."""

    def install(self, say: Say, values: Mapping[str, object] | None = None) -> None:
        """Install or upgrade, and wait until it is ready. Values are texts, as with --set, or of their own type."""
        mark = self.load_image(say)
        say("helm upgrade --install")
        registry, _, reference = image.NAME.rpartition("/")
        name, _, tag = reference.partition(":")
        own = {"controller.image.registry": registry, "controller.image.image": name, "controller.image.tag": tag}
        own["controller.podAnnotations.image"] = mark  # the tag is always the same: this replaces the pods
        settings = [_setting(key, value) for key, value in {**_VALUES, **own, **(values or {})}.items()]
        where = ["--namespace", self.namespace, "--create-namespace"]
        try:
            self.helm("upgrade", "--install", self.name, str(CHART), *where, "--wait", "--timeout", _TIMEOUT, *settings)
        except LocalKubeError as error:
            raise LocalKubeError(f"{error}\n{self.diagnosis()}") from error

    def diagnosis(self) -> str:
        """Pods, Events and the ends of logs: why it is not ready."""
        asked = (
            ["get", "pods", "--output=wide"],
            ["get", "events", "--sort-by=.lastTimestamp"],
            ["logs", f"--selector=app.kubernetes.io/instance={self.name}", "--all-containers", "--prefix", "--tail=25"],
        )
        return "\n".join(self.kubectl("--namespace", self.namespace, *each) for each in asked)

    def uninstall(self) -> None:
        """And wait until its objects are gone; the namespace stays, as with any helm release."""
        where = ["--namespace", self.namespace, "--wait", "--timeout", _TIMEOUT]
        self.helm("uninstall", self.name, *where)

    def apply_demo(self) -> None:
        """The canary Ingress with its backends, ready; their image is loaded already."""
        self.kubectl("apply", "-f", str(DEMO))
        for name in ("nginx-v1", "nginx-v2"):
            self.kubectl("rollout", "status", f"deployment/{name}", f"--timeout={_TIMEOUT}")

    def delete_demo(self) -> None:
        """Not awaited."""
        self.kubectl("delete", "-f", str(DEMO), "--wait=false")

    def scale(self, replicas: int) -> None:
        """Change the number of pods; not awaited."""
        self.kubectl("--namespace", self.namespace, "scale", "deployment", "--all", f"--replicas={replicas}")

    def service(self) -> Mapping[str, Any]:
        """The Service that traffic comes by."""
        listed = json.loads(self.kubectl("--namespace", self.namespace, "get", "services", "--output=json"))["items"]
        own = [each for each in listed if each["metadata"]["labels"]["app.kubernetes.io/instance"] == self.name]
        [found] = [each for each in own if "http" in {port.get("name") for port in each["spec"]["ports"]}]
        return dict(found)

    def kubectl(self, *args: str, text: str | None = None) -> str:
        """Its stdout; `text` is its stdin."""
        return run(self.programs["kubectl"], "--kubeconfig", self.kubeconfig, *args, text=text)

    def helm(self, *args: str) -> str:
        """With folders of its own: nobody's repositories or plugins count."""
        own = self._folder / "helm"
        names = ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
        environment = {**os.environ, **{name: str(own / name) for name in names}}
        kubeconfig = f"--kubeconfig={self.kubeconfig}"
        return run(self.programs["helm"], kubeconfig, *args, environment=environment)


def _setting(key: str, value: object) -> str:
    return f"--set={key}={value}" if isinstance(value, str) else f"--set-json={key}={json.dumps(value)}"
