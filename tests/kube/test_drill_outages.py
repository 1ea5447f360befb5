"""What API servers, and the ways to them, do to a controller: requests go on, and afterwards all is right again.

One controller lives through all of it, with load from the beginning to the end. `make soak` makes each outage last.
"""

import os
import shutil
import time
from collections.abc import Iterator

import pytest
from harness import canaryroutes
from harness.casefile import self_signed
from harness.drill_fixtures import Island, island, island_server
from harness.drilling import (
    WIDE,
    Drill,
    auth_secret,
    backend,
    basic,
    canary_route,
    drilling,
    endpoints,
    secured,
)
from harness.manifests import endpoint_slice, ingress, service, tls_secret
from harness.sick_server import Illness, SickServer
from harness.waiting import until
from localkube import kubeconfig

__all__ = ["island", "island_server"]

ADDRESS = "192.0.2.9"
LASTING = min(75.0, float(os.environ.get("SOAK_SECONDS", "0")))
"""Seconds of an outage: more than a minute in a soak, else as long as some requests take."""


@pytest.fixture(scope="module")
def running(island: Island) -> Iterator[Drill]:
    """A config file of the controller's own, so that tests can say where the API server is."""
    config = island.field.folder / "controller.kubeconfig"
    shutil.copy(island.kubeconfig, config)
    island.field.put(*backend("main", "10.99.0.11"), *backend("next", "10.99.0.21"))
    flags = ("--kubeconfig", str(config), "--publish-status-address", ADDRESS, "--election-ttl", "6s")
    with drilling(island.field, *flags) as made:
        yield made


@pytest.fixture
def drill(running: Drill, island: Island) -> Iterator[Drill]:
    yield running
    island.recover()
    running.assert_nothing_lost()


@pytest.fixture
def config(running: Drill) -> "Config":
    return Config(running)


class Config:
    """The controller's kubeconfig file, replaced as a whole."""

    def __init__(self, drill: Drill) -> None:
        self.path = drill.field.folder / "controller.kubeconfig"

    def becomes(self, other: "os.PathLike[str]") -> None:
        fresh = self.path.with_suffix(".new")
        shutil.copy(other, fresh)
        fresh.replace(self.path)


def time_passes(drill: Drill) -> None:
    """Requests go on meanwhile."""
    seen, end = drill.loads[0].count, time.monotonic() + LASTING
    until(
        lambda: drill.loads[0].count > seen + 100 and time.monotonic() > end,
        "requests",
        seconds=WIDE + LASTING,
    )


def everything_is_right(drill: Drill, mark: str) -> None:
    """Objects of all kinds, made now, count; endpoints change, Ingresses show the address."""
    field, host = drill.field, f"{mark}.example"
    field.put(
        *backend(mark, "10.99.0.12"),
        tls_secret(mark, *self_signed(host)),
        secured(mark, host, mark, mark),
        auth_secret(f"{mark}-users", ann="word"),
        ingress(f"{mark}-locked", f"locked.{host}", mark, auth_type="basic", auth_secret=f"{mark}-users"),
    )
    drill.answers("main2", host)
    drill.shows(self_signed(host), host)
    drill.answers("main2", f"locked.{host}", basic("ann", "word"))
    field.put(endpoint_slice(mark, ["10.99.0.22"]))
    drill.answers("next2", host)
    until(lambda: address(drill, mark) == ADDRESS, "the address", seconds=WIDE)


def address(drill: Drill, name: str) -> str:
    return drill.field.kube.kubectl(
        "-n", drill.field.namespace, "get", "ingress", name, "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}"
    ).stdout


def test_a_definition_of_canary_routes_that_comes_later(drill: Drill) -> None:
    field, host = drill.field, "later.example"
    field.put(ingress("later", host, "main"))
    drill.answers("main", host)
    canaryroutes.install(field.kube)
    field.put(canary_route("later", 0, 1))
    drill.answers("next", host)
    field.delete("canaryroute", "later")
    drill.answers("main", host)


def test_connections_are_cut_again_and_again(drill: Drill, island: Island) -> None:
    field, host = drill.field, "cut.example"
    field.put(ingress("cut", host, "cut"), *backend("cut", "10.99.0.11"))
    drill.answers("main", host)
    for turn in range(6):
        until(lambda: island.relay.connections > 5, "connections", seconds=WIDE)
        island.relay.cut()
        name, one = (("main2", "10.99.0.12"), ("next", "10.99.0.21"))[turn % 2]
        field.put(endpoint_slice("cut", [one]), ingress(f"cut-{turn}", f"cut-{turn}.example", "cut"))
        drill.answers(name, host)
        drill.answers(name, f"cut-{turn}.example")
    everything_is_right(drill, "after-cuts")


def test_a_network_that_swallows_everything(drill: Drill, island: Island) -> None:
    """Nobody is told that anything is wrong; then the connections are dead."""
    field = drill.field
    for name in ("stays", "goes"):
        field.put(ingress(name, f"{name}.example", "main"))
        drill.answers("main", f"{name}.example")
    island.relay.hold()
    try:
        field.put(ingress("stays", "stays.example", "next"), ingress("comes", "comes.example", "main"))
        field.delete("ingress", "goes")
        time_passes(drill)
        assert drill.status("goes.example") == 200, "what is served is what was known last"
    finally:
        island.relay.cut()
        island.relay.release()
    drill.answers("next", "stays.example")
    drill.answers("main", "comes.example")
    drill.answers("404", "goes.example")
    everything_is_right(drill, "after-hold")


def test_the_server_is_away_and_its_history_forgotten(drill: Drill, island: Island) -> None:
    """What went meanwhile is told by nobody: ghosts, found by comparing."""
    field = drill.field
    field.put(*backend("ghostly", "10.99.0.11"), ingress("ghostly", "ghostly.example", "ghostly"))
    field.put(ingress("ghost", "ghost.example", "main"), tls_secret("ghost", *self_signed("haunted.example")))
    field.put(secured("haunted", "haunted.example", "main", "ghost"))
    field.put(service("by-hand"), endpoints("by-hand", "10.99.0.12"), ingress("by-hand", "by-hand.example", "by-hand"))
    drill.answers("main", "ghost.example")
    drill.answers("main", "ghostly.example")
    drill.answers("main2", "by-hand.example")
    drill.shows(self_signed("haunted.example"), "haunted.example")
    island.stop()
    with island.network.outside():
        for resource, name in (
            ("ingress", "ghost"),
            ("endpointslices", "ghostly-1"),
            ("secrets", "ghost"),
            ("services/endpoints", "by-hand"),
        ):
            field.kube.delete_behind(resource, field.namespace, name)
        field.kube.compact()
    time_passes(drill)
    drill.answers("main", "ghost.example")
    island.start()
    began = time.monotonic()
    drill.answers("404", "ghost.example")
    drill.answers("503", "ghostly.example")
    drill.answers("503", "by-hand.example")
    unnamed = drill.certificate("nobody.example")
    until(lambda: drill.certificate("haunted.example") == unnamed, "the default certificate", seconds=WIDE)
    print(f"ghosts gone {time.monotonic() - began:.1f} s after the API server was back")
    field.put(endpoint_slice("ghostly", ["10.99.0.21"]))
    drill.answers("next", "ghostly.example")
    everything_is_right(drill, "after-stop")


def test_the_server_s_data_come_from_a_backup(drill: Drill, island: Island) -> None:
    """Versions go back: an object that is older by its version is newer all the same."""
    field, plane = drill.field, island.kube.plane
    field.put(ingress("kept", "kept.example", "main"), *backend("restored", "10.99.0.11"))
    field.put(ingress("restored", "restored.example", "restored"))
    drill.answers("main", "restored.example")
    drill.answers("main", "kept.example")
    plane.close()
    backup = shutil.copytree(plane.folder / "etcd", plane.folder / "backup")
    island.start()
    field.put(endpoint_slice("restored", ["10.99.0.21"]), ingress("kept", "kept.example", "next"))
    field.put(ingress("lost", "lost.example", "main"))
    drill.answers("main", "lost.example")
    drill.answers("next", "restored.example")
    drill.answers("next", "kept.example")
    plane.close()
    shutil.rmtree(plane.folder / "etcd")
    backup.rename(plane.folder / "etcd")
    island.start()
    drill.answers("404", "lost.example")
    drill.answers("main", "restored.example")
    drill.answers("main", "kept.example")
    everything_is_right(drill, "after-backup")


def test_the_server_s_authority_is_another(drill: Drill, island: Island, config: Config) -> None:
    """All certificates are new: the server's, and that of the controller, in a new kubeconfig."""
    island.stop()
    island.kube.renew_certificates()
    island.start()
    until(lambda: "certificate" in said_last(drill), "the controller to see that it trusts nobody", seconds=WIDE)
    config.becomes(island.relay.kubeconfig(island.kube.kubeconfig))
    everything_is_right(drill, "after-renewal")


def said_last(drill: Drill) -> str:
    return drill.serving.output()[-3000:].lower()


def test_a_token_that_is_refused_and_replaced(drill: Drill, island: Island, config: Config) -> None:
    field, kube = drill.field, island.kube
    kube.service_account("default", "serin")
    account = "--serviceaccount=default:serin"
    kube.kubectl("create", "clusterrolebinding", "serin", "--clusterrole=cluster-admin", account)
    issued, authority = kube.folder / "default.serin.token", kube.plane.authority.files.certificate
    token, told, old = (field.folder / name for name in ("token", "token.kubeconfig", "old.kubeconfig"))
    shutil.copy(issued, token)
    config.becomes(kubeconfig.with_token(told, island.relay.server, authority, token, "default"))
    everything_is_right(drill, "by-token")
    kube.kubectl("-n", "default", "delete", "serviceaccount", "serin")
    kube.service_account("default", "serin")
    kubeconfig.with_token(old, kube.server, authority, token, "default")
    whoami = ("--kubeconfig", str(old), "auth", "whoami")
    until(lambda: kube.kubectl(*whoami, check=False).returncode, "the old token to be refused", seconds=WIDE, every=0.5)
    island.relay.cut()
    until(lambda: any(entry.status == 401 for entry in kube.audit()[-200:]), "a refusal", seconds=WIDE, every=0.2)
    fresh = token.with_suffix(".new")
    shutil.copy(issued, fresh)
    fresh.replace(token)
    everything_is_right(drill, "after-token")
    config.becomes(island.relay.kubeconfig(kube.kubeconfig))


SLOW = 1.5
ILLNESSES = {
    "too-many": Illness(status=429, every=2),
    "no-watch": Illness(lambda call: call.watch, status=500),
    "slow": Illness(seconds=SLOW),
    "silent-watch": Illness(lambda call: call.watch, silent=True),
    "a-page": Illness(page=True, every=2),
    "breaks-off": Illness(stops_after=40, every=3),
}


@pytest.fixture(scope="module")
def sick(island: Island) -> Iterator[SickServer]:
    with SickServer(island.kube, island.field.folder) as server:
        yield server


@pytest.mark.parametrize("name", ILLNESSES)
def test_an_api_server_that_is_ill(drill: Drill, island: Island, config: Config, sick: SickServer, name: str) -> None:
    """It falls ill, changes come meanwhile, it recovers; where half of the calls go well, so does the change."""
    field, host = drill.field, f"{name}.example"
    config.becomes(sick.kubeconfig(field.folder / "sick.kubeconfig"))
    field.put(ingress(name, host, "main"), ingress(f"{name}-goes", f"goes.{host}", "main"))
    drill.answers("main", host)
    drill.answers("main", f"goes.{host}")
    sick.is_ill(ILLNESSES[name])
    try:
        field.put(ingress(name, host, "next"))
        field.delete("ingress", f"{name}-goes")
        until(lambda: sick.met > 3, "the illness to be met", seconds=WIDE)
        time_passes(drill)
    finally:
        sick.recovers()
    drill.answers("next", host)
    drill.answers("404", f"goes.{host}")
    everything_is_right(drill, f"after-{name}")
    config.becomes(island.relay.kubeconfig(island.kube.kubeconfig))
