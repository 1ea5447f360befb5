"""Which objects are watched: the part of the cluster, and for each kind one feed with its selectors.

What is dropped on entry is decided by `Interest`, which two threads read: its attributes are replaced as a whole, never
changed in place.
"""

from dataclasses import dataclass

from serin.cluster import kinds
from serin.cluster.kinds import Kind
from serin.refs import Ref

TLS_TYPE = "kubernetes.io/tls"
UNMANAGED_ENDPOINTS = "endpoints.kubernetes.io/managed-by!=endpoint-controller"
"""Endpoints that people or other controllers made; those of the endpoint controller have slices. The label is set by
Kubernetes >= 1.33 (KEP-4974); before that all Endpoints come, which costs more and changes nothing."""

READ_BY_NAME = frozenset(("Secret", "ConfigMap"))
"""Kinds of which only the objects that somebody refers to are kept."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Both empty: the whole cluster. Else the objects of one namespace, or of those that a label selector finds."""

    namespace: str = ""
    selector: str = ""


@dataclass(frozen=True, slots=True)
class Feed:
    """One kind's objects as one list and watch gives them.

    `optional`: when the API server knows no such kind, or forbids to read it, there are none.
    """

    kind: Kind
    namespace: str = ""
    labels: str = ""
    fields: str = ""
    optional: bool = False

    @property
    def path(self) -> str:
        return self.kind.path(self.namespace)

    def __str__(self) -> str:
        return self.kind.plural


def watched_feeds(scope: Scope) -> tuple[Feed, ...]:
    """What kopf watches. TLS Secrets come with their payload, others are read by name (`serin.cluster.referred`)."""
    namespace = scope.namespace
    feeds = [
        Feed(kinds.INGRESS, namespace),
        Feed(kinds.INGRESS_CLASS, optional=bool(namespace)),
        Feed(kinds.SERVICE, namespace),
        Feed(kinds.ENDPOINT_SLICE, namespace),
        Feed(kinds.ENDPOINTS, namespace, labels=UNMANAGED_ENDPOINTS),
        tls_secrets(scope),
        Feed(kinds.CANARY_ROUTE, namespace, optional=True),
    ]
    if scope.selector:
        feeds.append(Feed(kinds.NAMESPACE, labels=scope.selector))
    return tuple(feeds)


class Interest:
    """What of all that is told is kept.

    Whoever adds to it must read what is new by itself, after having added: it may have been told, and dropped, before.
    """

    __slots__ = ("namespaces", "wanted")

    def __init__(self) -> None:
        self.namespaces: frozenset[str] | None = None
        """None: all."""
        self.wanted: frozenset[Ref] | None = None
        """Secrets and ConfigMaps. None: nobody has said yet; all that comes is kept."""

    def keeps(self, ref: Ref) -> bool:
        if self.wanted is not None and ref.kind in READ_BY_NAME:
            return ref in self.wanted
        return self.namespaces is None or not ref.namespace or ref.namespace in self.namespaces


def tls_secrets(scope: Scope) -> Feed:
    return Feed(kinds.SECRET, scope.namespace, fields=f"type={TLS_TYPE}")


def by_name_feed(scope: Scope, ref: Ref) -> Feed:
    """Where changes of a Secret (not of TLS) or ConfigMap are told; outside of the scope one feed for each object."""
    kind = kinds.KINDS[ref.kind]
    if scope.namespace and ref.namespace != scope.namespace:
        return Feed(kind, ref.namespace, fields=f"metadata.name={ref.name}")
    return Feed(kind, scope.namespace, fields=f"type!={TLS_TYPE}" if kind is kinds.SECRET else "")
