"""What counts as linear is linear: in the steps that PCRE2 takes, and in its time, on subjects made to be bad."""

import pytest
from harness.pcre2 import CompileError, NoLibraryError, Search
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.render.nginx.bounds import Cost, bounds, cost, path_cost
from serin.render.nginx.syntax import UnknownSyntaxError, parse
from serin.render.nginx.work import search_work

try:
    Search("a").close()
except NoLibraryError:  # pragma: no cover
    pytestmark = pytest.mark.skip("no libpcre2-8 on this machine")

HEADER = 8192
"""Bytes of a line of a request that nginx takes (large_client_header_buffers 4 8k)."""
SECONDS = 0.004
"""Far above what linear patterns take (below 1 ms), far below a quadratic one (above 100 ms); machines differ."""
COUNTED = 512

# --- by name ---

LINEAR = (
    "^Do[A-Z][a-z]+y$",
    "cd|sz",
    "(?i)beta",
    "iPhone|iPad|Android|Mobile",
    ".*Mobile.*",
    "^v[0-9]{1,3}$",
    r"\A(?:v[0-9]+\.[0-9]+)\z",
    "^(ab|cd)*x",
    "foo.*",
    "^[^/]+/[^/]+/x",
    r"^[\w-]+@example\.com$",
    "^(?:alice|bob|carol)$",
    "[[:digit:]]{4}",
    r"\bbeta\b",
    "a{16}",
)
QUADRATIC = ("a*b", "x[a-z]*y", "^[a-z]*[a-z]*0", "(foo|bar).*baz")
UNBOUNDED = (
    "(a+)+b",
    "(a|a)*b",
    "(a|ab)*c",
    "a*a*a*b",
    "(a?){16}b",
    "((a{100}){100}){100}",
    "a{1000}",
    "(x+x+)+y",
    "(.*)*",
    "(/[^/]+)*",
)
UNKNOWN = (
    "(?=a)b",
    "(?!a)b",
    "(?<=a)b",
    "(?<name>a)",
    "(?'name'a)",
    "(?P<name>a)",
    "(?<serin>.*)",
    r"(a)\1",
    r"\Qa\E",
    r"(?R)",
    r"\Kx",
    "(?>a+)b",
    "a++b",
    "a*+",
    "(*LIMIT_MATCH=1)a",
    "(*UTF8)a",
    "(?x)a b",
    "(?s).",
    "(?|a|b)",
    "(?#c)a",
    "[][**da?$&*",
    "[]a]",
    "a{,3}",
    "a**",
    "*a",
    "+",
    "(",
    ")",
    "[a",
    "[z-a]",
    "[a-\\d]",
    "a\\",
    "é",
    "a\nb",
    "^*",
    "a{3}{2}",
    r"\x{41}",
    r"\cA",
    "[[:foo:]]",
)


@pytest.mark.parametrize("pattern", LINEAR)
def test_linear(pattern: str) -> None:
    assert cost(pattern, anchored=False) is Cost.LINEAR


@pytest.mark.parametrize("pattern", QUADRATIC)
def test_quadratic(pattern: str) -> None:
    assert cost(pattern, anchored=False) is Cost.QUADRATIC


@pytest.mark.parametrize("pattern", [*UNBOUNDED, *UNKNOWN])
def test_unbounded_or_not_understood(pattern: str) -> None:
    assert cost(pattern, anchored=False) is Cost.UNBOUNDED
    assert cost(pattern, anchored=True) is Cost.UNBOUNDED


@pytest.mark.parametrize("path", ["/dashboard(/|$)(.*)", "/something(/|$)(.*)", "/api/v[0-9]+/users/[^/]+$", "/(.*)"])
def test_paths_of_ingresses_are_linear(path: str) -> None:
    assert path_cost(path) is Cost.LINEAR


def test_a_path_is_anchored_in_its_first_alternative_alone() -> None:
    assert path_cost("/a|b*c") is Cost.QUADRATIC
    assert path_cost("/(a|b*c)") is Cost.LINEAR


def test_case_decides_whether_two_sets_are_apart() -> None:
    assert cost("^[a-z]*[A-Z]*0", anchored=False) is Cost.LINEAR
    assert cost("^[a-z]*[A-Z]*0", anchored=False, ignore_case=True) is Cost.QUADRATIC
    assert cost("^(?i)[a-z]*[A-Z]*0", anchored=False) is Cost.QUADRATIC
    assert cost("^(?:(?i)[a-z]*)[A-Z]*0", anchored=False) is Cost.QUADRATIC


# --- in general ---

ATOMS = ("a", "b", "/", "[ab]", "[^a]", r"\w", ".", r"\d", "[a-c]", "^", "$", r"\b")
COUNTS = ("", "", "", "?", "*", "+", "{2}", "{1,3}", "{0,2}", "*?", "{2,}")


def _groups(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    joined = st.lists(inner, min_size=1, max_size=3).map("".join)
    choice = st.lists(joined, min_size=1, max_size=3).map("|".join)
    return st.builds(lambda c, n: f"({c}){n}", choice, st.sampled_from(COUNTS))


pieces = st.recursive(
    st.builds(lambda a, n: a if a in ("^", "$", r"\b") else a + n, st.sampled_from(ATOMS), st.sampled_from(COUNTS)),
    _groups,
    max_leaves=6,
)
patterns = st.lists(st.lists(pieces, min_size=1, max_size=4).map("".join), min_size=1, max_size=2).map("|".join)
ends = st.text("ab/0 ", max_size=4)
repeated = st.text("abc/0\n", min_size=1, max_size=4)


def _subject(start: str, again: str, end: str, size: int) -> bytes:
    return (start + again * (size // len(again)) + end).encode()


@settings(max_examples=200, deadline=None)
@given(patterns, ends, repeated, ends, st.booleans())
def test_no_search_takes_more_steps_than_counted(
    pattern: str, start: str, again: str, end: str, ignore_case: bool
) -> None:
    work = search_work(parse(pattern, ignore_case=ignore_case), anchored=False)
    subject = _subject(start, again, end, COUNTED)
    n = len(subject)
    if work is None or work.degree > 1:
        return
    search = Search(pattern, ignore_case=ignore_case, counted=True)
    search.run(subject)
    search.close()
    assert search.steps <= 2 * (work.constant + work.linear * (n + 1)) + 16


@settings(max_examples=200, deadline=None)
@given(patterns, ends, repeated, ends, st.booleans())
def test_a_linear_pattern_is_fast(pattern: str, start: str, again: str, end: str, ignore_case: bool) -> None:
    if cost(pattern, anchored=False, ignore_case=ignore_case) is not Cost.LINEAR:
        return
    search = Search(pattern, ignore_case=ignore_case)
    seconds = search.cpu_seconds(_subject(start, again, end, HEADER))
    search.close()
    assert seconds < SECONDS


@pytest.mark.parametrize("pattern", LINEAR)
def test_the_known_linear_ones_are_fast_on_what_nearly_matches(pattern: str) -> None:
    search = Search(pattern)
    for again in (
        "a",
        "Do",
        "DoAay",
        "csc",
        "bet",
        "iPa",
        "Mobil",
        "abcd",
        "v1.",
        "x/",
        "a@example.co",
        "fo",
        "0",
        "1234",
    ):
        for end in ("", "y", "e", "\n", "x Mobile!"):
            assert search.cpu_seconds(_subject("", again, end, HEADER)) < SECONDS
    search.close()


@settings(max_examples=200, deadline=None)
@given(patterns, st.text("ab/0 \n", max_size=6))
def test_what_does_not_take_the_empty_text_does_not(pattern: str, subject: str) -> None:
    found = bounds(pattern, anchored=False)
    search = Search(pattern)
    if not found.takes_empty:
        assert not search.run(b"")
    search.run(subject.encode())
    search.close()


@settings(max_examples=300, deadline=None)
@given(st.text(r"ab01-^$.*+?{},()[]|\:iPwdDzZ<>=!", max_size=10))
def test_what_is_understood_compiles(pattern: str) -> None:
    """So nothing else was read into a text than PCRE2 reads."""
    try:
        parse(pattern)
    except UnknownSyntaxError:
        return
    try:
        Search(pattern).close()
    except CompileError:
        pytest.fail(f"{pattern} was understood, and does not compile")


def test_a_search_that_is_not_linear_is_seen_to_be_slow() -> None:
    """The measure of these tests can fail."""
    search = Search("[ab]*[ab]*0$")
    assert search.cpu_seconds(b"ab" * 300 + b"c" + b"0a") > SECONDS
    search.close()
