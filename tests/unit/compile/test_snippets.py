"""Snippets: which of them close their routes, and what users are told to write instead."""

import pytest
from unit.compile.manifests import codes, compile_objects, ingress, problem, route

from serin.compile.annotations.snippets import advice, guards
from serin.compile.compiler import Compiled


def with_snippet(text: str, name: str = "configuration-snippet") -> Compiled:
    return compile_objects(ingress("main", notes={name: text}))


@pytest.mark.parametrize(
    "text",
    [
        "deny all;",
        "allow 10.0.0.0/8;\ndeny all;",
        '"deny" all;',
        "'deny' all;",
        "if ($http_x) {return 403;}",
        "satisfy any;",
        "auth_request /check;",
        "auth_basic off;",
        "auth_jwt on;",
        "limit_req zone=x;",
        "limit_except GET { deny all; }",
        "access_by_lua_block { ngx.exit(403) }",
        "rewrite_by_lua_file /x.lua;",
        "internal;",
        "include /etc/nginx/deny.conf;",
        "ssl_verify_client on;",
        "modsecurity on;",
        "\tsecure_link $arg_md5;",
    ],
)
@pytest.mark.parametrize("name", ["configuration-snippet", "server-snippet", "stream-snippet"])
def test_what_keeps_out_closes(text: str, name: str) -> None:
    assert guards(text)
    closed = route(with_snippet(text, name)).policy.closed
    assert closed is not None
    assert (closed.status, closed.code) == (503, "annotation-unsupported")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('more_set_headers "X-A: 1";', "custom-headers"),
        ("add_header X-A 1;\nproxy_read_timeout 5s;", "proxy-read-timeout (for proxy_read_timeout)"),
        ("rewrite ^/a /b;", "rewrite-target"),
        ("limit_rate 10k;", "limit-rate (for limit_rate)"),
        ("client_max_body_size 8m;", "proxy-body-size"),
        ("add_header Strict-Transport-Security 'max-age=1; includeSubDomains';", "custom-headers"),
        ("sub_filter a b;", "rewrite-target, permanent-redirect"),
        ("set $denied 1;", "rewrite-target, permanent-redirect"),
    ],
)
def test_any_other_has_no_effect_and_says_what_has(text: str, told: str) -> None:
    assert not guards(text)
    compiled = with_snippet(text)
    assert route(compiled).policy.closed is None
    assert told in problem(compiled, "annotation-unsupported").text


def test_closed_ones_say_it_too() -> None:
    assert "denylist-source-range (for deny)" in problem(with_snippet("deny all;"), "annotation-unsupported").text
    assert advice("deny all; deny 10.0.0.1;").count("denylist") == 1


def test_a_snippet_of_external_authentication_closes() -> None:
    compiled = with_snippet("proxy_set_header X-Group admins;", "auth-snippet")
    assert route(compiled).policy.closed is not None
    assert "auth-proxy-set-headers" in problem(compiled, "annotation-unsupported").text
    assert "annotation-invalid" not in codes(compiled)
