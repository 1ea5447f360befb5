"""What tests/conftest.py has for all tests: their order, the end of what is costly, skips that are failures."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness import second_look

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


def test_a_skip_that_is_not_allowed_stays_a_failure_alone(tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / "tests" / "skips.txt").write_text("")
    (folder / "tests" / "unit" / "test_in_unit.py").write_text("import pytest\ndef test_it():\n    pytest.skip('no')\n")
    env = {**os.environ, "CI": "true", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-P", second_look.__file__, "-p", "xdist", "-n", "1", "tests"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "second look: 1 failed" in done.stdout
    assert "UNSTEADY" not in done.stdout
