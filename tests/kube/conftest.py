"""Tests of this folder talk to a real API server: built once from Go modules, started once for a test run."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from harness.kube import Kube, Namespaces
from localkube.build import API_SERVER, programs
from localkube.controlplane import ControlPlane
from localkube.errors import LocalKubeError


@pytest.fixture(scope="session")
def kube_programs(pytestconfig: pytest.Config) -> Mapping[str, Path]:
    """Skips when there are none and none can be built."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert capture is not None

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\nlocalkube: {text}", flush=True)

    try:
        return programs(API_SERVER, say)
    except LocalKubeError as error:
        pytest.skip(f"no API server: {error}")


@pytest.fixture(scope="session")
def api_server(kube_programs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    """Shared by all tests of a run: never stopped or changed by one, and each test has a namespace of its own."""
    yield from _running(kube_programs, tmp_path_factory.mktemp("api-server"))


@pytest.fixture
def own_api_server(kube_programs: Mapping[str, Path], tmp_path: Path) -> Iterator[Kube]:
    """One test's own, for what would disturb others: stops, certificates, thousands of objects."""
    yield from _running(kube_programs, tmp_path / "api-server")


@pytest.fixture
def namespace(api_server: Kube) -> Iterator[str]:
    """A namespace of the shared server."""
    made = Namespaces(api_server)
    yield made.make()
    made.delete()


@pytest.fixture
def make_namespace(api_server: Kube) -> Iterator[Callable[..., str]]:
    """For tests that need several, or labels: `make_namespace({"team": "a"})`."""
    made = Namespaces(api_server)
    yield made.make
    made.delete()


def _running(found: Mapping[str, Path], folder: Path) -> Iterator[Kube]:
    kube = Kube(ControlPlane(folder, found))
    try:
        kube.start()
        yield kube
    finally:
        kube.close()
