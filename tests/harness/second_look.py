"""Runs pytest, and what failed beside other tests once more, alone: `python -P tests/harness/second_look.py ARGUMENTS`.

Tests that wait for processes may fail because the machine was busy, and a run of thousands shall not be lost to one of
them. What passes only alone is a defect all the same (CONTRIBUTING.md), so it is told loudly. A test that fails alone,
more failures than MOST, a crash, an interruption and an error of collection fail the run.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

MOST = 3
"""So many tests are looked at again. What breaks more is no accident of a busy machine."""

ALONE = "--alone"
_PHASES = ("setup", "call", "teardown")


@dataclass(slots=True, eq=False)  # pytest keeps plugins in sets
class Seen:
    """What the reports of a run tell; a pytest plugin, of the process that was called alone and not of its workers."""

    failed: dict[str, str] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)
    broken: bool = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.setdefault(report.nodeid, report.longreprtext)
            # xdist tells in this way of a worker that died, which no load of the machine explains.
            self.broken |= report.when not in _PHASES
        elif report.when == "call" and report.passed:
            self.passed.add(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.broken |= report.failed

    def pytest_internalerror(self) -> None:
        self.broken = True

    def deserves_another(self, status: int) -> bool:
        return status == pytest.ExitCode.TESTS_FAILED and not self.broken and 0 < len(self.failed) <= MOST


def look(arguments: Sequence[str]) -> tuple[int, Seen]:
    seen = Seen()
    return int(pytest.main(list(arguments), plugins=[seen])), seen


def side_by_side(arguments: Sequence[str]) -> int:
    """The exit status of the run: pytest's, or 0 where what failed passes alone."""
    status, first = look(arguments)
    if not first.deserves_another(status):
        return status
    print(f"\nsecond look: {len(first.failed)} failed, now each alone", flush=True)
    # In a process of its own each: what is left of the first run, or of another failure, shall not excuse or hide it.
    if any(_fails_alone(test) for test in first.failed):
        return status
    _tell(first.failed)
    return 0


def alone(test: str) -> int:
    """0 only if the test ran and passed: one that is skipped now has not shown that it can."""
    status, seen = look([test])
    return status or int(seen.passed != {test})


def _fails_alone(test: str) -> bool:
    return subprocess.run([sys.executable, "-P", __file__, ALONE, test], check=False).returncode != 0


def _tell(failed: dict[str, str]) -> None:
    print("\n" + " UNSTEADY: passed only alone ".center(120, "!"))
    for test, reason in failed.items():
        print(f"\n{test}\nfailed beside others:\n{reason}")
    print("\nA defect, to be repaired (CONTRIBUTING.md): " + ", ".join(failed))
    print("!" * 120, flush=True)


if __name__ == "__main__":
    called = sys.argv[1:]
    sys.exit(alone(called[1]) if called[:1] == [ALONE] else side_by_side(called))
