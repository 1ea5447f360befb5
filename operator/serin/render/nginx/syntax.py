"""The part of PCRE's syntax that `bounds` understands, read into a tree over sets of bytes.

Literals, escapes, classes, groups, alternation, anchors, quantifiers, and the option `i`. Everything else is refused:
what is not here is not wrong, its work is only not known.
"""

import re
from dataclasses import dataclass

MAX_ITEMS = 400
"""Items of a tree with its fixed repetitions written out."""

ALL = (1 << 256) - 1


def byte_set(text: str) -> int:
    """A set of bytes as 256 bits."""
    bits = 0
    for character in text:
        bits |= 1 << ord(character)
    return bits


def _span(first: str, last: str) -> int:
    return byte_set("".join(map(chr, range(ord(first), ord(last) + 1))))


_DIGIT = _span("0", "9")
_LOWER, _UPPER = _span("a", "z"), _span("A", "Z")
_WORD = _DIGIT | _LOWER | _UPPER | byte_set("_")
_SPACE = byte_set(" \t\n\v\f\r")
_PUNCTUATION = byte_set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_SETS = {"d": _DIGIT, "D": ALL & ~_DIGIT, "w": _WORD, "W": ALL & ~_WORD, "s": _SPACE, "S": ALL & ~_SPACE}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
_NAMED = {
    "alpha": _LOWER | _UPPER,
    "digit": _DIGIT,
    "alnum": _LOWER | _UPPER | _DIGIT,
    "lower": _LOWER,
    "upper": _UPPER,
    "space": _SPACE,
    "blank": byte_set(" \t"),
    "punct": _PUNCTUATION,
    "word": _WORD,
    "xdigit": _DIGIT | _span("a", "f") | _span("A", "F"),
}
_DOT = ALL & ~byte_set("\n")


class UnknownSyntaxError(Exception):
    """The pattern holds something that this module does not know."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """One byte of a set."""

    bits: int


@dataclass(frozen=True, slots=True)
class Assertion:
    """Takes no byte. `start`: holds at the subject's start and nowhere else."""

    start: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    branches: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`most` None: no bound."""

    body: "Node"
    least: int
    most: int | None


Node = Bytes | Assertion | Sequence | Choice | Repeat

_QUANTIFIER = re.compile(r"(?:([*+?])|\{([0-9]{1,5})(?:(,)([0-9]{1,5})?)?\})(\??)", re.ASCII)
_GROUP = re.compile(r"\((?:\?(-?i)?(:|\)))?")
_HEX = re.compile(r"x([0-9A-Fa-f]{2})")
_POSIX = re.compile(r"\[:(\^?)([a-z]+):\]")


def parse(pattern: str, *, ignore_case: bool = False) -> Node:
    """The tree of a pattern; UnknownSyntaxError for anything that is not fully understood."""
    if not pattern.isascii() or not pattern.isprintable():
        raise UnknownSyntaxError
    reader = _Reader(pattern)
    node = reader.choice(ignore_case, 0)
    if reader.at != len(pattern):
        raise UnknownSyntaxError
    return node


class _Reader:
    """A descent over the text; `at` is where it stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.items = 0

    def choice(self, caseless: bool, depth: int) -> Node:
        """To the end of the group. `(?i)` holds for the rest of its group, later branches included."""
        if depth > 20:
            raise UnknownSyntaxError
        branches: list[Node] = []
        items: list[Node] = []
        while self.at < len(self.text) and self.text[self.at] != ")":
            if self.text[self.at] == "|":
                self.at += 1
                branches.append(Sequence(tuple(items)))
                items = []
                continue
            switched = self._switch()
            if switched is not None:
                caseless = switched
                continue
            items.append(self._quantified(caseless, depth))
        branches.append(Sequence(tuple(items)))
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _switch(self) -> bool | None:
        """`(?i)` and `(?-i)`."""
        found = _GROUP.match(self.text, self.at)
        if found is None or found[1] is None or found[2] != ")":
            return None
        self.at = found.end()
        if _QUANTIFIER.match(self.text, self.at):
            raise UnknownSyntaxError
        return found[1] == "i"

    def _quantified(self, caseless: bool, depth: int) -> Node:
        node = self._atom(caseless, depth)
        found = _QUANTIFIER.match(self.text, self.at)
        if found is None:
            self._count(1)
            return node
        self.at = found.end()
        if isinstance(node, Assertion) or self.text[self.at : self.at + 1] in tuple("*+?{"):
            raise UnknownSyntaxError
        least, most = _counts(found)
        self._count(max(least, 1 if most is None else most))
        if most is not None and most < least:
            raise UnknownSyntaxError
        return Repeat(node, least, most)

    def _count(self, times: int) -> None:
        self.items += times
        if self.items > MAX_ITEMS:
            raise UnknownSyntaxError

    def _atom(self, caseless: bool, depth: int) -> Node:
        character = self.text[self.at]
        if character == "(":
            return self._group(caseless, depth)
        if character == "[":
            return Bytes(self._class(caseless))
        self.at += 1
        if character == "\\":
            return self._escape(caseless)
        if character == "^":
            return Assertion(start=True)
        if character == "$":
            return Assertion(start=False)
        if character == ".":
            return Bytes(_DOT)
        if character in "*+?{":
            raise UnknownSyntaxError
        return Bytes(_folded(byte_set(character), caseless))

    def _group(self, caseless: bool, depth: int) -> Node:
        found = _GROUP.match(self.text, self.at)
        if found is None or found[2] == ")" or (found[2] is None and self.text.startswith(("(?", "(*"), self.at)):
            raise UnknownSyntaxError
        self.at = found.end()
        node = self.choice(caseless if found[1] is None else found[1] == "i", depth + 1)
        if not self.text.startswith(")", self.at):
            raise UnknownSyntaxError
        self.at += 1
        # A repeated group is one item wherever it stands, an anchor in it included.
        return Sequence((node,))

    def _escape(self, caseless: bool) -> Node:
        character = self.text[self.at : self.at + 1]
        if character in ("A", "z", "Z", "b", "B"):
            self.at += 1
            return Assertion(start=character == "A")
        return Bytes(_folded(self._escaped_set(), caseless))

    def _escaped_set(self) -> int:
        """What stands after a backslash, in a class or outside."""
        character = self.text[self.at : self.at + 1]
        code = _HEX.match(self.text, self.at)
        if code is not None:
            self.at = code.end()
            return 1 << int(code[1], 16)
        self.at += 1
        if character in _SETS:
            return _SETS[character]
        if character in _CONTROLS:
            return byte_set(_CONTROLS[character])
        if not character or character.isalnum():
            raise UnknownSyntaxError
        return byte_set(character)

    def _class(self, caseless: bool) -> int:
        self.at += 1
        negated = self.text.startswith("^", self.at)
        self.at += negated
        bits, first = 0, True
        while not self.text.startswith("]", self.at):
            bits |= self._class_item()
            first = False
        if first:  # `[]`: the bracket would be an item of its own
            raise UnknownSyntaxError
        self.at += 1
        bits = _folded(bits, caseless)
        return ALL & ~bits if negated else bits

    def _class_item(self) -> int:
        named = _POSIX.match(self.text, self.at)
        if named is not None:
            if named[2] not in _NAMED:
                raise UnknownSyntaxError
            self.at = named.end()
            return ALL & ~_NAMED[named[2]] if named[1] else _NAMED[named[2]]
        low = self._class_character()
        following = self.text[self.at : self.at + 2]
        if not following.startswith("-") or following == "-]":
            return low
        if len(following) < 2 or low.bit_count() != 1:
            raise UnknownSyntaxError
        self.at += 1
        high = self._class_character()
        if high.bit_count() != 1 or high < low:
            raise UnknownSyntaxError
        return (high << 1) - low

    def _class_character(self) -> int:
        character = self.text[self.at : self.at + 1]
        if not character or self.text.startswith(("[:", "[.", "[="), self.at):
            raise UnknownSyntaxError
        self.at += 1
        return self._escaped_set() if character == "\\" else byte_set(character)


def _counts(found: re.Match[str]) -> tuple[int, int | None]:
    if found[1]:
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[found[1]]
    least = int(found[2])
    return least, (int(found[4]) if found[4] else None) if found[3] else least


def _folded(bits: int, caseless: bool) -> int:
    """With both cases of each letter. (The engine works on bytes: only ASCII has cases.)"""
    if not caseless:
        return bits
    shift = ord("a") - ord("A")
    return bits | (bits & _UPPER) << shift | (bits & _LOWER) >> shift
