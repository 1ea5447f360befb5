"""Plain scalars as Kubernetes' YAML reader takes them: YAML 1.1's booleans, numbers and null; never times.

What is not clearly one of these is a text. No float or integer conversion here can be made expensive by its length.
"""

import re

_CORE = "tag:yaml.org,2002:"
# Everything that is not a text begins with one of these; the check spares most texts the dictionary and the patterns.
_FIRST = frozenset("-+.0123456789~nNtTfFyYoO")
_WORDS: dict[str, bool | float | None] = {"": None, "~": None}
for _words, _value in (
    ("null", None), ("true", True), ("yes", True), ("on", True), ("false", False), ("no", False), ("off", False),
    (".nan", float("nan")), (".inf", float("inf")), ("+.inf", float("inf")), ("-.inf", float("-inf")),
):  # fmt: skip
    _WORDS |= dict.fromkeys((_words, _words.upper(), _words.capitalize()), _value)
_WORDS |= {".NaN": float("nan"), ".Inf": float("inf"), "+.Inf": float("inf"), "-.Inf": float("-inf")}

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)", re.ASCII)
_OTHER_BASE = re.compile(r"([-+]?)0(?:x([0-9a-fA-F_]+)|b([01_]+)|o?([0-7_]+))", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_LONGEST_NUMBER = 64

Scalar = str | int | float | bool | None


class UnknownTagError(ValueError):
    """A tag outside the core schema, or a value that its tag does not allow."""


def plain_scalar(text: str) -> Scalar:
    """The value of an unquoted scalar."""
    if text and text[0] not in _FIRST:
        return text
    if text in _WORDS:
        return _WORDS[text]
    return text if len(text) > _LONGEST_NUMBER else _number(text)


def _number(text: str) -> str | int | float:
    if _INTEGER.fullmatch(text):
        return int(text.replace("_", ""))
    other = _OTHER_BASE.fullmatch(text)
    if other:
        sign, hexadecimal, binary, octal = other.groups()
        digits, base = next((d, b) for d, b in ((hexadecimal, 16), (binary, 2), (octal, 8)) if d is not None)
        digits = digits.replace("_", "")
        return int(sign + digits, base) if digits else text
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    return text


def tagged_scalar(tag: str, text: str) -> Scalar:
    """The value of a scalar with an explicit tag. Raises UnknownTagError."""
    name = tag.removeprefix(_CORE)
    if name in ("str", "timestamp", "!"):
        return text
    value = plain_scalar(text)
    allowed = _TYPES.get(name) if tag.startswith(_CORE) else None
    if allowed is None or not isinstance(value, allowed) or (isinstance(value, bool) and name != "bool"):
        raise UnknownTagError(f"the tag {tag} is not supported here")
    return float(value) if name == "float" and isinstance(value, int) else value


_TYPES: dict[str, type | tuple[type, ...]] = {
    "int": int,
    "float": (int, float),
    "bool": bool,
    "null": type(None),
}


def is_collection_tag(tag: str | None, kind: str) -> bool:
    """Whether a mapping (`map`) or a sequence (`seq`) may carry the tag."""
    return tag is None or tag in ("!", _CORE + kind)
