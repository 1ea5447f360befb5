"""Headers that users set: names, values, and which of them nobody may touch.

A value may hold variables that the data planes know. Bodies and connections are framed by ourselves: whoever could set
their headers could make two servers disagree about where a request ends.
"""

import re

from serin.compile.annotations.grammar import Grammar, has_control
from serin.compile.annotations.variables import unknown_variables

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_VALUE = re.compile(r"[\x20-\x7e]{0,4096}")
FRAMING = frozenset(
    (
        *("connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "http2-settings"),
    )
)


def _name(text: str) -> str | None:
    text = text.strip(" ")
    return text if _NAME.fullmatch(text) else None


NAME = Grammar(_name, "a header's name of letters, digits, - and _")


def _names(text: str) -> tuple[str, ...] | None:
    found = [_name(part) for part in text.split(",") if part.strip(" ")]
    return None if None in found else tuple(dict.fromkeys(name for name in found if name is not None))


NAMES = Grammar(_names, "headers' names separated by commas")


def fault_of_name(name: str, *, of_request: bool = False) -> str:
    """Why nobody may set the header of this name, or the empty text."""
    if _NAME.fullmatch(name) is None:
        return "its name is not of letters, digits, - and _"
    if name.lower() in FRAMING:
        return "it frames messages, which is the data plane's own matter"
    if of_request and name.lower() == "host":
        return "upstream-vhost sets the Host that endpoints get"
    return ""


def fault_of_value(value: str) -> str:
    """Why this is no value of a header, or the empty text."""
    if has_control(value):
        return "it holds control characters"
    if _VALUE.fullmatch(value) is None:
        return "expected up to 4096 characters of ASCII"
    unknown = unknown_variables(value)
    return f"{', '.join(unknown)}: no such variable" if unknown else ""
