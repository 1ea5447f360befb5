"""External authentication: whom it asks and how, what closes, and the ConfigMap's own for all."""

from typing import Any

import pytest
from unit.compile.manifests import (
    HOST,
    codes,
    compile_objects,
    config_map,
    ingress,
    ingress_class,
    problem,
    route,
    routes,
)

from serin.compile.admitting import MOST_BLOCK_TEXT
from serin.compile.annotations.cache_times import GRAMMAR as CACHE_TIMES
from serin.compile.annotations.urls import read_url
from serin.compile.compiler import Compiled
from serin.compile.pools import fill_pool
from serin.refs import Ref
from serin.render.nginx.refusals import refusals
from serin.routing.access import CacheTime, ExternalAuth
from serin.routing.lines import HeaderLine
from serin.routing.plan import Endpoint, Pool

NAME = ("serin", "config")
URL = "http://auth.example/check"
Raw = dict[str, Any]


def dashed(notes: dict[str, str]) -> dict[str, str]:
    return {key.replace("_", "-"): value for key, value in notes.items()}


def with_notes(*more: Raw, host: str = HOST, **notes: str) -> Compiled:
    """Keywords with `_` for `-`."""
    return compile_objects(ingress("main", host=host, notes=dashed(notes)), *more)


def asked(compiled: Compiled, host: str = HOST) -> ExternalAuth:
    found = route(compiled, host).policy.external_auth
    assert found is not None
    return found


def pool(compiled: Compiled, host: str = HOST) -> Pool:
    return compiled.plan.pools[asked(compiled, host).to.pool]


def closed_by(compiled: Compiled, host: str = HOST) -> str:
    found = route(compiled, host).policy.closed
    assert found is not None
    assert found.status == 503
    return found.code


def headers(namespace: str = "shop", **data: str) -> Raw:
    metadata = {"name": "headers", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dashed(data)}


# --- whom it asks ---


def test_a_name_is_resolved_by_the_data_plane() -> None:
    compiled = with_notes(auth_url="http://auth.example:8080/check?a=$request_uri")
    auth, made = asked(compiled), pool(compiled)
    assert (auth.url, auth.host, auth.target) == (
        "http://auth.example:8080/check?a=$request_uri",
        "auth.example",
        "/check?a=$request_uri",
    )
    assert (made.external, made.external_port, made.endpoints) == ("auth.example", 8080, ())
    assert not auth.to.upstream.tls
    assert compiled.plan.splits[auth.to.split].shares[0].pool == made.spec.id


def test_tls_sends_the_name() -> None:
    compiled = with_notes(auth_url="https://Auth.Example")
    auth = asked(compiled)
    assert (pool(compiled).external_port, auth.target) == (443, "/")
    assert auth.to.upstream.tls
    assert auth.to.upstream.verification is not None
    tls = auth.to.upstream.verification
    assert (tls.name, tls.send_name, tls.verify) == ("auth.example", True, False)


@pytest.mark.parametrize(
    ("url", "endpoint", "host"),
    [
        ("http://192.0.2.1/x", Endpoint("192.0.2.1", 80), "192.0.2.1"),
        ("https://[2001:db8::1]:8443/", Endpoint("2001:db8::1", 8443), "[2001:db8::1]"),
    ],
)
def test_an_address_is_an_endpoint(url: str, endpoint: Endpoint, host: str) -> None:
    compiled = with_notes(auth_url=url)
    assert (pool(compiled).endpoints, asked(compiled).host) == ((endpoint,), host)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "[::1]", "169.254.169.254", "0.0.0.0", "[::ffff:127.0.0.1]", "localhost", "100.100.100.200"],
)
def test_addresses_that_nobody_may_name_are_not_asked(address: str) -> None:
    notes = {"auth-url": f"http://{address}/"}
    compiled = compile_objects(ingress("main", notes=notes), ingress_class("nginx"), standalone=False)
    made = pool(compiled)
    assert (made.endpoints, made.external) == ((), "")
    assert problem(compiled, "address-refused").source.field.endswith("auth-url]")
    assert problem(compiled, "address-refused").text.endswith("what needs its answer gets 500")


def test_standalone_may_ask_itself() -> None:
    assert pool(with_notes(auth_url="http://127.0.0.1:81/")).endpoints == (Endpoint("127.0.0.1", 81),)


@pytest.mark.parametrize("variable", ["$host", "${host}", "$http_host", "$server_name", "$best_http_host"])
def test_the_host_served_stands_in_the_authority(variable: str) -> None:
    compiled = with_notes(auth_url=f"https://{variable}/oauth2/auth")
    assert pool(compiled).external == HOST
    assert asked(compiled).host == f"${{{variable.strip('${}')}}}"


@pytest.mark.parametrize("host", ["*.example.com", ""])
def test_a_host_without_a_name_cannot_stand_there(host: str) -> None:
    compiled = with_notes(host=host, auth_url="https://$host/oauth2/auth")
    assert closed_by(compiled, host) == "auth-url-host-unknown"
    assert asked(with_notes(host=host, auth_url=URL), host)


@pytest.mark.parametrize(
    "url",
    [
        "auth.example/check",
        "//auth.example/check",
        "ftp://auth.example/",
        "http://",
        "http:///check",
        "http://auth..example/",
        "http://auth.example:0/",
        "http://auth.example:99999/",
        "http://auth.example:http/",
        "http://user@auth.example/",
        "http://*.example/",
        "http://[auth.example]/",
        "http://[::1/",
        "http://-auth.example/",
        "http://auth.example/a b",
        'http://auth.example/"x"',
        "http://auth.example/#a",
        "http://auth.example/\nx",
        "http://auth.example/$nobody_knows_this",
        "http://auth.example/$",
        "http://$arg_server/",
        "http://$cookie_server.example/",
        "$scheme://auth.example/",
        "http://a$host..example/",
    ],
)
def test_a_url_that_cannot_be_asked_closes(url: str) -> None:
    assert closed_by(with_notes(auth_url=url)) == "annotation-invalid"


def test_the_place_of_a_url_is_lower_case() -> None:
    url = read_url(" HTTPS://Auth.Example.:8443?a=B ")
    assert url is not None
    assert (url.scheme, url.host, url.port, url.rest) == ("https", "auth.example", 8443, "/?a=B")


# --- the rest of the family ---


def test_all_parts_reach_the_plan() -> None:
    compiled = with_notes(
        headers(x_team="$ingress_name", x_a="b"),
        auth_url=URL,
        auth_method="POST",
        auth_signin="https://$host/start?rd=$escaped_request_uri",
        auth_signin_redirect_param="back",
        auth_response_headers="x-user, X-Groups,X-User,",
        auth_request_redirect="https://$host$request_uri",
        auth_proxy_set_headers="shop/headers",
        auth_always_set_cookie="true",
        auth_cache_key="$cookie_session",
        auth_cache_duration="200 202 10m, 401 5s",
        auth_keepalive="5",
        auth_keepalive_requests="10",
        auth_keepalive_timeout="20",
        auth_keepalive_share_vars="true",
    )
    auth = asked(compiled)
    assert (auth.method, auth.signin, auth.signin_param) == (
        "POST",
        "https://$host/start?rd=$escaped_request_uri",
        "back",
    )
    assert (auth.response_headers, auth.request_redirect) == (("X-User", "X-Groups"), "https://$host$request_uri")
    assert auth.set_headers == (HeaderLine("x-a", "b"), HeaderLine("x-team", "$ingress_name"))
    assert (auth.always_set_cookie, auth.cache_key) == (True, "$cookie_session")
    assert auth.cache_times == (CacheTime((200, 202), 600), CacheTime((401,), 5))
    assert (auth.keepalive, auth.keepalive_requests, auth.keepalive_timeout) == (5, 10, 20)
    assert auth.share_variables
    assert codes(compiled) == ["service-not-found"]


def test_what_is_left_out_is_usual() -> None:
    auth = asked(with_notes(auth_url=URL))
    assert (auth.method, auth.signin, auth.signin_param, auth.cache_key, auth.cache_times) == ("", "", "rd", "", ())


def test_a_key_alone_keeps_answers_for_five_minutes() -> None:
    assert asked(with_notes(auth_url=URL, auth_cache_key="$http_authorization")).cache_times == (
        CacheTime((200, 202, 401), 300),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("auth_method", value) for value in ("get", "GETS", "GET POST", "CONNECT", "BREW", "GET;")),
        *(
            ("auth_response_headers", value)
            for value in ("X User", "X-User;", "X-User,Host", "Content-Length", ",", "é")
        ),
        *(("auth_response_headers", value) for value in ("transfer-encoding", "X-User,Connection", 'X-"')),
        ("auth_response_headers", ",".join(f"X-{number}" for number in range(65))),
        ("auth_cache_duration", ",".join(f"{number} 5m" for number in range(100, 201))),
        *(
            ("auth_cache_duration", value)
            for value in ("5", "200", "5m 200", "200 5m 5m", "999 5m", "5 m", "-5m", "9999y")
        ),
        *(("auth_proxy_set_headers", value) for value in ("a b", "a/b/c", "Headers", "$x")),
    ],
)
def test_parts_that_decide_close_where_they_cannot_be_read(name: str, value: str) -> None:
    assert closed_by(with_notes(auth_url=URL, **{name: value})) == "annotation-invalid"


@pytest.mark.parametrize(
    ("name", "value", "attribute", "usual"),
    [
        ("auth_signin", "start", "signin", ""),
        ("auth_signin", "javascript:alert(1)", "signin", ""),
        ("auth_signin", "https://login.example/ x", "signin", ""),
        ("auth_signin", "https://login.example/$nobody", "signin", ""),
        ("auth_signin_redirect_param", "a=b", "signin_param", "rd"),
        ("auth_request_redirect", "https://$nobody", "request_redirect", ""),
        ("auth_always_set_cookie", "yes", "always_set_cookie", False),
        ("auth_cache_key", "$nobody", "cache_key", ""),
        ("auth_cache_key", 'a;b"', "cache_key", ""),
        ("auth_keepalive", "-1", "keepalive", 0),
        ("auth_keepalive_requests", "0", "keepalive_requests", 1000),
        ("auth_keepalive_timeout", "1m", "keepalive_timeout", 60),
        ("auth_keepalive_share_vars", "on", "share_variables", False),
    ],
)
def test_other_parts_count_as_absent(name: str, value: str, attribute: str, usual: object) -> None:
    compiled = with_notes(auth_url=URL, **{name: value})
    assert getattr(asked(compiled), attribute) == usual
    assert problem(compiled, "annotation-invalid").source.field.endswith(f"{name.replace('_', '-')}]")


def test_parts_alone_are_told() -> None:
    compiled = with_notes(auth_signin="https://login.example/", auth_response_headers="X-User")
    assert route(compiled).policy.external_auth is None
    assert codes(compiled).count("auth-url-missing") == 2


def test_a_key_that_is_the_same_for_all_is_told() -> None:
    assert "auth-cache-key-constant" in codes(with_notes(auth_url=URL, auth_cache_key="everybody"))


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("200 202 401 5m", ((200, 202, 401), 300)),
        ("1h", ((200, 301, 302), 3600)),
        ("200 200 1d", ((200,), 86400)),
        ("404 500ms", ((404,), 0)),
        ("403 2w", ((403,), 1209600)),
        ("200 1M", ((200,), 2592000)),
        ("  200   1s  ,", ((200,), 1)),
    ],
)
def test_how_long_answers_are_kept(text: str, times: tuple[tuple[int, ...], int]) -> None:
    assert CACHE_TIMES.read(text) == (CacheTime(*times),)


# --- headers for the server that is asked ---


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "no such ConfigMap"),
        ({"x_a": "b\nproxy_pass http://evil;"}, "control characters"),
        ({"x a": "b"}, "x a"),
        ({'x"': "b"}, 'x"'),
        ({"content_length": "5"}, "content-length"),
        ({"x_a": "$nobody"}, "$nobody"),
        ({"x_a": "é"}, "ASCII"),
        ({"x_good": "1", "transfer_encoding": "chunked"}, "transfer-encoding"),
        ({f"x_{number}": "1" for number in range(257)}, "at most 256 headers"),
    ],
)
def test_headers_that_cannot_be_sent_close(data: dict[str, str] | None, told: str) -> None:
    more = [] if data is None else [headers(**data)]
    compiled = with_notes(*more, auth_url=URL, auth_proxy_set_headers="headers")
    assert closed_by(compiled) == "auth-headers-unusable"
    assert told in problem(compiled, "auth-headers-unusable").text
    assert Ref("ConfigMap", "shop", "headers") in compiled.reads


def test_headers_of_another_namespace_close() -> None:
    compiled = with_notes(headers("other", x_a="b"), auth_url=URL, auth_proxy_set_headers="other/headers")
    assert closed_by(compiled) == "auth-headers-namespace"
    assert Ref("ConfigMap", "other", "headers") not in compiled.reads


# --- for all, from the ConfigMap ---


def under_global(settings: dict[str, str], *more: Raw, **notes: str) -> Compiled:
    made = {key.replace("-", "_"): value for key, value in settings.items()}
    return compile_objects(ingress("main", notes=dashed(notes)), config_map(**made), *more, configmap=NAME)


def test_the_config_maps_server_is_asked_for_all() -> None:
    compiled = under_global(
        {
            "global-auth-url": "http://all.example/x",
            "global-auth-method": "HEAD",
            "global-auth-signin": "https://login.example/",
            "global-auth-signin-redirect-param": "back",
            "global-auth-response-headers": "X-User",
            "global-auth-request-redirect": "/x",
            "global-auth-always-set-cookie": "true",
            "global-auth-cache-key": "$cookie_a",
            "global-auth-cache-duration": "200 1s",
        }
    )
    auth = asked(compiled)
    assert (auth.url, auth.method, auth.signin, auth.signin_param) == (
        "http://all.example/x",
        "HEAD",
        "https://login.example/",
        "back",
    )
    assert (auth.response_headers, auth.request_redirect, auth.always_set_cookie) == (("X-User",), "/x", True)
    assert (auth.cache_key, auth.cache_times) == ("$cookie_a", (CacheTime((200,), 1),))
    assert auth.source.ref.kind == "ConfigMap"


def test_an_ingress_may_ask_another_or_nobody() -> None:
    both = {"global-auth-url": "http://all.example/x"}
    assert asked(under_global(both, auth_url=URL)).url == URL
    assert route(under_global(both, enable_global_auth="false")).policy.external_auth is None
    assert asked(under_global(both, enable_global_auth="maybe")).url == "http://all.example/x"
    assert asked(under_global(both, enable_global_auth="true")).url == "http://all.example/x"


def test_paths_without_authentication() -> None:
    both = {"global-auth-url": "http://all.example/x", "no-auth-locations": "/open"}
    rule = ingress("more", ("/open/x", "Prefix", "v1"))
    assert [r.policy.external_auth is None for r in routes(under_global(both, rule))] == [True, False]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("global-auth-url", "all.example"),
        ("global-auth-url", "http://all.example/\nx"),
        ("global-auth-method", "gets"),
        ("global-auth-response-headers", "Host"),
        ("global-auth-cache-duration", "5"),
    ],
)
def test_what_cannot_be_read_there_lets_nobody_in(key: str, value: str) -> None:
    compiled = under_global({"global-auth-url": "http://all.example/x", key: value})
    assert closed_by(compiled) == "config-invalid"
    found = problem(compiled, "config-invalid")
    assert (found.source.ref.kind, found.source.field) == ("ConfigMap", f"data[{key}]")
    assert "503" in found.text


def test_what_cannot_be_read_there_is_nothing_to_those_who_ask_another() -> None:
    bad = {"global-auth-url": "all.example"}
    assert asked(under_global(bad, auth_url=URL)).url == URL
    assert route(under_global(bad, enable_global_auth="false")).policy.closed is None
    assert route(under_global({"global-auth-method": "gets"})).policy.closed is None


# --- blocks ---


def test_blocks() -> None:
    compiled = under_global(
        {
            "block-cidrs": "192.0.2.0/24,garbage,2001:db8::1",
            "block-user-agents": "curl/8.0, ~*bot ,~^Evil,~,~*",
            "block-referers": "~[broken,https://bad.example/",
        }
    )
    blocks = compiled.plan.globals.blocks
    assert blocks.cidrs == ("192.0.2.0/24", "2001:db8::1/128")
    assert blocks.user_agents == ("curl/8.0", "~*bot", "~^Evil")
    assert blocks.referers == ("https://bad.example/",)
    told = sorted(p.source.field for p in compiled.problems if p.code == "config-invalid")
    assert told == ["data[block-cidrs]", "data[block-referers]", *["data[block-user-agents]"] * 2]


BLOCK_FAULTS = [
    (r"~(?<a>x)\k<a>", "by its name"),
    (r"~(?P<a>x)(?P=a)", "by its name"),
    (r"~(?P<a>x)(?P>a)", "by its name"),
    (r"~*(?<a>x)(?&a)", "by its name"),
    (r"~(?<a>x)(?(<a>)y|z)", "by its name"),
    (r"~(?<a>x)(?(a)y|z)", "by its name"),
    (r"~\\(?<a>x)", "by its name"),
    (r"~[(?<a>]", "by its name"),
    ("~" + "x" * MOST_BLOCK_TEXT, "bytes"),
    ("x" * (MOST_BLOCK_TEXT + 1), "bytes"),
    ("é" * (MOST_BLOCK_TEXT // 2 + 1), "bytes"),
    ("~", "behind the ~"),
    ("~*", "behind the ~"),
    ("~(x", "compile"),
]


@pytest.mark.parametrize(("text", "fault"), BLOCK_FAULTS)
def test_an_entry_that_nginx_could_not_compare_is_told_of_and_left_out(text: str, fault: str) -> None:
    compiled = under_global({"block-user-agents": f"good,{text}"})
    assert compiled.plan.globals.blocks.user_agents == ("good",)
    (found,) = [p for p in compiled.problems if p.source.field == "data[block-user-agents]"]
    assert fault in found.text


@pytest.mark.parametrize(
    "text",
    [
        "~(?P<a>x)y",
        r"~(x)\1",
        r"~(?<!a)b\[",
        "~(c)?(?(1)a|b)",
        "~[a(?]",
        "$" * MOST_BLOCK_TEXT,
        "~" + "$" * 511,
        "~" + "é" * 255,
    ],
)
def test_an_entry_that_is_taken_is_in_nginx_too(text: str) -> None:
    blocks = under_global({"block-referers": text}).plan.globals.blocks
    assert blocks.referers == (text,)
    _, by_referer = refusals(blocks)
    assert len(by_referer.patterns) == 1


def test_a_pool_outside_is_filled_without_any_object() -> None:
    compiled = with_notes(auth_url=URL)
    spec = pool(compiled).spec
    assert (spec.namespace, spec.service, spec.port) == ("", "auth.example", 80)
    filled, problems = fill_pool(compiled.memo.snapshot, spec)
    assert (filled, problems) == (pool(compiled), ())
