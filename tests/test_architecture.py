"""Rules about the code itself that no type checker holds."""

import pathlib
import re
import statistics
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
MODULES = sorted((ROOT / "operator").rglob("*.py"))
LONGEST = 400
MEDIAN = 150
TEXTS = {".py", ".c", ".h", ".md", ".yaml", ".yml", ".toml", ".txt", ".sh", ""}


def tracked() -> list[pathlib.Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        return [
            path for folder in ("operator", "csrc", "docs", "bench", "tests") for path in (ROOT / folder).rglob("*")
        ]
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def test_operator_folder_is_no_package() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()
    program = "import operator, collections; operator.itemgetter"
    subprocess.run([sys.executable, "-S", "-c", program], cwd=ROOT, check=True)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_short_and_says_why_it_exists(module: pathlib.Path) -> None:
    text = module.read_text()
    assert len(text.splitlines()) <= LONGEST
    assert text.startswith('"""')


def test_median_module_is_short() -> None:
    assert statistics.median(len(module.read_text().splitlines()) for module in MODULES) < MEDIAN


def test_imports_run_one_way() -> None:
    lint = pathlib.Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_are_served_without_what_only_a_cluster_needs() -> None:
    """The kubernetes package alone would take as long to import as all the rest of `serin serve`."""
    program = "import sys, serin.cli.serve; print(*sorted({'kopf', 'kubernetes'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT / "operator", capture_output=True, check=True)
    assert done.stdout.split() == []


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    place = re.compile(r"(?<![\w.{}$])/(?:work/main|work/shared|root|home)/\w")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        if path.is_file() and path.suffix in TEXTS
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if place.search(line) and path != pathlib.Path(__file__)
    ]
    assert not found


def test_nothing_is_left_to_be_done_later() -> None:
    mark = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
    found = [str(m.relative_to(ROOT)) for m in MODULES if mark.search(m.read_text())]
    assert not found


def test_only_native_knows_the_c_module() -> None:
    """The import contracts cannot hold this one: they read Python files, and the module is compiled."""
    named = re.compile(r"native(?:\._ffi| import _ffi)")
    outside = [m for m in MODULES if "native" not in m.relative_to(ROOT).parts and named.search(m.read_text())]
    assert not outside
