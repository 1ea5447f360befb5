"""Warnings and messages within what the API server passes on."""

from hypothesis import given
from hypothesis import strategies as st

from serin.admission.verdict import (
    ALLOWED,
    LONGEST_TOGETHER,
    LONGEST_WARNING,
    Result,
    Verdict,
    message_of,
    unchecked,
    warnings_of,
)


@given(st.lists(st.text(max_size=600), max_size=80))
def test_the_api_server_cuts_nothing(lines: list[str]) -> None:
    found = warnings_of(lines)
    assert all(len(line) <= LONGEST_WARNING and line.isprintable() for line in found)
    assert sum(len(line) for line in found) <= LONGEST_TOGETHER
    assert len(found) <= len(set(lines))


def test_what_does_not_go_through_is_counted() -> None:
    found = warnings_of(f"{n:03d} " + "x" * 250 for n in range(40))
    assert [line[:3] for line in found[:-1]] == [f"{n:03d}" for n in range(15)]
    assert found[-1].startswith("and 25 more")


def test_a_line_is_cut_and_said_once() -> None:
    assert warnings_of(["a" * 300, "b\nc\u2028d", "b c d"]) == ("a" * 255 + "…", "b c d")


def test_a_message_is_one_line() -> None:
    assert message_of(["first", "second\nline", "first"]) == "first; second line"


def test_results() -> None:
    verdicts = (ALLOWED, Verdict(("w",)), Verdict(("w",), "no"), unchecked("late"))
    assert [v.result for v in verdicts] == [Result.ALLOWED, Result.WARNED, Result.DENIED, Result.UNCHECKED]
    assert [v.allowed for v in verdicts] == [True, True, False, True]
