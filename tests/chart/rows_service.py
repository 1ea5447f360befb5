"""Rows of the table of values: the Services that traffic comes by."""

from collections.abc import Callable, Mapping
from typing import Any

from chart.finding import ADDRESS, LABELS, NOTES, Row, flag, meta, service_port, spec
from harness.chart import Release

SERVICE = "controller.service."
INTERNAL = "controller.service.internal."
BESIDE = ["serin-facts", "serin-admission"]
"""Services that no traffic comes by, in the order of templates."""


def of_services(prefix: str, name: str, given: Mapping[str, Any]) -> list[Row]:
    """Rows of controller.service and of controller.service.internal alike."""

    def row(key: str, value: Any, find: Callable[[Release], Any], expected: Any, **more: Any) -> Row:
        return Row(prefix + key, value, find, expected, {**given, **{prefix + k: v for k, v in more.items()}})

    plain = {
        "clusterIP": "10.0.0.9",
        "externalIPs": [ADDRESS],
        "loadBalancerIP": ADDRESS,
        "loadBalancerClass": "example.com/lb",
        "loadBalancerSourceRanges": ["192.0.2.0/24"],
        "allocateLoadBalancerNodePorts": False,
        "externalTrafficPolicy": "Local",
        "internalTrafficPolicy": "Local",
        "sessionAffinity": "ClientIP",
        "trafficDistribution": "PreferClose",
        "ipFamilyPolicy": "PreferDualStack",
        "ipFamilies": ["IPv6", "IPv4"],
    }
    return [
        *(row(key, value, spec("Service", key, name=name), value) for key, value in plain.items()),
        row("type", "NodePort", spec("Service", "type", name=name), "NodePort"),
        row("annotations", NOTES, meta("Service", "annotations", name), NOTES),
        row("labels", LABELS, meta("Service", "labels", name), LABELS),
        row("ports.http", 8000, service_port("http", "port", name), 8000),
        row("ports.https", 8001, service_port("https", "port", name), 8001),
        row("targetPorts.http", 8080, service_port("http", "targetPort", name), 8080),
        row("targetPorts.https", "http", service_port("https", "targetPort", name), "http"),
        row("nodePorts.http", 30080, service_port("http", "nodePort", name), 30080),
        row("nodePorts.https", 30443, service_port("https", "nodePort", name), 30443),
        row("nodePorts.http", 30080, service_port("http", "nodePort", name), None, type="ClusterIP"),
        row("appProtocol", False, service_port("https", "appProtocol", name), None),
    ]


TCP = {"5432": "shop/db:5432:PROXY"}
UDP = {"53": "shop/dns:53"}
POLICY = {"controller.networkPolicy.enabled": True}
INTERNAL_STREAMS = [
    Row(
        f"{SERVICE}internal.nodePorts.{protocol}",
        {port: number},
        service_port(f"{port}-{protocol}", "nodePort", "-internal"),
        number,
        {protocol: streams, SERVICE + "internal.enabled": True, SERVICE + "internal.type": "NodePort"},
    )
    for protocol, streams, port, number in (("tcp", TCP, "5432", 30432), ("udp", UDP, "53", 30053))
]
STREAMS = [
    Row("tcp", TCP, lambda r: r.one("ConfigMap", "-controller-tcp")["data"], TCP),
    Row("udp", UDP, lambda r: r.one("ConfigMap", "-controller-udp")["data"], UDP),
    Row("tcp", TCP, flag("controller", "tcp-services-configmap"), "$(POD_NAMESPACE)/serin-controller-tcp"),
    Row("udp", UDP, flag("controller", "udp-services-configmap"), "$(POD_NAMESPACE)/serin-controller-udp"),
    Row("tcp", TCP, service_port("5432-tcp", "targetPort"), "5432-tcp"),
    Row("udp", UDP, service_port("53-udp", "protocol"), "UDP"),
    Row(SERVICE + "nodePorts.tcp", {"5432": 30432}, service_port("5432-tcp", "nodePort"), 30432, {"tcp": TCP}),
    Row(SERVICE + "nodePorts.udp", {"53": 30053}, service_port("53-udp", "nodePort"), 30053, {"udp": UDP}),
    Row(
        SERVICE + "nodePorts.tcp",
        {"5432": 30432},
        service_port("5432-tcp", "nodePort"),
        None,
        {"tcp": TCP, SERVICE + "type": "ClusterIP"},
    ),
    *INTERNAL_STREAMS,
    Row("tcp", TCP, lambda r: r.container("data-plane")["ports"][-1]["containerPort"], 5432),
    Row("udp", UDP, lambda r: r.container("data-plane")["ports"][-1]["protocol"], "UDP"),
    Row("udp", UDP, lambda r: r.pod["securityContext"]["sysctls"][0]["value"], "0"),
    Row("tcp", TCP, lambda r: r.pod["securityContext"].get("sysctls"), None),
    Row(
        "tcp",
        TCP,
        lambda r: spec("NetworkPolicy", "ingress")(r)[0]["ports"][2],
        {"port": "5432-tcp", "protocol": "TCP"},
        POLICY,
    ),
]

ROWS = [
    Row(SERVICE + "enabled", False, lambda r: [o["metadata"]["name"] for o in r.all("Service")], BESIDE),
    Row(
        SERVICE + "external.enabled",
        False,
        lambda r: [o["metadata"]["name"] for o in r.all("Service")],
        BESIDE,
    ),
    Row(SERVICE + "external.enabled", False, flag("controller", "publish-service"), None),
    Row(SERVICE + "enableHttp", False, service_port("http", "port"), None),
    Row(SERVICE + "enableHttps", False, service_port("https", "port"), None),
    Row(INTERNAL + "enabled", True, lambda r: r.one("Service", "-internal")["spec"]["type"], "LoadBalancer"),
    Row(
        INTERNAL + "enabled",
        True,
        flag("controller", "publish-service"),
        "$(POD_NAMESPACE)/serin-controller-internal",
        {SERVICE + "external.enabled": False},
    ),
    *STREAMS,
    *of_services(SERVICE, "-controller", {}),
    *of_services(INTERNAL, "-internal", {INTERNAL + "enabled": True}),
]
