"""Frozen dataclasses to plain JSON values and back, by their declared types alone.

No class name, no code and no pickle is in the text; the reader knows what it expects and refuses everything else.
Fields that have their default are left out, so that a document holds what its user wrote. Reading back what was written
gives an equal value.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from serin.errors import CorruptFileError

T = TypeVar("T")
Write = Callable[[Any], Any]
Read = Callable[[Any], Any]


class _Absent:
    """Stands where a field has no default: equal to nothing."""


_ABSENT = _Absent()


def to_plain(value: Any) -> Any:
    """A dataclass of a supported shape as dicts, lists, texts, numbers, booleans and None."""
    return _codec(type(value))[0](value)


def from_plain(kind: type[T], plain: Any) -> T:
    """The value that `plain` stands for. CorruptFileError when it is not one of `kind` in every part."""
    value: T = _codec(kind)[1](plain)
    return value


_codecs: dict[Any, tuple[Write, Read]] = {}


def _codec(kind: Any) -> tuple[Write, Read]:
    if kind not in _codecs:
        _codecs[kind] = _make_codec(kind)
    return _codecs[kind]


def _make_codec(kind: Any) -> tuple[Write, Read]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _record(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _sequence(arguments[0])
    if origin is types.UnionType and len(arguments) == 2 and arguments[1] is types.NoneType:
        return _optional(arguments[0])
    if kind in (str, int, float, bool):
        return _plain(kind)
    raise TypeError(f"{kind} has no form in a document")


def _record(kind: Any) -> tuple[Write, Read]:
    hints = typing.get_type_hints(kind)
    fields = [(f.name, _default(f), *_codec(hints[f.name])) for f in dataclasses.fields(kind)]
    readers = {name: read for name, _, _, read in fields}
    required = {name for name, default, _, _ in fields if default is _ABSENT}

    def write(value: Any) -> dict[str, Any]:
        out = {}
        for name, default, write_field, _ in fields:
            held = getattr(value, name)
            if held != default:
                out[name] = write_field(held)
        return out

    def read(plain: Any) -> Any:
        if type(plain) is not dict:
            raise CorruptFileError(f"{kind.__name__}: expected an object, found {_shown(plain)}")
        if not required <= plain.keys():
            raise CorruptFileError(f"{kind.__name__}: without {', '.join(sorted(required - plain.keys()))}")
        try:
            return kind(**{name: readers[name](held) for name, held in plain.items()})
        except KeyError as e:
            raise CorruptFileError(f"{kind.__name__}: unknown field {e}") from None

    return write, read


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return _ABSENT if field.default_factory is dataclasses.MISSING else field.default_factory()


def _enum(kind: type[Enum]) -> tuple[Write, Read]:
    members: Mapping[Any, Enum] = {member.value: member for member in kind}

    def read(plain: Any) -> Enum:
        if type(plain) is not str or plain not in members:
            raise CorruptFileError(f"expected one of {', '.join(map(str, members))}, found {_shown(plain)}")
        return members[plain]

    return lambda value: value.value, read


def _sequence(item: Any) -> tuple[Write, Read]:
    write_item, read_item = _codec(item)

    def read(plain: Any) -> tuple[Any, ...]:
        if type(plain) is not list:
            raise CorruptFileError(f"expected a list, found {_shown(plain)}")
        return tuple([read_item(one) for one in plain])

    return lambda value: [write_item(one) for one in value], read


def _optional(kind: Any) -> tuple[Write, Read]:
    write_some, read_some = _codec(kind)
    return (
        lambda value: None if value is None else write_some(value),
        lambda plain: None if plain is None else read_some(plain),
    )


def _plain(kind: type) -> tuple[Write, Read]:
    """A number must not pass for a truth value, nor a text for a number; a whole number is a fine float."""

    def read(plain: Any) -> Any:
        if type(plain) is kind:
            return plain
        if kind is float and type(plain) is int:
            return float(plain)
        raise CorruptFileError(f"expected {kind.__name__}, found {_shown(plain)}")

    return lambda value: value, read


def _shown(plain: Any) -> str:
    text = repr(plain)
    return text if len(text) <= 60 else text[:57] + "..."
