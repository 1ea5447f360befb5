"""From Secrets, Services, classes and CanaryRoutes to the Ingresses that name them; and what users changed."""

import pytest
from unit.compile.manifests import (
    canary_route,
    check_pattern,
    compile_objects,
    endpoints,
    ingress,
    secret,
    service,
)

from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.concerned import changed_ingresses, concerned, of_ours
from serin.compile.options import Options
from serin.objects.parse import parse_object
from serin.objects.store import Store
from serin.problems import Problem, Severity
from serin.refs import Ref, Source

AUTH = {"auth-type": "basic", "auth-secret": "users"}


def of(kind: str, name: str, namespace: str = "shop") -> Ref:
    return Ref(kind, namespace, name)


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return compile_objects(
        ingress("a", ("/", "Prefix", "v1"), tls=[{"hosts": ["shop.example.com"], "secretName": "cert"}]),
        ingress("b", ("/b", "Prefix", "v2"), notes=AUTH),
        ingress("c", ("/", "Prefix", "v1"), host="other.example.com"),
        ingress("foreign", ("/f", "Prefix", "v1"), class_name="other"),
        service("v1"),
        endpoints("v1"),
        canary_route(versions="old:v1=1 new:v2=1"),
    )


@pytest.mark.parametrize(
    ("ref", "names"),
    [
        (of("Ingress", "a"), ["a"]),
        (of("Ingress", "foreign"), []),
        (of("Service", "v1"), ["a", "c"]),
        (of("Endpoints", "v1"), ["a", "c"]),
        (of("Service", "unknown"), []),
        (of("Secret", "cert"), ["a"]),
        (of("Secret", "users"), ["b"]),
        (of("Secret", "cert", "elsewhere"), []),
        (of("IngressClass", "nginx", ""), ["a", "b", "c"]),
        (of("ConfigMap", "options"), []),
    ],
)
def test_ingresses_that_name_the_object(compiled: Compiled, ref: Ref, names: list[str]) -> None:
    assert [ingress.name for ingress in concerned(compiled, ref)] == names


def test_what_others_objects_have_by_themselves_is_not_told(compiled: Compiled) -> None:
    def broken(ref: Ref) -> Problem:
        return Problem(Source(ref, "spec"), "a-code", Severity.ERROR, "a text")

    ours = [of("Ingress", "a"), of("Service", "v1"), of("Secret", "cert"), of("CanaryRoute", "any")]
    theirs = [of("Ingress", "foreign"), of("Service", "unknown"), of("Secret", "helm"), of("IngressClass", "other", "")]
    assert list(of_ours(compiled, map(broken, [*ours, *theirs]))) == [broken(ref) for ref in ours]


def test_a_slice_concerns_those_of_its_service(compiled: Compiled) -> None:
    (name,) = compiled.memo.snapshot.endpoint_slices
    assert [ref.name for ref in concerned(compiled, Ref("EndpointSlice", *name))] == ["a", "c"]


def test_a_canary_route_concerns_the_ingresses_whose_rules_it_shares_out(compiled: Compiled) -> None:
    shared = {r.canary_route for host in compiled.plan.hosts.values() for r in host.routes} - {None}
    (ref,) = shared
    assert ref is not None
    assert [found.name for found in concerned(compiled, ref)] == ["a", "c"]


def test_a_canary_route_that_gives_way_to_an_older_one_concerns_no_ingress() -> None:
    """One that gives way on many rules would be told on the Ingress of each, once for each of them."""
    found = compile_objects(
        ingress("a", ("/", "Prefix", "v1")),
        ingress("b", ("/b", "Prefix", "v2")),
        service("v1"),
        endpoints("v1"),
        canary_route("first", versions="old:v1=1 new:v2=1", created="2026-01-01T00:00:00Z"),
        canary_route("second", versions="old:v1=1 new:v3=1", created="2026-02-01T00:00:00Z"),
    )
    assert "canaryroute-conflict" in {p.code for p in found.problems if p.source.ref == of("CanaryRoute", "second")}
    assert concerned(found, of("CanaryRoute", "first")) == (of("Ingress", "a"),)
    assert concerned(found, of("CanaryRoute", "second")) == ()
    assert concerned(found, of("CanaryRoute", "third")) == ()


def test_only_what_users_changed_counts_as_changed() -> None:
    store = Store()

    def put(raw: dict[str, object], version: str) -> Compiled:
        view = parse_object(raw, version=version).view
        assert view is not None
        store.apply(view)
        return compile_snapshot(store.snapshot(), Options(standalone=True), check_pattern, before)

    before = None
    first = put(ingress("a"), "1")
    assert changed_ingresses(None, first) == frozenset()
    before = first
    second = put(ingress("b"), "1")
    assert changed_ingresses(first, second) == {of("Ingress", "b")}
    before = second
    third = put(ingress("b"), "2")
    assert changed_ingresses(second, third) == frozenset()
    before = third
    fourth = put(ingress("a", notes={"rewrite-target": "/x"}), "2")
    assert changed_ingresses(third, fourth) == {of("Ingress", "a")}
    assert changed_ingresses(fourth, fourth) == frozenset()


def test_an_ingress_that_becomes_ours_by_its_class_counts_as_changed() -> None:
    store = Store()

    def put(raw: dict[str, object], before: Compiled | None) -> Compiled:
        view = parse_object(raw).view
        assert view is not None
        store.apply(view)
        return compile_snapshot(store.snapshot(), Options(), check_pattern, before)

    spec = {"controller": "serin.dev/ingress-controller"}
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass"}
    first = put({**kind, "metadata": {"name": "nginx"}, "spec": spec}, put(ingress("a"), None))
    second = put(ingress("b", class_name="late"), first)
    assert changed_ingresses(first, second) == frozenset()
    third = put({**kind, "metadata": {"name": "late"}, "spec": spec}, second)
    assert changed_ingresses(second, third) == {of("Ingress", "b")}


def test_secrets_that_are_there_change_nothing() -> None:
    found = compile_objects(ingress("a", notes=AUTH), secret("users", auth="u:{PLAIN}p"))
    assert [ref.name for ref in concerned(found, of("Secret", "users"))] == ["a"]
