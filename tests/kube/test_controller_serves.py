"""`serin controller` on a real API server: what is applied there is what requests get."""

import collections
import ssl

import pytest
from harness.casefile import self_signed
from harness.controller_fixtures import backends, field, network
from harness.controllers import Field
from harness.manifests import canary, endpoint_slice, ingress, service, tls_secret
from harness.serving import Serving
from harness.waiting import until
from harness.wire import Request

__all__ = ["backends", "field", "network"]

HOST = "shop.example"


def shop(field: Field) -> None:
    field.make_class()
    field.put(service("main"), endpoint_slice("main", ["10.99.0.11"]), ingress("main", HOST, "main"))


def test_the_canary_of_the_notes(field: Field) -> None:
    shop(field)
    rule = canary("next", HOST, "next", by_header="Region", by_header_pattern="cd|sz")
    field.put(service("next"), endpoint_slice("next", ["10.99.0.21"]), rule)
    serving = field.control()
    found = {region: field.answer(serving, HOST, ("Region", region)) for region in ("cd", "sz", "bj")}
    assert found == {"cd": "next", "sz": "next", "bj": "main"}
    assert field.answer(serving, HOST) == "main"
    assert field.answer(serving, "other.example") == "404"


def test_weights_are_exact_and_a_change_counts_at_once(field: Field) -> None:
    shop(field)
    field.put(service("next"), endpoint_slice("next", ["10.99.0.21"]), canary("next", HOST, "next", weight="20"))
    serving = field.control()
    counts = collections.Counter(field.answer(serving, HOST) for _ in range(100))
    assert counts["next"] in (19, 20, 21)
    assert counts["main"] + counts["next"] == 100
    field.put(canary("next", HOST, "next", weight="100"))
    field.becomes(serving, "next", HOST)


def test_endpoints_of_each_form_are_followed(field: Field) -> None:
    shop(field)
    serving = field.control()
    field.put(endpoint_slice("main", ["10.99.0.12"]))
    field.becomes(serving, "main2", HOST)
    field.put(endpoint_slice("main", ["10.99.0.11", "10.99.0.12"]))
    until(lambda: {field.answer(serving, HOST) for _ in range(20)} == {"main", "main2"}, "both endpoints")
    field.put(endpoint_slice("main", []))
    field.becomes(serving, "503", HOST)
    field.delete("endpointslice", "main-1")
    endpoints = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "main"},
        "subsets": [{"addresses": [{"ip": "10.99.0.22"}], "ports": [{"name": "http", "port": 8080}]}],
    }
    field.put(endpoints)
    field.becomes(serving, "next2", HOST)


def test_each_kind_takes_effect_when_made_changed_and_deleted(field: Field) -> None:
    serving = field.control()
    assert field.answer(serving, HOST) == "404"
    field.put(service("main"), endpoint_slice("main", ["10.99.0.11"]), ingress("main", HOST, "main"))
    field.make_class()
    field.becomes(serving, "main", HOST)
    field.delete("service", "main")
    field.becomes(serving, "503", HOST)
    field.put(service("main"))
    field.becomes(serving, "main", HOST)
    field.put(ingress("main", HOST, "main", path="/cart"))
    field.becomes(serving, "404", HOST)
    assert field.answer(serving, HOST, path="/cart/x") == "main"
    field.delete("ingress", "main")
    field.becomes(serving, "404", HOST, path="/cart/x")


def test_a_certificate_is_there_with_the_first_plan_and_replaced_in_place(field: Field) -> None:
    shop(field)
    first, second = self_signed(HOST), self_signed.__wrapped__(HOST)
    secured = ingress("main", HOST, "main")
    secured["spec"]["tls"] = [{"hosts": [HOST], "secretName": "shop"}]
    field.put(tls_secret("shop", *first), secured)
    serving = field.control()
    assert shown(serving) == der(first)
    field.put(tls_secret("shop", *second))
    until(lambda: shown(serving) == der(second), "the new certificate")


def shown(serving: Serving) -> bytes:
    with serving.door.connect(tls=True, server_name=HOST) as connection:
        assert isinstance(connection, ssl.SSLSocket)
        return connection.getpeercert(binary_form=True) or b""


def der(pair: tuple[bytes, bytes]) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair[0].decode())


def test_a_config_map_counts_and_its_mistakes_are_told(field: Field) -> None:
    shop(field)
    options = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "options"}}
    field.put({**options, "data": {"proxy-body-size": "10"}})
    serving = field.control("--configmap", f"{field.namespace}/options")

    def status() -> int:
        return serving.door.send(Request(host=HOST, method="POST", body=b"x" * 100)).status

    assert status() == 413
    field.put({**options, "data": {"proxy-body-size": "1m", "hsts-max-age": "soon"}})
    until(lambda: status() == 200, "the larger bound")
    field.kube.kubectl("-n", field.namespace, "delete", "configmap", "options")
    until(lambda: "config-map-not-found" in serving.output(), "the problem")
    assert "config-invalid" in serving.output()


CLASSES = {
    "ours": ({"class": "{ours}"}, True),
    "another": ({"class": "another"}, False),
    "annotated": ({"annotation": "{ours}"}, True),
    "annotated-another": ({"annotation": "another"}, False),
    "none": ({}, False),
}
"""Name of an Ingress, what it says of its class, whether it is ours."""


@pytest.mark.parametrize("flag", ["--watch-ingress-without-class=false", "--watch-ingress-without-class"])
def test_class_rules(field: Field, flag: str) -> None:
    shop(field)
    for name, (said, _) in CLASSES.items():
        classed = ingress(name, f"{name}.example", "main")
        del classed["spec"]["ingressClassName"]
        if "class" in said:
            classed["spec"]["ingressClassName"] = said["class"].replace("{ours}", field.ingress_class)
        if "annotation" in said:
            text = said["annotation"].replace("{ours}", field.ingress_class)
            classed["metadata"]["annotations"] = {"kubernetes.io/ingress.class": text}
        field.put(classed)
    serving = field.control(flag)
    expected = {name: ours for name, (_, ours) in CLASSES.items()} | {"none": "false" not in flag}
    found = {name: field.answer(serving, f"{name}.example") for name in CLASSES}
    assert found == {name: "main" if ours else "404" for name, ours in expected.items()}


def test_a_default_class_takes_in_those_that_name_none(field: Field) -> None:
    shop(field)
    unnamed = ingress("unnamed", "unnamed.example", "main")
    del unnamed["spec"]["ingressClassName"]
    field.put(unnamed)
    serving = field.control()
    assert field.answer(serving, "unnamed.example") == "404"
    mark = "ingressclass.kubernetes.io/is-default-class"
    field.kube.kubectl("annotate", "ingressclass", field.ingress_class, f"{mark}=true")
    field.becomes(serving, "main", "unnamed.example")
    field.kube.kubectl("annotate", "ingressclass", field.ingress_class, f"{mark}-")
    field.becomes(serving, "404", "unnamed.example")


def test_two_controllers_side_by_side_need_nothing_but_their_classes(field: Field) -> None:
    shop(field)
    second = field.ingress_class + "-b"
    field.make_class(second, "serin.dev/second")
    other = ingress("other", "other.example", "main")
    other["spec"]["ingressClassName"] = second
    field.put(other)
    one = field.control("--publish-status-address", "192.0.2.1")
    flags = ("--ingress-class", second, "--controller-class", "serin.dev/second")
    two = field.control("--publish-status-address", "192.0.2.2", *flags, run_dir="second")
    try:
        assert [field.answer(s, h) for s in (one, two) for h in (HOST, "other.example")] == [
            "main",
            "404",
            "404",
            "main",
        ]

        def shown_addresses() -> dict[str, str]:
            listed = field.kube.get(f"/apis/networking.k8s.io/v1/namespaces/{field.namespace}/ingresses")["items"]
            entries = {
                i["metadata"]["name"]: i.get("status", {}).get("loadBalancer", {}).get("ingress") for i in listed
            }
            return {name: found[0]["ip"] if found else "" for name, found in entries.items()}

        until(lambda: shown_addresses() == {"main": "192.0.2.1", "other": "192.0.2.2"}, "each one's address")
    finally:
        field.kube.kubectl("delete", "ingressclass", second)
        field.kube.kubectl("-n", "default", "delete", "lease", f"serin-{second}-leader", "--ignore-not-found")
