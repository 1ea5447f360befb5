"""PCRE's meaning, and a bound that no subject or pattern of a user gets past."""

import contextlib
import time

import pytest

from serin.native.pattern import Pattern, PatternError, PatternLimit

LONG = 8192


def test_spans_of_groups() -> None:
    assert Pattern(r"/v(\d+)(x)?/(.*)").search(b"/api/v12/users") == ((4, 14), (6, 8), (-1, -1), (9, 14))
    assert Pattern("b").search(b"aaa") is None
    assert Pattern("").search(b"") == ((0, 0),)


def test_case_and_anchor() -> None:
    assert Pattern("ABC", ignore_case=True).search(b"xabc") == ((1, 4),)
    assert Pattern("ABC").search(b"xabc") is None
    assert Pattern("abc", anchored=True).search(b"xabc") is None


@pytest.mark.parametrize(
    ("pattern", "subject", "matches"),
    [
        ("[[:alpha:]]+", b"1a", True),
        (r"^a++b", b"aaab", True),
        (r"(?>a+)ab", b"aaab", False),
        (r"foo\Kbar", b"foobar", True),
        ("a$", b"a\n", True),
        (r"\x{e9}", b"\xe9", True),
        (".", b"\xff", True),
        (r"(?<=x)y|\Qa.b\E", b"a.b", True),
        ("é", "café".encode(), True),
    ],
)
def test_meaning_is_pcres(pattern: str, subject: bytes, matches: bool) -> None:
    assert (Pattern(pattern).search(subject) is not None) is matches


@pytest.mark.parametrize("pattern", ["(", "a{2,1}", "[z-a]", "*", "(?P<n>a)(?P<n>b)", "(a{60000}){60000}", "x" * 5000])
def test_what_does_not_compile_says_why(pattern: str) -> None:
    with pytest.raises(PatternError, match=r"\w+"):
        Pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        ("(a+)+$", b"a" * LONG + b"!"),
        ("(a*)*c", b"a" * LONG + b"c!"[:0] + b"b"),
        ("(?:.*+z|a)+b!", b"a" * (LONG - 3) + b"b!z"[:1] + b"z!"),
        (r"^(a+)(?:\1x|a)*b!", b"a" * (LONG - 2) + b"b "),
        (r"(\w+\s?)+=$", b"word " * (LONG // 5) + b"= "),
        (r"(?=(.*x)*y)y", b"xy" * (LONG // 2)),
        (r"(x+x+)+y", b"x" * (LONG - 1) + b"y"[:0] + b"z"),
        (r"^(.*?,){11}P", b"1,2,3,4,5,6,7,8,9,10,11,12,13" * 280 + b"P"[:0]),
        (r"(?:a?){60}a{60}b!", b"a" * 8000 + b"b ! b!"[:3]),
    ],
)
def test_hostile_pairs_end_in_a_few_milliseconds(pattern: str, subject: bytes) -> None:
    made = Pattern(pattern)
    began = time.thread_time()
    with contextlib.suppress(PatternLimit):
        made.search(subject)
    assert time.thread_time() - began < 0.02


def test_the_bound_is_met_and_leaves_the_pattern_usable() -> None:
    made = Pattern("(a+)+$")
    with pytest.raises(PatternLimit):
        made.search(b"a" * LONG + b"!")
    assert made.search(b"baa") == ((1, 3), (1, 3))


def test_long_harmless_subjects_are_searched_to_their_end() -> None:
    assert Pattern("^.*needle$").search(b"x" * LONG + b"needle") is not None
    assert Pattern("(?:foo|bar|baz)+qux").search(b"foobarbaz" * 900) is None


def test_more_groups_than_are_given_back() -> None:
    spans = Pattern("(a)" * 40).search(b"a" * 40)
    assert spans is not None
    assert len(spans) == 32
    assert spans[31] == (30, 31)
