"""Files that nginx opens by their path: in the source tree, and in a wheel that was unpacked elsewhere."""

import ctypes
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from serin.dataplane.nginx import assets
from serin.errors import SerinError
from serin.native import _ffi

ROOT = Path(__file__).parents[3]
LOOK = """
import ctypes
from serin.dataplane.nginx.assets import library, lua_folder
from serin.render.assets import folder
print(lua_folder())
print(ctypes.CDLL(str(library())).srn_abi())
print(folder("templates").joinpath("nginx"))
"""


def test_they_are_there() -> None:
    assert (assets.lua_folder() / "serin.lua").is_file()
    assert ctypes.CDLL(str(assets.library())).srn_abi() == _ffi.lib.srn_abi()


def test_an_installation_that_lacks_them_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serin.native.__path__", [str(tmp_path)])
    monkeypatch.setattr("serin.dataplane.nginx.__path__", [str(tmp_path)])
    for function in (assets.library, assets.lua_folder):
        with pytest.raises(SerinError, match="install it again"):
            function()


def test_a_wheel_has_all_of_them(tmp_path: Path) -> None:
    """Built from a copy: a wheel takes up what earlier builds left beside its sources."""
    source, made = tmp_path / "source", tmp_path / "wheel"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("operator", "csrc", "templates", "crds"):
        ignored = shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__", "_ffi.c")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "-w", str(made), str(source)], check=True, capture_output=True)
    (wheel,) = made.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    lua = {path.relative_to(assets.lua_folder()) for path in assets.lua_folder().rglob("*.lua")}
    found = {p.relative_to(installed / "serin/dataplane/nginx/lua") for p in installed.rglob("*.lua")}
    assert found == lua
    templates = {path.relative_to(ROOT / "templates") for path in (ROOT / "templates").rglob("*.j2")}
    assert {p.relative_to(installed / "serin/_assets/templates") for p in installed.rglob("*.j2")} == templates
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        env={"PYTHONPATH": str(installed)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    folder, abi, of_templates = done.stdout.split()
    assert (Path(folder), int(abi)) == (installed / "serin/dataplane/nginx/lua", _ffi.lib.srn_abi())
    assert Path(of_templates) == installed / "serin/_assets/templates/nginx"
