"""The stage of the course notes: a namespace with all backends, deployed at once, and each module's Ingresses in it."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from harness.e2e.backends import Manifest, backend, ingress
from harness.e2e.site import Site

NAMES = ("v1", "v2", "tea", "coffee")
SECURE = "dashboard"
"""Speaks HTTPS itself, behind port 443."""


@dataclass(frozen=True, slots=True)
class Stage:
    site: Site
    namespace: str

    @contextlib.contextmanager
    def showing(self, *manifests: Mapping[str, Any]) -> Iterator[None]:
        """These objects are there while the block runs, and nothing of them is afterwards."""
        self.site.apply(*manifests, namespace=self.namespace)
        try:
            yield
        finally:
            names = [f"{each['kind']}/{each['metadata']['name']}" for each in manifests]
            self.site.kubectl("-n", self.namespace, "delete", "--ignore-not-found", *names)

    def kubectl(self, *args: str) -> str:
        return self.site.kubectl("-n", self.namespace, *args)


def dashboard() -> list[Manifest]:
    deployment, service = backend(SECURE, port=8443, args=["--tls"])
    service["spec"]["ports"] = [{"name": "https", "port": 443, "targetPort": 8443}]
    return [deployment, service]


def canary(name: str, host: str, service: str = "v2", **annotations: str) -> Manifest:
    """`annotations`: those of ingress-nginx's canary family, as `by_header` and `weight`."""
    told = {f"canary-{key.replace('_', '-')}": value for key, value in annotations.items()}
    return ingress(name, host, service, annotations={"canary": "true", **told})


@pytest.fixture(scope="session")
def stage(site: Site) -> Iterator[Stage]:
    """Backends that no test changes: each one pod, ready."""
    with site.namespace() as name:
        site.apply(*(each for backend_name in NAMES for each in backend(backend_name)), *dashboard(), namespace=name)
        for each in (*NAMES, SECURE):
            site.ready(f"deployment/{each}", name)
        yield Stage(site, name)
