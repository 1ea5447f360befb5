"""Microseconds that the gate takes for a request, endpoint chosen and given back included, by kind of route.

Bar: a plain route at most 4 µs. One process, no sockets: what a request costs beside its connection and its bytes.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from serin.dataplane.proxy.auth import Authenticator
from serin.dataplane.proxy.exchange import Client, Forward, RequestHead
from serin.dataplane.proxy.gate import Gate
from serin.dataplane.proxy.runtime import Workshop, make_ready
from serin.dataplane.proxy.site import LoadedHosts, Site
from serin.native import state
from serin.native.hashing import hash64
from serin.native.pattern import Pattern
from serin.native.pools import PoolsFile
from serin.native.worker import Worker
from serin.refs import Ref, Source
from serin.render.documents import Index
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule
from serin.routing.identity import split_id
from serin.routing.plan import (
    Affinity,
    CookieRule,
    Endpoint,
    HeaderRule,
    Host,
    PathKind,
    PathMatch,
    Policy,
    Pool,
    PoolSpec,
    Rewrite,
    Route,
    RuleId,
    Share,
    Split,
    VersionRoute,
)

INGRESS = Ref("Ingress", "shop", "shop")
SOURCE = Source(INGRESS)
HEADERS = [
    (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64)"),
    (b"Accept", b"*/*"),
    (b"Accept-Encoding", b"gzip"),
    (b"Accept-Language", b"en"),
    (b"Region", b"bj"),
    (b"Cookie", b"a=b; c=d"),
]
MAIN = VersionRoute("a" * 16, "main", INGRESS, "main", "80", "0" * 15 + "1")
CANARY = VersionRoute("b" * 16, "canary", INGRESS, "canary", "80", "0" * 15 + "2")
RULED = VersionRoute(
    "b" * 16,
    "canary",
    INGRESS,
    "canary",
    "80",
    CANARY.pool,
    HeaderRule("Region", pattern="cd|sz"),
    CookieRule("user_from_cd"),
)


MATCHES = (
    MatchRule(0, (Match(cookies=(FieldMatch("user_from_cd", value="never"),)),)),
    MatchRule(
        1,
        (
            Match(headers=(FieldMatch("Region", MatchKind.REGULAR_EXPRESSION, "cd|sz"),)),
            Match(cookies=(FieldMatch("user_from_cd", value="always"),)),
        ),
    ),
)


def host(
    name: str, versions: tuple[VersionRoute, ...], policy: Policy, path: PathMatch, rules: tuple[MatchRule, ...] = ()
) -> Host:
    rule = RuleId(name, path.path, "Prefix")
    return Host(name, (Route(path, rule, INGRESS, split_id(rule), versions, policy, match_rules=rules),))


ROOT = PathMatch(PathKind.PREFIX, "/")
REWRITE = Rewrite("^/app(/|$)(.*)", "/$2", False, SOURCE)
HOSTS = {
    "plain": host("plain", (MAIN,), Policy(), ROOT),
    "weights": host("weights", (MAIN, CANARY), Policy(), ROOT),
    "header pattern and cookie": host("rules", (MAIN, RULED), Policy(), ROOT),
    "CanaryRoute, the same": host("matches", (MAIN, CANARY), Policy(), ROOT, MATCHES),
    "affinity": host("affinity", (MAIN, CANARY), Policy(affinity=Affinity("INGRESSCOOKIE", "/")), ROOT),
    "regex and rewrite": host("rewrite", (MAIN,), Policy(rewrite=REWRITE), PathMatch(PathKind.REGEX, "/app(/|$)(.*)")),
}


def fill(pools: PoolsFile) -> None:
    for version in (MAIN, CANARY):
        ends = tuple(Endpoint(f"10.0.0.{n}", 8080) for n in range(1, 6))
        pools.put_pool(Pool(PoolSpec(version.pool, "shop", version.service, 80), ends))
    for one in HOSTS.values():
        route = one.routes[0]
        shares = tuple(Share(v.ident, v.pool, 90 if v is MAIN else 10) for v in route.versions)
        pools.put_split(Split(split_id(route.rule), route.rule, shares))


def request(name: str) -> RequestHead:
    sent = [(b"Host", name.encode()), *HEADERS]
    lower = [key.lower() for key, _ in sent]
    return RequestHead("GET", b"/app/a/b?c=d", name, name.encode(), False, sent, lower, 0, b"", False)


def cheapest(work: Callable[[], None], rounds: int, each: int) -> float:
    """Microseconds for one `work`: the best of some rounds, since others share this machine."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(each):
            work()
        best = min(best, time.perf_counter() - began)
    return best / each * 1e6


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--requests", type=int, default=20000)
    each = arguments.parse_args().requests
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        rows = state.create(path, 1)
        pools = PoolsFile.open(
            path / "plan" / "pools.bin", lambda: int.from_bytes(os.urandom(8), "little"), time.monotonic
        )
        fill(pools)
        pools.show()
        workshop = Workshop(Worker.attach(path, 0), Pattern, hash64)
        by_name = {one.name: one for one in HOSTS.values()}
        loaded = LoadedHosts(lambda digest: make_ready(by_name[digest], workshop))
        site = Site(Index(1, {name: name for name in by_name}, {}), loaded)
        gate = Gate(site, lambda status: b"", Authenticator(lambda digest: b""), hash64, lambda why: None)
        client = Client("192.0.2.7", 40000, False, 80)
        for kind, one in HOSTS.items():
            head = request(one.name)

            def ask(head: RequestHead = head) -> None:
                decision = gate(head, client)
                assert type(decision) is Forward
                decision.choice.done(200)

            spent = cheapest(ask, 5, each)
            bar = f"  bar 4.0: {'met' if spent <= 4.0 else 'missed'}" if kind == "plain" else ""
            print(f"{kind:26} {spent:6.2f} µs{bar}")
        pools.close()
        rows.close()


if __name__ == "__main__":
    main()
