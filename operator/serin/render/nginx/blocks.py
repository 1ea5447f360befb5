"""`map` and `geo` blocks as values: what they read, what they give, and which object asked for them.

Templates write them (maps.j2). Every text of a user in them is a Pattern, a Text or part of a Template.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from serin.refs import Source
from serin.render.nginx.values import Name, Pattern, Template, Text, Variable

Kind = Literal[
    "header",
    "cookie",
    "cookie-value",
    "letters",
    "condition",
    "key",
    "bits",
    "verdict",
    "sticky-key",
    "pinned",
    "due",
    "set-cookie",
    "secure",
    "user",
    "by-user",
    "copied",
]
"""What a block is for: the words of its comment."""

_PLAIN = re.compile(rb"[A-Za-z0-9_\-/:~=,@%& ]")
_HEADER_NAME = re.compile(r"[A-Za-z0-9_-]+").fullmatch
_VARIABLE_PART = re.compile(r"[A-Za-z0-9_]+").fullmatch
EMPTY = Template(())
MAX_TEXT = 3000
"""Bytes of a user's text as nginx reads it; a token has 4000 at most."""
MAX_NAME = 200
"""Characters of a header's name; longer ones are never there."""


@dataclass(frozen=True, slots=True)
class About:
    """The object that a block, or a line of a comment, is there for."""

    kind: Name
    namespace: Name
    name: Name
    field: Name


@dataclass(frozen=True, slots=True)
class MapRow:
    """`key` as a pattern (with `~` or `~*` before it), or a text that is compared without regard to case."""

    key: Pattern | Text
    value: Template

    @property
    def is_pattern(self) -> bool:
        return isinstance(self.key, Pattern)


@dataclass(frozen=True, slots=True)
class MapBlock:
    """`map "source" $variable { default …; rows }`. Texts are looked up first, then the patterns in order."""

    kind: Kind
    source: Template
    variable: Variable
    default: Template
    rows: tuple[MapRow, ...] = ()
    about: About | None = None
    form: Literal["map"] = "map"


@dataclass(frozen=True, slots=True)
class GeoBlock:
    """1 for clients of these networks, else 0. `networks` are texts of ipaddress, so of ours."""

    variable: Variable
    networks: tuple[str, ...]
    about: About | None = None
    form: Literal["geo"] = "geo"


@dataclass(frozen=True, slots=True)
class Share:
    """A line of `split_clients`: hundredths of a per cent, 1 to 9999; None: what is left."""

    hundredths: int | None
    value: Template

    @property
    def percent(self) -> str:
        assert self.hundredths is not None
        return f"{self.hundredths // 100}.{self.hundredths % 100:02d}"


@dataclass(frozen=True, slots=True)
class SplitBlock:
    """`split_clients` over a text: random for each request, or a user's."""

    variable: Variable
    shares: tuple[Share, ...]
    source: Template
    form: Literal["split"] = "split"


Block = MapBlock | GeoBlock | SplitBlock


@dataclass(slots=True)
class Blocks:
    """The blocks of one split while they are made; an equal question gets the same variable."""

    split: str
    first: int = 0
    """The number that the names of asked questions begin with."""
    made: dict[str, Block] = field(default_factory=dict)
    _asked: dict[object, str] = field(default_factory=dict)

    def add(self, block: Block) -> str:
        """The name of its variable."""
        return self.made.setdefault(block.variable.name, block).variable.name

    def once(self, question: object, what: str) -> tuple[str, bool]:
        """A variable's name for a question, and whether it is new. `what` is a word of ours."""
        known = self._asked.get(question)
        if known is not None:
            return known, False
        name = self.name(what, self.first + len(self._asked))
        self._asked[question] = name
        return name, True

    def name(self, what: str, number: int | None = None) -> str:
        """No text of a user is in it; unique over all hosts, as the split's id is."""
        return f"serin_{what}_{self.split}" + ("" if number is None else f"_{number}")


def about(source: Source | None) -> About | None:
    if source is None:
        return None
    return About(Name(source.ref.kind), Name(source.ref.namespace), Name(source.ref.name), Name(place(source.field)))


def place(field: str) -> str:
    """A field as a comment can show it: of an annotation its name."""
    annotation = field.removeprefix("metadata.annotations")
    return field if annotation == field else annotation.strip("[]'\"")


def plain(text: str) -> Template:
    return Template((text,))


def of_variable(name: str) -> Template:
    return Template((Variable(name),))


def matching(pattern: str, value: str, *, caseless: bool = False) -> MapRow:
    return MapRow(Pattern(pattern, "~*" if caseless else "~"), plain(value))


def equal(text: str, value: str) -> MapRow:
    """The value as a whole and with case, which only an anchored pattern asks for."""
    return matching(f"^{quoted(text)}$", value)


def when_empty(value: str) -> MapRow:
    """What is absent, or empty: nginx does not tell these apart."""
    return MapRow(Text(""), plain(value))


def quoted(text: str) -> str:
    """A pattern of bytes for exactly this text: other characters than the plain ones by their codes or a backslash."""
    return "".join(_quoted(byte) for byte in text.encode("utf-8", "surrogateescape"))


def _quoted(byte: int) -> str:
    one = bytes((byte,))
    if _PLAIN.match(one):
        return one.decode()
    return "\\" + one.decode() if one in b".+*?()[]^|#!<>" else f"\\x{byte:02x}"


def fits(text: str) -> bool:
    """Whether a text of a user fits in a token of nginx, with backslashes doubled and something beside it."""
    return len(text) + 3 * text.count("$") + text.count("\\") + text.count('"') <= MAX_TEXT and (
        text.isascii() or len(text.encode("utf-8", "replace")) <= MAX_TEXT
    )


def header_variable(name: str) -> str:
    """nginx's variable of a request header; `serin_never` (always empty) for names that no request brings there."""
    if _HEADER_NAME(name) is None or len(name) > MAX_NAME:
        return "serin_never"
    return "http_" + name.lower().replace("-", "_")


def cookie_variable(blocks: Blocks, name: str, *, match_case: bool) -> str:
    """A variable with the value of a request's first cookie of this name, empty without one.

    nginx has `$cookie_<name>` for names that can be part of a variable's, and reads these without regard to case.
    """
    if not fits(cookie_pattern(name)):
        return "serin_never"
    if _VARIABLE_PART(name) and not match_case:
        return "cookie_" + name.lower()
    variable, new = blocks.once(("cookie", name, match_case), "cookie")
    if new:
        captured = variable.replace("_cookie_", "_v_", 1)  # a name in PCRE has 32 characters at most
        pattern = rf"{cookie_pattern(name)}(?<{captured}>[^;]*)"
        row = MapRow(Pattern(pattern, "~" if match_case else "~*"), of_variable(captured))
        source = of_variable("http_cookie")
        blocks.add(MapBlock("cookie-value", source, Variable(variable), EMPTY, (row,)))
    return variable


def cookie_pattern(name: str) -> str:
    """Where a cookie of this name begins, up to its value (serin.routing.cookies)."""
    return rf"(?:^|[;,]) *{quoted(name)} *= *"
