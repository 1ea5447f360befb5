"""Each problem is told of twice: when it appears and when it is gone."""

import logging

import pytest

from serin.control.journal import Journal
from serin.problems import Problem, Severity
from serin.refs import Ref, Source


def problem(code: str, severity: Severity = Severity.WARNING, text: str = "expected x, y instead") -> Problem:
    return Problem(Source(Ref("Ingress", "shop", "web"), "spec.rules[0].host"), code, severity, text)


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


def test_one_whose_text_changed_is_told_anew_and_not_as_gone(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    journal.record([problem("a", text="there is no such Secret")])
    journal.record([problem("a", text="it has no key auth")])
    assert told(caplog) == [("problem", "a", logging.WARNING)] * 2
    journal.record([])
    assert told(caplog) == [("problem-gone", "a", logging.INFO)]


def test_two_at_one_place_are_gone_with_the_last(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    both = [problem("a", text="of one host"), problem("a", text="of another host")]
    journal.record(both)
    caplog.clear()
    journal.record(both[:1])
    assert told(caplog) == []
    journal.record([])
    assert told(caplog) == [("problem-gone", "a", logging.INFO)]
    journal.record(both)
    caplog.clear()
    journal.record([])
    assert told(caplog) == [("problem-gone", "a", logging.INFO)]
