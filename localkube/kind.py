"""Serin on kind, for machines with Docker: the image by image/Dockerfile, a node in a container, and then every step of
`make cluster` (installation.py). Its cluster is called `serin`; others of kind's are not touched.
"""

import json
import subprocess
import sys
from pathlib import Path

from localkube import image
from localkube.build import Say, cache_folder
from localkube.commands import run, which
from localkube.errors import LocalKubeError
from localkube.installation import NAME, NAMESPACE, Installation

CLUSTER = "serin"
_WHERE = {
    "docker": "https://docs.docker.com/engine/install/",
    "kind": "https://kind.sigs.k8s.io/",
    "helm": "https://helm.sh/",
    "kubectl": "https://kubernetes.io/docs/tasks/tools/",
}
# The node is a container: its ports are reached where Docker opens them, on this machine's loopback alone.
_NODE_PORTS = {"http": (30080, 8080), "https": (30443, 8443)}
_READY = "120s"


def address(name: str = "http") -> str:
    """`ADDRESS:PORT` that leads to Serin, from this machine."""
    return f"127.0.0.1:{_NODE_PORTS[name][1]}"


def programs() -> dict[str, Path]:
    """Those of this machine; LocalKubeError in one sentence when one is missing or Docker cannot be used."""
    found = {name: which(name) for name in _WHERE}
    if missing := [name for name, path in found.items() if path is None]:
        told = ", ".join(f"{name} ({_WHERE[name]})" for name in missing)
        raise LocalKubeError(f"make kind needs {told} on PATH; `make cluster` needs neither Docker nor kind")
    try:
        run("docker", "info", "--format", "{{.ServerVersion}}")
    except LocalKubeError as error:
        last = str(error).strip().splitlines()[-1]
        raise LocalKubeError(f"make kind needs a Docker daemon that runs and that you may use: {last}") from error
    return {name: Path(path) for name, path in found.items() if path is not None}


def up(plane: str, say: Say) -> "KindInstallation":
    """The cluster, made when it is not there, with Serin as the tree is now and the demo in it."""
    found = programs()
    folder = cache_folder().parent / "kind"
    folder.mkdir(parents=True, exist_ok=True)
    kubeconfig = folder / "kubeconfig"
    if CLUSTER in run("kind", "get", "clusters").split():
        say("the cluster is up already")
        run("kind", "export", "kubeconfig", "--name", CLUSTER, "--kubeconfig", kubeconfig)
    else:
        say("kind create cluster (its node image is pulled the first time)")
        where = ["--name", CLUSTER, "--kubeconfig", str(kubeconfig), "--wait", _READY]
        _shown("kind", "create", "cluster", *where, "--config", "-", text=json.dumps(_cluster()))
    made = KindInstallation(kubeconfig, folder, found, name=NAME, namespace=NAMESPACE)
    ports = {f"controller.service.nodePorts.{name}": ports[0] for name, ports in _NODE_PORTS.items()}
    made.install(say, {"dataPlane.plane": plane, **ports})
    made.apply_demo()
    return made


def down() -> None:
    """The cluster and everything in it."""
    programs()
    kubeconfig = cache_folder().parent / "kind" / "kubeconfig"
    run("kind", "delete", "cluster", "--name", CLUSTER, "--kubeconfig", kubeconfig)


class KindInstallation(Installation):
    """Serin's release on kind's node."""

    def load_image(self, say: Say) -> str:
        """Built by Docker, which knows by itself what has not changed; the image's id as the mark."""
        say("docker build")
        _shown("docker", "build", "--file", str(image.DOCKERFILE), "--tag", image.NAME, str(image.ROOT))
        mark = run("docker", "image", "inspect", "--format", "{{.Id}}", image.NAME).strip()
        say("kind load docker-image")
        _shown("kind", "load", "docker-image", image.NAME, "--name", CLUSTER)
        return mark.removeprefix("sha256:")[:12]


def _cluster() -> dict[str, object]:
    mappings = [
        {"containerPort": node, "hostPort": machine, "listenAddress": "127.0.0.1"}
        for node, machine in _NODE_PORTS.values()
    ]
    node = {"role": "control-plane", "extraPortMappings": mappings}
    return {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [node]}


def _shown(*command: str, text: str | None = None) -> None:
    """What takes minutes is seen while it runs, on stderr."""
    done = subprocess.run(command, input=text, text=True, stdout=sys.stderr, check=False)  # noqa: S603
    if done.returncode:
        raise LocalKubeError(f"{' '.join(command[:3])} failed with exit code {done.returncode}")
