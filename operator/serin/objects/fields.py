"""Typed reading of raw objects: every field comes out well typed or as absent, with a problem that names it.

Null counts as absent, as it does for the API server. Nothing here raises for what a user wrote; nothing here knows
what a field means.
"""

import json
from collections.abc import Iterator, Mapping, Set
from typing import TypeGuard

from serin.problems import Problem, Severity
from serin.refs import Ref, Source

_SHOWN = 60


class Report:
    """Collects the problems of one object."""

    __slots__ = ("problems", "ref")

    def __init__(self, ref: Ref) -> None:
        self.ref = ref
        self.problems: list[Problem] = []

    def error(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(Source(self.ref, path), code, Severity.ERROR, text))

    def warning(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(Source(self.ref, path), code, Severity.WARNING, text))

    @property
    def mark(self) -> int:
        """To be given to `failed_since` later."""
        return len(self.problems)

    def failed_since(self, mark: int) -> bool:
        """Whether anything since then is an error: what was read in between is not what its user wrote."""
        return any(problem.severity is Severity.ERROR for problem in self.problems[mark:])

    def wrong_type(self, path: str, expected: str, found: object, *, secret: bool = False) -> None:
        self.error(
            path, "wrong-type", f"expected {expected}, found {kind_of(found, secret=secret)}; it counts as absent"
        )


class Fields:
    """A mapping at a place of the object. The root has the empty path."""

    __slots__ = ("path", "raw", "report")

    def __init__(self, raw: Mapping[object, object], path: str, report: Report) -> None:
        self.raw = raw
        self.path = path
        self.report = report

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        return self.raw.get(key) is not None

    def only(self, known: Set[str], *, passing: Set[str] = frozenset()) -> None:
        """Tell of fields of other names, which the API server would drop: they are misspelt or misplaced.

        Those of `passing` are told of elsewhere.
        """
        for name in self.raw.keys() - known - passing:
            shown = shorten(plain_text(name))
            text = f"there is no field {shown} here, expected some of {', '.join(sorted(known))}; it has no effect"
            self.report.warning(self.at(shown), "field-unknown", text)

    def refuse_others(self, known: Set[str]) -> None:
        """An error for each field of another name: where it may narrow what its neighbours say, none can be dropped."""
        for name in self.raw.keys() - known:
            shown = shorten(plain_text(name))
            text = f"there is no field {shown} here, expected some of {', '.join(sorted(known))}"
            self.report.error(self.at(shown), "field-unknown", text)

    def text(self, key: str, default: str = "", wanted: str = "") -> str:
        """`wanted` says what is expected where the same in quotes would not do either: 30 in quotes is no duration."""
        value = self.raw.get(key)
        if value is None:
            return default
        if is_text(value):
            return value
        hint = f'a text (write "{plain_text(value)}" in quotes)' if isinstance(value, bool | int | float) else "a text"
        self.report.wrong_type(self.at(key), wanted or hint, value)
        return default

    def integer(self, key: str, low: int, high: int) -> int | None:
        """The integer if it is within low..high; None when absent or not usable."""
        value = self.raw.get(key)
        if value is None:
            return None
        if type(value) is int and low <= value <= high:
            return value
        self.report.wrong_type(self.at(key), f"a whole number from {low} to {high}, without quotes", value)
        return None

    def flag(self, key: str) -> bool | None:
        value = self.raw.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.report.wrong_type(self.at(key), "true or false", value)
        return None

    def mapping(self, key: str) -> "Fields | None":
        value = self.raw.get(key)
        if value is None:
            return None
        if isinstance(value, Mapping):
            return Fields(value, self.at(key), self.report)
        self.report.wrong_type(self.at(key), "a mapping", value)
        return None

    def sequence(self, key: str) -> list[object]:
        value = self.raw.get(key)
        if value is None:
            return []
        if isinstance(value, list | tuple):
            return list(value)
        self.report.wrong_type(self.at(key), "a list", value)
        return []

    def mappings(self, key: str) -> Iterator["Fields"]:
        return (item for item in self.entries(key) if item is not None)

    def entries(self, key: str) -> Iterator["Fields | None"]:
        """As `mappings`, with None in the place of what is none."""
        for index, item in enumerate(self.sequence(key)):
            path = f"{self.at(key)}[{index}]"
            if isinstance(item, Mapping):
                yield Fields(item, path, self.report)
            else:
                self.report.wrong_type(path, "a mapping", item)
                yield None

    def texts(self, key: str) -> Iterator[tuple[str, str]]:
        """Pairs of path and text."""
        for index, item in enumerate(self.sequence(key)):
            path = f"{self.at(key)}[{index}]"
            if is_text(item):
                yield path, item
            else:
                self.report.wrong_type(path, "a text", item)

    def string_map(self, key: str, code: str) -> dict[str, str]:
        """A map of texts. Other values become their JSON text, with a problem: a value that was written stays visible.

        Dropping them would be the greater harm: an access rule given as a list must be seen, and refused, later on.
        """
        found = self.mapping(key)
        if found is None:
            return {}
        texts: dict[str, str] = {}
        for name, value in found.raw.items():
            path = f"{found.path}[{shorten(plain_text(name))}]"
            if not is_text(name):
                self.report.wrong_type(path, "a text as key", name)
            elif is_text(value):
                texts[name] = value
            else:
                texts[name] = plain_text(value)
                note = f"expected a text, found {kind_of(value)}, which the API server refuses"
                self.report.warning(path, code, f"{note}; it is read as {shorten(json.dumps(texts[name]))}")
        return texts


def is_text(value: object) -> TypeGuard[str]:
    """A str that can be written as UTF-8; JSON can spell others (lone surrogates), which nothing later could encode."""
    if not isinstance(value, str):
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def plain_text(value: object) -> str:
    """A value as the text a user would have written in quotes: true, 8, ["a"]; null is empty."""
    if value is None:
        return ""
    if is_text(value):
        return value
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return f"({type(value).__name__})"


def kind_of(value: object, *, secret: bool = False) -> str:
    """What a value is, in words, with the value itself when it is short and no `secret`."""
    match value:
        case None:
            return "null"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case bool():
            word = "true or false"
        case int() | float():
            word = "a number"
        case str():
            word = "a text" if is_text(value) else "a text that is not Unicode"
        case _:
            return f"a value of type {type(value).__name__}"
    return word if secret else f"{word} ({shorten(plain_text(value))})"


def shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
