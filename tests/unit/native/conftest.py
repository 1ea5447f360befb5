"""Fixtures over harness.shared_memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.shared_memory import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """For tests that need many splits one after another: use numbers of your own."""
    made = Rig(tmp_path_factory.mktemp("run"))
    yield made
    made.close()
