"""Query parameters for maps (without Lua): nginx does not decode them, so the patterns take each way to write a byte.

The first parameter of a name counts; in name and value `%XX` and `+` are decoded (serin.routing.conditions).
"""

from serin.render.nginx.blocks import EMPTY, Blocks, MapBlock, MapRow, fits, of_variable
from serin.render.nginx.values import Pattern, Variable

_START = r"^[^?#]*\?(?:[^&#]*&)*?"
_END = r"(?:[&#]|$)"


def parameter_variable(blocks: Blocks, name: str) -> str:
    """A variable with the raw value of the first parameter of this name."""
    if not fits(parameter_present(name)):
        return "serin_never"
    variable, new = blocks.once(("parameter", name), "query")
    if new:
        captured = variable.replace("_query_", "_v_", 1)
        pattern = f"{_START}{_written(name)}(?:=(?<{captured}>[^&#]*))?{_END}"
        row = MapRow(Pattern(pattern, "~"), of_variable(captured))
        blocks.add(MapBlock("cookie-value", of_variable("request_uri"), Variable(variable), EMPTY, (row,)))
    return variable


def parameter_present(name: str) -> str:
    return f"{_START}{_written(name)}(?:=[^&#]*)?{_END}"


def parameter_equal(value: str) -> str:
    """For a raw value."""
    return f"^{_written(value)}$"


def _written(text: str) -> str:
    return "".join(_byte(byte) for byte in text.encode("utf-8", "surrogateescape"))


def _byte(byte: int) -> str:
    code = "%" + "".join(_digit(digit) for digit in f"{byte:02x}")
    one = chr(byte)
    if one == " ":
        return rf"(?:\+|{code}|\x20)"
    if one == "%":
        return rf"(?:{code}|%(?![0-9A-Fa-f]{{2}}))"
    if one in "+&#":
        return code
    return f"(?:{one}|{code})" if one.isascii() and one.isalnum() else rf"(?:\x{byte:02x}|{code})"


def _digit(digit: str) -> str:
    return digit if digit.isdigit() else f"[{digit}{digit.upper()}]"
