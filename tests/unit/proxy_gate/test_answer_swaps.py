"""Swaps of cookies' attributes and of redirects, by nginx's rules."""

import pytest

from serin.dataplane.proxy.answer_swaps import Swaps
from serin.routing.answers import Swap

SWAPS = Swaps(Swap(".in.example", "out.example"), Swap("/in", "/out"), Swap("http://in/", "/x/"))


@pytest.mark.parametrize(
    ("line", "swapped"),
    [
        (b"Set-Cookie: a=1; Path=/in/x", b"Set-Cookie: a=1; Path=/out/x"),
        (b"Set-Cookie: a=1; Path=/inner", b"Set-Cookie: a=1; Path=/outner"),
        (b"Set-Cookie: a=1; Path=/IN", b"Set-Cookie: a=1; Path=/IN"),
        (b"Set-Cookie: a=1; Path=/x/in", b"Set-Cookie: a=1; Path=/x/in"),
        (b"set-cookie: a=/in; path=/in;Secure", b"set-cookie: a=/in; path=/out;Secure"),
        (b"Set-Cookie: path=/in", b"Set-Cookie: path=/in"),
        (b"Set-Cookie: a=1; Domain=in.example", b"Set-Cookie: a=1; Domain=out.example"),
        (b"Set-Cookie: a=1; Domain=.IN.example", b"Set-Cookie: a=1; Domain=.out.example"),
        (b"Set-Cookie: a=1; Domain=x.in.example", b"Set-Cookie: a=1; Domain=x.in.example"),
        (b"Location: http://in/a", b"Location: /x/a"),
        (b"Location: http://IN/a", b"Location: http://IN/a"),
        (b"Refresh: 0; url=http://in/a", b"Refresh: 0; url=/x/a"),
        (b"Refresh: 5", b"Refresh: 5"),
        (b"X-Location: http://in/a", b"X-Location: http://in/a"),
    ],
)
def test_a_line(line: bytes, swapped: bytes) -> None:
    lines = b"HTTP/1.1 200 OK\r\n%b\r\nX: /in\r\n"
    assert SWAPS.lines(lines % line) == lines % swapped


def test_what_is_off_changes_nothing() -> None:
    assert Swaps(None, Swap("", ""), None).empty
    line = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/in; Domain=in.example\r\nLocation: http://in/\r\n"
    assert Swaps(None, Swap("", ""), None).lines(line) == line
