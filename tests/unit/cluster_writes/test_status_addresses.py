"""Addresses by type of Service, by text and by node, as ingress-nginx shows them."""

from typing import Any

import pytest

from serin.cluster.status.addresses import Address, of_nodes, of_service, of_texts, to_entry


def service(kind: str, **spec: Any) -> dict[str, Any]:
    return {"spec": {"type": kind, **spec}, "status": {"loadBalancer": {}}}


def balancer(*entries: dict[str, Any], external: tuple[str, ...] = ()) -> dict[str, Any]:
    spec = {"type": "LoadBalancer", "clusterIP": "10.0.0.9", "externalIPs": list(external)}
    return {"spec": spec, "status": {"loadBalancer": {"ingress": list(entries)}}}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (balancer({"ip": "192.0.2.1", "ipMode": "VIP", "ports": []}), [("192.0.2.1", "")]),
        (balancer({"hostname": "lb.example.com"}), [("", "lb.example.com")]),
        (balancer({"ip": "192.0.2.1", "hostname": "lb.example.com"}), [("192.0.2.1", "lb.example.com")]),
        (
            balancer({"ip": "192.0.2.9"}, {"hostname": "a"}, external=("198.51.100.1", "192.0.2.9")),
            [("", "a"), ("192.0.2.9", ""), ("198.51.100.1", "")],
        ),
        (balancer(), []),
        (service("LoadBalancer"), []),
        (service("ClusterIP", clusterIP="10.0.0.9", externalIPs=["192.0.2.1"]), [("10.0.0.9", "")]),
        (service("ClusterIP", clusterIP="None"), []),
        ({"spec": {"clusterIP": "10.0.0.9"}}, [("10.0.0.9", "")]),
        (service("NodePort", clusterIP="10.0.0.9"), [("10.0.0.9", "")]),
        (service("NodePort", clusterIP="10.0.0.9", externalIPs=["192.0.2.1"]), [("192.0.2.1", "")]),
        (service("ExternalName", externalName="lb.example.com"), [("", "lb.example.com")]),
        ({}, []),
    ],
)
def test_of_a_service(raw: dict[str, Any], expected: list[Address]) -> None:
    assert list(of_service(raw)) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["192.0.2.1"], [("192.0.2.1", "")]),
        ([" lb.example.com ", "2001:db8::0:1"], [("", "lb.example.com"), ("2001:db8::1", "")]),
        (["b", "a", "b", ""], [("", "a"), ("", "b")]),
    ],
)
def test_of_texts(texts: list[str], expected: list[Address]) -> None:
    assert list(of_texts(texts)) == expected


def node(*addresses: tuple[str, str]) -> dict[str, Any]:
    return {"status": {"addresses": [{"type": kind, "address": text} for kind, text in addresses]}}


BOTH = node(("Hostname", "n"), ("InternalIP", "10.1.0.1"), ("ExternalIP", "192.0.2.1"), ("ExternalIP", "192.0.2.2"))
INSIDE = node(("InternalIP", "10.1.0.2"), ("InternalIP", "fd00::2"))


@pytest.mark.parametrize(
    ("nodes", "internal", "expected"),
    [
        ([BOTH, INSIDE], False, [("10.1.0.2", ""), ("192.0.2.1", "")]),
        ([BOTH, INSIDE, BOTH], True, [("10.1.0.1", ""), ("10.1.0.2", "")]),
        ([node(("ExternalIP", ""), ("InternalIP", "10.1.0.3"))], False, [("10.1.0.3", "")]),
        ([node(("ExternalIP", "192.0.2.1"))], True, []),
        ([node(), {}], False, []),
    ],
)
def test_of_nodes(nodes: list[dict[str, Any]], internal: bool, expected: list[Address]) -> None:
    assert list(of_nodes(nodes, internal=internal)) == expected


def test_entries_have_only_what_there_is() -> None:
    assert to_entry(("192.0.2.1", "")) == {"ip": "192.0.2.1"}
    assert to_entry(("", "a")) == {"hostname": "a"}
    assert to_entry(("192.0.2.1", "a")) == {"ip": "192.0.2.1", "hostname": "a"}
