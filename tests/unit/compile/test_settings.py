"""The ConfigMap: defaults of annotations, HSTS, and keys that cannot be read."""

import pytest
from unit.compile.manifests import codes, compile_objects, config_map, ingress, problem, route

from serin.compile.compiler import Compiled

NAME = ("serin", "config")


def configured(**data: str) -> Compiled:
    return compile_objects(ingress("main"), config_map(**data), configmap=NAME)


@pytest.mark.parametrize(
    ("data", "header"),
    [
        ({}, "max-age=31536000; includeSubDomains"),
        ({"hsts": "false"}, ""),
        ({"hsts_max_age": "60"}, "max-age=60; includeSubDomains"),
        ({"hsts_include_subdomains": "false"}, "max-age=31536000"),
        ({"hsts_preload": "true"}, "max-age=31536000; includeSubDomains; preload"),
        ({"hsts_max_age": "0", "hsts_include_subdomains": "false", "hsts_preload": "true"}, "max-age=0; preload"),
        ({"hsts": "maybe", "hsts_max_age": "-1"}, "max-age=31536000; includeSubDomains"),
    ],
)
def test_hsts(data: dict[str, str], header: str) -> None:
    assert configured(**data).plan.globals.hsts == header


def test_defaults_of_annotations() -> None:
    compiled = configured(
        proxy_body_size="8m",
        proxy_connect_timeout="1",
        proxy_read_timeout="2",
        proxy_send_timeout="3",
        proxy_next_upstream="off",
        proxy_next_upstream_tries="9",
        proxy_next_upstream_timeout="4",
    )
    policy = route(compiled).policy
    assert policy.max_body == 8 << 20
    upstream = policy.upstream
    assert (upstream.connect_timeout, upstream.read_timeout, upstream.send_timeout) == (1.0, 2.0, 3.0)
    assert (upstream.next_upstream, upstream.tries, upstream.tries_timeout) == (("off",), 9, 4.0)


def test_an_annotation_goes_before_the_config_map() -> None:
    main = ingress("main", notes={"proxy-body-size": "1k", "proxy-read-timeout": "7"})
    policy = route(
        compile_objects(main, config_map(proxy_body_size="8m", proxy_read_timeout="2"), configmap=NAME)
    ).policy
    assert (policy.max_body, policy.upstream.read_timeout) == (1024, 7.0)


def test_force_ssl_redirect_for_all_and_off_for_one() -> None:
    assert route(configured(force_ssl_redirect="true")).policy.tls_redirect is not None
    main = ingress("main", notes={"force-ssl-redirect": "false"})
    off = compile_objects(main, config_map(force_ssl_redirect="true"), configmap=NAME)
    assert route(off).policy.tls_redirect is None


def test_ssl_redirect_off_for_all_and_on_for_one() -> None:
    main = ingress("main", tls=[{"hosts": ["shop.example.com"]}])
    off = config_map(ssl_redirect="false")
    assert route(compile_objects(main, off, configmap=NAME)).policy.tls_redirect is None
    main["metadata"]["annotations"] = {"nginx.ingress.kubernetes.io/ssl-redirect": "true"}
    assert route(compile_objects(main, off, configmap=NAME)).policy.tls_redirect is not None


@pytest.mark.parametrize(("code", "answered"), [("301", 301), ("307", 307), ("200", 308), ("x", 308), ("305", 308)])
def test_redirect_code(code: str, answered: int) -> None:
    compiled = configured(force_ssl_redirect="true", http_redirect_code=code)
    redirect = route(compiled).policy.tls_redirect
    assert redirect is not None
    assert redirect.code == answered
    assert ("config-invalid" in codes(compiled)) == (str(answered) != code)


def test_paths_without_redirect() -> None:
    paths = (("/", "Prefix", "v1"), ("/plain/x", "Prefix", "v1"))
    settings = config_map(force_ssl_redirect="true", no_tls_redirect_locations="/plain, /other")
    compiled = compile_objects(ingress("main", *paths), settings, configmap=NAME)
    assert [r.policy.tls_redirect is None for r in compiled.plan.hosts["shop.example.com"].routes] == [True, False]


def test_problems_are_on_the_config_map() -> None:
    compiled = configured(hsts="maybe")
    found = problem(compiled, "config-invalid")
    assert (str(found.source), found.severity) == ("ConfigMap serin/config: data[hsts]", "error")


def test_unknown_keys_are_told() -> None:
    compiled = configured(ssl_redirekt="true")
    found = problem(compiled, "config-unsupported")
    assert "ssl-redirect" in found.text
    assert found.severity == "warning"


def test_access_rules_among_them_are_errors() -> None:
    assert problem(configured(enable_modsecurity="true"), "config-unsupported").severity == "error"


def test_without_the_config_map_defaults_hold() -> None:
    compiled = compile_objects(ingress("main"), configmap=NAME)
    assert problem(compiled, "config-map-not-found").severity == "warning"
    assert compiled.plan.globals == compile_objects(ingress("main")).plan.globals


def test_a_config_map_that_nobody_named_is_not_read() -> None:
    assert compile_objects(ingress("main"), config_map(hsts="false")).plan.globals.hsts


def test_https_port_of_redirects() -> None:
    assert compile_objects(ingress("main"), https_redirect_port=8443).plan.globals.https_port == 8443
