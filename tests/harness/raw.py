"""Raw Kubernetes objects for tests, and the quickest way to put them into an API server."""

import base64
from collections.abc import Mapping
from typing import Any

from harness.kube import Kube
from localkube.client import RequestFailedError

from serin.cluster.kinds import KINDS

JSON = dict[str, Any]
CONFLICT = 409


def ingress(name: str, namespace: str, host: str) -> JSON:
    backend = {"service": {"name": "shop", "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return _object("Ingress", name, namespace) | {"spec": {"rules": [rule]}}


def service(name: str, namespace: str, port: int = 80) -> JSON:
    return _object("Service", name, namespace) | {"spec": {"clusterIP": "None", "ports": [{"port": port}]}}


def endpoint_slice(name: str, namespace: str, address: str) -> JSON:
    made = _object("EndpointSlice", name, namespace) | {
        "addressType": "IPv4",
        "ports": [{"port": 8080}],
        "endpoints": [{"addresses": [address]}],
    }
    made["metadata"]["labels"] = {"kubernetes.io/service-name": "shop"}
    return made


def endpoints(name: str, namespace: str, address: str) -> JSON:
    subset = {"addresses": [{"ip": address}], "ports": [{"port": 8080}]}
    return _object("Endpoints", name, namespace) | {"subsets": [subset]}


def secret(name: str, namespace: str, **data: str) -> JSON:
    return _object("Secret", name, namespace) | {"type": "Opaque", "data": _encoded(data)}


def tls_secret(name: str, namespace: str, key: str = "key") -> JSON:
    """Of the right type and keys; no certificate."""
    data = _encoded({"tls.crt": "chain", "tls.key": key})
    return _object("Secret", name, namespace) | {"type": "kubernetes.io/tls", "data": data}


def config_map(name: str, namespace: str, **data: str) -> JSON:
    return _object("ConfigMap", name, namespace) | {"data": data}


def ingress_class(name: str) -> JSON:
    return _object("IngressClass", name, "") | {"spec": {"controller": "serin.dev/ingress-controller"}}


def put(kube: Kube, *raw: JSON) -> None:
    """Make each object, or replace it."""
    for body in raw:
        kind, meta = KINDS[body["kind"]], body["metadata"]
        namespace = meta.get("namespace", "")
        try:
            kube.request("POST", kind.path(namespace), body)
        except RequestFailedError as error:
            if error.status != CONFLICT:
                raise
            kube.request("PUT", kind.path(namespace, meta["name"]), body)


def delete(kube: Kube, kind: str, namespace: str, name: str) -> None:
    kube.request("DELETE", KINDS[kind].path(namespace, name))


def _object(kind: str, name: str, namespace: str) -> JSON:
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": KINDS[kind].api_version, "kind": kind, "metadata": meta}


def _encoded(data: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
