"""What holds for every test: with CI=true a skipped test is a failed one, unless skips.txt says why."""

import fnmatch
import logging
import os
import pathlib
import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# How long an example takes is the machine's business, which may have other work at the time.
settings.register_profile("patient", deadline=None, suppress_health_check=(HealthCheck.too_slow,))
settings.load_profile("patient")

pytest_plugins = ["harness.e2e.report"]

HERE = pathlib.Path(__file__).parent
_PLANE = re.compile(r"\[(proxy|nginx|stock)\b")


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """A command that a test calls sets up the log of its process, which is that of the tests after it, too."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


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
    if any(fnmatch.fnmatchcase(report.nodeid, pattern) for pattern in allowed_skips()):
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


LONG_FIRST = (
    # Those that begin without a Serin or end so, and after them those that share one. What stood without an API server
    # for a minute looks for it ever more rarely, so that is last.
    "tests/e2e/test_image.py",
    "tests/e2e/test_install.py",
    "tests/e2e/test_ha.py",
    "tests/e2e/test_takeover.py",
    "tests/e2e/test_security.py",
    "tests/e2e/",
    "tests/e2e/test_failures_control.py",
    "tests/cases/test_cases.py",
    "tests/kube/test_rollout_leaders.py",
    "tests/drills/test_rollout_serve.py",
    "tests/drills/test_changes.py",
    "tests/drills/",
    "tests/kube/",
    "tests/soak/",
    "tests/unit/render_nginx/",
)
"""What takes minutes begins first, so that no process is left alone with it at the end. The longest start that fits
counts."""


def rank(nodeid: str) -> int:
    fits = [start for start in LONG_FIRST if nodeid.startswith(start)]
    return LONG_FIRST.index(max(fits, key=len)) if fits else len(LONG_FIRST)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Beside others only; in each of the processes alike, as xdist demands."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank(item.nodeid))


COSTLY = {"tests/e2e/": ("release",), "tests/kube/": ("api_server",)}
"""Folders with what they start once for a run. It ends with their last test: even idle it takes processor time."""


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    for folder, names in COSTLY.items():
        if item.nodeid.startswith(folder) and not (nextitem and nextitem.nodeid.startswith(folder)):
            for name in names:
                for fixture in item.session._fixturemanager.getfixturedefs(name, item) or ():
                    fixture.finish(item._request)  # type: ignore[attr-defined]  # a later use would start it again


WITHOUT_SERIN = tuple(f"tests/e2e/test_{name}.py" for name in ("image", "install", "ha", "takeover"))
"""They leave a cluster as they found it, so that those of all planes can have one."""


class ByServer(LoadScopeScheduling):  # type: ignore[misc]
    """Tests of one file run in one process, one after the other, as they share what the file starts.

    Those that run over several data planes are as many groups. All on a cluster share it, whatever their file: one for
    each plane, and with several planes one more for WITHOUT_SERIN.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        plane = _PLANE.search(test)
        if file.startswith("tests/e2e/"):
            several = "," in self.config.getoption("--planes")
            if file in WITHOUT_SERIN and several:
                return "tests/e2e without"
            file = "tests/e2e"
        return file if plane is None else f"{file} {plane[1]}"


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByServer:
    return ByServer(config, log)
