"""The report of tests/e2e: each scenario and each failure with its figures, printed at the end and kept as a file.

A pytest plugin, for processes that run tests side by side (xdist) hand their results to one that prints.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

_WHERE = Path("build") / "e2e-report.md"
_FIGURES = "e2e figures"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--planes", default="proxy", help="data planes that tests/e2e runs over: proxy, nginx, or proxy,nginx"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Names the scenario by the first line of the test's docstring."""
    made: pytest.TestReport = yield  # type: ignore[assignment]
    text = getattr(getattr(item, "obj", None), "__doc__", None) or ""
    made.user_properties.append(("e2e scenario", text.strip().partition("\n")[0].rstrip(".")))
    return made  # type: ignore[return-value]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = [
        _line(each)
        for word in ("passed", "failed", "error", "skipped")
        for each in terminalreporter.stats.get(word, [])
        if isinstance(each, pytest.TestReport) and "tests/e2e/" in each.nodeid and _tells(each)
    ]
    if not lines:
        return
    terminalreporter.section("scenarios on a cluster")
    for line in sorted(lines):
        terminalreporter.line(line)
    _WHERE.parent.mkdir(exist_ok=True)
    fresh = _WHERE.with_suffix(f".{os.getpid()}")
    fresh.write_text("# Scenarios on a cluster\n\n" + "".join(f"- {line}\n" for line in sorted(lines)))
    fresh.replace(_WHERE)


def _tells(report: pytest.TestReport) -> bool:
    return report.when == "call" or report.outcome != "passed"


def _line(report: pytest.TestReport) -> str:
    file, _, test = report.nodeid.partition("::")
    told = dict(report.user_properties)
    figures = "".join(f"; {text}" for name, text in report.user_properties if name == _FIGURES)
    area = Path(file).stem.removeprefix("test_")
    name = told.get("e2e scenario") or test
    brackets = f" [{test.partition('[')[2]}" if "[" in test else ""
    return f"{area}{brackets}: {name}: {report.outcome} in {report.duration:.1f} s{figures}"


class Report:
    """Called by a test with what it saw."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._properties = request.node.user_properties

    def __call__(self, text: str = "", **figures: object) -> None:
        """`report("v1 to v2", sent=100, lost=0)` is shown as `v1 to v2: sent 100, lost 0`."""
        told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
        self._properties.append((_FIGURES, ": ".join(part for part in (text, told) if part)))
