"""Serin on a cluster with two nodes for each data plane; root and some Debian packages are needed.

Tests run over the planes that --planes names. Many share a cluster (ByServer in tests/conftest.py), so each module says
by a fixture what it needs installed (`site.install`), and leaves nothing in the way of others but that.
"""

from collections.abc import Callable, Iterator

import pytest
from harness.e2e.notes import stage
from harness.e2e.report import Report
from harness.e2e.site import Site
from localkube import build, cluster, packages
from localkube.errors import LocalKubeError
from localkube.release import Release

__all__ = ["stage"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "plane" in metafunc.fixturenames:
        planes = metafunc.config.getoption("--planes").split(",")
        metafunc.parametrize("plane", planes, scope="session")


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Progress that is seen while tests run."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert capture is not None

    def told(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\nlocalkube: {text}", flush=True)

    return told


@pytest.fixture(scope="session")
def release(say: Callable[[str], None]) -> Iterator[Release]:
    """A fresh cluster, nothing installed yet. Skips where nodes cannot run; what fails later is a failure."""
    try:
        packages.install_missing(say)
        programs = build.programs(build.NODES, say)
    except LocalKubeError as error:
        pytest.skip(f"no node can run here: {error}")
    running = cluster.create(2, [], say, owned=True)
    try:
        made = Release(running, programs)
        made.load_image(say)
        yield made
    finally:
        running.close()


@pytest.fixture(scope="session")
def site(plane: str, release: Release, say: Callable[[str], None]) -> Site:
    """The cluster for one plane; what another plane's tests left is gone."""
    made = Site(release, plane, say)
    made.uninstall()
    return made


@pytest.fixture(scope="module")
def namespace(site: Site) -> Iterator[str]:
    """A namespace of the module's own."""
    with site.namespace() as name:
        yield name


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Figures for the report: `report("v1 to v2", sent=100, lost=0)`."""
    return Report(request)
