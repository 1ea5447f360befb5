"""Tests run side by side begin with what takes long, and what is costly ends with the last test that needs it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).parents[2] / "conftest.py"
STARTED = """
import pytest
@pytest.fixture(scope="session")
def api_server():
    print("started", flush=True)
    yield
    print("ended", flush=True)
"""
USES = """
def test_one(api_server):
    print("one")
def test_two(api_server):
    print("two")
"""
OTHER = """
def test_other():
    print("other")
"""


def project(folder: Path) -> Path:
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    for name in ("chart", "kube", "unit"):
        (folder / "tests" / name).mkdir(parents=True)
        (folder / "tests" / name / f"test_in_{name}.py").write_text(USES if name == "kube" else OTHER)
    shutil.copy(CONFTEST, folder / "tests")
    (folder / "tests" / "kube" / "conftest.py").write_text(STARTED)
    return folder


def run(folder: Path, *options: str) -> str:
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "pytest", "-p", "xdist", *options, "tests"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_takes_long_begins_first(tmp_path: Path) -> None:
    shown = run(project(tmp_path), "-n", "1", "--dist", "loadscope", "--no-loadscope-reorder", "-v")
    begun = [line.split("::")[0].split()[-1] for line in shown.splitlines() if "PASSED" in line]
    assert [Path(name).parent.name for name in begun] == ["kube", "kube", "chart", "unit"]


def test_what_is_costly_ends_with_its_last_test(tmp_path: Path) -> None:
    shown = run(project(tmp_path), "-s", "-q")
    told = [word for word in shown.replace(".", " ").split() if word in {"started", "ended", "one", "two", "other"}]
    assert told == ["other", "started", "one", "two", "ended", "other"]
