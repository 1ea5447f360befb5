"""nginx with the Lua modules over a run directory whose writers the test holds; skipped where there is none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.behind_nginx import Behave, Endpoints, MakeEndpoint, MakeNginx, Nginx, answer
from harness.shared_memory import Rig

from serin.dataplane.nginx.components import Components, find
from serin.errors import SerinError


@pytest.fixture(scope="session")
def components() -> Components:
    try:
        found = find("auto")
    except SerinError as e:
        pytest.skip(str(e))
    if not found.lua:
        pytest.skip(found.why_stock)
    return found


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """Its pools.bin has room for 64 KiB of blocks, so that it is soon outgrown."""
    monkeypatch.setattr("serin.native.pools.MIN_HEAP", 1 << 16)
    run = tmp_path / "run"
    (run / "plan").mkdir(parents=True)
    made = Rig(run)
    yield made
    made.close()


@pytest.fixture
def endpoint() -> Iterator[MakeEndpoint]:
    made: list[Endpoints] = []

    def make(name: str, behave: Behave = answer) -> Endpoints:
        made.append(Endpoints(name, behave))
        return made[-1]

    yield make
    for end in made:
        end.close()


@pytest.fixture
def nginx(components: Components, rig: Rig, tmp_path: Path) -> Iterator[MakeNginx]:
    """Makes and starts one; arguments are those of Nginx after the prefix, and `start`."""
    made: list[Nginx] = []

    def make(locations: str, *, start: bool = True, **options: Any) -> Nginx:
        prefix = tmp_path / f"nginx{len(made)}"
        prefix.mkdir()
        made.append(Nginx(components, rig, prefix, locations, **options))
        if start:
            made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop()
