"""Ends of `serin controller`, in order and out of order: what is served goes on, and so does the writing."""

import os
import pathlib
import signal
import threading

import pytest
from harness.controller_fixtures import backends, field, network
from harness.controllers import Field, lines
from harness.load import load
from harness.manifests import endpoint_slice, ingress, service
from harness.relay import Relay
from harness.serving import Serving, await_ready
from harness.waiting import until
from harness.wire import Request

__all__ = ["backends", "field", "network"]

HOST = "shop.example"
TTL = ("--election-ttl", "3s")


@pytest.fixture
def shop(field: Field) -> Field:
    field.make_class()
    field.put(service("main"), endpoint_slice("main", ["10.99.0.11"]), ingress("main", HOST, "main"))
    return field


def kill(serving: Serving) -> None:
    serving.process.kill()
    serving.process.wait()


def shown(field: Field) -> list[str]:
    found = field.kube.get(f"/apis/networking.k8s.io/v1/namespaces/{field.namespace}/ingresses/main")
    return [entry["ip"] for entry in found["status"].get("loadBalancer", {}).get("ingress", ())]


def test_a_killed_controller_leaves_its_data_plane_serving_and_the_next_one_takes_it_over(shop: Field) -> None:
    serving = shop.control(*TTL)
    data_plane = serving.data_plane()
    with load(serving.door, HOST) as running:
        until(lambda: running.count > 20, "requests")
        kill(serving)
        until(lambda: running.count > 60, "requests without a controller")
        shop.put(endpoint_slice("main", ["10.99.0.12"]))
        again = await_ready(shop.launch(*TTL))
        shop.becomes(again, "main2", HOST)
    assert not running.lost()
    assert again.data_plane() == data_plane, "the same process serves"
    assert again.stop() == 0
    until(lambda: not pathlib.Path(f"/proc/{data_plane}").exists(), "the end of the data plane, too")


def test_the_lease_moves_when_its_holder_is_killed(shop: Field) -> None:
    """Each in a run directory of its own, as replicas are; the data plane of the killed one serves on."""
    one = shop.control("--publish-status-address", "192.0.2.1", *TTL)
    until(lambda: shown(shop) == ["192.0.2.1"], "the first one's address")
    first = shop.holder()
    two = shop.control("--publish-status-address", "192.0.2.2", *TTL, run_dir="second")
    assert shop.answer(two, HOST) == "main", "one that does not lead serves all the same"
    assert shop.holder() == first
    with load(one.door, HOST) as running:
        kill(one)
        until(lambda: shop.holder() not in ("", first), "another holder")
        until(lambda: shown(shop) == ["192.0.2.2"], "the second one's address")
        until(lambda: running.count > 50, "requests")
    assert not running.lost()


def test_sigterm_gives_the_lease_back_at_once_and_answers_what_is_in_flight(shop: Field) -> None:
    one = shop.control("--publish-status-address", "192.0.2.1")
    until(shop.holder, "a holder")
    statuses: list[int] = []
    asked = shop.backends.requests
    slow = threading.Thread(target=lambda: statuses.append(one.door.send(Request(host=HOST, path="/?sleep=6s")).status))
    slow.start()
    until(lambda: shop.backends.requests > asked, "the slow request to arrive")
    one.process.send_signal(signal.SIGTERM)
    until(lambda: not shop.holder(), "nobody to hold it")
    assert slow.is_alive(), "others can take it while we still drain"
    slow.join()
    assert statuses == [200]
    assert one.process.wait(20) == 0


def test_the_last_one_takes_its_address_away(shop: Field) -> None:
    serving = shop.control("--publish-status-address", "192.0.2.1")
    until(lambda: shown(shop) == ["192.0.2.1"], "the address")
    assert serving.stop() == 0
    assert shown(shop) == []


def test_unless_it_is_told_not_to(shop: Field) -> None:
    serving = shop.control("--publish-status-address", "192.0.2.1", "--update-status-on-shutdown=false")
    until(lambda: shown(shop) == ["192.0.2.1"], "the address")
    assert serving.stop() == 0
    assert shown(shop) == ["192.0.2.1"]


def test_beside_a_data_plane_endpoints_are_followed_until_that_one_has_drained(shop: Field) -> None:
    """As in a pod: both get SIGTERM at once, the data plane has a request in flight for a while."""
    controller = shop.control_alone("--shutdown-grace-period", "60s")
    plane = await_ready(shop.data_plane_alone())
    assert shop.answer(plane, HOST) == "main"
    asked = shop.backends.requests
    slow = threading.Thread(target=lambda: plane.door.send(Request(host=HOST, path="/?sleep=6s")))
    slow.start()
    until(lambda: shop.backends.requests > asked, "the slow request to arrive")
    before = (plane.run_dir / "plan" / "pools.bin").read_bytes()
    for process in (controller.process, plane.process):
        process.send_signal(signal.SIGTERM)
    until(lambda: list(lines(controller, "controller-ending")), "the controller to begin its end")
    until(lambda: not shop.holder(), "the Lease to be given back")
    shop.put(endpoint_slice("main", ["10.99.0.12"]))
    until(lambda: (plane.run_dir / "plan" / "pools.bin").read_bytes() != before, "the new endpoint")
    slow.join()
    assert plane.process.wait(20) == 0
    assert controller.process.wait(20) == 0


def test_without_a_data_plane_beside_it_nothing_is_waited_for(shop: Field) -> None:
    controller = shop.control_alone("--shutdown-grace-period", "60s")
    until(lambda: (controller.run_dir / "plan" / "generation").exists(), "a plan", seconds=60)
    controller.process.terminate()
    assert controller.process.wait(15) == 0


def test_a_data_plane_goes_on_with_the_plan_while_the_next_controller_cannot_reach_the_cluster(shop: Field) -> None:
    first = shop.control_alone()
    plane = await_ready(shop.data_plane_alone())
    generation = (plane.run_dir / "plan" / "generation").read_text()
    kill(first)
    nowhere = shop.control_alone("--apiserver-host", "https://127.0.0.1:9")
    until(lambda: list(lines(nowhere, "cluster-waiting")), "the controller to say that it waits")
    assert shop.answer(plane, HOST) == "main"
    assert (plane.run_dir / "plan" / "generation").read_text() == generation
    assert "serin_controller_written_timestamp_seconds" in plane.get("/metrics")[1]
    assert plane.stop() == 0
    assert nowhere.stop() == 0


def test_an_api_server_that_answers_nothing_keeps_nobody_from_ending(shop: Field) -> None:
    with Relay(shop.kube.server) as relay:
        serving = shop.control("--kubeconfig", str(relay.kubeconfig(shop.kube.kubeconfig)))
        until(shop.holder, "a holder")
        relay.hold()
        assert shop.answer(serving, HOST) == "main"
        assert serving.stop() == 0, "within the harness's bound of half a minute"


def test_under_supervision_one_that_is_killed_comes_again(shop: Field) -> None:
    controller = shop.supervised()
    plane = await_ready(shop.data_plane_alone())
    (first,) = (line["pid"] for line in lines(controller, "command-started"))
    os.kill(first, signal.SIGKILL)
    until(lambda: len(list(lines(controller, "command-started"))) == 2, "another one")
    shop.put(endpoint_slice("main", ["10.99.0.12"]))
    shop.becomes(plane, "main2", HOST)
    assert plane.stop() == 0
    assert controller.stop() == 0
