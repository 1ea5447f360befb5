"""What a data plane's flags and folders mean for nginx.conf."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from serin.dataplane.nginx.components import Components
from serin.dataplane.nginx.configuration import nginx_settings
from serin.dataplane.settings import DataPlaneSettings
from serin.errors import UsageError
from serin.render.nginx.settings import NginxSettings

LISTENING = cast("Any", SimpleNamespace(http=(("127.0.0.1", 80),), http_texts=("127.0.0.1:80",), https_texts=()))


def made(run_dir: Path, *, lua: bool = True) -> NginxSettings:
    parts = Components("/usr/sbin/nginx", (1, 30, 4), ("/m.so",), lua, "/l/?.lua")
    settings = DataPlaneSettings(run_dir, plane="nginx", workers=3, shutdown_grace=7.0)
    return nginx_settings(settings, parts, run_dir / "state" / "nginx", LISTENING, run_dir / "s")


def test_flags_reach_the_file(tmp_path: Path) -> None:
    found = made(tmp_path)
    assert (found.workers, found.shutdown_grace, found.http) == (3, 7.0, ("127.0.0.1:80",))
    assert found.lua is not None
    assert (found.lua.package_path, Path(found.lua.library).name) == ("/l/?.lua", "libserin.so")
    assert made(tmp_path, lua=False).lua is None


def test_bodies_go_to_the_folder_that_somebody_made_for_them(tmp_path: Path) -> None:
    """The chart mounts one on disk: the run directory is memory there."""
    assert made(tmp_path).temp == ""
    (tmp_path / "temp").mkdir()
    assert made(tmp_path).temp == str(tmp_path / "temp")


@pytest.mark.parametrize("wrong", [{"plane": "apache"}, {"nginx_lua": "on"}])
def test_settings_that_there_are_not(wrong: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected one of"):
        DataPlaneSettings(tmp_path, **cast("Any", wrong))
