"""Mistyped names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.compile.annotations.table import ANNOTATIONS
from serin.compile.near import Near

NEAR = Near(ANNOTATIONS)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("canary-wieght", "canary-weight"),
        ("rewrite-targets", "rewrite-target"),
        ("rewrite-targe", "rewrite-target"),
        ("app_root", "app-root"),
        ("canary-header", "canary-by-header"),
        ("weight-canary", "canary-weight"),
        ("Use-Regex", "use-regex"),
    ],
)
def test_near_misses_are_found(wrong: str, right: str) -> None:
    assert NEAR.find(wrong) == right


@pytest.mark.parametrize("text", ["zzz", "", "no-such-annotation", "x" * 5000])
def test_others_are_not(text: str) -> None:
    assert NEAR.find(text) == ""


@given(st.sampled_from(sorted(ANNOTATIONS)), st.integers(0, 30), st.sampled_from("xq"))
def test_one_letter_off_is_always_found(name: str, place: int, letter: str) -> None:
    place %= len(name)
    for wrong in (
        name[:place] + name[place + 1 :],
        name[:place] + letter + name[place + 1 :],
        name[:place] + letter + name[place:],
    ):
        assert NEAR.find(wrong)
