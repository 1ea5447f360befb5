"""YAML text → plain values, as Kubernetes reads them: times stay texts, keys are texts, a key stands once.

Whatever the text holds, the cost is bounded: depth, number of values, and what aliases would expand to. Values that
aliases share are shared here too, so the bound on expansion is what keeps later readers of the value from drowning.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml
from yaml._yaml import CParser

from serin.files.scalars import Scalar, UnknownTagError, is_collection_tag, plain_scalar, tagged_scalar

MAX_DEPTH = 100
MAX_VALUES = 2_000_000
MAX_CHUNKS = 100_000


class UnreadableError(Exception):
    """Why a text cannot be read: `code` as of a Problem; `line` and `column` count from 1, 0 when there is no place."""

    def __init__(self, code: str, text: str, line: int = 0, column: int = 0) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.line = line
        self.column = column

    def moved(self, lines: int) -> "UnreadableError":
        """The same in a text that begins `lines` lines earlier."""
        return UnreadableError(self.code, self.text, self.line + lines if self.line else 0, self.column)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a file that can be read alone: whole documents. `line` is the number of lines before it."""

    line: int
    data: bytes


_MARKER = re.compile(rb"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_DIRECTIVE = re.compile(rb"^%", re.MULTILINE)


def split(data: bytes) -> list[Chunk]:
    """Cuts before every `---`, which at the start of a line means a new document wherever it stands (YAML 1.2, 9.1.2).

    A file with directives (`%YAML`) is left whole: they stand before the marker. Raises UnreadableError beyond
    MAX_CHUNKS.
    """
    if _DIRECTIVE.search(data):
        return [Chunk(0, data)]
    chunks: list[Chunk] = []
    start = line = 0
    for marker in _MARKER.finditer(data):
        if len(chunks) >= MAX_CHUNKS:
            raise UnreadableError("yaml-too-large", f"expected at most {MAX_CHUNKS} documents in a file", line + 1)
        if marker.start() > start:
            part = data[start : marker.start()]
            chunks.append(Chunk(line, part))
            line += part.count(b"\n")
            start = marker.start()
    chunks.append(Chunk(line, data[start:]))
    return chunks


@dataclass(frozen=True, slots=True)
class Document:
    """`line`, from 1, is where the document begins in its text."""

    line: int
    value: object


def load(data: bytes, *, max_values: int = MAX_VALUES) -> tuple[list[Document], int]:
    """The documents of a text, empty ones left out, and the number of values. Raises UnreadableError, nothing else."""
    builder = _Builder(data, max_values)
    try:
        return builder.documents(), builder.count
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        text = "expected YAML: " + " ".join(part for part in (e.context, e.problem) if part)
        raise UnreadableError("yaml-syntax", text, mark.line + 1 if mark else 0, mark.column + 1 if mark else 0) from e
    except yaml.YAMLError as e:
        raise UnreadableError("yaml-syntax", f"expected YAML in UTF-8: {_reason(e)}") from e
    except UnicodeDecodeError as e:
        raise UnreadableError("yaml-syntax", f"expected YAML in UTF-8: {e.reason}") from e


class _Open:
    """A collection whose end has not been read yet. `before` is the number of values read before it.

    `merging`: the next value is what a `<<` brings in.
    """

    __slots__ = ("anchor", "before", "items", "key", "mapping", "merged", "merging")

    def __init__(self, *, mapping: bool, anchor: str | None, before: int) -> None:
        self.mapping: dict[str, object] | None = {} if mapping else None
        self.items: list[object] = []
        self.anchor = anchor
        self.before = before
        self.key: str | None = None
        self.merging = False
        self.merged: list[dict[str, object]] = []

    def wants_key(self) -> bool:
        return self.mapping is not None and self.key is None and not self.merging

    def close(self) -> "dict[str, object] | list[object]":
        if self.mapping is None:
            return self.items
        for part in self.merged:
            for key, value in part.items():
                self.mapping.setdefault(key, value)
        return self.mapping


class _Builder:
    """Builds values from the parser's events, without recursion."""

    def __init__(self, data: bytes, max_values: int) -> None:
        self._data = data
        self._max = max_values
        self.count = 0
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[object, int]] = {}
        self._line = 0
        self._done: list[Document] = []

    def documents(self) -> list[Document]:
        handlers: dict[type[yaml.Event], Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._start,
            yaml.SequenceStartEvent: self._start,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }
        next_event = CParser(self._data).get_event
        while True:
            event: Any = next_event()
            handle = handlers.get(type(event))
            if handle is not None:
                handle(event)
            elif type(event) is yaml.StreamEndEvent:
                return self._done

    def _document(self, event: Any) -> None:
        self._anchors.clear()
        self._line = event.start_mark.line + 1

    def _scalar(self, event: Any) -> None:
        value = self._value(event)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._count(event, 1)
        self._put(event, value, merge=event.implicit[0] and event.value == "<<")

    def _value(self, event: Any) -> Scalar:
        if self._stack and self._stack[-1].wants_key():
            # A key is a text, whatever it looks like: `8080: x` and `on: x` name the keys 8080 and on.
            return str(event.value)
        if event.tag:
            try:
                return tagged_scalar(event.tag, event.value)
            except UnknownTagError as e:
                raise _at(event, "yaml-tag", str(e)) from e
        return plain_scalar(event.value) if event.implicit[0] else str(event.value)

    def _start(self, event: Any) -> None:
        mapping = type(event) is yaml.MappingStartEvent
        if not is_collection_tag(event.tag, "map" if mapping else "seq"):
            raise _at(event, "yaml-tag", f"the tag {event.tag} is not supported here")
        if len(self._stack) >= MAX_DEPTH:
            raise _at(event, "yaml-too-deep", f"expected at most {MAX_DEPTH} levels of nesting")
        if self._stack and self._stack[-1].wants_key():
            raise _at(event, "yaml-key", "expected a text as key")
        self._stack.append(_Open(mapping=mapping, anchor=event.anchor, before=self.count))
        self._count(event, 1)

    def _end(self, event: Any) -> None:
        top = self._stack.pop()
        value = top.close()
        if top.anchor:
            self._anchors[top.anchor] = (value, self.count - top.before)
        self._put(event, value)

    def _alias(self, event: Any) -> None:
        found = self._anchors.get(event.anchor)
        if found is None:
            raise _at(event, "yaml-syntax", f"expected an anchor &{event.anchor} before the alias")
        value, size = found
        self._count(event, size)
        self._put(event, value)

    def _count(self, event: Any, values: int) -> None:
        self.count += values
        if self.count > self._max:
            raise _at(event, "yaml-too-large", f"expected at most {self._max} values, aliases expanded")

    def _put(self, event: Any, value: object, *, merge: bool = False) -> None:
        if not self._stack:
            if value is not None:
                self._done.append(Document(self._line, value))
            return
        top = self._stack[-1]
        if top.mapping is None:
            top.items.append(value)
        elif top.merging:
            top.merging = False
            top.merged += _merged(event, value)
        elif top.key is not None:
            top.mapping[top.key] = value
            top.key = None
        elif merge:
            top.merging = True
        elif not isinstance(value, str):
            raise _at(event, "yaml-key", "expected a text as key")
        elif value in top.mapping:
            raise _at(event, "yaml-duplicate-key", f"the key {value[:60]!r} stands twice in one mapping")
        else:
            top.key = value


def _reason(error: yaml.YAMLError) -> str:
    """The library's words without the name that it gives to bytes."""
    return " ".join(str(error).replace('in "<byte string>", ', "at ").split())


def _merged(event: Any, value: object) -> list[dict[str, object]]:
    """What `<<` brings in: a mapping or several, the first one first (YAML 1.1, merge)."""
    parts = value if isinstance(value, list) else [value]
    mappings = [part for part in parts if isinstance(part, dict)]
    if len(mappings) < len(parts):
        raise _at(event, "yaml-syntax", "expected a mapping, or a list of mappings, after <<")
    return mappings


def _at(event: Any, code: str, text: str) -> UnreadableError:
    mark = event.start_mark
    return UnreadableError(code, text, mark.line + 1, mark.column + 1)
