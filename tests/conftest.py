"""What holds for every test: with CI=true a skipped test is a failed one, unless skips.txt says why."""

import fnmatch
import os
import pathlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes is the machine's business, which may have other work at the time.
settings.register_profile("patient", deadline=None, suppress_health_check=(HealthCheck.too_slow,))
settings.load_profile("patient")

HERE = pathlib.Path(__file__).parent
GROUP = "@group-"
"""Begins what xdist adds to the id of a test."""


def allowed_skips() -> list[str]:
    """Patterns of test ids; each line is `PATTERN reason`."""
    lines = (HERE / "skips.txt").read_text().splitlines()
    found = []
    for line in lines:
        if line.strip() and not line.startswith("#"):
            pattern, _, reason = line.partition(" ")
            if not reason.strip():
                raise pytest.UsageError(f"skips.txt: {pattern} has no reason")
            found.append(pattern)
    return found


def fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.outcome != "skipped" or os.environ.get("CI") != "true":
        return
    test = report.nodeid.partition(GROUP)[0]
    if any(fnmatch.fnmatchcase(test, pattern) for pattern in allowed_skips()):
        return
    report.outcome = "failed"
    report.longrepr = f"skipped, which tests/skips.txt does not allow: {report.nodeid}: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]
    fail_if_skipped(report)
    return report  # type: ignore[return-value]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    report: pytest.CollectReport = yield  # type: ignore[assignment]
    fail_if_skipped(report)
    return report  # type: ignore[return-value]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file run in one process, one after the other, as they share what the file starts.

    Those that say `xdist_group` themselves (cases, of which each plane is a server of its own) stay as they are.
    """
    for item in items:
        named = item.get_closest_marker("xdist_group")
        if named is None:
            item.add_marker(pytest.mark.xdist_group(f"group-{item.location[0]}"))
