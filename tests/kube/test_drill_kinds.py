"""Each kind of object, made, changed and deleted, as requests see it, while requests for others go on."""

from collections.abc import Iterator
from typing import Any

import pytest
from harness import canaryroutes
from harness.casefile import self_signed
from harness.controllers import Field
from harness.drill_fixtures import backends, network, shared_field
from harness.drilling import (
    WIDE,
    Drill,
    auth_secret,
    backend,
    basic,
    canary_route,
    config_map,
    drilling,
    endpoints,
    secured,
)
from harness.manifests import canary, endpoint_slice, ingress, service, tls_secret
from harness.waiting import until

__all__ = ["backends", "network", "shared_field"]


@pytest.fixture(scope="module")
def running(shared_field: Field) -> Iterator[Drill]:
    canaryroutes.install(shared_field.kube)
    shared_field.put(*backend("main", "10.99.0.11"), *backend("next", "10.99.0.21"))
    with drilling(shared_field, "--configmap", f"{shared_field.namespace}/options") as made:
        yield made


@pytest.fixture
def drill(running: Drill) -> Iterator[Drill]:
    yield running
    running.assert_nothing_lost()


def test_ingress(drill: Drill) -> None:
    field, host = drill.field, "ingress.example"
    assert drill.status(host) == 404
    field.put(ingress("changing", host, "main"))
    drill.answers("main", host)
    field.put(ingress("changing", host, "next"))
    drill.answers("next", host)
    field.put(ingress("changing", host, "next", path="/cart"))
    drill.answers("404", host)
    drill.answers("next", host, path="/cart/1")
    field.put(ingress("changing", "moved.example", "next"))
    drill.answers("next", "moved.example")
    drill.answers("404", host)
    field.delete("ingress", "changing")
    drill.answers("404", "moved.example")


def test_ingress_made_anew_under_its_name_at_once(drill: Drill) -> None:
    field, host = drill.field, "anew.example"
    field.put(ingress("anew", host, "main"))
    drill.answers("main", host)
    for backend_name in ("next", "main", "next"):
        field.delete("ingress", "anew")
        field.put(ingress("anew", host, backend_name))
    drill.answers("next", host)


def test_canary_ingress(drill: Drill) -> None:
    field, host = drill.field, "weighed.example"
    field.put(ingress("weighed", host, "main"), canary("weighed-next", host, "next", weight="100"))
    drill.answers("next", host)
    field.put(canary("weighed-next", host, "next", weight="0", by_header="Try"))
    drill.answers("main", host)
    drill.answers("next", host, ("Try", "always"))
    field.delete("ingress", "weighed-next")
    drill.answers("main", host, ("Try", "always"))


def test_ingress_class(drill: Drill) -> None:
    field, host, name = drill.field, "classed.example", f"{drill.field.namespace}-more"
    waiting = ingress("classed", host, "main")
    waiting["spec"]["ingressClassName"] = name
    field.put(waiting)
    try:
        drill.pass_mark()
        assert drill.status(host) == 404
        field.make_class(name)
        drill.answers("main", host)
        field.kube.kubectl("delete", "ingressclass", name)
        drill.answers("404", host)
        field.make_class(name, "another.example/controller")  # a class keeps its controller, so it is made anew
        drill.pass_mark()
        assert drill.status(host) == 404
        field.kube.kubectl("delete", "ingressclass", name)
        field.make_class(name)
        drill.answers("main", host)
    finally:
        field.kube.kubectl("delete", "ingressclass", name, "--ignore-not-found")


def test_service(drill: Drill) -> None:
    field, host = drill.field, "service.example"
    field.put(ingress("service", host, "late"), endpoint_slice("late", ["10.99.0.12"]))
    drill.answers("503", host)
    field.put(service("late"))
    drill.answers("main2", host)
    other = service("late")
    other["spec"]["ports"] = [{"name": "http", "port": 81, "targetPort": 8080}]
    field.kube.request("PUT", f"/api/v1/namespaces/{field.namespace}/services/late", placed(field, other))
    drill.answers("503", host)
    field.kube.request("PUT", f"/api/v1/namespaces/{field.namespace}/services/late", placed(field, service("late")))
    drill.answers("main2", host)
    field.delete("service", "late")
    drill.answers("503", host)


def placed(field: Field, manifest: dict[str, Any]) -> dict[str, Any]:
    """To replace a Service as a whole: its address may not be taken away."""
    made = field.placed(manifest)
    found = field.kube.get(f"/api/v1/namespaces/{field.namespace}/services/{made['metadata']['name']}")
    made["spec"]["clusterIP"] = found["spec"]["clusterIP"]
    made["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
    return made


def test_endpoints_scale_to_nothing_and_back(drill: Drill) -> None:
    field, host = drill.field, "scaled.example"
    field.put(ingress("scaled", host, "scaled"), *backend("scaled"))
    drill.answers("503", host)
    for addresses, names in (
        (["10.99.0.11"], {"main"}),
        (["10.99.0.11", "10.99.0.12", "10.99.0.21", "10.99.0.22"], {"main", "main2", "next", "next2"}),
        (["10.99.0.22"], {"next2"}),
        ([], {"503"}),
        (["10.99.0.12"], {"main2"}),
    ):
        field.put(endpoint_slice("scaled", addresses))
        drill.answered_by(names, host)
    field.delete("endpointslice", "scaled-1")
    drill.answers("503", host)


def test_endpoints_that_change_many_times_come_to_rest_where_the_last_change_says(drill: Drill) -> None:
    field, host = drill.field, "flapping.example"
    field.put(ingress("flapping", host, "flapping"), *backend("flapping", "10.99.0.11"))
    drill.answers("main", host)
    path = f"/apis/discovery.k8s.io/v1/namespaces/{field.namespace}/endpointslices/flapping-1"
    for turn in range(100):
        addresses = [["10.99.0.11"], ["10.99.0.12"], [], ["10.99.0.21", "10.99.0.22"]][turn % 4]
        field.kube.request("PATCH", path, {"endpoints": endpoint_slice("flapping", addresses)["endpoints"]})
    drill.answered_by({"next", "next2"}, host)


def test_endpoints_made_by_hand_count_where_there_is_no_slice(drill: Drill) -> None:
    field, host = drill.field, "by-hand.example"
    field.put(ingress("by-hand", host, "by-hand"), service("by-hand"))
    drill.answers("503", host)
    field.put(endpoints("by-hand", "10.99.0.21"))
    drill.answers("next", host)
    field.put(endpoints("by-hand", "10.99.0.22"))
    drill.answers("next2", host)
    field.put(endpoint_slice("by-hand", ["10.99.0.11"]))
    drill.answers("main", host)
    field.delete("endpointslice", "by-hand-1")
    drill.answers("next2", host)
    field.put(endpoints("by-hand"))
    drill.answers("503", host)
    field.put(endpoints("by-hand", "10.99.0.12"))
    drill.answers("main2", host)
    field.delete("endpoints", "by-hand")
    drill.answers("503", host)


def test_tls_secret(drill: Drill) -> None:
    field, host = drill.field, "secret.example"
    field.put(secured("secret", host, "main", "cert"))
    drill.answers("main", host)
    unnamed = drill.certificate("nobody.example")
    assert drill.certificate(host) == unnamed != b""
    for pair in (self_signed(host), self_signed.__wrapped__(host)):
        field.put(tls_secret("cert", *pair))
        drill.shows(pair, host)
    drill.answers("main", host, tls=True)
    field.delete("secret", "cert")
    until(lambda: drill.certificate(host) == unnamed, "the default certificate", seconds=WIDE)
    drill.answers("main", host, tls=True)


def test_auth_secret(drill: Drill) -> None:
    """Without its Secret a route that asks for a password is closed, not open."""
    field, host = drill.field, "locked.example"
    field.put(ingress("locked", host, "main", auth_type="basic", auth_secret="users"))
    drill.answers("503", host, basic("ann", "first"))
    field.put(auth_secret("users", ann="first"))
    drill.answers("main", host, basic("ann", "first"))
    drill.answers("401", host)
    field.put(auth_secret("users", ann="second"))
    drill.answers("main", host, basic("ann", "second"))
    drill.answers("401", host, basic("ann", "first"))
    field.delete("secret", "users")
    drill.answers("503", host, basic("ann", "second"))
    field.put(auth_secret("users", bob="third"))
    drill.answers("main", host, basic("bob", "third"))


def test_config_map_of_options(drill: Drill) -> None:
    field, host = drill.field, "bounded.example"
    field.put(ingress("bounded", host, "main"))
    large = {"method": "POST", "body": b"x" * 5000}
    drill.answers("main", host, **large)
    field.put(config_map("options", proxy_body_size="1k"))
    drill.answers("413", host, **large)
    field.put(config_map("options", proxy_body_size="1m"))
    drill.answers("main", host, **large)
    field.put(config_map("options", proxy_body_size="1k"))
    drill.answers("413", host, **large)
    field.delete("configmap", "options")
    drill.answers("main", host, **large)


def test_canary_route(drill: Drill) -> None:
    field, host = drill.field, "routed.example"
    field.put(ingress("routed", host, "main"))
    drill.answers("main", host)
    field.put(canary_route("routed", 1, 0, header="Try"))
    drill.answers("next", host, ("Try", "always"))
    drill.answers("main", host)
    field.put(canary_route("routed", 0, 1))
    drill.answers("next", host)
    field.delete("canaryroute", "routed")
    drill.answers("main", host)


def test_namespace(drill: Drill) -> None:
    """Whoever deletes it deletes all that is in it, one after the other."""
    field, host, name = drill.field, "elsewhere.example", f"{drill.field.namespace}-two"
    field.kube.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    objects = [field.placed(made) for made in (ingress("all", host, "main"), *backend("main", "10.99.0.22"))]
    for made in objects:
        made["metadata"]["namespace"] = name
    field.kube.apply(*objects, namespace=name)
    drill.answers("next2", host)
    field.kube.kubectl("delete", "namespace", name, "--wait=false")
    drill.answers("404", host)
