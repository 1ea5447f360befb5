"""The nginx of this machine, as the data plane finds it; skipped where there is none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from serin.dataplane.nginx.components import Components, find, minimal_environment
from serin.dataplane.nginx.testing import NginxTest
from serin.errors import UsageError


@pytest.fixture(scope="session")
def nginx() -> Components:
    try:
        return find("auto")
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture
def nginx_test(nginx: Components) -> Callable[..., NginxTest]:
    """Makes one for a prefix and descriptors."""

    def make(prefix: Path, fds: tuple[int, ...] = ()) -> NginxTest:
        return NginxTest(nginx.binary, prefix, fds, minimal_environment(nginx))

    return make
