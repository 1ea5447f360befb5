"""Services and their endpoints, Secrets and ConfigMaps."""

from typing import Any

import pytest

from serin.objects.parse import parse_object
from serin.objects.views import ConfigMap, Endpoints, EndpointSlice, Secret, Service, ServicePort, SlicePort, View

SERVICE_LABEL = {"kubernetes.io/service-name": "web"}


def read(
    api_version: str, kind: str, *, metadata: Any = None, **rest: Any
) -> tuple[View | None, list[tuple[str, str]]]:
    raw = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", **(metadata or {})}, **rest}
    parsed = parse_object(raw)
    return parsed.view, [(problem.code, problem.source.field) for problem in parsed.problems]


def service(**spec: Any) -> tuple[Service, list[tuple[str, str]]]:
    view, problems = read("v1", "Service", spec=spec)
    assert isinstance(view, Service)
    return view, problems


def endpoint_slice(**rest: Any) -> tuple[View | None, list[tuple[str, str]]]:
    return read("discovery.k8s.io/v1", "EndpointSlice", metadata={"labels": SERVICE_LABEL}, **rest)


def test_a_service_is_read() -> None:
    view, problems = service(
        clusterIP="None",
        ports=[{"name": "a", "port": 80, "targetPort": 8080}, {"port": 81, "targetPort": "web"}, {"port": 82}],
    )
    assert problems == []
    assert (view.type, view.cluster_ip, view.affinity_timeout) == ("ClusterIP", "None", 0)
    assert view.ports == (ServicePort("a", 80, 8080), ServicePort("", 81, "web"), ServicePort("", 82, None))


@pytest.mark.parametrize(
    ("config", "seconds"),
    [(None, 10800), ({}, 10800), ({"clientIP": {}}, 10800), ({"clientIP": {"timeoutSeconds": 7}}, 7)],
)
def test_session_affinity_has_kubernetes_timeout(config: Any, seconds: int) -> None:
    view, problems = service(sessionAffinity="ClientIP", sessionAffinityConfig=config)
    assert (view.affinity_timeout, problems) == (seconds, [])


def test_an_external_name_counts_only_for_its_type() -> None:
    assert service(type="ExternalName", externalName="API.example.com.")[0].external_name == "api.example.com"
    assert service(externalName="api.example.com")[0].external_name == ""


@pytest.mark.parametrize(
    ("spec", "code", "field"),
    [
        ({"type": "ExternalName", "externalName": "a b"}, "invalid-external-name", "spec.externalName"),
        ({"type": "ExternalName"}, "invalid-external-name", "spec.externalName"),
        ({"type": "Magic"}, "invalid-service-type", "spec.type"),
        ({"sessionAffinity": "Cookie"}, "invalid-session-affinity", "spec.sessionAffinity"),
        ({"ports": [{"port": 65536}]}, "wrong-type", "spec.ports[0].port"),
        ({"ports": [{"name": "x"}]}, "missing-field", "spec.ports[0].port"),
        ({"ports": [{"port": 80, "targetPort": "8080"}]}, "number-in-quotes", "spec.ports[0].targetPort"),
        ({"ports": {"port": 80}}, "wrong-type", "spec.ports"),
    ],
)
def test_mistakes_in_a_service_are_problems(spec: dict[str, Any], code: str, field: str) -> None:
    assert service(**spec)[1] == [(code, field)]


def test_a_slice_is_read_with_kubernetes_defaults_for_conditions() -> None:
    def endpoint(**conditions: bool | None) -> dict[str, Any]:
        return {"addresses": ["10.0.0.1"], "conditions": conditions}

    view, problems = endpoint_slice(
        addressType="IPv4",
        endpoints=[
            {"addresses": ["10.0.0.1"]},
            endpoint(ready=None),
            endpoint(ready=False),
            endpoint(ready=False, serving=True, terminating=True),
            endpoint(ready=True, serving=None),
        ],
        ports=[{"name": "http", "port": 8080}, {"port": 9, "protocol": "UDP"}],
    )
    assert problems == []
    assert isinstance(view, EndpointSlice)
    assert view.service == "web"
    assert [(e.ready, e.serving, e.terminating) for e in view.endpoints] == [
        (True, True, False),
        (True, True, False),
        (False, False, False),
        (False, True, True),
        (True, True, False),
    ]
    assert view.ports == (SlicePort("http", 8080), SlicePort("", 9, "UDP"))


def test_addresses_are_checked_and_written_in_one_way() -> None:
    addresses = ["2001:DB8:0::1", "10.0.0.1"], ["10.0.0.256"], ["fe80::1%eth0"], ["010.0.0.1"], ["name.example"], [5]
    view, problems = endpoint_slice(addressType="IPv6", endpoints=[{"addresses": list(a)} for a in addresses])
    assert isinstance(view, EndpointSlice)
    assert [e.addresses for e in view.endpoints] == [("2001:db8::1", "10.0.0.1")]
    assert [code for code, _ in problems] == ["invalid-address"] * 4 + ["wrong-type"]
    assert problems[0][1] == "endpoints[1].addresses[0]"


def test_slices_that_cannot_be_used_are_ignored_with_a_problem() -> None:
    assert endpoint_slice(addressType="FQDN") == (None, [("address-type-unsupported", "addressType")])
    view, problems = read("discovery.k8s.io/v1", "EndpointSlice", addressType="IPv4")
    assert (view, [code for code, _ in problems]) == (None, ["service-label-missing"])
    view, problems = read("discovery.k8s.io/v1beta1", "EndpointSlice", metadata={"labels": SERVICE_LABEL})
    assert (view, [code for code, _ in problems]) == (None, ["api-version-gone"])


def test_endpoints_are_read_with_ready_and_waiting_addresses() -> None:
    subset = {"addresses": [{"ip": "10.0.0.1"}], "notReadyAddresses": [{"ip": "10.0.0.2"}], "ports": [{"port": 80}]}
    view, problems = read("v1", "Endpoints", subsets=[subset, {"addresses": [{"ip": "x"}]}])
    assert isinstance(view, Endpoints)
    first, second = view.subsets
    assert [(e.addresses, e.ready, e.serving) for e in first.endpoints] == [
        (("10.0.0.1",), True, True),
        (("10.0.0.2",), False, False),
    ]
    assert (first.service, first.meta.ref.kind, first.ports) == ("web", "Endpoints", (SlicePort("", 80),))
    assert second.endpoints == ()
    assert problems == [("invalid-address", "subsets[1].addresses[0].ip")]


def test_a_secret_is_decoded_and_string_data_goes_over_data() -> None:
    data = {"a": "YWJj", "b": "YWJj\nZGVm\r\n", "c": None, "both": "YQ=="}
    view, problems = read("v1", "Secret", data=data, stringData={"both": "é", "d": ""})
    assert problems == []
    assert isinstance(view, Secret)
    assert view.data == {"a": b"abc", "b": b"abcdef", "c": b"", "both": "é".encode(), "d": b""}
    assert view.type == "Opaque"


def test_a_secrets_value_is_never_in_a_problem_nor_in_its_repr() -> None:
    view, problems = read("v1", "Secret", data={"a": "!hunter2", "b": "YWI", "c": 70051}, stringData={"d": 70052})
    assert isinstance(view, Secret)
    assert view.data == {}
    assert [code for code, _ in problems] == ["invalid-base64", "invalid-base64", "wrong-type", "wrong-type"]
    raw = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
    for value in ({"a": "!hunter2"}, {"a": 70051}, "hunter2", ["hunter2"]):
        for key in ("data", "stringData"):
            shown = str(parse_object({**raw, key: value}).problems) + repr(parse_object({**raw, key: value}).view)
            assert "hunter2" not in shown
            assert "70051" not in shown


def test_a_config_maps_values_are_texts() -> None:
    view, problems = read("v1", "ConfigMap", data={"a": "x", "hsts": False})
    assert isinstance(view, ConfigMap)
    assert view.data == {"a": "x", "hsts": "false"}
    assert problems == [("data-not-string", "data[hsts]")]
