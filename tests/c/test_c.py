"""The C routine compiled without a warning, then its C tests and fuzz targets under AddressSanitizer and UBSan."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
ROUTINE = sorted(CSRC.glob("*.c"))
PRELOADED = sorted((CSRC / "preload").glob("*.c"))
FILES = CSRC / "fuzz" / "files.c"
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
SANITIZERS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def compiler() -> str:
    found = shutil.which("cc") or shutil.which("gcc")
    if found is None:
        pytest.skip("no C compiler on this machine")
    return found


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The routine's objects with sanitizers, compiled once."""
    at = tmp_path_factory.mktemp("objects")
    probe = at / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    made = subprocess.run(
        [compiler(), *SANITIZERS, str(probe), "-o", str(at / "probe")], capture_output=True, check=False
    )
    if made.returncode or subprocess.run([str(at / "probe")], capture_output=True, check=False).returncode:
        pytest.skip("this compiler has no sanitizer runtime")
    sources = [str(p) for p in (*ROUTINE, FILES, CSRC / "fuzz" / "driver.c")]
    subprocess.run([compiler(), *WARNINGS, *SANITIZERS, "-c", *sources], cwd=at, check=True)
    return [str(p) for p in sorted(at.glob("*.o"))]


def link(objects: list[str], source: Path, to: Path) -> str:
    subprocess.run([compiler(), *WARNINGS, *SANITIZERS, str(source), *objects, "-o", str(to)], check=True)
    return str(to)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_warning_at_the_optimisation_that_is_shipped(tmp_path: Path) -> None:
    subprocess.run(
        [compiler(), *WARNINGS, "-O2", "-c", *map(str, ROUTINE), *map(str, PRELOADED)], cwd=tmp_path, check=True
    )


def test_the_routine_from_c(sanitized: list[str], tmp_path: Path) -> None:
    objects = [o for o in sanitized if not o.endswith("driver.o")]
    program = link(objects, ROOT / "tests" / "c" / "test_routine.c", tmp_path / "routine")
    (tmp_path / "run").mkdir()
    assert run(program, str(tmp_path / "run")).endswith("all is well\n")


@pytest.mark.parametrize(("target", "runs"), [("pools", 8000), ("pattern", 8000), ("limits", 4000)])
@pytest.mark.parametrize("seed", [1, 2])
def test_fuzz_targets_for_a_moment(sanitized: list[str], tmp_path: Path, target: str, runs: int, seed: int) -> None:
    program = link(sanitized, CSRC / "fuzz" / f"fuzz_{target}.c", tmp_path / target)
    words = CSRC / "fuzz" / "pattern.words"
    assert run(program, f"-runs={runs}", f"-seed={seed}", f"-words={words}") == f"{runs} inputs\n"
