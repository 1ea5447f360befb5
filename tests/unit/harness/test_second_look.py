"""A run passes with what fails only beside other tests, and with nothing else that fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness import second_look

CROWDED = """
import os
def test_fine():
    pass
"""
UNSTEADY = """
def test_{name}():
    assert "PYTEST_XDIST_WORKER" not in os.environ, "the machine was busy"
"""
FAILS = """
def test_{name}():
    assert 1 == 2
"""
CRASHES = """
def test_crash():
    if "PYTEST_XDIST_WORKER" in os.environ:
        os._exit(9)
"""
SKIPPED_ALONE = """
import pytest
def test_skipped_alone():
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("nothing shown")
    assert False
"""
BROKEN_FIXTURE = """
import pytest
@pytest.fixture
def given():
    {when}
    assert "PYTEST_XDIST_WORKER" not in os.environ, "not the test itself"
def test_with_a_fixture(given):
    pass
"""


def run(folder: Path, *tests: str, more: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_some.py").write_text(CROWDED + "".join(tests))
    command = [sys.executable, "-P", second_look.__file__, "-p", "xdist", "-n", "1", *more, "."]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env = {**inherited, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_nothing_is_told_where_nothing_fails(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "second look" not in done.stdout
    assert "UNSTEADY" not in done.stdout


def test_what_passes_alone_is_told_with_its_reason(tmp_path: Path) -> None:
    done = run(tmp_path, UNSTEADY.format(name="one"), UNSTEADY.format(name="two"))
    assert done.returncode == 0, done.stdout
    told = done.stdout.partition(" UNSTEADY: passed only alone ")[2]
    assert {"test_some.py::test_one", "test_some.py::test_two"} <= set(told.split("\n"))
    assert "the machine was busy" in told
    assert "test_fine" not in told


def test_folders_may_have_a_conftest(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "conftest.py").write_text("import os")
    (tmp_path / "deeper" / "test_other.py").write_text("import os\n" + UNSTEADY.format(name="deep"))
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "deeper/test_other.py::test_deep" in done.stdout.partition(" UNSTEADY: ")[2]


def test_what_fails_alone_too_fails_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, UNSTEADY.format(name="one"), FAILS.format(name="two"))
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "UNSTEADY" not in done.stdout


def test_many_failures_are_not_looked_at_again(tmp_path: Path) -> None:
    done = run(tmp_path, *[UNSTEADY.format(name=f"n{number}") for number in range(second_look.MOST + 1)])
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "second look" not in done.stdout


@pytest.mark.parametrize("when", ["pass", "yield"])
def test_fixture_that_fails_is_its_test_failed(tmp_path: Path, when: str) -> None:
    done = run(tmp_path, BROKEN_FIXTURE.format(when=when))
    assert done.returncode == 0, done.stdout
    assert "not the test itself" in done.stdout.partition("UNSTEADY")[2]


@pytest.mark.parametrize("test", [CRASHES, SKIPPED_ALONE], ids=["crash of a worker", "skipped alone"])
def test_what_was_not_seen_to_pass_fails_the_run(tmp_path: Path, test: str) -> None:
    done = run(tmp_path, test)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "UNSTEADY" not in done.stdout


def test_tests_that_cannot_be_collected_fail_the_run(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("import no_such_module_at_all\n")
    done = run(tmp_path, UNSTEADY.format(name="one"), more=("--continue-on-collection-errors",))
    assert done.returncode != 0
    assert "second look" not in done.stdout


def test_ids_with_parameters_are_found_again(tmp_path: Path) -> None:
    named = 'import pytest\n@pytest.mark.parametrize("given", ["a::b[c] d", "ü\\n"])\ndef test_named(given):\n'
    done = run(tmp_path, named + '    assert "PYTEST_XDIST_WORKER" not in os.environ\n')
    assert done.returncode == 0, done.stdout
    assert "UNSTEADY" in done.stdout
