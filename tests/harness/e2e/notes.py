"""The stage of the course notes: a namespace with all backends, deployed at once, and each module's Ingresses in it."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from harness.e2e.backends import Manifest, backend, ingress, service
from harness.e2e.site import Site

NAMES = ("v1", "v2", "tea", "coffee")
SECURE = "dashboard"
"""Speaks HTTPS itself, behind port 443."""
BAD, WEB, LATE, HEADLESS = "bad", "web", "late", "headless"
"""Fails each 20th request; is there to be scaled, its pods serve on for a while; has no pod yet; has two."""


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


def backends() -> list[Manifest]:
    secure, secure_service = backend(SECURE, port=8443, args=["--tls"])
    secure_service["spec"]["ports"] = [{"name": "https", "port": 443, "targetPort": 8443}]
    return [
        *(each for name in NAMES for each in backend(name)),
        *(secure, secure_service),
        *backend(BAD, args=["--errors", "5%"]),
        *backend(WEB, pre_stop=3),
        *backend(LATE, replicas=0),
        *(backend(HEADLESS, replicas=2)[0], service(HEADLESS, clusterIP="None")),
    ]


def canary(name: str, host: str, backend_name: str = "v2", **annotations: str) -> Manifest:
    """`annotations`: those of ingress-nginx's canary family, as `by_header` and `weight`."""
    told = {f"canary-{key.replace('_', '-')}": value for key, value in annotations.items()}
    return ingress(name, host, backend_name, annotations={"canary": "true", **told})


@pytest.fixture(scope="session")
def stage(site: Site) -> Iterator[Stage]:
    """All backends, ready; whoever changes one leaves it as it was."""
    with site.namespace() as name:
        site.apply(*backends(), namespace=name)
        for each in (*NAMES, SECURE, BAD, WEB, HEADLESS):
            site.ready(f"deployment/{each}", name)
        yield Stage(site, name)
