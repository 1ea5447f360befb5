"""The nginx of this machine, and a renderer that stands in for the templates."""

import shutil

import pytest


@pytest.fixture(scope="session")
def nginx() -> str:
    found = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if found is None:
        pytest.fail("nginx is not installed: make setup installs it")
    return found
