"""How endpoints are spoken to: every way of it in a file that nginx takes, each with its own upstream block."""

from dataclasses import replace
from pathlib import Path

import pytest
from golden.certificates import make_pair
from unit.render_nginx.nginx_text import (
    HAS_LUA,
    NGINX,
    directives,
    nginx_test,
    settings_in,
    walk,
    write_files,
)
from unit.render_nginx.stock_nginx import POOL, REF, one

from serin.render.nginx.host import render_host, upstreams_of
from serin.render.nginx.main import host_file, render_main
from serin.render.nginx.weights import Weights
from serin.routing.plan import (
    Affinity,
    Buffering,
    Endpoint,
    Globals,
    HashBy,
    Host,
    Policy,
    Pool,
    PoolSpec,
    Protocol,
    Share,
    Split,
    Upstream,
    UpstreamTls,
)

TLS = UpstreamTls("c" * 32, "d" * 32, True, 2, "HIGH:!aNULL", ("TLSv1.2", "TLSv1.3"), "s.example", True)
WAYS = {
    "http": Upstream(),
    "https": Upstream(tls=True),
    "verified": Upstream(tls=True, verification=TLS),
    "nameless": Upstream(tls=True, verification=replace(TLS, name=""), vhost="v.example"),
    "grpc": Upstream(protocol=Protocol.GRPC, connect_timeout=0.5, next_upstream=("off",)),
    "grpcs": Upstream(tls=True, protocol=Protocol.GRPC, verification=TLS, buffering=Buffering(size=16384)),
    "auto": Upstream(protocol=Protocol.AUTO_HTTP),
    "auto-verified": Upstream(protocol=Protocol.AUTO_HTTP, verification=TLS),
    "http10": Upstream(http10=True),
    "buffers": Upstream(buffering=Buffering(True, False, 16384, 2, None, 1024, 8192)),
    "one-buffer": Upstream(buffering=Buffering(True, True, 4096, 1, 1)),
    "no-buffers-on-disk": Upstream(buffering=Buffering(True, True, 8192, 8, 10**6, 0)),
    "times": Upstream(connect_timeout=1.5, send_timeout=3600, read_timeout=0.001, tries=0, tries_timeout=2.0),
    "retries": Upstream(tries=7, next_upstream=("error", "timeout", "http_503", "non_idempotent")),
}


def hosts() -> list[Host]:
    return [
        Host(f"{name}.example", (one(number + 1, "/", Policy(upstream=way, max_body=0)),))
        for number, (name, way) in enumerate(WAYS.items())
    ]


def weights(found: list[Host]) -> Weights:
    pool = Pool(PoolSpec(POOL, "shop", "web", 80), (Endpoint("127.0.0.1", 9), Endpoint("::1", 9)))
    routes = [route for host in found for route in host.routes if route.split]
    splits = {r.split: Split(r.split, r.rule, (Share("1" * 16, POOL, 100),)) for r in routes if r.split}
    return Weights(splits, {POOL: pool})


@pytest.mark.skipif(NGINX is None, reason="nginx is not here")
@pytest.mark.parametrize("lua", [pytest.param(True, marks=pytest.mark.skipif(not HAS_LUA, reason="no Lua")), False])
def test_nginx_takes_all_of_them(tmp_path: Path, lua: bool) -> None:
    (tmp_path / "plan" / "tls").mkdir(parents=True)
    for digest in ("c" * 32, "d" * 32):
        (tmp_path / "plan" / "tls" / f"{digest}.pem").write_bytes(b"".join(make_pair("a.example")))
    write_files(tmp_path, hosts(), settings_in(tmp_path, lua=lua), weights(hosts()))
    status, said = nginx_test(tmp_path)
    assert status == 0, said
    assert "[warn]" not in said


def passes(name: str, *, lua: bool = True) -> str:
    host = next(h for h in hosts() if h.name == f"{name}.example")
    text = render_host(host, settings_in(lua=lua), Globals(), weights([host]))
    found = [d["args"][0] for d in walk(directives(text)) if d["directive"] in ("proxy_pass", "grpc_pass")]
    assert len(found) == 1
    target: str = found[0]
    return target


def test_no_kept_connection_is_shared_over_tls_settings() -> None:
    assert passes("http") == "http://serin_http"
    assert passes("https") == "https://serin_https"
    assert passes("grpc") == "grpc://serin_grpc"
    assert passes("auto") == "${scheme}://serin_${scheme}"
    verified = passes("verified")
    assert verified.startswith("https://serin_https_")
    assert passes("nameless") != verified
    assert passes("auto-verified") == verified.replace("https", "${scheme}")
    assert passes("grpcs").startswith("grpcs://serin_grpcs_")


def test_every_upstream_that_is_named_is_there() -> None:
    found = hosts()
    files = [host_file(host, f"hosts/{'0' * 32}.conf") for host in found]
    parsed = directives(render_main(Globals(), files, {}, settings_in(), "0" * 32))
    there = {d["args"][0] for d in walk(parsed) if d["directive"] == "upstream"}
    for name in WAYS:
        target = passes(name)
        for scheme in ("http", "https"):
            assert target.replace("${scheme}", scheme).partition("://")[2] in there
    assert there == {key.name for host in found for key in upstreams_of(host)}


def test_affinity_alone_asks_for_a_header_filter() -> None:
    for policy, wanted in ((Policy(), False), (Policy(affinity=Affinity("route", "/")), True)):
        text = render_host(Host("a.example", (one(1, "/", policy),)), settings_in(), Globals())
        errors_of_nginx = "        log_by_lua_block { serin.log() }\n        content_by_lua_block { serin.failed() }\n"
        assert errors_of_nginx in text
        found = {d["directive"] for d in walk(directives(text.replace(errors_of_nginx, "")))}
        assert ("header_filter_by_lua_block" in found) is wanted
        assert "access_by_lua_block" not in found
        assert "log_by_lua_block" not in found


def test_a_key_is_a_variable() -> None:
    route = one(1, "/", Policy())
    version = replace(route.versions[0], hash_by=HashBy(("$request_uri", "x;y")), ingress=REF)
    text = render_host(Host("a.example", (replace(route, versions=(version,)),)), settings_in(), Globals())
    blocks = [d for d in directives(text) if d["directive"] == "map"]
    assert blocks[0]["block"][0]["args"] == ["${request_uri}x;y"]


def test_checking_without_authorities_is_not_left_out() -> None:
    """nginx refuses it, so that the object is closed: better than endpoints that nobody checks."""
    unable = Upstream(tls=True, verification=replace(TLS, authorities=""))
    host = Host("h.example", (one(1, "/", Policy(upstream=unable)),))
    text = render_host(host, settings_in(), Globals())
    assert "proxy_ssl_verify on;" in text
    assert "proxy_ssl_trusted_certificate" not in text
