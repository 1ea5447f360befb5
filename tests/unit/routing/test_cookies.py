"""Cookies by their raw text."""

import pytest

from serin.routing.cookies import cookie_value


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (b"tester=always", b"always"),
        (b"Tester=always", b"always"),
        (b"tester=", b""),
        (b"tester=always; x=1", b"always"),
        (b"x=1; tester=always", b"always"),
        (b"x=1;tester=always", b"always"),
        (b"x=1,tester=always", b"always"),
        (b"x=1;   tester=always", b"always"),
        (b"tester = always", b"always"),
        (b"tester=always ; x=1", b"always "),
        (b"tester=always, x=1", b"always, x=1"),
        (b'tester="always"', b'"always"'),
        (b"tester=a=b", b"a=b"),
        (b"tester=never; tester=always", b"never"),
        (b"xtester=always", None),
        (b"x=tester=always", None),
        (b"x tester=always", None),
        (b"testers=always", None),
        (b"tester", None),
        (b"=always", None),
        (b"", None),
    ],
)
def test_value_of_a_cookie(header: bytes, value: bytes | None) -> None:
    assert cookie_value(header, b"tester") == value


def test_a_nameless_cookie_is_nobodys() -> None:
    assert cookie_value(b"=always", b"") is None


def test_a_name_is_no_pattern() -> None:
    assert cookie_value(b"axb=1; a.b=2", b"a.b") == b"2"
