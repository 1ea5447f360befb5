"""As test_rollout_calibration.py, for releases that are judged by their latency, too; beside it in time."""

import pytest
from harness.calibration import CASES, at_length
from harness.releases import most_allowed

RUNS = 2000


@pytest.mark.parametrize("name", at_length(warm=True))
def test_of_2000_releases_that_are_no_slower_few_are_taken_back(name: str) -> None:
    found = CASES[name].taken_back(RUNS, seed=1)
    assert found / RUNS <= most_allowed(0.05, RUNS), f"{found} of {RUNS}"
