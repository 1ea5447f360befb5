"""The pod that this controller runs in, and its replicas: pods that have the same labels.

Outside of a pod there is none of this.
"""

from dataclasses import dataclass
from typing import Any

from serin.cluster.api import Api
from serin.cluster.kinds import POD
from serin.refs import Ref

PER_REVISION = frozenset(
    (
        "pod-template-hash",
        "controller-revision-hash",
        "pod-template-generation",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "app.kubernetes.io/version",
        "helm.sh/chart",
    )
)
"""Labels that differ between pods of one Deployment, DaemonSet or StatefulSet, or from one release to the next.

An update must not part its replicas: the last pod of the old release would take all addresses away.
"""
_OVER = frozenset(("Succeeded", "Failed"))


@dataclass(frozen=True, slots=True)
class OwnPod:
    """As it was at start. `labels` without those of its revision."""

    ref: Ref
    uid: str
    labels: tuple[tuple[str, str], ...]

    @property
    def selector(self) -> str:
        """Finds this pod and its replicas. A pod without labels has none but itself."""
        return ",".join(f"{key}={value}" for key, value in self.labels)


async def read_own_pod(api: Api, namespace: str, name: str) -> OwnPod | None:
    """`name` is POD_NAME. None outside of a pod, or when there is no such pod. ApiError, ApiUnreachableError."""
    raw = await api.get(POD.path(namespace, name)) if name else None
    if raw is None:
        return None
    meta = raw["metadata"]
    labels = tuple(sorted((k, v) for k, v in (meta.get("labels") or {}).items() if k not in PER_REVISION))
    return OwnPod(Ref(POD.name, namespace, name), meta.get("uid", ""), labels)


class OwnPodReader:
    """Reads our pod when it is first asked for, and again until it was found."""

    def __init__(self, api: Api, namespace: str, name: str) -> None:
        """`name` is POD_NAME, empty outside of a pod."""
        self.inside = bool(name)
        self._api = api
        self._at = (namespace, name)
        self._found: OwnPod | None = None

    async def read(self) -> OwnPod | None:
        """ApiError, ApiUnreachableError."""
        if self._found is None and self.inside:
            self._found = await read_own_pod(self._api, *self._at)
        return self._found


async def list_replicas(api: Api, own: OwnPod) -> list[dict[str, Any]]:
    """All pods with our labels, this one too, that have not ended. ApiError, ApiUnreachableError."""
    if not own.labels:
        raw = await api.get(POD.path(own.ref.namespace, own.ref.name))
        found = [raw] if raw else []
    else:
        found = (await api.list(POD.path(own.ref.namespace), label_selector=own.selector)).items
    return [pod for pod in found if (pod.get("status") or {}).get("phase") not in _OVER]


def is_ready(pod: dict[str, Any]) -> bool:
    """Takes traffic: its Ready condition is true."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def is_leaving(pod: dict[str, Any]) -> bool:
    return bool((pod.get("metadata") or {}).get("deletionTimestamp"))
