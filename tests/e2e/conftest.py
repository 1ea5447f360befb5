"""A cluster with a node: containers, kube-proxy, the chart. Root and some Debian packages are needed."""

from collections.abc import Iterator

import pytest
from localkube import build, cluster, packages
from localkube.errors import LocalKubeError
from localkube.release import Release


@pytest.fixture(scope="session")
def release(pytestconfig: pytest.Config) -> Iterator[Release]:
    """A fresh cluster, nothing installed yet. Skips where nodes cannot run; what fails later is a failure."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert capture is not None

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\nlocalkube: {text}", flush=True)

    try:
        packages.install_missing(say)
        programs = build.programs(build.NODES, say)
    except LocalKubeError as error:
        pytest.skip(f"no node can run here: {error}")
    running = cluster.create(1, [], say, owned=True)
    try:
        made = Release(running, programs)
        made.load_image(say)
        yield made
    finally:
        running.close()
