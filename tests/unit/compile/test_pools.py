"""Endpoints of Services: ports, readiness, slices, the older form, external names."""

from typing import Any

import pytest
from unit.compile.manifests import codes, compile_objects, endpoints, ingress, problem, service, snapshot

from serin.compile.annotations.balancing import Balancing
from serin.compile.options import Options
from serin.compile.pools import FIRST_PORT, fill_or_close, fill_pool, make_spec
from serin.objects.store import Snapshot
from serin.routing.plan import Algorithm, Endpoint, Pool

WEB = {"name": "web", "port": 80, "targetPort": 8080}
ADMIN = {"name": "admin", "port": 81, "targetPort": "adm"}
BOTH = ({"name": "web", "port": 8080}, {"name": "admin", "port": 9090})


def filled(*objects: dict[str, Any], port: int | str = 80, options: Options | None = None) -> tuple[Pool, list[str]]:
    """The pool of Service v1, and the codes of its problems."""
    spec = make_spec("shop", "v1", port, Balancing())
    pool, problems = fill_pool(snapshot(*objects), spec, options or Options())
    assert pool.spec == spec
    assert all(str(p.source.ref) == "Service shop/v1" for p in problems)
    return pool, [p.code for p in problems]


def where(*objects: dict[str, Any], port: int | str = 80) -> list[str]:
    return [f"{e.address}:{e.port}" for e in filled(*objects, port=port)[0].endpoints]


def test_without_the_service() -> None:
    pool, found = filled(endpoints("v1", "10.0.0.1"))
    assert (pool.endpoints, found) == ((), ["service-not-found"])


def test_without_endpoints() -> None:
    assert filled(service("v1")) == (Pool(make_spec("shop", "v1", 80, Balancing()), ()), ["no-ready-endpoints"])


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (80, "10.0.0.1:8080"),
        ("web", "10.0.0.1:8080"),
        (81, "10.0.0.1:9090"),
        ("admin", "10.0.0.1:9090"),
        (8080, "10.0.0.1:8080"),
        ("adm", "10.0.0.1:9090"),
        (FIRST_PORT, "10.0.0.1:8080"),
    ],
)
def test_ports_by_number_name_and_target(port: int | str, expected: str) -> None:
    assert where(service("v1", WEB, ADMIN), endpoints("v1", "10.0.0.1", ports=BOTH), port=port) == [expected]


def test_a_port_number_goes_before_anothers_target() -> None:
    ports = ({"name": "a", "port": 90, "targetPort": 91}, {"name": "b", "port": 91, "targetPort": 92})
    slices = endpoints("v1", "10.0.0.1", ports=({"name": "a", "port": 91}, {"name": "b", "port": 92}))
    assert where(service("v1", *ports), slices, port=91) == ["10.0.0.1:92"]


@pytest.mark.parametrize("port", [82, "nope", ""])
def test_a_port_that_is_not_there(port: int | str) -> None:
    pool, found = filled(service("v1", WEB, ADMIN), endpoints("v1", "10.0.0.1", ports=BOTH), port=port)
    assert (pool.endpoints, found) == ((), ["service-port-not-found"])


def test_a_port_that_the_slices_call_otherwise_is_named() -> None:
    objects = service("v1", WEB), endpoints("v1", "10.0.0.1", ports=({"name": "http", "port": 9000},)), ingress("main")
    text = problem(compile_objects(*objects), "no-ready-endpoints").text
    assert "those that are ready have other ports: 9000 (http)" in text


def test_an_unnamed_port() -> None:
    assert where(service("v1", {"port": 80}), endpoints("v1", "10.0.0.1", ports=({"port": 8080},))) == ["10.0.0.1:8080"]


def test_an_unnamed_port_of_a_slice_written_by_hand() -> None:
    assert where(service("v1", WEB), endpoints("v1", "10.0.0.1", ports=({"port": 8080},))) == ["10.0.0.1:8080"]


def test_another_protocol_is_another_port() -> None:
    udp = {"name": "http", "port": 8080, "protocol": "UDP"}
    assert where(service("v1"), endpoints("v1", "10.0.0.1", ports=(udp,))) == []


def test_slices_are_put_together_without_doubles_in_the_order_of_addresses() -> None:
    slices = [endpoints("v1", "10.0.0.3", "10.0.0.1"), endpoints("v1", "10.0.0.2", "10.0.0.3", name="2")]
    expected = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"]
    assert where(service("v1"), *slices) == where(service("v1"), *reversed(slices)) == expected


@pytest.mark.parametrize(
    ("conditions", "there"),
    [
        ({}, True),
        ({"ready": True}, True),
        ({"ready": False}, False),
        ({"ready": False, "serving": True}, False),
        ({"ready": False, "serving": True, "terminating": True}, False),
        ({"ready": True, "terminating": True}, False),
    ],
)
def test_only_ready_endpoints(conditions: dict[str, bool], there: bool) -> None:
    assert bool(where(service("v1"), endpoints("v1", "10.0.0.1", conditions=conditions))) == there


def test_ipv6_and_ipv4_together() -> None:
    slices = (endpoints("v1", "10.0.0.1"), endpoints("v1", "2001:DB8::1", name="six"))
    assert filled(service("v1"), *slices)[0].endpoints == (Endpoint("10.0.0.1", 8080), Endpoint("2001:db8::1", 8080))


def test_headless() -> None:
    assert where(service("v1", clusterIP="None"), endpoints("v1", "10.0.0.1")) == ["10.0.0.1:8080"]


def older(*addresses: str) -> dict[str, Any]:
    subset = {"addresses": [{"ip": a} for a in addresses], "ports": [{"name": "http", "port": 8080}]}
    metadata = {"name": "v1", "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]}


def test_endpoints_where_there_is_no_slice() -> None:
    assert where(service("v1"), older("10.0.0.9")) == ["10.0.0.9:8080"]


def test_slices_go_before_endpoints_even_without_a_ready_one() -> None:
    assert where(service("v1"), older("10.0.0.9"), endpoints("v1", "10.0.0.1", conditions={"ready": False})) == []


def test_slices_of_another_namespace_are_anothers() -> None:
    assert where(service("v1"), endpoints("v1", "10.0.0.1", namespace="other")) == []


def test_client_affinity() -> None:
    config = {"clientIP": {"timeoutSeconds": 60}}
    sticky = service("v1", sessionAffinity="ClientIP", sessionAffinityConfig=config)
    assert filled(sticky, endpoints("v1", "10.0.0.1"))[0].client_affinity == 60


# --- external names ---


def external(name: str, *ports: dict[str, Any]) -> dict[str, Any]:
    made = service("v1", *ports, type="ExternalName", externalName=name)
    if not ports:
        del made["spec"]["ports"]
    return made


def test_an_external_name_is_left_to_the_resolver() -> None:
    pool, found = filled(external("api.example.net", {"port": 80, "targetPort": 8443}))
    assert (pool.external, pool.external_port, pool.endpoints, found) == ("api.example.net", 8443, (), [])


def test_an_external_name_without_ports_has_the_ingresss() -> None:
    assert filled(external("api.example.net"), port=8443)[0].external_port == 8443


def test_an_external_name_whose_port_is_not_there() -> None:
    assert filled(external("api.example.net"), port="https")[1] == ["service-port-not-found"]


@pytest.mark.parametrize("name", ["localhost", "x.localhost", "127.0.0.1", "0.0.0.0", "169.254.169.254"])
def test_names_of_the_pod_itself_are_refused(name: str) -> None:
    pool, found = filled(external(name, {"port": 80}))
    assert (pool.external, found) == ("", ["external-name-refused"])
    assert filled(external(name, {"port": 80}), options=Options(standalone=True))[0].external == name


def test_external_names_can_be_disabled() -> None:
    options = Options(standalone=True, disable_svc_external_name=True)
    assert filled(external("api.example.net", {"port": 80}), options=options)[1] == ["external-name-refused"]


# --- pools in the plan ---


def test_a_pools_problems_are_those_of_every_field_that_names_it() -> None:
    main = ingress("a", ("/x", "Prefix", "v1"), ("/y", "Prefix", "v1"), ("/z", "Prefix", "v2"))
    compiled = compile_objects(main, ingress("b", host="b.example.com"), service("v2"), endpoints("v2", "10.0.0.1"))
    told = [(p.source.ref.name, p.source.field) for p in compiled.problems if p.code == "service-not-found"]
    assert told == [(n, f"spec.rules[0].http.paths[{i}]") for n, i in (("a", 0), ("a", 1), ("b", 0))]


def test_pools_are_shared_between_hosts() -> None:
    compiled = compile_objects(ingress("a"), ingress("b", host="b.example.com"), service("v1"))
    assert len(compiled.plan.pools) == 1


def test_the_same_port_by_name_and_number_are_two_pools() -> None:
    main = ingress("main", ("/n", "Prefix", "v1:80"), ("/s", "Prefix", "v1:http"))
    assert len(compile_objects(main, service("v1")).plan.pools) == 2


def test_names_do_not_run_together() -> None:
    """`a-b`/`c` and `a`/`b-c` are two Services."""
    assert make_spec("a-b", "c", 80, Balancing()).id != make_spec("a", "b-c", 80, Balancing()).id
    assert make_spec("a", "b", 80, Balancing()).id != make_spec("a", "b", "80", Balancing()).id
    assert make_spec("a", "b", 80, Balancing()).id != make_spec("a", "b", 80, Balancing(Algorithm.EWMA)).id


def test_pools_of_service() -> None:
    main = ingress("main", ("/n", "Prefix", "v1:80"), ("/s", "Prefix", "v1:http"), ("/o", "Prefix", "v2"))
    compiled = compile_objects(main, service("v1"))
    assert {spec.port for spec in compiled.pools_of_service("shop", "v1")} == {80, "http"}
    assert compiled.pools_of_service("other", "v1") == ()


def test_a_fault_of_serin_is_an_empty_pool() -> None:
    broken = Snapshot(revision=0, services={("shop", "v1"): None})  # type: ignore[dict-item]
    spec = make_spec("shop", "v1", 80, Balancing())
    assert fill_or_close(broken, spec, Options())[0] == Pool(spec, ())
    torn = Snapshot(revision=0, services={("shop", "v1"): 7})  # type: ignore[dict-item]
    pool, (found,) = fill_or_close(torn, spec, Options())
    assert (pool, found.code) == (Pool(spec, ()), "internal-error")


def test_a_canary_without_endpoints_says_what_comes_of_it() -> None:
    compiled = compile_objects(ingress("main"))
    assert "no other version can answer" in problem(compiled, "service-not-found").text
    assert codes(compiled) == ["service-not-found"]
