"""How annotation values are written: each grammar reads a whole text or refuses it, and says what it expects.

Every pattern is matched in full. Control characters are refused before any grammar sees a value.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_SIZE = re.compile(r"([0-9]{1,12})([bkmg]?)", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_LABEL = r"[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_STEP = re.compile(r"([0-9]{1,10})(ms|[smhd]?)")
_DURATION = re.compile(r"(?:[0-9]{1,10}(?:ms|[smhd]))*(?:[0-9]{1,10}(?:ms|[smhd])?)?")
_MILLISECONDS = {"": 1000, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})

LETTERS = r"A-Za-z0-9\-._~/:"
"""ingress-nginx's basic characters, for use inside a bracket expression."""


def has_control(text: str) -> bool:
    return _CONTROL.search(text) is not None


@dataclass(frozen=True, slots=True)
class Grammar(Generic[T_co]):
    """`read` gives None for a text that it refuses; `expected` completes the sentence "expected …"."""

    read: Callable[[str], T_co | None]
    expected: str


def _boolean(text: str) -> bool | None:
    return True if text in _TRUE else False if text in _FALSE else None


BOOLEAN = Grammar(_boolean, "true or false")
"""Go's boolean words: 1, t, T, TRUE, true, True and their opposites."""


def integer(low: int, high: int, expected: str = "") -> Grammar[int]:
    """Go's integers: digits with an optional sign, no blanks."""

    def read(text: str) -> int | None:
        if _INTEGER.fullmatch(text) is None:
            return None
        number = int(text)
        return number if low <= number <= high else None

    return Grammar(read, expected or f"a whole number from {low} to {high}")


ANY_INTEGER = integer(-(2**63), 2**63 - 1, "a whole number")
SECONDS = integer(1, 2147483, "whole seconds from 1 to 2147483, without unit")
"""nginx keeps times as 32-bit milliseconds."""


def _size(text: str) -> int | None:
    found = _SIZE.fullmatch(text)
    return None if found is None else int(found[1]) * _UNITS[found[2].lower()]


SIZE = Grammar(_size, "a size like 8k, 10m or 1g (0: no limit)")


def size(low: int, high: int, expected: str) -> Grammar[int]:
    """As SIZE, in bounds."""

    def read(text: str) -> int | None:
        found = _size(text)
        return found if found is not None and low <= found <= high else None

    return Grammar(read, expected)


def _duration(text: str) -> int | None:
    """Seconds, rounded up."""
    text = text.strip(" ")
    if not text or _DURATION.fullmatch(text) is None:
        return None
    milliseconds = sum(int(number) * _MILLISECONDS[unit] for number, unit in _STEP.findall(text))
    return -(-milliseconds // 1000) if milliseconds <= 2147483647 else None


DURATION = Grammar(_duration, "a time like 30s, 10m or 1h, up to 24 days")
"""nginx's times, in seconds."""


def characters(allowed: str, expected: str, *, blanks: bool = False, most: int = 0) -> Grammar[str]:
    """A text of `allowed` (a bracket expression's inside), trimmed; with `blanks` it may hold blanks as well.

    `most`: its longest length; 0: no bound.
    """
    whole = re.compile(f"[{allowed}{' ' if blanks else ''}]" + (f"{{1,{most}}}" if most else "+"))

    def read(text: str) -> str | None:
        text = text.strip(" ")
        return text if whole.fullmatch(text) else None

    return Grammar(read, expected)


def pattern(whole: str, expected: str) -> Grammar[str]:
    """A text that matches as a whole, trimmed."""
    compiled = re.compile(whole)

    def read(text: str) -> str | None:
        text = text.strip(" ")
        return text if compiled.fullmatch(text) else None

    return Grammar(read, expected)


def one_of(*words: str, expected: str = "", case: bool = False) -> Grammar[str]:
    """One of the words, whatever its case unless `case` says so; comes out as written here."""
    expected = expected or f"one of {', '.join(words)}"
    table = {word if case else word.lower(): word for word in words}
    return Grammar(lambda text: table.get(text.strip(" ") if case else text.strip(" ").lower()), expected)


def words(*known: str, expected: str = "") -> Grammar[tuple[str, ...]]:
    """Known words separated by blanks, each once."""

    def read(text: str) -> tuple[str, ...] | None:
        found = tuple(dict.fromkeys(text.split()))
        return found if found and all(word in known for word in found) else None

    return Grammar(read, expected or f"words out of {', '.join(known)}")


def _hosts(text: str) -> tuple[str, ...] | None:
    parts = (part.strip(" ").lower().removesuffix(".") for part in text.split(","))
    found = tuple(dict.fromkeys(part for part in parts if part))
    return found if found and all(len(host) <= 253 and _HOST.fullmatch(host) for host in found) else None


HOSTS = Grammar(_hosts, "host names separated by commas")
ANYTHING: Grammar[str] = Grammar(lambda text: text, "a text")
