"""Each injection among ingress-nginx's CVEs, from the manifest through compile to what nginx would read.

The payloads put a directive of their own name into the file where they get through.
"""

from pathlib import Path
from typing import Any

import pytest
from unit.render_nginx.nginx_text import NGINX, comments, directives, nginx_test, settings_in, walk, write_files

from serin.compile.compiler import compile_snapshot
from serin.compile.options import Options
from serin.errors import SerinError
from serin.native.pattern import Pattern
from serin.objects.parse import parse_objects
from serin.objects.store import Store
from serin.render.nginx.host import render_host
from serin.render.nginx.weights import of_plan
from serin.routing.plan import Plan

PREFIX = "nginx.ingress.kubernetes.io/"
GOT_THROUGH = "got_through"
LINE = f"{GOT_THROUGH} on;"

Annotations = dict[str, str]


def check_pattern(text: str, ignore_case: bool) -> str | None:
    try:
        Pattern(text, ignore_case=ignore_case)
    except SerinError as e:
        return str(e)
    return None


def plan_of(annotations: Annotations, path: str, path_type: str, data: dict[str, str]) -> Plan:
    meta: dict[str, Any] = {"name": "app", "namespace": "shop"}
    rule = {"path": path, "pathType": path_type, "backend": {"service": {"name": "web", "port": {"number": 80}}}}
    objects: list[dict[str, Any]] = [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": meta | {"annotations": {PREFIX + key: value for key, value in annotations.items()}},
            "spec": {"ingressClassName": "nginx", "rules": [{"host": "a.example", "http": {"paths": [rule]}}]},
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "config", "namespace": "shop"}, "data": data},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "ca", "namespace": "shop"},
            "data": {"ca.crt": "eA=="},
        },
    ]
    store = Store()
    for order, raw in enumerate(objects):
        for parsed in parse_objects(raw, order=order, version=str(order)):
            if parsed.view is not None:
                store.apply(parsed.view)
    options = Options(standalone=True, plane="nginx", configmap=("shop", "config"))
    return compile_snapshot(store.snapshot(), options, check_pattern).plan


CVES: dict[str, tuple[Annotations, str, str, dict[str, str]]] = {
    "2021-25742 snippet": ({"configuration-snippet": LINE, "server-snippet": f"}} {LINE}"}, "/", "Prefix", {}),
    "2021-25745 path names a file": ({}, f"/x {{ alias /var/run/secrets/; {LINE} }} #", "ImplementationSpecific", {}),
    "2021-25746 annotation": ({"app-root": f"/x; }} {LINE}", "x-forwarded-prefix": f'/"; {LINE}'}, "/", "Prefix", {}),
    "2021-25748 newline in the path": ({}, f"/a\n{LINE}", "ImplementationSpecific", {}),
    "2022-4886 quotes in the path": ({}, f'/a"$request_body; {LINE} "', "ImplementationSpecific", {}),
    "2023-5043 snippet by another name": ({"auth-snippet": LINE, "location-snippet": LINE}, "/", "Prefix", {}),
    "2023-5044 permanent-redirect": ({"permanent-redirect": f"https://x;{LINE}"}, "/", "Prefix", {}),
    "2023-5044 temporal-redirect": ({"temporal-redirect": f'/x$uri"; {LINE}'}, "/", "Prefix", {}),
    "2024-7646 carriage return": ({"permanent-redirect": f"https://x\r{LINE}"}, "/", "Prefix", {}),
    "2025-1097 auth-tls-match-cn": (
        {"auth-tls-secret": "shop/ca", "auth-tls-match-cn": f"CN=a) {{ return 200; }} {LINE} #"},
        "/",
        "Prefix",
        {},
    ),
    "2025-1098 mirror": ({"mirror-target": f"https://x; {LINE}", "mirror-host": f"x; {LINE}"}, "/", "Prefix", {}),
    "2025-24514 auth-url": ({"auth-url": f"http://x/#;{LINE}"}, "/", "Prefix", {}),
    "2025-15566 headers of a ConfigMap": (
        {"auth-proxy-set-headers": "shop/config", "custom-headers": "shop/config"},
        "/",
        "Prefix",
        {"X-A": f'x"; {LINE}', f"X;{LINE}": "x"},
    ),
    "2026-1580 auth-method": ({"auth-url": "http://x", "auth-method": f"GET; {LINE}"}, "/", "Prefix", {}),
    "2026-24512 path": ({}, f"/x/ {{ }} {LINE} location /y", "ImplementationSpecific", {}),
    "2026-24512 regex path": ({"use-regex": "true"}, f'/x" {{ }} {LINE} #', "ImplementationSpecific", {}),
    "2026-3288 rewrite-target": ({"rewrite-target": f"/$1 break; {LINE}"}, "/(.*)", "ImplementationSpecific", {}),
    "2026-3288 path of a rewrite": ({"rewrite-target": "/$1"}, f'/(.*)" /x; {LINE} #', "ImplementationSpecific", {}),
    "2026-3288 alias": ({"server-alias": f"b.example;{LINE},~^(?<serin>.*)$"}, "/", "Prefix", {}),
    "2026-4342 path in a comment": ({}, f"/a # \n\r\n{LINE}\r#", "ImplementationSpecific", {}),
    "canary values": (
        {"canary-by-header": f'x"; {LINE}', "upstream-vhost": f'x"; {LINE}', "session-cookie-name": f"x; {LINE}"},
        "/",
        "Prefix",
        {},
    ),
    "values of the ConfigMap": (
        {},
        "/",
        "Prefix",
        {"hsts-max-age": f"1; {LINE}", "http-redirect-code": f"308; {LINE}"},
    ),
}

LEFT_OUT = frozenset({"2023-5044 permanent-redirect", "2023-5044 temporal-redirect", "2024-7646 carriage return"})
"""compile leaves the whole Ingress out: what a redirect was to hide must not be served."""


@pytest.mark.parametrize("lua", [True, False])
@pytest.mark.parametrize("name", CVES)
def test_nothing_gets_through(name: str, lua: bool, tmp_path: Path) -> None:
    plan = plan_of(*CVES[name])
    assert ("a.example" in plan.hosts) != (name in LEFT_OUT)
    text = "".join(render_host(h, settings_in(lua=lua), plan.globals, of_plan(plan)) for h in plan.hosts.values())
    found = list(walk(directives(text)))
    assert {d["directive"] for d in found} <= KNOWN
    assert [d["args"] for d in found if d["directive"] == "return" and d["args"][0] == "200"] in ([], [["200", ""]])
    assert not [line for line in comments(text) if LINE in line]
    if NGINX is not None and not lua:
        hosts = list(plan.hosts.values())
        write_files(tmp_path, hosts, settings_in(tmp_path, lua=False, https=()), of_plan(plan), plan.globals)
        status, said = nginx_test(tmp_path)
        assert status == 0, said


def test_a_payload_would_be_seen() -> None:
    """The payload is a directive where it stands by itself."""
    assert [d["directive"] for d in directives(LINE)] == [GOT_THROUGH]


_KNOWN = """
server listen server_name location return set if map default upstream proxy_pass proxy_set_header rewrite
content_by_lua_block log_by_lua_block header_filter_by_lua_block ssl_certificate ssl_certificate_key
ssl_client_certificate ssl_verify_client ssl_verify_depth add_header break keepalive split_clients geo
client_max_body_size rewrite_by_lua_block
"""
KNOWN = frozenset(_KNOWN.split())
