"""From manifests to files that nginx takes, with the templates: no single Ingress keeps the others out."""

import copy
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from harness.manifests import canary, endpoint_slice, ingress, service

from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.control.patterns import check_pattern
from serin.dataplane.fallback_certificate import keep_certificate
from serin.dataplane.nginx.apply import Applied, Applier
from serin.dataplane.nginx.assets import library
from serin.dataplane.nginx.components import Components
from serin.dataplane.nginx.files import included
from serin.dataplane.nginx.rendering import Templates
from serin.dataplane.nginx.testing import NginxTest
from serin.dataplane.nginx.weights_file import WeightsFile
from serin.native.pools import PoolsFile
from serin.objects.parse import parse_object
from serin.objects.store import Store
from serin.refs import Ref, Source
from serin.render.nginx.settings import LuaPaths, NginxSettings
from serin.render.rundir import RunDirectory
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
    store = Store()
    for order, manifest in enumerate(manifests):
        view = parse_object(manifest, order=order, version=str(order)).view
        assert view is not None
        store.apply(view)
    return compile_snapshot(store.snapshot(), Options(standalone=True, plane="nginx"), check_pattern)


@dataclass
class Way:
    run_dir: RunDirectory
    pools: PoolsFile
    applier: Applier

    def host_files(self) -> list[str]:
        """Those in force."""
        folder = self.run_dir.state / "nginx"
        return [(folder / f"hosts/{name}.conf").read_text() for name in included((folder / "nginx.conf").read_text())]

    def apply(self, plan: Plan, *, full: bool = False) -> Applied:
        for pool in plan.pools.values():
            self.pools.put_pool(pool)
        for split in plan.splits.values():
            self.pools.put_split(split)
        self.pools.show()
        assert self.run_dir.publish(plan) == {}
        return self.applier.apply(full=full)


@pytest.fixture(params=["lua", "stock"])
def way(
    request: pytest.FixtureRequest, tmp_path: Path, nginx: Components, nginx_test: Callable[..., NginxTest]
) -> Iterator[Way]:
    lua = request.param == "lua"
    if lua and not nginx.lua:
        pytest.skip(nginx.why_stock)
    run_dir = RunDirectory(tmp_path / "run")
    run_dir.create()
    keep_certificate(run_dir.state / "default.pem")
    prefix = run_dir.state / "nginx"
    with socket.socket() as http, socket.socket() as https:
        for sock in (http, https):
            sock.bind(("127.0.0.1", 0))
        settings = NginxSettings(
            run_dir=str(run_dir.path),
            prefix=str(prefix),
            http=(f"127.0.0.1:{http.getsockname()[1]}",),
            https=(f"127.0.0.1:{https.getsockname()[1]}",),
            status_socket=str(tmp_path / "status.sock"),
            lua=LuaPaths(nginx.package_path, str(library())) if lua else None,
            modules=nginx.modules if lua else (),
        )
        pools = PoolsFile.open(run_dir.plan / "pools.bin", lambda: secrets.randbits(64), time.monotonic)
        test = nginx_test(prefix, (http.fileno(), https.fileno()))
        weights = None if lua else WeightsFile(run_dir.path)
        yield Way(run_dir, pools, Applier(run_dir, prefix, Templates(settings), test, settings.status_socket, weights))
        pools.close()


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
