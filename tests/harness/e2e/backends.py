"""Backends of tests on a cluster: Deployments of `serin echo` with a Service, and Ingresses in front."""

from collections.abc import Mapping, Sequence
from typing import Any

from localkube import image

Manifest = dict[str, Any]
PREFIX = "nginx.ingress.kubernetes.io/"


def backend(
    name: str, *, replicas: int = 1, args: Sequence[str] = (), pre_stop: int = 0, port: int = 8080, **spec: Any
) -> list[Manifest]:
    """Deployment and Service (port 80) NAME; `serin echo` tells its name, `args` are more of its flags.

    `pre_stop`: seconds that a pod serves on after it was told to end, as well-kept backends do. `spec`: more of the
    pod's spec.
    """
    container: Manifest = {
        "name": "echo",
        "image": image.NAME,
        "imagePullPolicy": "Never",
        "args": ["echo", "--name", name, "--bind", "0.0.0.0", "--port", str(port), *args],
        # Without it a pod stands still, as good as, while another one on its node starts.
        "resources": {"requests": {"cpu": "50m"}},
        "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1},
    }
    if pre_stop:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": pre_stop}}}
    pod = {"terminationGracePeriodSeconds": pre_stop + 2, "containers": [container], **spec}
    labels = {"app": name}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    return [deployment, service(name, port)]


def service(name: str, port: int = 8080, **spec: Any) -> Manifest:
    """Port 80, named http, to the pods `app: NAME`."""
    ports = [{"name": "http", "port": 80, "targetPort": port}]
    body = {"selector": {"app": name}, "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


def ingress(
    name: str,
    host: str,
    service: str,
    *,
    path: str = "/",
    path_type: str = "Prefix",
    port: int = 80,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> Manifest:
    """Of the class `nginx`; annotation names without their prefix are ingress-nginx's. `spec`: more of it, as tls."""
    backend = {"service": {"name": service, "port": {"number": port}}}
    rule = {"host": host, "http": {"paths": [{"path": path, "pathType": path_type, "backend": backend}]}}
    told = {key if "/" in key else PREFIX + key: value for key, value in (annotations or {}).items()}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "annotations": told},
        "spec": {"ingressClassName": "nginx", "rules": [rule], **spec},
    }
