"""Compiling with a memo against compiling anew, over random edits of everything that compile reads."""

import random
from typing import Any

import pytest
from golden.certificates import make_pair, tls_secret
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.compile.manifests import (
    HOST,
    Raw,
    canary,
    canary_route,
    check_pattern,
    codes,
    config_map,
    endpoints,
    ingress,
    ingress_class,
    secret,
    service,
    views,
)

from serin.compile import canaryroute_set, ingress_set
from serin.compile import host as host_module
from serin.compile import ingresses as ingresses_module
from serin.compile import rules as rules_module
from serin.compile.compiler import Changes, Compiled, compile_snapshot
from serin.compile.options import Options
from serin.objects.store import Store
from serin.objects.views import View
from serin.refs import Ref
from serin.routing.identity import digest64

OPTIONS = Options(
    standalone=True, configmap=("serin", "config"), default_ssl_certificate=("shop", "cert-a"), plane="nginx"
)
"""The plane that honours more."""
HOSTS = ("a.example", "www.a.example", "b.example", "*.example", "x.b.example", "")
PATHS = (("/", "Prefix"), ("/a", "Prefix"), ("/a/", "Prefix"), ("/a", "Exact"), ("/b(", "ImplementationSpecific"))
NOTES: tuple[dict[str, str], ...] = (
    {},
    {"canary": "true", "canary-weight": "10"},
    {"canary": "true", "canary-by-header": "X", "canary-by-header-pattern": "(a"},
    {"canary": "maybe"},
    {"server-alias": "b.example,c.example"},
    {"server-alias": "www.a.example,c.example"},
    {"from-to-www-redirect": "true"},
    {"use-regex": "true"},
    {"rewrite-target": "/x"},
    {"auth-type": "basic", "auth-secret": "users"},
    {"permanent-redirect": "not a url;"},
    {"force-ssl-redirect": "true", "app-root": "/start"},
    {"limit-rps": "1"},
    {"enable-modsecurity": "true"},
    {"auth-url": "https://$host/check", "allowlist-source-range": "10.0.0.0/8"},
    {"auth-url": "http://auth.example/", "auth-proxy-set-headers": "lines", "enable-global-auth": "false"},
    {"load-balance": "ewma", "affinity": "cookie"},
    {"custom-headers": "lines"},
    {"default-backend": "v2", "custom-http-errors": "404", "mirror-target": "http://$host:8080"},
    {"service-upstream": "true", "backend-protocol": "FCGI", "fastcgi-params-configmap": "lines"},
    {"auth-tls-secret": "trust"},
    {"auth-tls-secret": "trust", "auth-tls-verify-client": "optional", "auth-tls-match-cn": "CN=a(b|"},
    {"backend-protocol": "GRPCS", "proxy-ssl-secret": "trust", "proxy-ssl-verify": "on"},
)
CERTIFICATES = {
    name: tls_secret("shop", "cert-a", *names) for name, names in (("a", ("a.example",)), ("w", ("*.example",)))
}
AUTHORITY = make_pair("authority")[0].decode()
SECRETS: tuple[Raw, ...] = (*CERTIFICATES.values(), secret("cert-a", tls_crt="x", tls_key="y"))

LINES: tuple[Raw, ...] = tuple(
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "lines", "namespace": "shop"}, "data": data}
    for data in ({"X-A": "$host"}, {"X A": ""})
)

some_paths = st.lists(st.sampled_from(PATHS), max_size=3)
tls_entry: st.SearchStrategy[Raw] = st.sampled_from(
    [
        {"secretName": "cert-a"},
        {"hosts": ["a.example"], "secretName": "cert-a"},
        {"hosts": ["*.example"], "secretName": "cert-a"},
    ]
)


@st.composite
def ingresses(draw: st.DrawFn) -> Raw:
    made = ingress(
        draw(st.sampled_from("klm")),
        *((path, kind, draw(st.sampled_from(("v1", "v2:http")))) for path, kind in draw(some_paths)),
        host=draw(st.sampled_from(HOSTS)),
        notes=draw(st.sampled_from(NOTES)),
        namespace=draw(st.sampled_from(("shop",) * 5 + ("other",))),
        tls=draw(st.lists(tls_entry, max_size=1)),
        default=draw(st.sampled_from(("", "", "", "v1"))),
        class_name=draw(st.sampled_from(("nginx",) * 8 + ("other", None))),
        rules=draw(st.sampled_from((None,) * 7 + ((),))),
        created=draw(st.sampled_from(("", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"))),
    )
    if draw(st.booleans()) and "rules" in made["spec"]:
        made["spec"]["rules"] += [{"host": draw(st.sampled_from(HOSTS)) or "z.example", **made["spec"]["rules"][0]}]
    return made


def run_of(*version: str) -> str:
    """The name of the run without revision of a version: its name, Service and port."""
    return digest64((*version, ""))


RUNS = st.fixed_dictionaries(
    {
        "runId": st.sampled_from((run_of("new", "v2", ""), run_of("new", "v1", ""), "0" * 16)),
        "version": st.just("new"),
        "step": st.sampled_from((1, 2)),
        "stepText": st.just("1/2"),
        "weight": st.sampled_from(("0%", "25%", "33.333%", "100%")),
        "startedAt": st.just("2026-01-01T00:00:00Z"),
    },
    optional={
        "mirror": st.just("10%"),
        "judgedSince": st.just("2026-01-01T00:00:30Z"),
        "nextAt": st.sampled_from(("2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z")),
        "outcome": st.sampled_from(("Promoted", "RolledBack")),
    },
)
STEPS: tuple[Raw, ...] = ({"weight": "0%", "mirror": "10%"}, {"weight": "50%"})
ROLLOUTS: tuple[Raw, ...] = (
    {"version": "new", "steps": list(STEPS)},
    {"version": "new", "steps": list(reversed(STEPS))},
    {"version": "new", "revision": "2", "steps": [{"weight": "50%"}]},
    {"version": "main", "steps": [{"weight": "5%"}]},
)
USERS: tuple[Raw, ...] = (
    {"type": "Cookie", "name": "INGRESSCOOKIE"},
    {"type": "Header", "name": "X-User"},
    {"type": "ClientIP"},
    {"type": "Request"},
)


@st.composite
def canary_routes(draw: st.DrawFn) -> Raw:
    rule = {"version": "new", "matches": [{"headers": [{"name": "X", "type": "RegularExpression", "value": "(a"}]}]}
    target = st.fixed_dictionaries(
        {"name": st.sampled_from("klm")},
        optional={"host": st.sampled_from(HOSTS[:3]), "path": st.sampled_from(("/", "/a"))},
    )
    spec: Raw = {"targets": draw(st.lists(target, max_size=2))} if draw(st.booleans()) else {}
    if draw(st.booleans()):
        spec["rollout"] = draw(st.sampled_from(ROLLOUTS))
        spec["status"] = {"observedGeneration": draw(st.integers(1, 3)), "rollout": draw(RUNS)}
    if draw(st.booleans()):
        spec["splitBy"] = draw(st.sampled_from(USERS))
    return canary_route(
        draw(st.sampled_from("rst")),
        *draw(st.lists(st.just(rule), max_size=1)),
        versions=draw(
            st.sampled_from(
                (
                    "main:v1=90 new:v2=10",
                    "main:v1=90 new:v2=0",
                    "main:v1=90 new:v2=0",
                    "main:v2=1 new:v1=0",
                    "main:v1:80=0 new:v2:http=7",
                    "main:v2=5 new:v1:80=5",
                    "main:v2:80=1 new:v1=5",
                    "main:v1:http=1 new:v2=5",
                    "main:v3=1",
                    "main:v1=0",
                )
            )
        ),
        namespace=draw(st.sampled_from(("shop",) * 5 + ("other",))),
        created=draw(st.sampled_from(("", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"))),
        **spec,
    )


others = st.sampled_from(
    (
        *SECRETS,
        secret("users", auth="alice:x"),
        secret("users", other="x"),
        secret("trust", ca_crt=AUTHORITY),
        secret("trust", tls_crt=AUTHORITY),
        service("v1"),
        service("v1", {"port": 81}),
        service("v1", {"port": 81}, {"name": "http", "port": 80}),
        service("v2"),
        service("v2", {"name": "http", "port": 81, "targetPort": 80}),
        service("v2", type="ExternalName", externalName="api.example.net"),
        endpoints("v1", "10.0.0.1"),
        endpoints("v1", "10.0.0.2", "10.0.0.1"),
        endpoints("v2", "10.0.0.3", name="1"),
        config_map(force_ssl_redirect="true", nonsense="1"),
        config_map(),
        config_map(global_auth_url="https://$host/all", whitelist_source_range="10.0.0.0/8", block_referers="(a"),
        *LINES,
        config_map(
            global_allowed_response_headers="X-A",
            custom_http_errors="404",
            add_headers="shop/lines",
            proxy_set_headers="shop/none",
        ),
        ingress_class("other"),
        ingress_class("other", "x.example/y"),
        ingress_class("nginx", default=True),
    )
)
edit = st.one_of(
    st.tuples(st.just("put"), st.one_of(ingresses(), ingresses(), canary_routes(), others)),
    st.tuples(st.just("drop"), st.integers(0, 99)),
)


def anew(objects: list[View], order: random.Random) -> Compiled:
    """The same objects in a store of their own, put there in another order."""
    store = Store()
    shuffled = list(objects)
    order.shuffle(shuffled)
    for view in shuffled:
        store.apply(view)
    return compile_snapshot(store.snapshot(), OPTIONS, check_pattern)


def difference(old: Compiled | None, new: Compiled) -> Changes:
    """What differs between two plans, by looking at all of both."""

    def names(attribute: str) -> frozenset[str]:
        before = {} if old is None else getattr(old.plan, attribute)
        now = getattr(new.plan, attribute)
        return frozenset(key for key in {*before, *now} if before.get(key) != now.get(key))

    return Changes(names("hosts"), names("splits"), names("pools"))


def check_memo(old: Compiled, new: Compiled) -> None:
    """Nothing is left in a memo of what is gone."""
    more = ("config_map_readers", "beside_users")
    for name in ("canary_routes", "canary_routes_at", "targeted", "attached", "services", "anothers", *more):
        assert dict(getattr(old.memo, name)) == dict(getattr(new.memo, name)), name
    assert {key for key, _ in old.memo.config_maps} <= old.memo.config_map_readers.keys()


def check_same_values(old: Compiled, new: Compiled) -> None:
    """What is equal is the same value: whoever publishes looks at identity."""
    for attribute in ("hosts", "splits", "pools", "certificates", "users"):
        before, now = getattr(old.plan, attribute), getattr(new.plan, attribute)
        for key, value in now.items():
            assert key not in before or before[key] != value or before[key] is value


@settings(max_examples=150, deadline=None)
@given(st.lists(edit, min_size=4, max_size=16), st.randoms(use_true_random=False), st.data())
def test_a_memo_never_changes_the_result(
    edits: list[tuple[str, Any]], order: random.Random, data: st.DataObject
) -> None:
    store = Store()
    there: dict[Ref, View] = {}
    compiled: Compiled | None = None
    for what, thing in edits:
        if what == "put":
            for view in views([thing]):
                store.apply(view)
                there[view.meta.ref] = view
        elif there:
            ref = sorted(there)[thing % len(there)]
            store.delete(ref)
            del there[ref]
        if data.draw(st.integers(0, 3)) == 0:  # several edits at once, too
            continue
        previous, compiled = compiled, compile_snapshot(store.snapshot(), OPTIONS, check_pattern, compiled)
        scratch = compile_snapshot(store.snapshot(), OPTIONS, check_pattern)
        assert compiled == scratch
        check_memo(compiled, scratch)
        assert compiled.changes == difference(previous, compiled)
        shuffled = anew(list(there.values()), order)
        assert (compiled.plan, compiled.problems) == (shuffled.plan, shuffled.problems)
        assert "internal-error" not in codes(compiled)
        if previous is not None:
            check_same_values(previous, compiled)


def start(*objects: Raw, options: Options = OPTIONS) -> tuple[Store, Compiled]:
    store = Store()
    for view in views(objects):
        store.apply(view)
    return store, compile_snapshot(store.snapshot(), options, check_pattern)


def change(store: Store, compiled: Compiled, *objects: Raw, options: Options = OPTIONS) -> Compiled:
    for view in views(objects):
        store.apply(view)
    return compile_snapshot(store.snapshot(), options, check_pattern, compiled)


def test_endpoints_compile_no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    store, compiled = start(ingress("main"), service("v1"), endpoints("v1", "10.0.0.1"))
    monkeypatch.setattr(host_module, "own_paths", lambda *_: pytest.fail("a host was compiled"))
    after = change(store, compiled, endpoints("v1", "10.0.0.2"))
    (pool,) = after.plan.pools.values()
    assert pool.endpoints[0].address == "10.0.0.2"
    assert after.changes == Changes(pools=frozenset(after.plan.pools))
    assert after.plan.hosts is compiled.plan.hosts


def test_a_slice_that_moves_to_another_service_leaves_the_first() -> None:
    first = endpoints("v1", "10.0.0.1")
    moved = endpoints("v1", "10.0.0.1")
    moved["metadata"]["labels"]["kubernetes.io/service-name"] = "v2"
    store, compiled = start(
        ingress("main", ("/", "Prefix", "v1"), ("/2", "Prefix", "v2")), service("v1"), service("v2"), first
    )
    after = change(store, compiled, moved)
    assert {pool.spec.service: len(pool.endpoints) for pool in after.plan.pools.values()} == {"v1": 0, "v2": 1}


def test_one_changed_ingress_compiles_its_hosts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    store, compiled = start(*(ingress(f"i{n}", host=f"h{n}.example.com") for n in range(5)))
    seen: list[str] = []
    real = rules_module.own_paths

    def spy(host: str, *rest: Any) -> Any:
        seen.append(host)
        return real(host, *rest)

    monkeypatch.setattr(host_module, "own_paths", spy)
    change(
        store,
        compiled,
        ingress("i3", host="new.example.com"),
        ingress("i4", ("/x", "Prefix", "v1"), host="h4.example.com"),
    )
    assert sorted(seen) == ["h4.example.com", "new.example.com"]


def test_a_weight_changes_its_split_alone() -> None:
    def weighted(weight: str) -> Raw:
        return canary("canary", notes={"canary-weight": weight})

    store, compiled = start(ingress("main"), weighted("10"))
    after = change(store, compiled, weighted("20"))
    assert after.changes == Changes(splits=frozenset(after.plan.splits))
    assert after.plan.hosts is compiled.plan.hosts


def test_a_canary_route_compiles_the_hosts_of_its_home_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    mains = [ingress(f"i{n}", ("/", "Prefix", f"v{n}"), host=f"h{n}.example.com") for n in range(5)]
    store, compiled = start(*mains, canary_route(versions="main:v3=90 new:new=10"))
    seen: list[str] = []
    real = rules_module.own_paths

    def spy(host: str, *rest: Any) -> Any:
        seen.append(host)
        return real(host, *rest)

    monkeypatch.setattr(host_module, "own_paths", spy)
    compiled = change(store, compiled, canary_route(versions="main:v3=80 new:new=20"))
    assert seen == ["h3.example.com"]
    assert compiled.changes == Changes(splits=frozenset({str(compiled.plan.hosts["h3.example.com"].routes[0].split)}))
    seen.clear()
    change(store, compiled, canary_route(versions="main:v1=80 new:new=20"))
    assert seen == ["h1.example.com", "h3.example.com"]


@pytest.mark.parametrize(
    ("targets", "hosts"),
    [
        ([{"name": "i1"}], ["h1.example.com", "x.example.com"]),
        ([{"name": "i1", "host": "x.example.com"}], ["x.example.com"]),
        ([{"name": "i1", "host": "x.example.com"}, {"name": "i3"}], ["h3.example.com", "x.example.com"]),
        ([{"name": "other"}], []),
    ],
)
def test_a_canary_route_with_targets_compiles_their_hosts_alone(
    targets: list[Raw], hosts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One Service may be behind thousands of hosts."""
    mains = [ingress(f"i{n}", host=f"h{n}.example.com") for n in range(5)]
    mains[1]["spec"]["rules"] += [mains[1]["spec"]["rules"][0] | {"host": "x.example.com"}]
    store, compiled = start(*mains, canary_route(targets=targets))
    seen: list[str] = []
    real = rules_module.own_paths

    def spy(host: str, *rest: Any) -> Any:
        seen.append(host)
        return real(host, *rest)

    monkeypatch.setattr(host_module, "own_paths", spy)
    after = change(store, compiled, canary_route(targets=targets, versions="main:v1=80 new:v2=20"))
    assert seen == hosts
    assert len(after.changes.splits) == len(hosts)


def test_nothing_changed_is_nothing_changed() -> None:
    store, compiled = start(ingress("main"), service("v1"))
    again = change(store, compiled)
    assert again == compiled
    assert again.changes == Changes()
    assert again.plan.hosts is compiled.plan.hosts


def test_options_may_change() -> None:
    store, compiled = start(ingress("main"))
    after = change(store, compiled, options=Options(standalone=True, ingress_class="mine"))
    assert not after.plan.hosts
    assert after.changes.hosts == {HOST}


def test_a_memo_of_another_store_is_no_harm() -> None:
    """Of the same revision, so that only the store itself tells them apart."""
    _, other = start(ingress("other", host="other.example.com"))
    store, compiled = start(ingress("main"))
    assert other.revision == compiled.revision
    assert compile_snapshot(store.snapshot(), OPTIONS, check_pattern, other) == compiled


def test_a_snapshot_older_than_the_memo_is_no_harm() -> None:
    store, before = start(ingress("main"))
    old = store.snapshot()
    after = change(store, before, ingress("second", host="b.example"))
    assert compile_snapshot(old, OPTIONS, check_pattern, after) == before


def test_a_secret_that_appears_reaches_its_hosts() -> None:
    store, compiled = start(ingress("main", host="a.example", tls=[{"hosts": ["a.example"], "secretName": "cert-a"}]))
    assert compiled.plan.hosts["a.example"].certificate is None
    after = change(store, compiled, CERTIFICATES["a"])
    assert after.plan.hosts["a.example"].certificate in after.plan.certificates


def test_what_nobody_names_any_more_leaves_the_plan() -> None:
    tls = [{"hosts": ["a.example"], "secretName": "cert-a"}]
    notes = {"auth-type": "basic", "auth-secret": "users"}
    objects = [CERTIFICATES["a"], secret("users", auth="alice:x"), service("v1")]
    options = Options(standalone=True)
    store, compiled = start(ingress("main", host="a.example", tls=tls, notes=notes), *objects, options=options)
    assert compiled.plan.certificates
    assert compiled.plan.users
    store.delete(Ref("Ingress", "shop", "main"))
    after = change(store, compiled, options=options)
    plan = after.plan
    assert not any((plan.hosts, plan.splits, plan.pools, plan.certificates, plan.users))
    assert not any((after.memo.secrets, after.memo.secret_readers, after.memo.members, after.memo.pools_of))
    assert not after.problems


# --- what a host depends on beside its own Ingresses; each is seen from a compile that had it otherwise ---


def both_ways(first: list[Raw], then: Raw, *, options: Options = OPTIONS) -> tuple[Compiled, Compiled, Compiled]:
    """Compiled without `then`, with it, and without it again; the first and the last must be equal."""
    store, before = start(*first, options=options)
    after = change(store, before, then, options=options)
    assert after == compile_snapshot(store.snapshot(), options, check_pattern)
    (view,) = views([then])
    store.delete(view.meta.ref)
    again = compile_snapshot(store.snapshot(), options, check_pattern, after)
    assert (again.plan, again.problems) == (before.plan, before.problems)
    return before, after, again


def test_an_alias_gives_way_to_a_host_that_appears() -> None:
    main = ingress("main", notes={"server-alias": "b.example"})
    before, after, _ = both_ways([main], ingress("taken", host="b.example"))
    assert before.plan.hosts[HOST].aliases == ("b.example",)
    assert after.plan.hosts[HOST].aliases == ()


def test_an_alias_gives_way_to_an_older_claim_that_appears() -> None:
    main = ingress("main", notes={"server-alias": "c.example"}, created="2026-01-02T00:00:00Z")
    older = ingress("older", host="b.example", notes={"server-alias": "c.example"}, created="2026-01-01T00:00:00Z")
    _, after, _ = both_ways([main], older)
    assert after.plan.hosts[HOST].aliases == ()
    assert after.plan.hosts["b.example"].aliases == ("c.example",)


def test_an_alias_gives_way_to_a_www_redirect_that_appears() -> None:
    main = ingress("main", notes={"server-alias": "www.b.example"})
    www = ingress("www", host="b.example", notes={"from-to-www-redirect": "true"})
    _, after, _ = both_ways([main], www)
    assert after.plan.hosts[HOST].aliases == ()
    assert after.plan.hosts["www.b.example"].www is not None


def test_a_www_redirect_shows_the_certificate_that_its_host_gets() -> None:
    main = ingress("main", host="b.example", notes={"from-to-www-redirect": "true"})
    pair = tls_secret("shop", "pair", "b.example", "www.b.example")
    tls = ingress("tls", ("/x", "Prefix", "v1"), host="b.example", tls=[{"hosts": ["b.example"], "secretName": "pair"}])
    before, after, _ = both_ways([main, pair], tls)
    assert before.plan.hosts["www.b.example"].certificate is None
    assert after.plan.hosts["www.b.example"].certificate == after.plan.hosts["b.example"].certificate is not None


def test_hosts_under_a_wildcard_follow_its_tls() -> None:
    tls = [{"hosts": ["*.example.com"], "secretName": "wild"}]
    wildcard = ingress("wild", host="*.example.com", tls=tls)
    secret_of = tls_secret("shop", "wild", "*.example.com")
    before, after, _ = both_ways([ingress("main"), secret_of], wildcard)
    assert before.plan.hosts[HOST].certificate is None
    assert after.plan.hosts[HOST].certificate is not None
    without = {**wildcard, "spec": {key: value for key, value in wildcard["spec"].items() if key != "tls"}}
    store, compiled = start(ingress("main"), secret_of, wildcard)
    assert change(store, compiled, without).plan.hosts[HOST].certificate is None


def test_a_canary_follows_its_main() -> None:
    before, after, _ = both_ways([canary("canary")], ingress("main"))
    assert codes(before).count("canary-without-main") == 1
    assert len(after.plan.hosts[HOST].routes[0].versions) == 2


def test_a_canary_route_follows_its_ingress_and_gives_way_to_an_older_one() -> None:
    route = canary_route("young", created="2026-01-02T00:00:00Z")
    before, after, _ = both_ways([route], ingress("main"))
    assert codes(before).count("canaryroute-without-ingress") == 1
    assert len(after.plan.hosts[HOST].routes[0].versions) == 2
    _, after, _ = both_ways([ingress("main"), route], canary_route("old", created="2026-01-01T00:00:00Z"))
    assert after.plan.hosts[HOST].routes[0].canary_route == Ref("CanaryRoute", "shop", "old")
    _, after, _ = both_ways([ingress("main"), route, canary("canary")], canary_route("old", versions="main:other=1"))
    assert after.plan.hosts[HOST].routes[0].canary_route == Ref("CanaryRoute", "shop", "young")


def test_a_canary_route_loses_its_rule_to_an_older_ingress_of_another_service() -> None:
    main = ingress("main", created="2026-01-02T00:00:00Z")
    older = ingress("older", ("/", "Prefix", "v3"), created="2026-01-01T00:00:00Z")
    before, after, _ = both_ways([main, canary_route()], older)
    assert "canaryroute-without-ingress" not in codes(before)
    assert "canaryroute-without-ingress" in codes(after)


def test_what_is_told_of_a_target_follows_the_ingress_that_it_names() -> None:
    route = canary_route(targets=[{"name": "main", "path": "/a"}])
    before, after, _ = both_ways([route], ingress("main", ("/a", "Prefix", "v3")))
    assert "there is no Ingress main" in before.problems[0].text
    assert "its backends are: v3:80" in next(p.text for p in after.problems if p.code == "canaryroute-target-not-found")


def test_the_default_certificate_follows_its_secret() -> None:
    before, after, _ = both_ways([ingress("main")], CERTIFICATES["a"])
    assert before.plan.globals.default_certificate is None
    assert after.plan.globals.default_certificate in after.plan.certificates


def test_the_config_map_and_classes_change_everything() -> None:
    _, after, _ = both_ways([ingress("main")], config_map(force_ssl_redirect="true", nonsense="1"))
    assert after.plan.hosts[HOST].routes[0].policy.tls_redirect is not None
    _, after, _ = both_ways([ingress("main", class_name="other")], ingress_class("other"))
    assert HOST in after.plan.hosts


# --- Serin's own faults ---


def test_a_canary_route_follows_the_ports_of_its_home() -> None:
    """Known only by the Service, of which no host looks at the ports."""
    route = canary_route(versions="main:v1:http=1 new:v2=1")
    before, after, _ = both_ways([ingress("main"), route], service("v1"))
    assert before.plan.hosts[HOST].routes[0].canary_route is None
    assert after.plan.hosts[HOST].routes[0].canary_route == Ref("CanaryRoute", "shop", "shop")
    assert "canaryroute-without-ingress" in codes(before)
    assert "canaryroute-without-ingress" not in codes(after)


def test_a_pod_of_home_compiles_no_host_also_where_a_canary_route_names_its_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    route = canary_route(versions="main:v1:http=1 new:v2=1")
    store, compiled = start(ingress("main"), route, service("v1"), endpoints("v1", "10.0.0.1"))
    monkeypatch.setattr(host_module, "own_paths", lambda *_: pytest.fail("a host was compiled"))
    change(store, compiled, endpoints("v1", "10.0.0.2"), service("v1", sessionAffinity="ClientIP"))


def test_a_canary_route_follows_the_ingresses_of_another_controller() -> None:
    """It is told nothing as long as one of these fits."""
    asked = [canary_route(), canary_route("t", targets=[{"name": "main"}])]
    store, compiled = start(ingress_class("other", "x.example/y"), *asked)
    told = {"canaryroute-without-ingress", "canaryroute-target-not-found"}
    steps: list[tuple[Raw, set[str]]] = [
        (ingress("main", class_name="other"), set()),
        (ingress("main", ("/", "Prefix", "v9"), class_name="other"), {"canaryroute-without-ingress"}),
        (ingress("main", class_name="other", default="v1"), set()),
        (ingress("main", class_name="othr"), told),
        (ingress("main"), set()),
        (ingress_class("nginx", "x.example/y"), set()),
        (ingress("main", ("/", "Prefix", "v9")), told),
        (ingress("main", class_name="other"), set()),
        (ingress_class("other"), set()),
    ]
    for changed, codes_told in steps:
        compiled = change(store, compiled, changed)
        assert compiled == compile_snapshot(store.snapshot(), OPTIONS, check_pattern)
        assert told & set(codes(compiled)) == codes_told, changed
    store.delete(Ref("Ingress", "shop", "main"))
    assert told <= set(codes(compile_snapshot(store.snapshot(), OPTIONS, check_pattern, compiled)))


def test_a_fault_in_a_canary_route_leaves_its_ingress(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("boom")

    monkeypatch.setattr(canaryroute_set, "read_canary_route", fail)
    store, compiled = start(ingress("main"), canary_route())
    (route,) = compiled.plan.hosts[HOST].routes
    assert (len(route.versions), route.canary_route, route.policy.closed) == (1, None, None)
    assert [p.source.ref.kind for p in compiled.problems if p.code == "internal-error"] == ["CanaryRoute"]
    monkeypatch.undo()
    healed = change(store, compiled, canary_route(versions="main:v1=1 new:v2=1"))
    assert len(healed.plan.hosts[HOST].routes[0].versions) == 2


def fail_on(name: str) -> Any:
    real = ingresses_module.read_ingress

    def read(view: Any, *rest: Any) -> Any:
        if view.meta.ref.name == name:
            raise RuntimeError("boom")
        return real(view, *rest)

    return read


def test_a_fault_in_one_ingress_closes_its_routes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingress_set, "read_ingress", fail_on("bad"))
    _, compiled = start(ingress("good"), ingress("bad", ("/bad", "Prefix", "v1")), ingress("other", host="b.example"))
    bad, good = compiled.plan.hosts[HOST].routes
    assert bad.policy.closed is not None
    assert (bad.policy.closed.status, bad.policy.closed.code) == (503, "internal-error")
    assert good.policy.closed is None
    assert [p.source.ref.name for p in compiled.problems if p.code == "internal-error"] == ["bad"]


def test_a_fault_in_a_canary_leaves_its_main(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingress_set, "read_ingress", fail_on("canary"))
    _, compiled = start(canary("canary"), ingress("main"))
    (route,) = compiled.plan.hosts[HOST].routes
    assert route.ingress.name == "main"
    assert route.policy.closed is None


def test_a_fault_in_one_host_closes_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = rules_module.own_paths

    def fail(host: str, *rest: Any) -> Any:
        if host == HOST:
            raise RuntimeError("boom")
        return real(host, *rest)

    monkeypatch.setattr(host_module, "own_paths", fail)
    store, compiled = start(ingress("main"), ingress("other", host="b.example"))
    (closed,) = compiled.plan.hosts[HOST].routes
    assert closed.policy.closed is not None
    assert closed.policy.closed.code == "internal-error"
    assert compiled.plan.hosts["b.example"].routes[0].policy.closed is None
    assert "boom" in next(p.text for p in compiled.problems if p.code == "internal-error")
    monkeypatch.setattr(host_module, "own_paths", real)
    healed = change(store, compiled, ingress("main", ("/", "Prefix", "v2")))
    assert healed.plan.hosts[HOST].routes[0].policy.closed is None
