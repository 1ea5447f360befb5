"""A controller that has just begun: what it left in its run directory is served, and never half of a cluster."""

import concurrent.futures
from collections.abc import Iterator
from typing import Any

import pytest
from harness.casefile import self_signed
from harness.controllers import Field, end_process, lines
from harness.drill_fixtures import Island, island, island_server
from harness.drilling import PAUSE, WIDE, Drill, assert_served, auth_secret, backend, basic, der
from harness.load import load
from harness.manifests import ingress, tls_secret
from harness.serving import Serving, await_ports, await_ready, is_running
from harness.sick_server import Illness, SickServer
from harness.waiting import until

__all__ = ["island", "island_server"]

HOSTS = 80
"""Each with a certificate and a list of users of its own."""
DELAY = 0.1
"""Seconds by which each answer of the API server is late, so that what is half-known is so for a while."""
GIVEN = basic("ann", "word")


def name_of(number: int) -> str:
    return f"crowd-{number:03}"


def host_of(number: int) -> str:
    return f"{name_of(number)}.example"


def objects(number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each is posted, and what."""
    name, host = name_of(number), host_of(number)
    closed = ingress(name, host, "main", auth_type="basic", auth_secret=f"{name}-users", ssl_redirect="false")
    closed["spec"]["tls"] = [{"hosts": [host], "secretName": f"{name}-tls"}]
    yield "/apis/networking.k8s.io/v1/namespaces/{}/ingresses", closed
    yield "/api/v1/namespaces/{}/secrets", auth_secret(f"{name}-users", ann="word")
    yield "/api/v1/namespaces/{}/secrets", tls_secret(f"{name}-tls", *self_signed(host))


@pytest.fixture(scope="module")
def crowd(island: Island) -> Field:
    there = island.field
    there.make_class()
    there.put(*backend("main", "10.99.0.11"))

    def post(number: int) -> None:
        for path, made in objects(number):
            there.kube.request("POST", path.format(there.namespace), there.placed(made))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(post, range(HOSTS)))
    return there


def wrong(drill: Drill, numbers: range = range(HOSTS)) -> list[str]:
    """What is not as it has to be, of each host: its certificate, closed without a password, open with one."""

    def look(number: int) -> str:
        host = host_of(number)
        shown = drill.certificate(host) == der(self_signed(host)[0])
        found = (shown, drill.status(host), drill.field.answer(drill.serving, host, GIVEN))
        return "" if found == (True, 401, "main") else f"{host}: {found}"

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return [text for text in pool.map(look, numbers) if text]


ILLNESSES = {
    "late": Illness(seconds=DELAY),
    "too-many": Illness(lambda call: "/secrets/" in call.path, status=429, every=4),
}


@pytest.mark.parametrize("name", ILLNESSES)
def test_from_the_first_readiness_on_nothing_is_missing(island: Island, crowd: Field, name: str) -> None:
    """The API server makes it hard to learn everything; before that there is no table at all."""
    with SickServer(island.kube, crowd.folder) as sick:
        sick.is_ill(ILLNESSES[name])
        config = sick.kubeconfig(crowd.folder / "sick.kubeconfig")
        serving = await_ports(crowd.launch("--access-log", "off", "--kubeconfig", str(config), run_dir=name))
        drill = Drill(crowd, serving)
        before = set()
        while not serving.is_ready():
            assert serving.process.poll() is None, serving.output()[-2000:]
            before.add(drill.status(host_of(HOSTS - 1)))
        assert wrong(drill) == []
        assert before <= {0, 503, 401}, "nothing, or all: never a 404, and never open"
        assert before & {0, 503}, "it was not ready at once"
        assert sick.met > HOSTS / 5
        assert serving.stop() == 0


@pytest.fixture
def killed(crowd: Field) -> Serving:
    """One that served everything; controller and data plane were killed."""
    serving = crowd.control("--access-log", "off", run_dir="kept")
    data_plane = serving.data_plane()
    serving.process.kill()
    serving.process.wait()
    end_process(data_plane)
    until(lambda: not is_running(data_plane), "the data plane's end")
    return serving


def test_without_an_api_server_the_last_plan_is_served_and_a_new_run_directory_is_not_ready(
    island: Island, crowd: Field, killed: Serving
) -> None:
    island.stop()
    try:
        old = Drill(crowd, crowd.control("--access-log", "off", run_dir="kept"))
        assert wrong(old) == []
        new = Drill(crowd, await_ports(crowd.launch("--access-log", "off", run_dir="new")))
        with load(old.serving.door, host_of(1), headers=dict([GIVEN]), connections=1, pause=PAUSE) as running:
            until(lambda: list(lines(new.serving, "cluster-waiting")), "it to wait for the cluster", seconds=WIDE)
            assert new.serving.get("/readyz")[0] == 503
            assert new.status(host_of(1)) in (0, 503)
            with island.network.outside():
                for kind, name in (("ingress", name_of(0)), ("secrets", f"{name_of(2)}-users")):
                    crowd.kube.delete_behind(kind, crowd.namespace, name)
            island.start()
            await_ready(new.serving)
            for drill in (new, old):
                drill.answers("404", host_of(0), GIVEN)
                drill.answers("503", host_of(2), GIVEN)
                assert wrong(drill, range(3, HOSTS)) == []
            assert_served(running)
    finally:
        island.recover()
