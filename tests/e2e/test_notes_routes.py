"""The course notes' routes: paths and hosts, rewrites, a password, a backend that speaks HTTPS, classes."""

from collections.abc import Iterator
from typing import Any

import pytest
from harness.e2e.backends import Manifest, ingress
from harness.e2e.notes import SECURE, Stage
from harness.e2e.replicas import everywhere
from harness.e2e.report import Report
from harness.e2e.site import Site

REWRITES = {"/dashboard": "/", "/dashboard/": "/", "/dashboard/a/b?c=1": "/a/b?c=1"}
USERS = "alice:$apr1$serindem$NzBEfv7MHxOfu3LnchxGK1\n"  # as htpasswd writes it; the password is wonder


def fan_out(name: str, host: str, paths: dict[str, tuple[str, Any]]) -> Manifest:
    """Paths of type Prefix, each with a Service and the number or name of its port."""
    made = ingress(name, host, "tea")
    made["spec"]["rules"][0]["http"]["paths"] = [
        {
            "path": path,
            "pathType": "Prefix",
            "backend": {"service": {"name": service, "port": {"number" if isinstance(port, int) else "name": port}}},
        }
        for path, (service, port) in paths.items()
    ]
    return made


def of_class(name: str, **spec: str) -> Manifest:
    """Of another class than ours, or of none that its spec names."""
    made = ingress(name, f"{name}.example.com", "tea")
    del made["spec"]["ingressClassName"]
    made["spec"] |= spec
    return made


def shop() -> list[Manifest]:
    annotated = of_class("old")
    annotated["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "nginx"}
    users = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, "stringData": {"auth": USERS}}
    password = {"auth-type": "basic", "auth-secret": "users", "auth-realm": "who are you"}
    https = {"backend-protocol": "HTTPS"}
    return [
        users,
        fan_out("cafe", "cafe.example.com", {"/tea": ("tea", 80), "/coffee": ("coffee", 80)}),
        fan_out("ports", "ports.example.com", {"/name": ("coffee", "http"), "/number": ("coffee", 80)}),
        ingress("wildcard", "*.example.org", "tea"),
        ingress(
            "rewrite",
            "sswang.example.com",
            "tea",
            path="/dashboard(/|$)(.*)",
            path_type="ImplementationSpecific",
            annotations={"rewrite-target": "/$2"},
        ),
        ingress("root", "root.example.com", "tea", path="/tea", annotations={"rewrite-target": "/"}),
        ingress("moved", "moved.example.com", "tea", annotations={"rewrite-target": "https://www.example.com/"}),
        ingress("password", "auth.example.com", "tea", annotations=password),
        ingress("dashboard", "dashboard.example.com", SECURE, port=443, annotations=https),
        annotated,
        of_class("foreign", ingressClassName="somebody-elses"),
        ingress("last", "last.example.com", "tea"),
    ]


@pytest.fixture(scope="module")
def shown(site: Site, stage: Stage) -> Iterator[Site]:
    site.install()
    with stage.showing(*shop()):
        everywhere(site, "http://last.example.com/", "tea")
        yield site


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("cafe.example.com/tea", "tea"),
        ("cafe.example.com/coffee/latte", "coffee"),
        ("cafe.example.com/", "404"),
        ("cafe.example.com/teapot", "404"),
        ("ports.example.com/name", "coffee"),
        ("ports.example.com/number", "coffee"),
        ("a.example.org/", "tea"),
        ("a.b.example.org/", "404"),
        ("example.org/", "404"),
    ],
)
def test_where_a_path_leads(shown: Site, url: str, wanted: str, report: Report) -> None:
    """Paths of one host, a port by name and by number, a wildcard host"""
    answer = shown.curl(f"http://{url}")
    assert (answer.backend if answer.status == 200 else str(answer.status)) == wanted
    report(f"{url}: {wanted}")


@pytest.mark.parametrize("path", REWRITES)
def test_a_rewritten_path(shown: Site, path: str, report: Report) -> None:
    """rewrite-target /$2 of /dashboard(/|$)(.*): what the backend saw"""
    answer = shown.curl(f"http://sswang.example.com{path}")
    assert (answer.backend, answer.echo["uri"]) == ("tea", REWRITES[path])
    report(f"{path} as {REWRITES[path]}")


def test_what_is_not_rewritten(shown: Site, report: Report) -> None:
    """A path beside the pattern is 404, rewrite-target / leaves nothing, an address is a redirect"""
    assert shown.curl("http://sswang.example.com/dashboards").status == 404
    assert shown.curl("http://root.example.com/tea/x").echo["uri"] == "/"
    moved = shown.curl("http://moved.example.com/")
    assert (moved.status, moved.headers["location"]) == (302, "https://www.example.com/")
    report("404; /; 302")


def test_a_password(shown: Site, report: Report) -> None:
    """Basic authentication: without, with, with a wrong password"""
    without = shown.curl("http://auth.example.com/")
    assert (without.status, without.headers["www-authenticate"]) == (401, 'Basic realm="who are you"')
    assert shown.curl("http://auth.example.com/", "-u", "alice:wrong").status == 401
    assert shown.curl("http://auth.example.com/", "-u", "alice:wonder").backend == "tea"
    report("401, 200, 401")


def test_a_backend_that_speaks_https(shown: Site, report: Report) -> None:
    """backend-protocol HTTPS: the backend is spoken to by TLS, as a dashboard on port 8443"""
    answer = shown.curl("http://dashboard.example.com/x")
    assert (answer.backend, answer.echo["tls"], answer.echo["uri"]) == (SECURE, True, "/x")
    report(f"{answer.echo['proto']} by TLS on port {answer.echo['port']}")


def test_whose_class_it_is(shown: Site, stage: Stage, report: Report) -> None:
    """Class by field and by annotation; an Ingress of another class is left alone"""
    assert shown.curl("http://last.example.com/").backend == "tea"
    assert shown.curl("http://old.example.com/").backend == "tea"
    assert shown.curl("http://foreign.example.com/").status == 404
    assert address(stage, "old") == shown.release.service()["spec"]["clusterIP"]
    assert address(stage, "foreign") == ""
    assert "serin" not in stage.kubectl("describe", "ingress", "foreign")
    report("200, 200, 404 without ADDRESS and Events")


def test_what_no_host_takes(shown: Site, stage: Stage, report: Report) -> None:
    """An Ingress with nothing but a default backend takes what no host takes"""
    spec = {"ingressClassName": "nginx", "defaultBackend": {"service": {"name": "coffee", "port": {"number": 80}}}}
    made = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "default"}, "spec": spec}
    url = "http://nobody.example.com/x"
    assert shown.curl(url).status == 404
    with stage.showing(made):
        everywhere(shown, url, "coffee")
        assert shown.curl("http://cafe.example.com/tea").backend == "tea"
    everywhere(shown, url, "404")
    report("404, then 200, and 404 when it is gone")


def address(stage: Stage, name: str) -> str:
    """ADDRESS as `kubectl get ingress` shows it."""
    return stage.kubectl("get", "ingress", name, "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}")
