"""A user's log format (log-format-upstream) compiled for the proxy's access log; escaping is nginx's, byte for byte.

The line is latin-1 text of the bytes: in JSON nginx passes bytes above 127 on as they are.
"""

import time
from collections.abc import Callable
from typing import Any

from serin.routing.variables import is_variable_part, split_variables
from serin.telemetry.access_log import local_time, quote
from serin.telemetry.log_variables import Value, reader

Line = Callable[[Any, int], str]
"""The line of an exchange (Logged) or of a session of TCP or UDP (StreamLogged) that ended at a second since 1970."""
Readers = Callable[[str], Callable[[Any], Value]]
"""How a variable is read, by its name."""

_SHORT = {ord('"'): '\\"', ord("\\"): "\\\\", 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}
_JSON = {code: _SHORT.get(code, f"\\u{code:04X}") for code in (*range(32), *_SHORT)}
_TIMES: dict[str, Callable[[int], str]] = {
    "time_local": local_time,
    "time_iso8601": lambda second: iso_with_offset(second),
    "date_local": lambda second: time.strftime("%A, %d-%b-%Y %H:%M:%S %Z", time.localtime(second)),
    "date_gmt": lambda second: time.strftime("%A, %d-%b-%Y %H:%M:%S GMT", time.gmtime(second)),
}


def compile_format(text: str, *, escape_json: bool = False, readers: Readers = reader) -> Line:
    """A function that makes the line. Variables that nobody knows are as those that are not found."""
    escape = _json if escape_json else _default
    pieces = [_piece(part, escape, readers) for part in split_variables(text)]

    def line(e: Any, second: int) -> str:
        return "".join([piece(e, second) for piece in pieces]) + "\n"

    return line


def iso_with_offset(second: int) -> str:
    """nginx's time_iso8601: `2026-11-21T08:21:24+00:00`, in this machine's time zone."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(second))
    return f"{text[:-2]}:{text[-2:]}"


def _piece(part: str, escape: Callable[[Value], str], readers: Readers) -> Line:
    if not is_variable_part(part):
        return lambda e, second: part
    stamp = _TIMES.get(part[1:].lower())
    if stamp is not None:
        return lambda e, second: stamp(second)
    return _value(readers(part[1:]), escape)


def _value(read: Callable[[Any], Value], escape: Callable[[Value], str]) -> Line:
    return lambda e, second: escape(read(e))


def _default(value: Value) -> str:
    return "-" if value is None else quote(value)


def _json(value: Value) -> str:
    return "" if value is None else value.decode("latin-1").translate(_JSON)
