"""Which rules of which Ingresses a CanaryRoute shares out, and among which versions; what is told where it does not."""

from dataclasses import replace

import pytest
from unit.compile.manifests import (
    HOST,
    Raw,
    canary,
    canary_route,
    codes,
    compile_objects,
    endpoints,
    ingress,
    ingress_class,
    problem,
    route,
    routes,
    service,
    weights,
)

from serin.compile.canaries import main_ident
from serin.compile.canaryroutes import version_ident
from serin.refs import Ref
from serin.routing.conditions import FieldMatch, MatchKind
from serin.routing.plan import Route

SHOP = Ref("CanaryRoute", "shop", "shop")


def header(name: str, value: str, kind: str = "Exact", *, version: str = "new") -> Raw:
    return {"version": version, "matches": [{"headers": [{"name": name, "type": kind, "value": value}]}]}


def shared(found: tuple[Route, ...]) -> dict[str, str | None]:
    """The CanaryRoute of each path."""
    return {r.rule.path: None if r.canary_route is None else r.canary_route.name for r in found}


def test_versions_and_weights_stand_as_written() -> None:
    compiled = compile_objects(ingress("main"), canary_route(versions="old:v1=5 mid:v2=3 new:v3=2"))
    found = route(compiled)
    assert weights(compiled) == (5, 3, 2, 10)
    assert not compiled.plan.splits[str(found.split)].rest
    assert [(v.name, v.service, v.port) for v in found.versions] == [
        ("old", "v1", "80"),
        ("mid", "v2", "80"),
        ("new", "v3", "80"),
    ]
    assert [v.ident for v in found.versions] == [main_ident(), version_ident(SHOP, "mid"), version_ident(SHOP, "new")]
    assert [str(v.source) for v in found.versions] == [f"{SHOP}: spec.versions[{n}]" for n in range(3)]
    assert found.canary_route == SHOP


def test_idents_are_of_the_name_alone() -> None:
    """So that counters and affinity cookies outlive other Services, weights, order and hosts."""
    first = route(compile_objects(ingress("main"), canary_route(versions="a:v1=1 b:v2=1 c:v3=1")))
    second = route(
        compile_objects(ingress("x", host="b.example"), canary_route(versions="a:v1=1 c:v9:81=7")), "b.example"
    )
    assert second.versions[1].ident == first.versions[2].ident
    assert version_ident(SHOP, "b") != version_ident(replace(SHOP, name="other"), "b")
    assert version_ident(SHOP, "b") != version_ident(replace(SHOP, namespace="other"), "b")


def test_everything_but_the_version_stays_the_ingress() -> None:
    notes = {"load-balance": "ewma", "upstream-hash-by": "$arg_user", "proxy-read-timeout": "5", "affinity": "cookie"}
    plain = route(compile_objects(ingress("main", notes=notes)))
    compiled = compile_objects(ingress("main", notes=notes), canary_route())
    found = route(compiled)
    assert (found.policy, found.split, found.match, found.ingress) == (
        plain.policy,
        plain.split,
        plain.match,
        plain.ingress,
    )
    assert found.versions[0].pool == plain.versions[0].pool
    assert found.versions[1].hash_by == plain.versions[0].hash_by is not None
    assert {pool.spec.algorithm for pool in compiled.plan.pools.values()} == {"hash"}
    assert all(version.sticky for version in found.versions)


@pytest.mark.parametrize(
    ("backend", "versions", "port"),
    [
        ("v1:8080", "a:v1=1 b:v2=1", "8080"),
        ("v1:web", "a:v1=1 b:v2=1", "web"),
        ("v1:8080", "a:v1:8080=1 b:v2=1", "8080"),
        ("v1:web", "a:v1:web=1 b:v2:81=1", "81"),
        ("v1:8080", "a:v1:80=1 b:v2=1", None),
        ("v1:web", "a:v1:80=1 b:v2=1", None),
        ("v1:8080", "a:v2=1 b:v1=1", None),
    ],
)
def test_home_is_a_service_and_the_port_that_the_ingress_names(backend: str, versions: str, port: str | None) -> None:
    compiled = compile_objects(ingress("main", ("/", "Prefix", backend)), canary_route(versions=versions))
    found = route(compiled)
    assert [v.port for v in found.versions[1:]] == ([] if port is None else [port])
    assert ("canaryroute-without-ingress" in codes(compiled)) == (port is None)


def test_it_is_for_every_rule_of_its_namespace_with_home_as_backend() -> None:
    mains = [
        ingress("a", ("/a", "Prefix", "v1"), ("/b", "Prefix", "v2"), default="v1"),
        ingress("b", ("/c", "Exact", "v1")),
        ingress("c", ("/d", "Prefix", "v1"), namespace="other"),
    ]
    found = shared(routes(compile_objects(*mains, canary_route())))
    assert found == {"/a": "shop", "/b": None, "/c": "shop", "/d": None, "/": "shop"}


@pytest.mark.parametrize(
    ("targets", "paths"),
    [
        ([{"name": "a"}], ["/a", "/b"]),
        ([{"name": "a", "path": "/b"}, {"name": "b"}], ["/b", "/c"]),
        ([{"name": "a", "host": HOST}], ["/a", "/b"]),
        ([{"name": "a", "host": "b.example"}], []),
        ([{"name": "a", "path": "/"}], []),
        ([{"name": "x"}], []),
        ([{"name": ""}], []),
        ([], ["/a", "/b", "/c"]),
    ],
)
def test_targets_narrow_it(targets: list[Raw], paths: list[str]) -> None:
    mains = [ingress("a", ("/a", "Prefix", "v1"), ("/b", "Prefix", "v1")), ingress("b", ("/c", "Prefix", "v1"))]
    compiled = compile_objects(*mains, canary_route(targets=targets))
    assert sorted(path for path, name in shared(routes(compiled)).items() if name) == paths
    assert ("canaryroute-target-not-found" in codes(compiled)) == (not paths and targets != [{"name": ""}])


def test_a_path_that_is_served_twice_in_the_table_is_shared_out_in_both() -> None:
    compiled = compile_objects(ingress("main", ("/a", "Prefix", "v1"), notes={"rewrite-target": "/a"}), canary_route())
    assert [r.canary_route for r in routes(compiled)] == [SHOP, SHOP]
    assert len({r.split for r in routes(compiled)}) == 1


def test_a_route_that_answers_by_itself_has_no_versions_and_is_no_mistake() -> None:
    closed = ingress("main", notes={"permanent-redirect": "https://example.com"})
    compiled = compile_objects(closed, canary_route(targets=[{"name": "main"}]))
    assert (route(compiled).versions, route(compiled).canary_route, codes(compiled)) == ((), None, [])


def test_of_two_the_older_has_the_rule() -> None:
    young = canary_route("a", created="2026-01-02T00:00:00Z")
    old = canary_route("b", created="2026-01-01T00:00:00Z", targets=[{"name": "main", "path": "/b"}])
    main = ingress("main", ("/a", "Prefix", "v1"), ("/b", "Prefix", "v1"))
    compiled = compile_objects(main, young, old)
    assert shared(routes(compiled)) == {"/a": "a", "/b": "b"}
    found = problem(compiled, "canaryroute-conflict")
    assert (found.source.ref.name, found.source.field) == ("a", "spec.versions[0].service")
    assert "shop/b is older" in found.text
    assert f"{HOST} /b" in found.text


def test_canary_ingresses_of_its_rule_are_left_out_and_both_sides_told() -> None:
    main = ingress("main", ("/a", "Prefix", "v1"), ("/b", "Prefix", "other"))
    beside = canary("canary", ("/a", "Prefix", "v9"), ("/b", "Prefix", "v9"), notes={"canary-weight": "50"})
    compiled = compile_objects(main, beside, canary_route())
    assert [[v.service for v in r.versions] for r in routes(compiled)] == [["other", "v9"], ["v1", "v2"]]
    assert problem(compiled, "canary-overridden").source.ref == Ref("Ingress", "shop", "canary")
    assert problem(compiled, "canaryroute-overrides").source.ref == SHOP


def test_rules_name_versions_by_their_place() -> None:
    rules = [header("X", "1"), header("Y", "a|b", "RegularExpression", version="main")]
    first, second = route(compile_objects(ingress("main"), canary_route("shop", *rules))).match_rules
    assert (first.version, second.version) == (1, 0)
    assert first.matches[0].headers == (FieldMatch("X", MatchKind.EXACT, "1"),)
    assert second.matches[0].headers[0].pattern == r"\A(?:a|b)\z"
    assert str(second.matches[0].source) == f"{SHOP}: spec.rules[1].matches[0]"


@pytest.mark.parametrize("pattern", ["(", "a)|(b", "a)(?:"])
def test_a_pattern_must_compile_by_itself(pattern: str) -> None:
    """`a)|(b` does compile in the group that it is put into, and means something else there."""
    rules = [header("X", pattern, "RegularExpression"), header("X", pattern, "RegularExpression", version="main")]
    compiled = compile_objects(ingress("main"), canary_route("shop", *rules))
    assert all(rule.matches[0].headers[0].broken for rule in route(compiled).match_rules)
    said = [
        (p.source.field, p.text.rpartition("; ")[2])
        for p in compiled.problems
        if p.code == "canaryroute-pattern-broken"
    ]
    assert said == [
        ("spec.rules[0].matches[0].headers[0].value", "it matches no request"),
        ("spec.rules[1].matches[0].headers[0].value", "requests that have X stay home"),
    ]


def test_a_service_that_is_not_there_is_told_at_its_version() -> None:
    compiled = compile_objects(ingress("main"), service("v1"), endpoints("v1", "10.0.0.1"), canary_route())
    found = problem(compiled, "service-not-found")
    assert (found.source.ref, found.source.field) == (SHOP, "spec.versions[1].service")
    compiled = compile_objects(ingress("main"), service("v2"), endpoints("v2", "10.0.0.1"), canary_route())
    sources = [str(p.source) for p in compiled.problems if p.code == "service-not-found"]
    assert sources == [f"{SHOP}: spec.versions[0].service", "Ingress shop/main: spec.rules[0].http.paths[0]"]


@pytest.mark.parametrize(
    ("backend", "home", "ports", "attached"),
    [
        ("v1:web", "v1:80", ({"name": "web", "port": 80},), True),
        ("v1:80", "v1:web", ({"name": "web", "port": 80},), True),
        ("v1:8080", "v1:80", ({"name": "web", "port": 80, "targetPort": 8080},), True),
        ("v1:8080", "v1:80", ({"name": "web", "port": 80, "targetPort": 8080}, {"name": "x", "port": 8080}), False),
        ("v1:web", "v1:80", ({"name": "x", "port": 80}, {"name": "web", "port": 81}), False),
        ("v1:web", "v1:80", ({"name": "web", "port": 81},), False),
        ("v1:81", "v1:80", ({"port": 80}, {"name": "web", "port": 81}), False),
    ],
)
def test_a_port_is_the_same_by_number_and_by_name(
    backend: str, home: str, ports: tuple[Raw, ...], attached: bool
) -> None:
    route = canary_route(versions=f"a:{home}=1 b:v2=1")
    compiled = compile_objects(ingress("main", ("/", "Prefix", backend)), route, service("v1", *ports))
    assert (shared(routes(compiled))["/"] == "shop") is attached


UNTOLD = {"canaryroute-without-ingress", "canaryroute-target-not-found"}


@pytest.mark.parametrize(
    ("main", "told"),
    [
        (ingress("main", class_name="other"), False),
        (ingress("main", class_name=None, notes={"kubernetes.io/ingress.class": "other"}), False),
        (ingress("main", ("/", "Prefix", "v9"), class_name="other", default="v1"), False),
        (ingress("main", class_name="othr"), True),
        (ingress("main", class_name=None), True),
        (ingress("main", class_name="other", namespace="other"), True),
    ],
)
def test_an_ingress_of_another_class_is_none_and_is_no_mistake(main: Raw, told: bool) -> None:
    """Two controllers on a cluster both see every CanaryRoute."""
    classes = (ingress_class("other", "x.example/y"), ingress_class("nginx"))
    asked = (canary_route(), canary_route("t", targets=[{"name": "main"}]))
    compiled = compile_objects(main, *asked, *classes, standalone=False)
    assert UNTOLD & set(codes(compiled)) == (UNTOLD if told else set())
    assert not compiled.plan.hosts


def test_our_own_ingress_with_another_backend_is_told_beside_one_of_another_class() -> None:
    compiled = compile_objects(
        ingress("main", ("/", "Prefix", "v9")),
        ingress("theirs", class_name="other"),
        ingress_class("other", "x.example/y"),
        ingress_class("nginx"),
        canary_route(targets=[{"name": "main"}, {"name": "theirs"}]),
        standalone=False,
    )
    assert problem(compiled, "canaryroute-target-not-found").source.field == "spec.targets[0]"


def test_an_ingress_that_lost_its_path_is_told_so() -> None:
    """Not that it has no such backend, beside the very same one."""
    older = ingress("older", ("/", "Prefix", "v9"), created="2026-01-01T00:00:00Z")
    main = ingress("main", created="2026-01-02T00:00:00Z")
    compiled = compile_objects(older, main, canary_route(), canary_route("t", targets=[{"name": "main"}]))
    for code in UNTOLD:
        assert "another rule has its requests" in problem(compiled, code).text
