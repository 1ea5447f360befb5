"""Fixtures of the controller's tests: a network where backends have cluster addresses, and a field for each test."""

import pathlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from harness.backends import Backends
from harness.casefile import Network
from harness.controllers import Field
from harness.kube import Kube, Namespaces
from harness.network import NoNetworkError, PrivateNetwork
from harness.relay import Relay

ADDRESSES = {"10.99.0.11": "main", "10.99.0.12": "main2", "10.99.0.21": "next", "10.99.0.22": "next2"}


@pytest.fixture(scope="module")
def network(api_server: Kube) -> Iterator[PrivateNetwork]:
    """This thread's, with the API server where it was."""
    try:
        made = PrivateNetwork(ADDRESSES)
        with made:
            listening = made.listen(urlsplit(api_server.server).port or 443)
            with made.outside():
                relay = Relay(api_server.server, listening)
            with relay:
                yield made
    except NoNetworkError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def backends(network: PrivateNetwork) -> Iterator[Backends]:
    made = Backends(ADDRESSES, Network("10.99.0."))
    yield made
    made.close()


@pytest.fixture
def field(api_server: Kube, backends: Backends, tmp_path: pathlib.Path) -> Iterator[Field]:
    namespaces = Namespaces(api_server)
    made = Field(api_server, namespaces.make(), tmp_path, backends)
    try:
        yield made
    finally:
        made.close()
        api_server.kubectl("delete", "ingressclass", made.ingress_class, "--ignore-not-found")
        namespaces.delete()
