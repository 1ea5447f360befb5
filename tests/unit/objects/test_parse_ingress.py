"""Ingress: what is used, and what is left out with a problem."""

from typing import Any

import pytest

from serin.objects.parse import Parsed, parse_object
from serin.objects.views import Ingress, IngressClass, ServicePortRef
from serin.problems import Severity

BACKEND = {"service": {"name": "web", "port": {"number": 80}}}


def parse(spec: Any, version: str = "networking.k8s.io/v1") -> Parsed:
    return parse_object({"apiVersion": version, "kind": "Ingress", "metadata": {"name": "x"}, "spec": spec})


def ingress(spec: Any) -> tuple[Ingress, list[tuple[str, str]]]:
    """The view, and code and field of each problem."""
    parsed = parse(spec)
    assert isinstance(parsed.view, Ingress)
    return parsed.view, [(problem.code, problem.source.field) for problem in parsed.problems]


def one_path(path: Any) -> tuple[Ingress, list[tuple[str, str]]]:
    path = {"pathType": "Prefix", **path} if isinstance(path, dict) else path
    return ingress({"rules": [{"host": "a.example.com", "http": {"paths": [path]}}]})


def test_an_ordinary_ingress_is_read() -> None:
    view, problems = ingress(
        {
            "ingressClassName": "nginx",
            "defaultBackend": BACKEND,
            "tls": [{"hosts": ["A.example.com."], "secretName": "cert"}],
            "rules": [
                {
                    "host": "A.Example.com.",
                    "http": {"paths": [{"path": "/a", "pathType": "Exact", "backend": BACKEND}]},
                },
                {"http": {"paths": [{"backend": {"service": {"name": "web", "port": {"name": "http"}}}}]}},
                {"host": "*.example.org"},
            ],
        }
    )
    assert problems == [("path-type-missing", "spec.rules[1].http.paths[0].pathType")]
    assert view.class_name == "nginx"
    assert view.default_backend == ServicePortRef("web", 80)
    assert [(rule.host, len(rule.paths)) for rule in view.rules] == [
        ("a.example.com", 1),
        ("", 1),
        ("*.example.org", 0),
    ]
    first, second = view.rules[0].paths[0], view.rules[1].paths[0]
    assert (first.path, first.path_type, first.backend) == ("/a", "Exact", ServicePortRef("web", 80))
    assert (second.path, second.path_type) == ("/", "ImplementationSpecific")
    assert second.backend == ServicePortRef("web", "http")
    assert str(second.source) == "Ingress default/x: spec.rules[1].http.paths[0]"
    assert view.tls[0].hosts == ("a.example.com",)


@pytest.mark.parametrize(
    "host",
    ["a_b.example.com", "a..b", "-a.com", "*", "*a.com", "a.*.com", "10.0.0.1", "a.com:80", "é.com", "a b", ".", "*."],
)
def test_a_rule_with_an_invalid_host_is_left_out_and_the_others_live(host: str) -> None:
    rule = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}}
    view, problems = ingress({"rules": [{"host": host, **rule}, {"host": "good.example.com", **rule}]})
    assert [rule.host for rule in view.rules] == ["good.example.com"]
    assert problems == [("invalid-host", "spec.rules[0].host")]


@pytest.mark.parametrize("host", [5, True, ["a.example.com"], "\ud800"])
def test_a_host_that_is_no_text_is_never_taken_as_any_host(host: object) -> None:
    view, problems = ingress({"rules": [{"host": host, "http": {"paths": [{"path": "/", "backend": BACKEND}]}}]})
    assert view.rules == ()
    assert problems == [("wrong-type", "spec.rules[0].host")]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ({"path": "a", "pathType": "Prefix"}, ("path-not-absolute", "path")),
        ({"path": "a", "pathType": "Exact"}, ("path-not-absolute", "path")),
        ({"path": "/a", "pathType": "prefix"}, ("invalid-path-type", "pathType")),
        ({"path": 5, "pathType": "Prefix"}, ("wrong-type", "path")),
    ],
)
def test_a_path_that_cannot_be_served_is_left_out(path: dict[str, Any], problem: tuple[str, str]) -> None:
    view, problems = one_path({**path, "backend": BACKEND})
    assert view.rules[0].paths == ()
    assert problems == [(problem[0], f"spec.rules[0].http.paths[0].{problem[1]}")]


@pytest.mark.parametrize("path", ["/a//b", "/a/./b", "/a/../b", "/a/.."])
def test_a_path_that_no_request_can_have_is_kept_with_a_warning(path: str) -> None:
    view, problems = one_path({"path": path, "pathType": "Prefix", "backend": BACKEND})
    assert view.rules[0].paths[0].path == path
    assert [code for code, _ in problems] == ["path-never-matches"]


@pytest.mark.parametrize(
    ("backend", "code", "field"),
    [
        ({"resource": {"kind": "Bucket", "name": "b"}}, "backend-resource-unsupported", ".resource"),
        ({"serviceName": "web", "servicePort": 80}, "backend-old-fields", ""),
        ({}, "missing-field", ".service"),
        (None, "missing-field", ""),
        ({"service": {"name": "web"}}, "missing-field", ".service.port"),
        ({"service": {"name": "web", "port": {}}}, "missing-field", ".service.port"),
        ({"service": {"name": "web", "port": {"number": 80, "name": "x"}}}, "port-number-and-name", ".service.port"),
        ({"service": {"name": "web", "port": {"number": "80"}}}, "wrong-type", ".service.port.number"),
        ({"service": {"name": "web", "port": {"number": 0}}}, "wrong-type", ".service.port.number"),
        ({"service": {"name": "web", "port": {"number": True}}}, "wrong-type", ".service.port.number"),
        ({"service": {"name": "web", "port": {"name": 80}}}, "wrong-type", ".service.port.name"),
        ({"service": {"port": {"number": 80}}}, "missing-field", ".service.name"),
    ],
)
def test_a_path_keeps_its_place_when_its_backend_is_not_usable(backend: Any, code: str, field: str) -> None:
    view, problems = one_path({"path": "/", "backend": backend})
    assert view.rules[0].paths[0].backend is None
    assert problems == [(code, f"spec.rules[0].http.paths[0].backend{field}")]


def test_a_mistake_in_one_place_leaves_the_rest() -> None:
    paths = [7, {"pathType": "Prefix", "backend": BACKEND}]
    view, problems = ingress({"rules": [5, {"host": "a.example.com", "http": {"paths": paths}}]})
    assert len(view.rules[0].paths) == 1
    assert problems == [("wrong-type", "spec.rules[0]"), ("wrong-type", "spec.rules[1].http.paths[0]")]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"ingresClassName": "nginx"}, "spec.ingresClassName"),
        ({"rules": [{"Host": "a.example.com"}]}, "spec.rules[0].Host"),
        ({"rules": [{"http": {"path": []}}]}, "spec.rules[0].http.path"),
        ({"rules": [{"http": {"paths": [{"pathtype": "Exact"}]}}]}, "spec.rules[0].http.paths[0].pathtype"),
        ({"defaultBackend": {"name": "web"}}, "spec.defaultBackend.name"),
        ({"defaultBackend": {"service": {"name": "w", "number": 80}}}, "spec.defaultBackend.service.number"),
        ({"tls": [{"host": "a.example.com"}]}, "spec.tls[0].host"),
    ],
)
def test_a_field_that_does_not_exist_is_told(spec: Any, field: str) -> None:
    assert ("field-unknown", field) in ingress(spec)[1]


@pytest.mark.parametrize("spec", [{}, {"ingressClassName": "nginx"}, {"rules": []}, {"rules": None, "tls": []}])
def test_an_ingress_that_serves_nothing_says_so(spec: Any) -> None:
    assert ingress(spec)[1] == [("missing-field", "spec")]


@pytest.mark.parametrize("version", ["extensions/v1beta1", "networking.k8s.io/v1beta1"])
def test_old_versions_are_gone_and_the_problem_shows_the_new_form(version: str) -> None:
    paths = [
        {"path": "/tea", "backend": {"serviceName": "tea", "servicePort": 80}},
        {"path": "/web", "pathType": "Exact", "backend": {"serviceName": "web", "servicePort": "http"}},
    ]
    parsed = parse(
        {"backend": {"serviceName": "all", "servicePort": 8}, "rules": [{"http": {"paths": paths}}]}, version
    )
    assert parsed.view is None
    (problem,) = parsed.problems
    assert (problem.code, problem.severity) == ("api-version-gone", Severity.ERROR)
    assert str(problem.source) == "Ingress default/x: apiVersion"
    for part in (
        version,
        "1.22",
        "apiVersion: networking.k8s.io/v1",
        "spec.defaultBackend: {service: {name: all, port: {number: 8}}}",
        "(path /tea) gets pathType: Prefix and backend: {service: {name: tea, port: {number: 80}}}",
        "(path /web) gets pathType: Exact and backend: {service: {name: web, port: {name: http}}}",
    ):
        assert part in problem.text


def test_of_many_old_paths_some_are_shown() -> None:
    paths = [{"path": f"/{i}", "backend": {"serviceName": "tea", "servicePort": 80}} for i in range(5)]
    (problem,) = parse({"rules": [{"http": {"paths": paths}}]}, "extensions/v1beta1").problems
    assert "(path /2)" in problem.text
    assert "(path /3)" not in problem.text
    assert problem.text.endswith("and 2 more")


def test_an_ingress_class_is_read() -> None:
    raw = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "nginx", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
        "spec": {"controller": "serin.dev/ingress-controller"},
    }
    view = parse_object(raw).view
    assert isinstance(view, IngressClass)
    assert (view.controller, view.is_default) == ("serin.dev/ingress-controller", True)


def test_rules_that_all_fail_leave_no_ingress_for_every_host() -> None:
    view, problems = ingress({"defaultBackend": BACKEND, "rules": [{"host": "not a host"}]})
    assert (view.default_backend, view.rules) == (None, ())
    assert [code for code, _ in problems] == ["invalid-host", "default-backend-without-host"]
