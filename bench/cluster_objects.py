"""The objects of the cluster's measurements, and what a backend's address tells of them.

Every address of 10.0.0.0/8 answers with itself, so an EndpointSlice's version can be put into its addresses and read
from the answers.
"""

from typing import Any

NAMESPACE = "bench"
PORT = 8080
MAIN = "main.example.com"
PREFIX = "nginx.ingress.kubernetes.io"
INGRESSES = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
ALL = (
    "/apis/networking.k8s.io/v1/ingresses",
    "/api/v1/services",
    "/apis/discovery.k8s.io/v1/endpointslices",
)

Raw = dict[str, Any]
Put = tuple[str, Raw]
"""The collection's path and the object."""


def address(version: int, endpoint: int = 0) -> str:
    """`version` from 0 to 65535."""
    return f"10.{1 + endpoint}.{version >> 8}.{version & 255}"


def version_of(answer: str) -> int:
    """-1 when it is no backend's answer."""
    parts = answer.split(".")
    return int(parts[2]) << 8 | int(parts[3]) if len(parts) == 4 else -1


def endpoints(version: int, count: int = 1) -> list[Raw]:
    return [{"addresses": [address(version, n)], "conditions": {"ready": True}} for n in range(count)]


def host(name: str) -> str:
    return f"{name}.example.com"


def application(name: str, *, at: str = "", version: int = 0, weight: int | None = None, count: int = 1) -> list[Put]:
    """Service, slice of `count` endpoints and Ingress; with `weight` a canary of the host `at`."""
    annotations = {} if weight is None else {f"{PREFIX}/canary": "true", f"{PREFIX}/canary-weight": str(weight)}
    backend = {"service": {"name": name, "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    slice_meta = {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}}
    return [
        (SERVICES, {"metadata": {"name": name}, "spec": {"ports": [{"name": "http", "port": 80, "targetPort": PORT}]}}),
        (
            SLICES,
            {
                "metadata": slice_meta,
                "addressType": "IPv4",
                "endpoints": endpoints(version, count),
                "ports": [{"name": "http", "port": PORT, "protocol": "TCP"}],
            },
        ),
        (
            INGRESSES,
            {
                "metadata": {"name": name, "annotations": annotations},
                "spec": {"ingressClassName": "nginx", "rules": [{"host": at or host(name), "http": {"paths": paths}}]},
            },
        ),
    ]


def other(n: int) -> str:
    """One of the many."""
    return f"i{n}"


def weight_patch(weight: int) -> Raw:
    return {"metadata": {"annotations": {f"{PREFIX}/canary-weight": str(weight)}}}
