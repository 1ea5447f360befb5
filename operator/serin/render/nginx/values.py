"""What a template gets: values that say what they are; none reaches a file but by the filter of its place.

Turning one into text by accident (`{{ x }}`, `~`, `join`, `%`) raises. What a filter writes is environment's.
"""

from dataclasses import dataclass
from typing import NoReturn

from serin.errors import SerinError


class UnsafeValueError(SerinError):
    """A template asked for a value in a place that it is not for, or nginx has no way to write it: a fault of ours."""


class Typed:
    """Base of all texts in a template's data."""

    __slots__ = ()

    def __str__(self) -> NoReturn:
        raise UnsafeValueError(f"a {type(self).__name__} gets into nginx.conf through its filter only")

    def __format__(self, spec: str) -> NoReturn:
        str(self)
        raise AssertionError


@dataclass(frozen=True, slots=True, repr=False)
class Text(Typed):
    """Any text. Filter `string` where nginx expands variables (a `$` stays one), `verbatim` where it does not."""

    value: str

    def __bool__(self) -> bool:
        return bool(self.value)


@dataclass(frozen=True, slots=True, repr=False)
class Pattern(Typed):
    """PCRE, for filter `regex`. `prefix` stands before it in the same quotes: `~` in a map, `^` in a location."""

    value: str
    prefix: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Name(Typed):
    """The name of an object, host or path in a comment, for filter `comment`."""

    value: str


@dataclass(frozen=True, slots=True, repr=False)
class File(Typed):
    """A path of this machine that we made ourselves, for filter `path`."""

    value: str


@dataclass(frozen=True, slots=True, repr=False)
class Variable(Typed):
    """A variable's name without `$`. In a Template, and alone for filter `variable`."""

    name: str


@dataclass(frozen=True, slots=True, repr=False)
class Template(Typed):
    """Text with variables of nginx in it, for filter `text`: only those that somebody put there as a Variable."""

    parts: tuple[str | Variable, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Remark(Typed):
    """A line of a comment for filter `remark`: words of ours, and names of users."""

    parts: tuple[str | Name, ...]
