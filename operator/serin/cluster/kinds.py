"""The kinds that are read from a cluster, and where each lies in the API."""

from dataclasses import dataclass
from urllib.parse import quote

from serin.refs import Ref


@dataclass(frozen=True, slots=True)
class Kind:
    """`group` is empty for the core group. `name` is the kind as an object says it."""

    name: str
    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", sub: str = "") -> str:
        """The URL's path: of all objects, of those in a namespace, of one, or of one's subresource.

        A name may be whatever somebody wrote: it stays one part of the path.
        """
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        inner = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return (
            f"{root}{inner}/{self.plural}" + (f"/{quote(name, safe='')}" if name else "") + (f"/{sub}" if sub else "")
        )


INGRESS = Kind("Ingress", "networking.k8s.io", "v1", "ingresses")
INGRESS_CLASS = Kind("IngressClass", "networking.k8s.io", "v1", "ingressclasses", namespaced=False)
SERVICE = Kind("Service", "", "v1", "services")
ENDPOINT_SLICE = Kind("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices")
ENDPOINTS = Kind("Endpoints", "", "v1", "endpoints")
SECRET = Kind("Secret", "", "v1", "secrets")
CONFIG_MAP = Kind("ConfigMap", "", "v1", "configmaps")
NAMESPACE = Kind("Namespace", "", "v1", "namespaces", namespaced=False)
CANARY_ROUTE = Kind("CanaryRoute", "serin.dev", "v1alpha1", "canaryroutes")
NODE = Kind("Node", "", "v1", "nodes", namespaced=False)
POD = Kind("Pod", "", "v1", "pods")
EVENT = Kind("Event", "", "v1", "events")
LOCAL_SUBJECT_ACCESS_REVIEW = Kind(
    "LocalSubjectAccessReview", "authorization.k8s.io", "v1", "localsubjectaccessreviews"
)
LEASE = Kind("Lease", "coordination.k8s.io", "v1", "leases")

KINDS = {
    kind.name: kind
    for kind in (
        *(INGRESS, INGRESS_CLASS, SERVICE, ENDPOINT_SLICE, ENDPOINTS, SECRET, CONFIG_MAP, NAMESPACE, CANARY_ROUTE),
        *(NODE, POD, EVENT, LEASE),
    )
}


def path_of(ref: Ref, sub: str = "") -> str:
    """Of an object of a kind in KINDS."""
    return KINDS[ref.kind].path(ref.namespace, ref.name, sub)
