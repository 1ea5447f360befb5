"""As test_rollout_calibration.py, for releases that are judged by their latency, too; beside it in time."""

import pytest
from harness.calibration import CASES
from harness.releases import most_allowed

RUNS = 2000


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.warm])
def test_of_2000_releases_that_are_no_slower_few_are_taken_back(name: str) -> None:
    found = CASES[name].taken_back(RUNS, seed=1)
    assert found / RUNS <= most_allowed(0.05, RUNS), f"{found} of {RUNS}"
