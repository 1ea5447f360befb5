"""What processes have used: sums never fall when one ends, and pids that come again are others."""

import os
from pathlib import Path

import pytest

from serin.dataplane.process_figures import ProcessFigures

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "stat").write_text("cpu 1 2 3\nbtime 1000\nprocesses 5\n")
    return tmp_path


def process(proc: Path, pid: int, *, ticks: int, start: int = 100, read: int = 0, name: str = "a b) (c") -> None:
    fields = ["S", *("0" for _ in range(10)), str(ticks), "1", *("0" for _ in range(6)), str(start), "4096", "3", "0"]
    (proc / str(pid)).mkdir(exist_ok=True)
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")
    (proc / str(pid) / "io").write_text(f"rchar: {read}\nwchar: 7\nsyscr: 1\n")


def test_one_process(proc: Path) -> None:
    process(proc, 5, ticks=99, start=3 * TICKS, read=40)
    found = ProcessFigures(proc).of([5])
    assert (found.number, found.cpu_seconds, found.read_bytes, found.write_bytes) == (1, 100 / TICKS, 40, 7)
    assert (found.virtual_bytes, found.resident_bytes, found.oldest) == (4096, 3 * PAGE, 1003.0)


def test_what_an_ended_one_used_stays_in_the_sums(proc: Path) -> None:
    process(proc, 5, ticks=99)
    process(proc, 6, ticks=9)
    figures = ProcessFigures(proc)
    before = figures.of([5, 6])
    process(proc, 6, ticks=19)
    after = figures.of([6])
    assert (before.cpu_seconds, after.cpu_seconds) == (110 / TICKS, 120 / TICKS)
    assert (after.number, after.resident_bytes) == (1, 3 * PAGE)


def test_a_pid_that_comes_again_is_another_process(proc: Path) -> None:
    process(proc, 5, ticks=99, start=100)
    figures = ProcessFigures(proc)
    figures.of([5])
    process(proc, 5, ticks=9, start=200)
    assert figures.of([5]).cpu_seconds == 110 / TICKS


def test_processes_that_cannot_be_read_are_left_out(proc: Path) -> None:
    found = ProcessFigures(proc).of([77])
    assert (found.number, found.cpu_seconds, found.oldest) == (0, 0.0, 0.0)


def test_this_process() -> None:
    found = ProcessFigures().of([os.getpid()])
    assert found.number == 1
    assert found.resident_bytes > 1 << 20
    assert found.oldest > 1_000_000_000
