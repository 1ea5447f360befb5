"""Which replicas there are: the pods behind the chart's own Service, ready or not.

A replica that takes traffic and is not ready counts like any other, which is why that Service publishes all addresses.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from serin.cluster.api import Api
from serin.cluster.kinds import ENDPOINT_SLICE
from serin.refs import Ref

PORT_NAME = "facts"
SERVICE_LABEL = "kubernetes.io/service-name"
KEPT_SECONDS = 2.0
"""For which a list is not asked for again."""


@dataclass(frozen=True, slots=True)
class Replica:
    """`name`: of its pod, else its address. `leaving`: it is being deleted, and may be gone at any time."""

    name: str
    addresses: tuple[str, ...]
    port: int
    leaving: bool = False


class Replicas:
    """`service` is the Service's; `own_pod` the name of the pod we are in, empty outside of one."""

    def __init__(self, api: Api, service: Ref, own_pod: str, clock: Callable[[], float]) -> None:
        self._api = api
        self._service = service
        self._own_pod = own_pod
        self._clock = clock
        self._listed_at = float("-inf")
        self.known: tuple[Replica, ...] = ()
        """Of the last list, those that are not we."""

    async def look(self) -> tuple[Replica, ...]:
        """ApiError, ApiUnreachableError."""
        if self._clock() >= self._listed_at + KEPT_SECONDS:
            path = ENDPOINT_SLICE.path(self._service.namespace)
            listed = await self._api.list(path, label_selector=f"{SERVICE_LABEL}={self._service.name}")
            self.known = tuple(each for each in replicas_of(listed.items) if each.name != self._own_pod)
            self._listed_at = self._clock()
        return self.known


def replicas_of(slices: Iterable[Mapping[str, Any]]) -> tuple[Replica, ...]:
    """Of all slices of one Service, each pod once, by name."""
    found: dict[str, Replica] = {}
    for each in slices:
        port = _port(each.get("ports") or ())
        for endpoint in (each.get("endpoints") or ()) if port else ():
            addresses = tuple(endpoint.get("addresses") or ())
            if not addresses:
                continue
            target = endpoint.get("targetRef") or {}
            name = target.get("name") if target.get("kind") == "Pod" else None
            leaving = bool((endpoint.get("conditions") or {}).get("terminating"))
            before = found.get(name or addresses[0], Replica("", (), port, leaving=True))
            merged = tuple(dict.fromkeys((*before.addresses, *addresses)))
            key = name or addresses[0]
            found[key] = Replica(key, merged, port, leaving=leaving and before.leaving)
    return tuple(found[name] for name in sorted(found))


def _port(ports: Iterable[Mapping[str, Any]]) -> int:
    """0: none."""
    return next((int(each["port"]) for each in ports if each.get("name") == PORT_NAME and each.get("port")), 0)
