"""The notes after an installation: a canary to apply, and a curl that fits how traffic gets in."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness.chart import Chart, with_notes

S = "controller.service."
WAYS = [
    (
        {},
        "get service serin-controller -o jsonpath='{.status.loadBalancer.ingress[0].ip}",
        "--connect-to ::$ADDRESS:80",
    ),
    ({S + "ports.http": 8000}, "", "--connect-to ::$ADDRESS:8000 "),
    ({S + "type": "NodePort"}, '[?(@.name=="http")].nodePort', "--connect-to ::$ADDRESS:$PORT"),
    ({S + "type": "ClusterIP"}, "port-forward service/serin-controller 8080:80", "--connect-to ::127.0.0.1:8080"),
    ({S + "enabled": False}, "port-forward deployment/serin-controller 8080:8080", "http://127.0.0.1:8080/"),
    ({"controller.hostPort.enabled": True}, "status.hostIP", "http://$ADDRESS:80/"),
    ({"controller.hostNetwork": True, "controller.kind": "DaemonSet"}, "status.hostIP", "http://$ADDRESS:8080/"),
    ({S + "enableHttp": False}, "", "curl -k --connect-to ::$ADDRESS:443 -H 'Region: cd' https://canary.example.com/"),
]


@pytest.fixture(scope="module")
def noted(chart: Chart, tmp_path_factory: pytest.TempPathFactory) -> Chart:
    return with_notes(chart, tmp_path_factory.mktemp("chart"))


def notes(noted: Chart, values: dict[str, Any]) -> str:
    return str(noted.render(values).one("Notes")["text"])


@pytest.mark.parametrize(("values", "address", "request_"), WAYS)
def test_curl_fits_the_way_in(noted: Chart, values: dict[str, Any], address: str, request_: str) -> None:
    text = notes(noted, values)
    assert address in text
    assert request_ in text
    assert text.count("curl ") == 1


def test_the_canary_is_one_that_the_api_server_would_take(noted: Chart) -> None:
    text = notes(noted, {"controller.ingressClassResource.name": "edge"})
    found = re.search(r"<<EOF\n(.*?)\n  EOF", text, re.DOTALL)
    assert found
    main, canary = yaml.safe_load_all(re.sub(r"^  ", "", found[1], flags=re.MULTILINE))
    assert {each["spec"]["ingressClassName"] for each in (main, canary)} == {"edge"}
    assert canary["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-by-header"] == "Region"
    assert main["spec"]["rules"][0]["host"] == canary["spec"]["rules"][0]["host"] == "canary.example.com"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "Ingresses of class nginx."),
        ({"controller.ingressClassResource.aliases": ["a", "b"]}, "of class nginx, a, b."),
        ({"controller.scope.enabled": True}, "in namespace ingress."),
        ({"controller.scope.namespaceSelector": "a=b"}, "in namespaces with a=b."),
        ({"controller.scope.enabled": True, "rbac.scope": True}, "IngressClasses cannot be read"),
        ({S + "enabled": False}, "Ingresses show addresses of nodes"),
    ],
)
def test_what_to_know_is_said(noted: Chart, values: dict[str, Any], said: str) -> None:
    assert said in notes(noted, values)


def test_nothing_is_said_that_does_not_concern(noted: Chart, tmp_path: Path) -> None:
    assert "Note:" not in notes(noted, {})
