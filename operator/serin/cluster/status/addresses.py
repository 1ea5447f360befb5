"""From a Service, a list of texts or nodes to the addresses that Ingresses get. Pure.

The rules are those of ingress-nginx, so that external-dns and people see the same before and after a take-over.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

Address = tuple[str, str]
"""Its IP address and its host name; one of the two may be empty."""
Object = Mapping[str, Any]


def of_service(service: Object) -> tuple[Address, ...]:
    """LoadBalancer: what its status has, and its external IPs. ClusterIP: its IP. ExternalName: the name.

    NodePort: its external IPs, else its cluster IP. A headless Service has nothing to show.
    """
    spec, status = service.get("spec") or {}, service.get("status") or {}
    kind = spec.get("type") or "ClusterIP"
    external = [of_text(ip) for ip in spec.get("externalIPs") or ()]
    cluster = [of_text(ip) for ip in (spec.get("clusterIP"),) if ip and ip != "None"]
    if kind == "ExternalName":
        return arranged([("", spec.get("externalName") or "")])
    if kind == "LoadBalancer":
        entries = (status.get("loadBalancer") or {}).get("ingress") or ()
        return arranged([*(of_entry(entry) for entry in entries), *external])
    if kind == "NodePort":
        return arranged(external or cluster)
    return arranged(cluster)


def of_texts(texts: Iterable[str]) -> tuple[Address, ...]:
    """--publish-status-address: IP addresses or host names."""
    return arranged([of_text(text.strip()) for text in texts])


def of_nodes(nodes: Iterable[Object], *, internal: bool) -> tuple[Address, ...]:
    """Of each node the first external IP, else the first internal one; with `internal` only that."""
    return arranged([of_text(_node_ip(node, internal=internal)) for node in nodes])


def of_text(text: str) -> Address:
    try:
        return str(ipaddress.ip_address(text)), ""
    except ValueError:
        return "", text


def of_entry(entry: Mapping[str, str]) -> Address:
    """An entry of status.loadBalancer.ingress, a Service's or an Ingress's."""
    return entry.get("ip") or "", entry.get("hostname") or ""


def to_entry(address: Address) -> dict[str, str]:
    return {key: text for key, text in zip(("ip", "hostname"), address, strict=True) if text}


def arranged(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """Each once, in order, so that equal sets are equal values."""
    return tuple(sorted({address for address in addresses if any(address)}))


def _node_ip(node: Object, *, internal: bool) -> str:
    listed = (node.get("status") or {}).get("addresses") or ()
    wanted = ("InternalIP",) if internal else ("ExternalIP", "InternalIP")
    found = ((kind, a.get("address")) for kind in wanted for a in listed if a.get("type") == kind)
    return next((str(address) for _, address in found if address), "")
