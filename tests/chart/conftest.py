"""Tests of the chart without a cluster: all they need is helm, found or built by localkube."""

from pathlib import Path

import pytest
from harness.chart import Chart
from localkube.build import programs
from localkube.errors import LocalKubeError


@pytest.fixture(scope="session")
def chart() -> Chart:
    try:
        found = programs(["helm"], lambda text: print(f"localkube: {text}"))
    except LocalKubeError as error:
        pytest.skip(f"no helm: {error}")
    return Chart(Path(found["helm"]))
