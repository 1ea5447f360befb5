"""Which replicas are asked, as EndpointSlices tell of them."""

from typing import Any

from serin.control.facts.replicas import Replica, replicas_of


def endpoint(address: str, pod: str = "", **conditions: bool) -> dict[str, Any]:
    target = {"targetRef": {"kind": "Pod", "name": pod}} if pod else {}
    return {"addresses": [address], "conditions": conditions, **target}


def of(*endpoints: dict[str, Any], port: int | None = 8444, name: str = "facts") -> dict[str, Any]:
    return {"ports": [{"name": "other", "port": 1}, {"name": name, "port": port}], "endpoints": list(endpoints)}


def test_those_that_are_not_ready_count() -> None:
    slices = [of(endpoint("10.0.0.1", "a", ready=True), endpoint("10.0.0.2", "b", ready=False, serving=False))]
    assert replicas_of(slices) == (Replica("a", ("10.0.0.1",), 8444), Replica("b", ("10.0.0.2",), 8444))


def test_those_that_are_being_deleted_are_marked() -> None:
    [found] = replicas_of([of(endpoint("10.0.0.1", "a", serving=True, terminating=True))])
    assert found.leaving


def test_a_pod_with_two_addresses_is_one_replica() -> None:
    slices = [of(endpoint("10.0.0.1", "a")), of(endpoint("fd00::1", "a")), of(endpoint("10.0.0.9"))]
    assert replicas_of(slices) == (
        Replica("10.0.0.9", ("10.0.0.9",), 8444),
        Replica("a", ("10.0.0.1", "fd00::1"), 8444),
    )


def test_slices_without_the_port_have_none() -> None:
    assert replicas_of([of(endpoint("10.0.0.1", "a"), name="http"), of(endpoint("10.0.0.2", "b"), port=None)]) == ()
    assert replicas_of([{"ports": None, "endpoints": None}, of({"addresses": None})]) == ()
