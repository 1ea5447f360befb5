"""Manifests of the drills, put in place as careful users do: written beside, then renamed."""

import base64
import pathlib
from collections.abc import Iterable
from typing import Any

import yaml

NAMESPACE = "drills"
PREFIX = "nginx.ingress.kubernetes.io/"
PORT = 8080

Manifest = dict[str, Any]


def ingress(name: str, host: str, service: str, *, path: str = "/", **annotations: str) -> Manifest:
    """`annotations`: names without prefix, `_` for `-`."""
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}
    metadata = {"name": name, "namespace": NAMESPACE}
    if annotations:
        metadata["annotations"] = {PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}  # type: ignore[assignment]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata,
        "spec": {"ingressClassName": "nginx", "rules": [rule]},
    }


def canary(name: str, host: str, service: str, *, path: str = "/", **rules: str) -> Manifest:
    """`rules`: `weight`, `by_header` …"""
    return ingress(name, host, service, path=path, canary="true", **{f"canary_{k}": v for k, v in rules.items()})


def service(name: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": PORT}]},
    }


def endpoint_slice(name: str, addresses: Iterable[str], *, port: int = PORT) -> Manifest:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-1",
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
    }


def tls_secret(name: str, certificate: bytes, key: bytes) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": {"tls.crt": encoded(certificate), "tls.key": encoded(key)},
    }


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def put(path: pathlib.Path, *manifests: Manifest) -> None:
    """In force as a whole or not at all: by rename."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(yaml.dump_all(manifests, Dumper=yaml.CSafeDumper, sort_keys=False))
    beside.replace(path)
