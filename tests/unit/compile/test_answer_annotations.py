"""What annotations ask for about answers: CORS, errors, mirrors, rewritten headers; and the Service's own address."""

from typing import Any

import pytest
from unit.compile.manifests import (
    Raw,
    canary,
    codes,
    compile_objects,
    config_map,
    endpoints,
    ingress,
    problem,
    route,
    routes,
    service,
)

from serin.compile.annotations.cors import ORIGINS, Origins
from serin.compile.compiler import Compiled
from serin.routing.answers import ErrorPages, Swap
from serin.routing.plan import Endpoint, PathMatch, Policy, Protocol
from serin.routing.upstream import FastCgi

NAME = ("serin", "config")


def policy(notes: dict[str, str], *objects: Raw, **options: Any) -> Policy:
    return route(compiled(notes, *objects, **options)).policy


def compiled(notes: dict[str, str], *objects: Raw, **options: Any) -> Compiled:
    return compile_objects(
        ingress("main", notes=notes), service("v1"), endpoints("v1", "10.0.0.1"), *objects, **options
    )


# --- CORS ---


def test_cors_as_it_is_without_options() -> None:
    made = policy({"enable-cors": "true"}).cors
    assert made is not None
    assert (made.origins, made.credentials, made.max_age, made.expose) == (("*",), True, 1728000, "")
    assert made.methods == "GET, PUT, POST, DELETE, PATCH, OPTIONS"


MANY = tuple(f"https://a{number}.example" for number in range(1003))


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("https://a.example", Origins(("https://a.example",))),
        (" HTTPS://A.example:8443 ,http://*.b.example", Origins(("https://a.example:8443", "http://*.b.example"))),
        ("https://a.example, *", Origins(("*",))),
        ("https://a.example, a.example;x", Origins(("https://a.example",), ("a.example;x",))),
        ("https://a.example, https://b.example/path", Origins(("https://a.example",), ("https://b.example/path",))),
        ("app://host", Origins(("app://host",))),
        (",".join(MANY), Origins(MANY[:1000], MANY[1000:])),
        ("a.example", None),
        ("https://*", None),
        ("https://a.*.example", None),
        ("https://$host", None),
        ('https://a.example"', None),
        ("", None),
    ],
)
def test_origins(text: str, origins: Origins | None) -> None:
    assert ORIGINS.read(text) == origins


def test_origins_that_cannot_be_read_are_told_and_let_nobody_in() -> None:
    found = compiled({"enable-cors": "true", "cors-allow-origin": "https://a.example, evil;"})
    cors = route(found).policy.cors
    assert cors is not None
    assert cors.origins == ("https://a.example",)
    assert "evil;" in problem(found, "annotation-invalid").text


def test_options_without_enable_cors_are_told() -> None:
    found = compiled({"cors-max-age": "5"})
    assert route(found).policy.cors is None
    assert problem(found, "cors-not-enabled").severity == "warning"
    assert "cors-not-enabled" not in codes(compiled({"cors-max-age": "5", "enable-cors": "false"}))


# --- errors, default backends ---

ERRORS = {"custom-http-errors": "404, 503,404", "default-backend": "errors"}
GLOBAL = config_map(custom_http_errors="404,500")


def test_errors_go_to_the_own_default_backend() -> None:
    found = compiled(ERRORS, service("errors"), endpoints("errors", "10.0.0.9"))
    made = route(found).policy
    assert made.errors is not None
    assert (made.errors.codes, made.errors.own_only) == ((404, 503), False)
    assert made.errors.by == made.fallback
    assert made.fallback is not None
    assert made.fallback.name == "shop-errors"
    assert found.plan.pools[made.fallback.pool].endpoints == (Endpoint("10.0.0.9", 8080),)
    assert found.plan.splits[made.fallback.split].shares[0].pool == made.fallback.pool


def test_errors_go_to_the_default_backend_of_all() -> None:
    made = policy({"custom-http-errors": "404"}, default_backend_service=("infra", "pages")).errors
    assert made is not None
    assert made.by is not None
    assert made.by.name == "infra-pages"


@pytest.mark.parametrize(("general", "status"), [("", 404), ("500", 404), ("404,500", 500)])
def test_errors_that_nobody_serves(general: str, status: int) -> None:
    """The default server of ingress-nginx answers 404; one that is to be replaced as well ends in 500."""
    made = policy({"custom-http-errors": "410"}, config_map(custom_http_errors=general), configmap=NAME).errors
    assert made is not None
    assert (made.codes, made.by, made.status) == ((410,), None, status)


def test_errors_of_all_hosts() -> None:
    found = compiled({}, GLOBAL, configmap=NAME, default_backend_service=("infra", "pages"))
    made, everywhere = route_of_root(found).policy.errors, found.plan.globals.errors
    assert isinstance(made, ErrorPages)
    assert made == everywhere
    assert made.codes == (404, 500)
    assert str(made.source) == "ConfigMap serin/config: data[custom-http-errors]"


def test_errors_of_a_default_backend_itself() -> None:
    """Its 404 to a request of no host is one of the statuses, too."""
    found = compile_objects(GLOBAL, configmap=NAME, default_backend_service=("infra", "pages"))
    (only,) = found.plan.hosts[""].routes
    assert only.split is not None
    assert only.policy.errors == found.plan.globals.errors
    assert found.plan.splits.keys() >= {only.policy.errors.by.split}  # type: ignore[union-attr]


def route_of_root(found: Compiled) -> Any:
    return routes(found)[0]


def test_a_default_backend_of_its_own_does_not_get_the_errors_of_all() -> None:
    made = policy({"default-backend": "errors"}, GLOBAL, service("errors"), configmap=NAME)
    assert made.errors is not None
    assert made.errors.by is None
    assert made.fallback is not None


def test_answers_of_endpoints_may_be_left_alone() -> None:
    own_only = {"custom-http-errors": "404", "disable-proxy-intercept-errors": "true"}
    made = policy(own_only).errors
    assert made is not None
    assert made.own_only
    without = config_map(disable_proxy_intercept_errors="true")
    made = policy({"custom-http-errors": "404"}, without, configmap=NAME).errors
    assert made is not None
    assert made.own_only


@pytest.mark.parametrize("text", ["404,words", "200", "600", "4O4", "404;", "404 503"])
def test_codes_that_cannot_be_read(text: str) -> None:
    found = compiled({"custom-http-errors": text})
    assert route(found).policy.errors is None
    assert problem(found, "annotation-invalid").severity == "error"


def test_paths_that_no_rule_takes_have_error_pages_too() -> None:
    found = compile_objects(ingress("main", ("/a", "Prefix", "v1"), notes={"custom-http-errors": "404"}))
    last = routes(found)[-1]
    assert (last.match.path, last.split) == ("/", None)
    assert last.policy.errors is not None


# --- mirrors ---


def test_a_mirror() -> None:
    found = compiled({"mirror-target": "https://copy.example:8443/x?y=$arg_z", "mirror-request-body": "off"})
    made = route(found).policy.mirror
    assert made is not None
    assert (made.host, made.target, made.body) == ("copy.example", "/x?y=$arg_z", False)
    assert made.to.upstream.tls
    pool = found.plan.pools[made.to.pool]
    assert (pool.external, pool.external_port) == ("copy.example", 8443)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://copy.example", "$request_uri"),
        ("http://copy.example$request_uri", "$request_uri"),
        ("http://copy.example:8080${uri}?a=b", "${uri}?a=b"),
        ("http://copy.example$request_uri'", None),
        ("http://copy.example$arg_x", None),
        ("http://copy.example/", "/"),
        ("http://copy.example/$request_uri", "/$request_uri"),
    ],
)
def test_the_path_of_copies(url: str, target: str | None) -> None:
    made = policy({"mirror-target": url}).mirror
    assert (made.target if made is not None else None) == target


def test_the_host_of_the_request_may_be_the_one_that_is_asked() -> None:
    made = policy({"mirror-target": "http://$host:8080/", "mirror-host": "$host"}).mirror
    assert made is not None
    assert (made.to.name, made.host) == ("shop.example.com-8080", "$host")


@pytest.mark.parametrize("url", ["nope", "ftp://copy.example", "http://", "http://a b/", "http://copy.example/\\"])
def test_mirrors_that_cannot_be_read_count_as_absent(url: str) -> None:
    found = compiled({"mirror-target": url})
    assert route(found).policy == Policy()
    assert problem(found, "annotation-invalid").severity == "error"


@pytest.mark.parametrize(
    ("notes", "code"),
    [
        ({"mirror-target": "http://copy.example/$no_such"}, "variable-unknown"),
        ({"mirror-target": "http://$arg_x/"}, "mirror-host-unknown"),
        ({"mirror-host": "a.example"}, "mirror-target-missing"),
    ],
)
def test_mirrors_that_lead_nowhere(notes: dict[str, str], code: str) -> None:
    found = compiled(notes)
    assert route(found).policy == Policy()
    assert code in codes(found)


@pytest.mark.parametrize("address", ["169.254.169.254", "127.0.0.1", "[::1]", "0.0.0.0"])
def test_copies_do_not_go_where_nobody_may_send(address: str) -> None:
    found = compiled({"mirror-target": f"http://{address}/"}, standalone=False, ingress_class_by_name=True)
    pools = [pool for pool in found.plan.pools.values() if pool.spec.namespace == ""]
    assert not any(pool.endpoints or pool.external for pool in pools)


# --- rewritten answers ---


@pytest.mark.parametrize(
    ("notes", "swaps"),
    [
        ({"proxy-cookie-path": "/a /b"}, (None, Swap("/a", "/b"), None)),
        ({"proxy-cookie-domain": " a.example   b.example "}, (Swap("a.example", "b.example"), None, None)),
        ({"proxy-cookie-path": "off", "proxy-cookie-domain": "off"}, (None, None, None)),
        ({"proxy-cookie-path": "~^/a /b"}, (None, None, None)),
        ({"proxy-cookie-path": "/a /b /c"}, (None, None, None)),
        ({"proxy-cookie-path": "/a"}, (None, None, None)),
        ({"proxy-cookie-path": "/a $host"}, (None, None, None)),
        (
            {"proxy-redirect-from": "http://a/", "proxy-redirect-to": "https://b/"},
            (None, None, Swap("http://a/", "https://b/")),
        ),
        ({"proxy-redirect-from": "off", "proxy-redirect-to": "https://b/"}, (None, None, None)),
        ({"proxy-redirect-from": "default"}, (None, None, None)),
        ({"proxy-redirect-from": "http://a/"}, (None, None, None)),
    ],
)
def test_swaps(notes: dict[str, str], swaps: tuple[Swap | None, ...]) -> None:
    made = policy(notes)
    assert (made.cookie_domain, made.cookie_path, made.location) == swaps


def test_off_goes_before_the_config_map() -> None:
    general = config_map(proxy_cookie_path="/a /b", proxy_redirect_from="http://a/", proxy_redirect_to="https://b/")
    made = policy({}, general, configmap=NAME)
    assert (made.cookie_path, made.location) == (Swap("/a", "/b"), Swap("http://a/", "https://b/"))
    off = {"proxy-cookie-path": "off", "proxy-redirect-from": "off"}
    made = policy(off, general, configmap=NAME)
    assert (made.cookie_path, made.location) == (None, None)


def test_what_shapes_our_own_redirects() -> None:
    notes = {"relative-redirects": "true", "use-port-in-redirects": "true", "enable-access-log": "false"}
    found = compile_objects(ingress("main", ("/foo/", "Prefix", "v1"), notes=notes))
    prefix, slash = routes(found)
    assert slash.match == PathMatch(slash.match.kind, "/foo")
    assert slash.slash_redirect
    for made in (prefix.policy, slash.policy):
        assert (made.relative_redirects, made.port_in_redirects, made.access_log) == (True, True, False)


# --- endpoints ---


def test_the_services_own_address() -> None:
    vip = service("v1", clusterIP="10.96.0.7")
    found = compile_objects(ingress("main", notes={"service-upstream": "true"}), vip, endpoints("v1", "10.0.0.1"))
    (pool,) = found.plan.pools.values()
    assert pool.endpoints == (Endpoint("10.96.0.7", 80),)


@pytest.mark.parametrize("cluster_ip", ["None", "", "not-an-address"])
def test_without_one_the_endpoints_are_asked(cluster_ip: str) -> None:
    headless = service("v1", clusterIP=cluster_ip)
    found = compile_objects(ingress("main", notes={"service-upstream": "true"}), headless, endpoints("v1", "10.0.0.1"))
    (pool,) = found.plan.pools.values()
    assert pool.endpoints == (Endpoint("10.0.0.1", 8080),)


def test_both_kinds_of_pools_of_one_service() -> None:
    vip = service("v1", clusterIP="10.96.0.7")
    second = ingress("second", ("/b", "Prefix", "v1"))
    found = compile_objects(
        ingress("main", notes={"service-upstream": "true"}), second, vip, endpoints("v1", "10.0.0.1")
    )
    assert {pool.endpoints for pool in found.plan.pools.values()} == {
        (Endpoint("10.96.0.7", 80),),
        (Endpoint("10.0.0.1", 8080),),
    }


def test_a_canary_says_for_itself() -> None:
    notes = {"canary-weight": "10", "service-upstream": "true"}
    found = compile_objects(
        ingress("main"), canary("new", notes=notes), service("v1"), service("v2", clusterIP="10.96.0.8")
    )
    assert "canary-annotations-ignored" not in codes(found)
    assert (Endpoint("10.96.0.8", 80),) in {pool.endpoints for pool in found.plan.pools.values()}


def test_all_services_by_their_own_address() -> None:
    vip = service("v1", clusterIP="10.96.0.7")
    found = compile_objects(ingress("main"), vip, config_map(service_upstream="true"), configmap=NAME)
    (pool,) = found.plan.pools.values()
    assert pool.endpoints == (Endpoint("10.96.0.7", 80),)


@pytest.mark.parametrize(
    ("text", "value"), [("keep-alive", "keep-alive"), ("a, b", "a, b"), ("close\x0b", ""), ("$x", ""), ('"', "")]
)
def test_connection_header(text: str, value: str) -> None:
    assert policy({"connection-proxy-header": text}).upstream.connection == value


def test_fastcgi() -> None:
    params: Raw = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "params", "namespace": "shop"},
        "data": {"SCRIPT_FILENAME": "$document_root$fastcgi_script_name"},
    }
    notes = {"backend-protocol": "FCGI", "fastcgi-index": "index.php", "fastcgi-params-configmap": "params"}
    made = policy(notes, params, plane="nginx").upstream
    assert made.protocol is Protocol.FCGI
    assert isinstance(made.fastcgi, FastCgi)
    assert made.fastcgi.index == "index.php"
    (line,) = made.fastcgi.params
    assert (line.name, line.value) == ("SCRIPT_FILENAME", "$document_root$fastcgi_script_name")


def test_ciphers_of_a_host_are_its_oldest_ingress_s() -> None:
    first = ingress("first", ("/a", "Prefix", "v1"), notes={"ssl-prefer-server-ciphers": "false"})
    second = ingress("second", ("/b", "Prefix", "v1"), notes={"ssl-ciphers": "ECDHE-RSA-AES128-GCM-SHA256"})
    third = ingress(
        "third", ("/c", "Prefix", "v1"), notes={"ssl-ciphers": "AES128-SHA", "ssl-prefer-server-ciphers": "true"}
    )
    host = compile_objects(first, second, third).plan.hosts["shop.example.com"]
    assert (host.ciphers, host.prefer_server_ciphers) == ("ECDHE-RSA-AES128-GCM-SHA256", False)


def test_ciphers_out_of_which_none_can_be_chosen() -> None:
    found = compiled({"ssl-ciphers": "NO-SUCH-CIPHER"})
    assert found.plan.hosts["shop.example.com"].ciphers == ""
    assert "annotation-invalid" in codes(found)
