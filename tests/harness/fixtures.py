"""A world for each drill and plane: three backends, main served by the first, all in a folder that changes."""

import os
import pathlib
import signal
from collections.abc import Iterator

import pytest
from harness.backends import Backends
from harness.manifests import endpoint_slice, ingress, put, service
from harness.planes import BOTH, Plane, require
from harness.world import HOST, World


@pytest.fixture(params=BOTH)
def plane(request: pytest.FixtureRequest) -> Plane:
    found: Plane = request.param
    require(found)
    return found


@pytest.fixture
def world(tmp_path: pathlib.Path, plane: Plane) -> Iterator[World]:
    backends = Backends({"10.99.0.11": "main", "10.99.0.21": "canary", "10.99.0.22": "canary2"})
    made = World(tmp_path / "manifests", backends, plane)
    made.folder.mkdir()
    put(made.folder / "main.yaml", ingress("main", HOST, "main"))
    for name, number in (("main", 11), ("canary", 21), ("canary2", 22)):
        put(made.folder / f"service-{name}.yaml", service(name))
        put(made.folder / f"slice-{name}.yaml", endpoint_slice(name, [made.address(number)]))
    yield made
    for serving in made.started:
        if serving.process.poll() is None:
            serving.stop()
    for serving in made.started:
        if master := serving.master():
            os.kill(master, signal.SIGTERM)  # of a drill that failed between two supervisors
    backends.close()
