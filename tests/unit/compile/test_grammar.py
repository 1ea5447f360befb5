"""How values are written, at their edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.compile.annotations import grammar
from serin.compile.annotations.table import ANNOTATIONS, OURS


@pytest.mark.parametrize("text", ["1", "t", "T", "TRUE", "true", "True"])
def test_true(text: str) -> None:
    assert grammar.BOOLEAN.read(text) is True


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False"])
def test_false(text: str) -> None:
    assert grammar.BOOLEAN.read(text) is False


@pytest.mark.parametrize("text", ["yes", "on", "tRUE", " true", "true ", "true\n", ""])
def test_no_boolean(text: str) -> None:
    assert grammar.BOOLEAN.read(text) is None


@pytest.mark.parametrize(("text", "number"), [("100", 100), ("+100", 100), ("-5", -5), ("007", 7)])
def test_integers(text: str, number: int) -> None:
    assert grammar.ANY_INTEGER.read(text) == number


@pytest.mark.parametrize("text", ["1e2", "10.5", "10%", " 100", "100 ", "1_0", "", "+", "٣", "9" * 19, "1" * 5000])
def test_no_integers(text: str) -> None:
    assert grammar.ANY_INTEGER.read(text) is None


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("1k", 1024), ("8M", 8 << 20), ("1g", 1 << 30), ("5b", 5)])
def test_sizes(text: str, size: int) -> None:
    assert grammar.SIZE.read(text) == size


@pytest.mark.parametrize("text", ["lots", "-1", "1.5m", "8 m", "1kb", ""])
def test_no_sizes(text: str) -> None:
    assert grammar.SIZE.read(text) is None


def test_inner_blanks_are_for_those_that_allow_them() -> None:
    assert grammar.characters("a-z", "", blanks=True).read(" two words ") == "two words"
    assert grammar.characters("a-z", "").read("two words") is None
    assert grammar.characters("a-z", "", blanks=True).read("  ") is None


def test_words_may_count_by_their_case() -> None:
    assert grammar.one_of("Lax").read(" lax ") == "Lax"
    exact = grammar.one_of("cookie", case=True)
    assert (exact.read(" cookie "), exact.read("Cookie")) == ("cookie", None)


def test_hosts_are_lowered_and_each_taken_once() -> None:
    assert grammar.HOSTS.read("A.example, *.b.example.,a.example") == ("a.example", "*.b.example")
    assert grammar.HOSTS.read("a.example,, b.example,") == ("a.example", "b.example")


@pytest.mark.parametrize("text", ["", ",", "a b", "a.*.example", "~^x", "a.example;", "-a", "a..b", "x" * 254])
def test_no_hosts(text: str) -> None:
    assert grammar.HOSTS.read(text) is None


@given(st.text(max_size=40))
def test_every_grammar_is_total(text: str) -> None:
    """Whatever is written, a grammar answers; what a supported one reads, it reads as a whole."""
    for annotation in [*ANNOTATIONS.values(), *OURS.values()]:
        annotation.grammar.read(text)


@given(st.text(alphabet=st.characters(max_codepoint=31), min_size=1))
def test_control_characters_are_seen(text: str) -> None:
    assert grammar.has_control(f"a{text}b")
