"""Finds the addresses that are to be shown: reads the Service, or our pods and their nodes, as the flags say."""

from dataclasses import dataclass

from serin.cluster.api import Api, Object
from serin.cluster.kinds import NODE, POD, SERVICE
from serin.cluster.own_pod import OwnPod, OwnPodReader, is_leaving, is_ready, list_replicas
from serin.cluster.status.addresses import Address, of_nodes, of_service, of_texts
from serin.refs import Ref


@dataclass(frozen=True, slots=True)
class Publish:
    """--publish-service, or --publish-status-address; with neither the nodes of our pods.

    `internal`: --report-node-internal-ip-address.
    """

    service: Ref | None = None
    addresses: tuple[str, ...] = ()
    internal: bool = False


async def read_addresses(api: Api, publish: Publish, own: OwnPodReader) -> tuple[Address, ...] | None:
    """None: that cannot be said, and what Ingresses show stays as it is. ApiError, ApiUnreachableError.

    That none of our pods is ready says nothing: it is so for a while after each start of a lone replica, and to take
    the addresses away then would take the names out of DNS.
    """
    if publish.addresses:
        return of_texts(publish.addresses)
    if publish.service is not None:
        service = await api.get(SERVICE.path(publish.service.namespace, publish.service.name))
        return None if service is None else of_service(service)
    pod = await own.read()
    return (await _of_our_nodes(api, publish, pod)) or None if pod is not None else None


def followed(publish: Publish, pod: OwnPod | None) -> tuple[str, str, str] | None:
    """What to watch for changes of the addresses: path, label selector, field selector."""
    if publish.addresses:
        return None
    if publish.service is not None:
        return SERVICE.path(publish.service.namespace), "", f"metadata.name={publish.service.name}"
    return None if pod is None or not pod.selector else (POD.path(pod.ref.namespace), pod.selector, "")


async def _of_our_nodes(api: Api, publish: Publish, own: OwnPod) -> tuple[Address, ...]:
    pods = await list_replicas(api, own)
    names = {
        pod["spec"]["nodeName"]
        for pod in pods
        if is_ready(pod) and not is_leaving(pod) and (pod.get("spec") or {}).get("nodeName")
    }
    nodes: list[Object] = []
    for name in sorted(names):
        node = await api.get(NODE.path(name=name))
        if node is not None:
            nodes.append(node)
    return of_nodes(nodes, internal=publish.internal)
