"""Each problem is told of twice: when it appears and when it is gone."""

import logging

import pytest

from serin.control.journal import Journal
from serin.problems import Problem, Severity
from serin.refs import Ref, Source


def problem(code: str, severity: Severity = Severity.WARNING) -> Problem:
    return Problem(Source(Ref("Ingress", "shop", "web"), "spec.rules[0].host"), code, severity, "expected x, y instead")


@pytest.fixture
def journal(caplog: pytest.LogCaptureFixture) -> Journal:
    caplog.set_level(logging.INFO)
    return Journal(logging.getLogger("journal"))


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, int]]:
    found = [(r.getMessage(), r.serin_fields["code"], r.levelno) for r in caplog.records]  # type: ignore[attr-defined]
    caplog.clear()
    return found


def test_once_when_it_appears_once_when_it_is_gone(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    journal.record([problem("a"), problem("b", Severity.ERROR)])
    assert told(caplog) == [("problem", "a", logging.WARNING), ("problem", "b", logging.ERROR)]
    journal.record([problem("b", Severity.ERROR), problem("a")])
    assert told(caplog) == []
    journal.record([problem("a")])
    assert told(caplog) == [("problem-gone", "b", logging.INFO)]
    journal.record([problem("a"), problem("b", Severity.ERROR)])
    assert told(caplog) == [("problem", "b", logging.ERROR)]
