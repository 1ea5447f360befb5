"""How a request target is read for matching, and how a changed path is written for an endpoint.

One meaning for the proxy, `explain` and the tests: nginx's. A target is decoded once, empty and dot segments are taken
away, and only then is it matched; without a rewrite the endpoint still gets the target as sent.
This module must not know routes.
"""

import re

_MARK, _PERCENT_SIGN, _FRAGMENT, _NUL = b"?%#\0"  # looking for a number in bytes is five times faster than for bytes
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})").search
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_SLASHES = re.compile(rb"//+")
_BYTES = [bytes((n,)) for n in range(256)]
_ESCAPES = [b"%%%02X" % n for n in range(256)]
_TO_ESCAPE = re.compile(rb'[\x00-\x20"#%<>?\\^`{|}\x7f-\xff]')
_TO_ESCAPE_AWAY = re.compile(rb'[\x00-\x20"#%\x7f-\xff]')


def normalize(target: bytes) -> bytes | None:
    """The path of a request target in origin form as nginx reads it; None: answer 400.

    Cut at `?` (or `#`), %XX decoded once, `//` merged, `.` and `..` resolved, also where they came from escapes.
    None for a target that does not begin with `/`, a bad escape, a NUL, or `..` above the root.
    """
    path = target.partition(b"?")[0] if _MARK in target else target
    if _PERCENT_SIGN in path or _FRAGMENT in path or _NUL in path or path.find(b"//") >= 0 or path.find(b"/.") >= 0:
        return _normalize(path.partition(b"#")[0])
    return path if path.startswith(b"/") else None


def _normalize(path: bytes) -> bytes | None:
    if path[:1] != b"/":
        return None
    if b"%" in path:
        if _BAD_ESCAPE(path):
            return None
        path = _ESCAPE.sub(_decode, path)
    if b"\0" in path:
        return None
    if b"//" in path:
        path = _SLASHES.sub(b"/", path)
    return _resolve_dots(path) if b"/." in path else path


def query(target: bytes) -> bytes:
    """The target's query with its `?`, without a fragment; empty when there is none."""
    _, mark, rest = target.partition(b"#")[0].partition(b"?")
    return mark + rest


def escape(path: bytes) -> bytes:
    """A path as nginx since 1.21.1 writes a changed URI: space `" # % < > ? \\ ^ ` { | }`, controls, 0x7f-0xff."""
    return _TO_ESCAPE.sub(_encode, path)


def escape_away(text: bytes) -> bytes:
    """Part of a decoded path as nginx leaves it in a rewrite to another URL: space `" # %`, controls, 0x7f-0xff."""
    return _TO_ESCAPE_AWAY.sub(_encode, text)


def _decode(found: re.Match[bytes]) -> bytes:
    return _BYTES[int(found[1], 16)]


def _encode(found: re.Match[bytes]) -> bytes:
    return _ESCAPES[found[0][0]]


def _resolve_dots(path: bytes) -> bytes | None:
    """Segments `.` and `..` taken out; at the end of a path they leave the slash before them."""
    kept: list[bytes] = []
    segments = path.split(b"/")
    for segment in segments[1:]:
        if segment == b"..":
            if not kept:
                return None
            kept.pop()
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)
