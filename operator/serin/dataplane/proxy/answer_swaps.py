"""What is changed in an endpoint's own header lines: cookies' Domain and Path, Location and Refresh.

The rules are nginx's of proxy_cookie_domain, proxy_cookie_path and proxy_redirect with literal texts. Lines that hold
none of these headers are not touched; nothing is added or removed here.
"""

import re

from serin.routing.answers import Swap

_LOOKED_AT = re.compile(rb"^(?:set-cookie|location|refresh):", re.IGNORECASE | re.MULTILINE).search
_ATTRIBUTE = re.compile(rb"(;[ \t]*)(domain|path)([ \t]*=[ \t]*)([^;]*)", re.IGNORECASE)
_URL = re.compile(rb"url[ \t]*=[ \t]*", re.IGNORECASE).search


class Swaps:
    """One for a route. A swap that is off changes nothing."""

    __slots__ = ("_domain", "_location", "_path")

    def __init__(self, domain: Swap | None, path: Swap | None, location: Swap | None) -> None:
        self._domain = _texts(domain)
        if self._domain is not None:
            self._domain = (self._domain[0].removeprefix(b".").lower(), self._domain[1].removeprefix(b"."))
        self._path = _texts(path)
        self._location = _texts(location)

    @property
    def empty(self) -> bool:
        return self._domain is None and self._path is None and self._location is None

    def lines(self, lines: bytes) -> bytes:
        """`lines`: status line and headers, each ended by CRLF."""
        if _LOOKED_AT(lines) is None:
            return lines
        return b"\r\n".join([self._line(line) for line in lines.split(b"\r\n")])

    def _line(self, line: bytes) -> bytes:
        name, colon, value = line.partition(b": ")
        lower = name.lower()
        if lower == b"set-cookie":
            value = _ATTRIBUTE.sub(self._attribute, value)
        elif lower == b"location":
            value = self._redirect(value)
        elif lower == b"refresh" and (found := _URL(value)) is not None:
            value = value[: found.end()] + self._redirect(value[found.end() :])
        else:
            return line
        return name + colon + value

    def _attribute(self, found: re.Match[bytes]) -> bytes:
        before, name, equals, value = found.groups()
        if name.lower() == b"domain":
            value = self._in_domain(value)
        elif self._path is not None and value.startswith(self._path[0]):
            value = self._path[1] + value[len(self._path[0]) :]
        return bytes(before + name + equals + value)

    def _in_domain(self, value: bytes) -> bytes:
        """A domain is equal as a whole, in any case, without the dot that it may begin with; that dot stays."""
        if self._domain is None:
            return value
        dot = b"." if value.startswith(b".") else b""
        return dot + self._domain[1] if value[len(dot) :].strip().lower() == self._domain[0] else value

    def _redirect(self, value: bytes) -> bytes:
        """What begins with the text, in its case."""
        swap = self._location
        return swap[1] + value[len(swap[0]) :] if swap is not None and value.startswith(swap[0]) else value


def _texts(swap: Swap | None) -> tuple[bytes, bytes] | None:
    return (swap.old.encode(), swap.new.encode()) if swap is not None and swap.old else None
