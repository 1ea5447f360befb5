"""Colours are for terminals."""

import io

import pytest

from serin.cli.terminal import Paint


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_terminal_gets_colours() -> None:
    assert Paint(Terminal())("error", "no") == "\x1b[31mno\x1b[0m"


def test_a_file_gets_none() -> None:
    assert Paint(io.StringIO())("error", "no") == "no"


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert Paint(Terminal())("error", "no") == "no"
