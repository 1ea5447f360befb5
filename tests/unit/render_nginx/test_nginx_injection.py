"""No text of a user, in whatever field of a plan, adds, takes away or changes a directive outside of its own value."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from golden.certificates import make_pair
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from unit.render_nginx.hostile import BENIGN, PATTERNS, REGEX_PATH, hosts, texts, weights
from unit.render_nginx.nginx_text import (
    HAS_LUA,
    NGINX,
    comments,
    directives,
    nginx_test,
    settings_in,
    skeleton,
    walk,
    write_files,
)

from serin.render.nginx.host import render_host
from serin.routing.plan import Globals

MODES = [pytest.param(True, marks=pytest.mark.skipif(not HAS_LUA, reason="no Lua module")), False]
NASTY = (
    'x"; } server { return 200 "owned"; } #',
    "x'; return 200 owned;",
    "x; load_module /tmp/x.so;",
    "x\n    return 200 owned;\n",
    "x\r\nX-Evil: 1",
    "x\r return 200;",
    "x\\",
    'x\\"; return 200 "owned',
    'x\\\\"; return 200 owned; #',
    "$request_body${remote_addr}$http_authorization$serin$1",
    "${",
    "$",
    "x}{",
    "#",
    "x # y",
    "\0",
    "x\x00; return 200;",
    "default",
    "include /etc/passwd;",
    "hostnames",
    "off",
    "*.x",
    "~^/.*",
    "\\default",
    "äöü€😀",
    "x\u2028y\x85z",
    "{{ settings }}{% for x in y %}",
    "",
    " ",
    "\t",
    "'",
    '"',
    "(?<serin>.*)",
    "(?{ code })",
    "a" * 300,
)
FIELDS = tuple(BENIGN)
_NAMES = """
serin serin_dollar serin_question serin_origin serin_https_url serin_target serin_www_port serin_uri_line
serin_plain serin_certificate serin_then serin_upgrade best_http_host connection_upgrade req_id pass_port
serin_limited serin_auth_target serin_auth_host serin_auth_redirect serin_auth_key serin_auth_h0 serin_auth_0
serin_auth_cookie serin_auth_cookie_1 serin_auth_cookie_2 serin_auth_cookie_3
serin_cache_key serin_page_host serin_asked_host
serin_escaped_uri serin_never serin_hsts upstream_http_set_cookie binary_remote_addr
remote_user request_method http_host http_accept serin_code serin_method serin_mirror_host serin_mirror_target
query_string content_type content_length fastcgi_script_name document_uri document_root server_protocol remote_port
server_addr https serin_origin_port
serin_shadow_path uri upstream_status http_content_length http_transfer_encoding http_x_user_id
remote_addr scheme host request_uri request_id is_args args http_x_forwarded_for http_x_a http_cookie cookie_beta
ssl_client_escaped_cert ssl_client_verify ssl_client_s_dn ssl_client_i_dn 1
"""
KNOWN = frozenset(_NAMES.split())
PLAIN_PLACES = frozenset({"location", "server_name", "if", "proxy_ssl_ciphers", "grpc_ssl_ciphers"})
"""Directives in which nginx expands no variables, or ours alone."""


@cache
def rendered(field: str, text: str, *, lua: bool) -> str:
    made = hosts(texts(**{field: text}))
    return "".join(render_host(host, settings_in(lua=lua), Globals(), weights(made)) for host in made)


@cache
def allowed(field: str, *, lua: bool) -> list[list[Any]]:
    """The shapes that benign texts have in this place."""
    benign = [BENIGN.get(field, "/reg[a-z]+")]
    if field in PATTERNS or field == REGEX_PATH:
        benign += ["(a+)+(b+)+c$", "/(a*)*(b*)*c", "\0"]
    if field in ("exact", "prefix"):
        benign += ["/prefix/", "x", "/", "/r2", "/w1/", "/closed"]
    if field in ("rewrite_target", "rewrite_away"):
        benign += ["$1", "/$0", "$0"]
    if field in ("header_value", "header_pattern", "cookie", "hash_by", "header", "spared", "error_page"):
        benign += ["", "()", "a b", "always", "x y z", "$remote_addr"]
    if field.startswith("user_"):
        benign += ["", "a b", "x-y", "x_y"]
    if field.startswith("auth_"):
        benign += ["POST", "X-User", "authorization", "https://x.example/?back=1", "$uri", "a" * 40, "[", "https://["]
    if field.startswith("answer_"):
        benign += ["*", "off", "X-Answer", "host", "$uri", "$uri$host", "a b", "a" * 40, "~x", "HTTP_HOST", "x.y"]
    benign += [""]
    return [_shape(rendered(field, text, lua=lua)) for text in benign]


def _shape(text: str) -> list[Any]:
    return skeleton(directives(text))


hostile = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.lists(st.sampled_from("\\\"'${};\n\r# a~\t\0"), max_size=12).map("".join),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from((*FIELDS, REGEX_PATH)), hostile, st.booleans())
@example("realm", "off", True)
def test_no_text_changes_what_is_around_it(field: str, text: str, lua: bool) -> None:
    written = rendered.__wrapped__(field, text, lua=lua)
    assert_harmless(field, text, written, lua=lua)


@pytest.mark.parametrize("field", [*FIELDS, REGEX_PATH])
def test_nasty_texts_in_every_field(field: str) -> None:
    for number, text in enumerate(NASTY):
        lua = number % 4 != 0
        assert_harmless(field, text, rendered(field, text, lua=lua), lua=lua)


def assert_harmless(field: str, text: str, written: str, *, lua: bool) -> None:
    parsed = directives(written)
    assert skeleton(parsed) in allowed(field, lua=lua), f"{field}: {text!r} changed the shape"
    for directive in walk(parsed):
        if directive["directive"] not in PLAIN_PLACES:
            for argument in directive["args"][-1:]:
                for name in re.findall(r"\$\{?(\w+)", argument):
                    chosen = field in ("vhost", "hash_by", "header", "user_header") or field.startswith(
                        ("auth_", "answer_")
                    )
                    chosen = chosen and re.match("(http|arg)_|uri$|upstream_http_", name) is not None
                    chosen = chosen or name.startswith("cookie_") or name == "upstream_http_x_user"
                    chosen = chosen or name == "http_origin" or name.startswith("upstream_http_access_control_")
                    assert chosen or name in KNOWN or re.fullmatch(r"serin_\w*[0-9a-f]{16}\w*", name), (directive, name)
    for line in comments(written):
        assert re.fullmatch(r"[A-Za-z0-9 ,:;()./=>'*_%|\[\]-]*", line), line


@pytest.mark.skipif(NGINX is None, reason="nginx is not here")
@pytest.mark.parametrize("lua", MODES)
def test_nginx_takes_every_nasty_text(tmp_path: Path, lua: bool) -> None:
    """All at once: a file of its own for each text in every field that may hold any."""
    free = [f for f in FIELDS if f not in PATTERNS and f not in ("ciphers", "hash_by")]
    tls = {"https": ()}
    (tmp_path / "plan" / "tls").mkdir(parents=True)
    for digest in ("c" * 32, "d" * 32):
        (tmp_path / "plan" / "tls" / f"{digest}.pem").write_bytes(b"".join(make_pair("a.example")))
    made = []
    for number, text in enumerate(NASTY):
        found = hosts(texts(**dict.fromkeys(free, text)), start=number * 100)
        made += [replace(host, client_auth=None) for host in found]
    main = write_files(tmp_path, made, settings_in(tmp_path, lua=lua, **tls), weights(made))
    status, said = nginx_test(tmp_path)
    assert status == 0, [line for line in said.splitlines() if "[emerg]" in line] + [main]
