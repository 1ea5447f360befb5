"""From manifests to files that nginx takes, with the templates: no single Ingress keeps the others out."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness import nginx_way
from harness.manifests import canary, endpoint_slice, ingress, service
from harness.nginx_way import Way

from serin.compile.compiler import Compiled
from serin.compile.options import Options
from serin.dataplane.nginx.components import Components
from serin.refs import Ref, Source
from serin.routing.identity import content_digest
from serin.routing.plan import Certificate, ClientAuth, ClientVerify, Host, PathKind, PathMatch, Plan

OTHERS = [ingress(f"shop{i}", f"shop{i}.example", "main") for i in range(3)]
ENDPOINTS = [
    service("main"),
    endpoint_slice("main", ["127.0.0.1"]),
    service("next"),
    endpoint_slice("next", ["127.0.0.2"]),
]


def with_path(manifest: dict[str, Any], path: str, path_type: str = "Prefix") -> dict[str, Any]:
    changed = copy.deepcopy(manifest)
    changed["spec"]["rules"][0]["http"]["paths"][0] |= {"path": path, "pathType": path_type}
    return changed


BAD = {
    "timeout": [ingress("bad", "bad.example", "main", proxy_read_timeout="-1")],
    "pattern": [with_path(ingress("bad", "bad.example", "main", use_regex="true"), "/(", "ImplementationSpecific")],
    "slash": [
        ingress("bad", "bad.example", "main", path="/a"),
        ingress("worse", "bad.example", "main", path="/a/"),
    ],
    "canary pattern": [
        ingress("bad", "bad.example", "main"),
        canary("worse", "bad.example", "next", by_header="X-V", by_header_pattern="("),
    ],
}


def compiled(*manifests: dict[str, Any]) -> Compiled:
    return nginx_way.compile_manifests(manifests, Options(standalone=True, plane="nginx"))


@pytest.fixture(params=["lua", "stock"])
def way(request: pytest.FixtureRequest, tmp_path: Path, nginx: Components) -> Iterator[Way]:
    lua = request.param == "lua"
    if lua and not nginx.lua:
        pytest.skip(nginx.why_stock)
    with nginx_way.way(tmp_path, nginx, lua=lua) as made:
        yield made


@pytest.mark.parametrize("bad", BAD)
def test_a_single_ingress_keeps_nobody_out(way: Way, bad: str) -> None:
    plan = compiled(*ENDPOINTS, *OTHERS, *BAD[bad]).plan
    applied = way.apply(plan)
    assert applied.hosts == len(plan.hosts) == 4
    assert applied.quarantined == ()
    assert applied.tests == 1
    assert way.apply(plan, full=True).digest == applied.digest


def spoilt(host: Host) -> Host:
    """As compile would never write it."""
    route = host.routes[0]
    return replace(
        host,
        routes=(
            replace(route, policy=replace(route.policy, upstream=replace(route.policy.upstream, read_timeout=-1.0))),
        ),
    )


def test_a_document_that_cannot_be_rendered_is_closed_alone(way: Way) -> None:
    plan = compiled(*ENDPOINTS, *OTHERS).plan
    hosts: Mapping[str, Host] = {**plan.hosts, "shop1.example": spoilt(plan.hosts["shop1.example"])}
    applied = way.apply(replace(plan, hosts=hosts))
    assert [(str(q.ref), q.host) for q in applied.quarantined] == [("Ingress drills/shop1", "shop1.example")]
    assert applied.hosts == 3
    healed = way.apply(plan)
    assert healed.quarantined == ()
    assert healed.changed == 1


def test_a_broken_pattern_in_a_document_keeps_nobody_out(way: Way) -> None:
    plan = compiled(*ENDPOINTS, *OTHERS).plan
    host = plan.hosts["shop1.example"]
    hosts = {
        **plan.hosts,
        host.name: replace(host, routes=(replace(host.routes[0], match=PathMatch(PathKind.REGEX, "/(")), *host.routes)),
    }
    applied = way.apply(replace(plan, hosts=hosts))
    assert applied.hosts == 3
    assert {q.host for q in applied.quarantined} <= {host.name}


def test_a_weight_is_a_new_file_in_stock_mode_alone(way: Way) -> None:
    def plan(weight: str) -> Plan:
        rules = canary("next", "shop0.example", "next", weight=weight)
        return compiled(*ENDPOINTS, *OTHERS, rules).plan

    before = way.apply(plan("10"))
    way.applier.confirmed(before.digest)
    after = way.apply(plan("20"))
    stock = after.changed > 0
    assert after.reload_needed == stock
    assert after.changed == (1 if stock else 0)
    assert stock == (
        "split_clients" in "".join(p.read_text() for p in (way.run_dir.state / "nginx" / "hosts").iterdir())
    )


def test_what_nginx_itself_refuses_shuts_the_host_that_it_guards(way: Way) -> None:
    plan = compiled(*ENDPOINTS, *OTHERS, ingress("more", "shop1.example", "next", path="/more")).plan
    bad = Certificate(content_digest(b"no authorities"), b"no authorities")
    host = plan.hosts["shop1.example"]
    asks = Source(Ref("Ingress", "drills", "shop1"), "metadata.annotations[auth-tls-secret]")
    hosts = {**plan.hosts, host.name: replace(host, client_auth=ClientAuth(bad.digest, ClientVerify.ON, asks))}
    applied = way.apply(replace(plan, hosts=hosts, certificates={bad.digest: bad}))
    ((refused,),) = (applied.quarantined,)
    assert (str(refused.ref), refused.host) == ("Ingress drills/shop1", "shop1.example")
    assert "SSL" in refused.error
    assert str(way.run_dir.path) not in refused.error
    assert applied.hosts == 3
    text = next(t for t in way.host_files() if '"shop1.example"' in t)
    # Without its certificates it is open to nobody: not for the other Ingress's path, either.
    assert "proxy_pass" not in text
    assert text.count("return 503") >= 2
    assert all("proxy_pass" in t for t in way.host_files() if '"shop0.example"' in t or '"shop2.example"' in t)


def test_hosts_that_only_clash_together_are_found_by_a_test_of_all(way: Way) -> None:
    rules = canary("next", "shop0.example", "next", by_header="X-V")
    plan = compiled(*ENDPOINTS, *OTHERS, rules).plan
    way.apply(plan)
    # As compile would never write it: two hosts with one split, whose maps have the same names.
    twin = replace(plan.hosts["shop0.example"], name="twin.example")
    both = replace(plan, hosts={**plan.hosts, "twin.example": twin})
    way.apply(both)
    applied = way.apply(both, full=True)
    assert {q.host for q in applied.quarantined} <= {"twin.example"}
    assert any("proxy_pass" in t for t in way.host_files() if '"shop0.example"' in t)
    assert way.apply(both, full=True).digest == applied.digest
