"""The one place where values become text of nginx.conf: a filter for each context, and a refusal of everything else.

nginx reads a quoted token up to its quote; inside, a backslash takes quote, backslash, `t`, `r`, `n`. Some directives
expand variables afterwards, where a `$` of a user is written as the constant variable `${serin_dollar}`. Any text of a
user has a form (NUL, which no request can hold, becomes U+FFFD). What is not a user's is checked instead.
"""

import re
from enum import StrEnum
from functools import cache
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound
from markupsafe import Markup

from serin.render.assets import read_text
from serin.render.nginx.values import File, Name, Pattern, Remark, Template, Text, UnsafeValueError, Variable

MAX_TOKEN = 4000
"""Bytes of one token; nginx refuses a file with one that does not fit its buffer of 4096."""

_SAFE_TOKEN = re.compile(r"[A-Za-z0-9_./:@=+\[\]~-]+").fullmatch
_WORD = re.compile(r"[A-Za-z0-9_.-]+").fullmatch
_VARIABLE = re.compile(r"[A-Za-z0-9_]+").fullmatch
_FILE = re.compile(r"[^\x00-\x1f\x7f\"\\${};']+").fullmatch
_SPECIAL = re.compile(r'[\x00\t\n\r"\\]')
_SPECIALS = {"\0": "\ufffd", "\t": "\\t", "\n": "\\n", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_PROSE = re.compile(r"[A-Za-z0-9 ,:;()./=>'*-]*").fullmatch
_UNNAMED = re.compile(r"[^A-Za-z0-9._/:*\[\]-]")
_COMMENT_LENGTH = 200


def _made(text: str) -> Markup:
    return Markup(text)  # noqa: S704 - it marks what a filter has made


def quote(text: str) -> str:
    """A quoted token that nginx reads back as this text, byte for byte, where no variables are expanded."""
    quoted = _quoted(text)
    if len(quoted) * 4 > MAX_TOKEN and len(quoted.encode()) > MAX_TOKEN:
        raise UnsafeValueError(f"a text of {len(quoted)} characters is too long for nginx")
    return quoted


def quote_plain(text: str) -> str:
    """The same where variables are expanded; control characters, which could end a header line, are left out."""
    return quote(_expandable(text))


def _quoted(text: str) -> str:
    return f'"{_SPECIAL.sub(lambda found: _SPECIALS[found[0]], _encodable(text))}"'


def _expandable(text: str) -> str:
    return one_line(text).replace("$", "${serin_dollar}")


def one_line(text: str) -> str:
    """Without control characters."""
    return _CONTROLS.sub("", text)


def _encodable(text: str) -> str:
    """Lone surrogates, which UTF-8 has no bytes for, are replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def string(value: Text) -> Markup:
    """Text as a constant where nginx expands variables."""
    return _made(quote_plain(_of(value, Text).value))


def verbatim(value: Text) -> Markup:
    """Text where nginx expands none: a location's path, a server's name, the left side of a map."""
    return _made(quote(_of(value, Text).value))


def text(value: Template) -> Markup:
    """A text that holds variables; `1` to `9` are the groups of a `rewrite`."""
    parts = [
        (_expanded(part) if isinstance(part, Variable) else quote_plain(part)[1:-1])
        for part in _of(value, Template).parts
    ]
    joined = f'"{"".join(parts)}"'
    if len(joined.encode()) > MAX_TOKEN:
        raise UnsafeValueError(f"a text of {len(joined)} characters is too long for nginx")
    return _made(joined)


def token_length(value: Template) -> int:
    """Bytes that `text` makes of it; an estimate from above where it is short anyway."""
    most = sum(len(part) * 16 if isinstance(part, str) else len(part.name) + 3 for part in value.parts)
    if most < MAX_TOKEN:
        return most
    return sum(
        len(_quoted(_expandable(part)).encode()) if isinstance(part, str) else len(part.name) + 3
        for part in value.parts
    )


def regex(value: Pattern) -> Markup:
    """A pattern; nginx hands it to PCRE as it is written."""
    pattern = _of(value, Pattern)
    return _made(quote(pattern.prefix + pattern.value))


def token(value: str) -> Markup:
    """A text of ours without quotes: an address to listen on, a number with its unit."""
    return _made(_checked(value, _SAFE_TOKEN))


def blanks(count: int) -> Markup:
    """So many blanks."""
    return _made(" " * count)


def word(value: str | StrEnum) -> Markup:
    """One of nginx's own words."""
    return _made(_checked(str(value), _WORD))


def number(value: int) -> Markup:
    if type(value) is not int:
        raise UnsafeValueError(f"{type(value).__name__} is not a whole number")
    return _made(str(value))


def size(value: int) -> Markup:
    """Bytes; in the largest unit that says them exactly."""
    number(value)
    if value < 0:
        raise UnsafeValueError(f"{value} bytes")
    for unit, factor in (("m", 1048576), ("k", 1024)):
        if value and value % factor == 0:
            return _made(f"{value // factor}{unit}")
    return _made(str(value))


def duration(value: float) -> Markup:
    """Seconds; nginx knows milliseconds, a time above 0 is 1 ms at least."""
    milliseconds = round(value * 1000)
    if not 0 <= milliseconds < 2**31:
        raise UnsafeValueError(f"{value} seconds")
    if milliseconds % 1000 == 0 and (milliseconds or not value):
        return _made(f"{milliseconds // 1000}s")
    return _made(f"{max(milliseconds, 1)}ms")


def path(value: File) -> Markup:
    """A file of ours, quoted. nginx expands variables in some of these, so a `$` is refused."""
    return _made(f'"{_checked(_of(value, File).value, _FILE)}"')


def variable(value: Variable) -> Markup:
    return _made("$" + _variable(_of(value, Variable)))


def comment(value: Name) -> Markup:
    """A name as far as it cannot break out: other characters become `_`; never more than a line's part."""
    return _made(_named(_of(value, Name)))


def remark(value: Remark) -> Markup:
    """A line of words and names."""
    return _made(
        "".join(_named(part) if isinstance(part, Name) else _checked(part, _PROSE) for part in _of(value, Remark).parts)
    )


def _named(name: Name) -> str:
    text = _UNNAMED.sub("_", name.value)
    return text if len(text) <= _COMMENT_LENGTH else text[:_COMMENT_LENGTH] + "..."


FILTERS = {
    "string": string,
    "verbatim": verbatim,
    "text": text,
    "regex": regex,
    "token": token,
    "blanks": blanks,
    "word": word,
    "number": number,
    "size": size,
    "duration": duration,
    "path": path,
    "variable": variable,
    "comment": comment,
    "remark": remark,
}


def refuse(value: Any) -> Markup:
    """Jinja's `finalize`: only what a filter, or a macro of filters, has made."""
    if type(value) is not Markup:
        raise UnsafeValueError(f"a {type(value).__name__} gets into nginx.conf through a filter only")
    return value


class _Templates(BaseLoader):
    def get_source(self, environment: Environment, template: str) -> tuple[str, str, None]:
        if not re.fullmatch(r"[a-z_]+\.j2", template):
            raise TemplateNotFound(template)
        return read_text("templates", f"nginx/{template}"), template, None


@cache
def environment() -> Environment:
    """Made once for a process. Nothing of Jinja's own filters and globals is there."""
    made = Environment(
        undefined=StrictUndefined,
        finalize=refuse,
        autoescape=True,
        loader=_Templates(),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        cache_size=-1,
        auto_reload=False,
    )
    made.filters.clear()
    made.filters.update(FILTERS)
    made.globals.clear()
    return made


def _of(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind:
        raise UnsafeValueError(f"expected a {kind.__name__}, found a {type(value).__name__}")
    return value


def _checked(value: str, allowed: Any) -> str:
    if type(value) is not str and not isinstance(value, StrEnum):
        raise UnsafeValueError(f"expected a text of ours, found a {type(value).__name__}")
    if allowed(value) is None:
        raise UnsafeValueError(f"{value!r} cannot be written in this place of nginx.conf")
    return str(value)


def _variable(value: Variable) -> str:
    return _checked(value.name, _VARIABLE)


def _expanded(value: Variable) -> str:
    name = _variable(value)
    return f"${name}" if len(name) == 1 and name.isdigit() else f"${{{name}}}"
