"""A field that the tests of a module share, on the shared API server or on one of the module's own."""

import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from harness.backends import Backends
from harness.casefile import Network
from harness.controller_fixtures import ADDRESSES, backends, network
from harness.controllers import Field
from harness.kube import Kube, Namespaces
from harness.network import NoNetworkError, PrivateNetwork
from harness.relay import Relay
from localkube.controlplane import ControlPlane

__all__ = ["backends", "island", "island_server", "network", "shared_field"]


@pytest.fixture(scope="module")
def shared_field(api_server: Kube, backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    namespaces = Namespaces(api_server)
    made = Field(api_server, namespaces.make(), tmp_path_factory.mktemp("field"), backends)
    try:
        yield made
    finally:
        made.close()
        api_server.kubectl("delete", "ingressclass", made.ingress_class, "--ignore-not-found")
        namespaces.delete()


@dataclass
class Island:
    """An API server that may be stopped, and what reaches it from within the tests' network."""

    field: Field
    network: PrivateNetwork
    relay: Relay
    """Ours to cut and to hold: controllers come by it, `field.kube` does not."""
    kubeconfig: pathlib.Path
    """By the relay."""

    @property
    def kube(self) -> Kube:
        return self.field.kube

    def start(self) -> None:
        with self.network.outside():
            self.kube.start()

    def stop(self) -> None:
        self.kube.stop()

    def recover(self) -> None:
        """After a test that may have left it stopped or held."""
        self.relay.release()
        if self.kube.plane.program("kube-apiserver") is None:
            self.start()


@pytest.fixture(scope="session")
def island_server(
    kube_programs: Mapping[str, pathlib.Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kube]:
    """For all islands, one after the other."""
    kube = Kube(ControlPlane(tmp_path_factory.mktemp("island-server"), kube_programs))
    try:
        kube.start()
        yield kube
    finally:
        kube.close()


@pytest.fixture(scope="module")
def island(island_server: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Island]:
    kube, folder = island_server, tmp_path_factory.mktemp("island")
    namespaces = Namespaces(kube)
    try:
        made = PrivateNetwork(ADDRESSES)
        with made:
            listening = made.listen(urlsplit(kube.server).port or 443)
            with made.outside():
                outer = Relay(kube.server, listening)
            with outer, Relay(kube.server) as inner:
                backends = Backends(ADDRESSES, Network("10.99.0."))
                field = Field(kube, namespaces.make(), folder, backends)
                try:
                    yield Island(field, made, inner, inner.kubeconfig(kube.kubeconfig))
                finally:
                    field.close()
                    backends.close()
                    namespaces.delete()
    except NoNetworkError as error:
        pytest.skip(str(error))
