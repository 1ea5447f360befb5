"""ssl-passthrough: whose endpoints get a host's TLS connections, and what is said where nobody's do."""

import pytest
from unit.compile.manifests import HOST, Raw, codes, compile_objects, config_map, endpoints, ingress, problem, service

from serin.compile.compiler import Compiled
from serin.problems import Severity
from serin.routing.plan import Endpoint

ON = {"ssl-passthrough": "true"}


def compiled(*objects: Raw, enabled: bool = True) -> Compiled:
    return compile_objects(service("v1"), endpoints("v1", "10.0.0.1"), *objects, ssl_passthrough=enabled)


def test_tls_of_the_host_goes_to_the_service_of_the_root_path() -> None:
    found = compiled(ingress("shop", ("/", "Prefix", "v1"), ("/api", "Prefix", "v1:81"), notes=ON))
    beside = found.plan.hosts[HOST].passthrough
    assert beside is not None
    assert found.plan.pools[beside.pool].endpoints == (Endpoint("10.0.0.1", 8080),)
    assert found.plan.splits[beside.split].shape == (beside.ident,)
    assert found.plan.globals.passthrough


def test_without_the_flag_tls_is_ended_here_and_that_is_said() -> None:
    found = compiled(ingress("shop", notes=ON), enabled=False)
    assert found.plan.hosts[HOST].passthrough is None
    assert "--enable-ssl-passthrough" in problem(found, "passthrough-disabled").text
    assert not found.plan.globals.passthrough


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (ingress("shop", ("/api", "Prefix", "v1"), notes=ON), "passthrough-without-root"),
        (ingress("shop", host="", notes=ON), "passthrough-without-host"),
    ],
)
def test_what_cannot_be_passed_on_is_told(made: Raw, code: str) -> None:
    found = compiled(made)
    assert all(host.passthrough is None for host in found.plan.hosts.values())
    assert code in codes(found)


def test_the_oldest_ingress_of_a_host_decides() -> None:
    old = ingress("old", created="2020-01-01T00:00:00Z")
    new = ingress("new", ("/new", "Prefix", "v1"), notes=ON, created="2021-01-01T00:00:00Z")
    found = compiled(old, new)
    assert found.plan.hosts[HOST].passthrough is None
    assert "Ingress shop/old is older" in problem(found, "passthrough-not-oldest").text


@pytest.mark.parametrize(
    ("plane", "data", "told"),
    [
        ("nginx", {"use_forwarded_headers": "true"}, True),
        ("nginx", {"enable_real_ip": "true"}, True),
        ("nginx", {"enable_real_ip": "true", "use_proxy_protocol": "true"}, False),
        ("nginx", {}, False),
        ("proxy", {"use_forwarded_headers": "true"}, False),
    ],
)
def test_headers_that_nginx_does_not_look_at_are_told(plane: str, data: dict[str, str], told: bool) -> None:
    options = {"ssl_passthrough": True, "plane": plane, "configmap": ("serin", "config")}
    found = compile_objects(config_map(**data), **options)
    assert ("passthrough-without-headers" in codes(found)) == told
    assert not told or problem(found, "passthrough-without-headers").severity is Severity.ERROR


def test_access_rules_that_nobody_meets_are_told() -> None:
    found = compiled(ingress("shop", notes=ON | {"auth-type": "basic", "auth-secret": "nobody"}))
    assert found.plan.hosts[HOST].passthrough is not None
    assert "plain requests alone" in problem(found, "passthrough-skips-rules").text


def test_younger_ingresses_of_the_host_are_told_that_their_rules_are_not_met() -> None:
    old = ingress("old", notes=ON, created="2020-01-01T00:00:00Z")
    new = ingress("new", ("/new", "Prefix", "v1"), created="2021-01-01T00:00:00Z")
    found = compiled(old, new)
    assert found.plan.hosts[HOST].passthrough is not None
    told = problem(found, "passthrough-skips-rules")
    assert told.source.ref.name == "new"
    assert "as Ingress shop/old asks for" in told.text


def test_the_service_s_own_address_gets_connections_where_that_is_asked_for() -> None:
    whole = service("v1", clusterIP="10.96.0.9")
    found = compile_objects(
        whole,
        endpoints("v1", "10.0.0.1"),
        ingress("shop", notes=ON | {"service-upstream": "true"}),
        ssl_passthrough=True,
    )
    beside = found.plan.hosts[HOST].passthrough
    assert beside is not None
    assert found.plan.pools[beside.pool].endpoints == (Endpoint("10.96.0.9", 80),)
