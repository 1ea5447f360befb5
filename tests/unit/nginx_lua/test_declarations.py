"""What Lua declares of the C routine is what serin.h says, word for word."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROUTINE = ROOT / "operator" / "serin" / "dataplane" / "nginx" / "lua" / "serin" / "routine.lua"
HEADER = ROOT / "csrc" / "serin.h"


def declarations(text: str) -> list[str]:
    """Each up to its `;`, without comments and with single blanks."""
    plain = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    plain = "\n".join(line for line in plain.splitlines() if not line.startswith("#"))
    return [" ".join(d.split()) for d in re.findall(r"[^;{}]+(?:\{[^}]*\}[^;]*)?;", plain)]


def constants() -> dict[str, int]:
    found = re.findall(r"#define SRN_(\w+) \(?(-?\d+)u?\)?", HEADER.read_text())
    return {name: int(value) for name, value in found}


def declared_in_lua() -> list[str]:
    block = re.search(r"ffi\.cdef \[\[(.*?)\]\]", ROUTINE.read_text(), re.DOTALL)
    assert block is not None
    return declarations(block[1])


def header() -> list[str]:
    text = HEADER.read_text()
    for name, value in constants().items():
        text = text.replace(f"[SRN_{name}]", f"[{value}]")
    return declarations(text)


def test_there_is_something_to_compare() -> None:
    assert len(declared_in_lua()) > 20
    assert len(header()) > 30


@pytest.mark.parametrize("declaration", declared_in_lua())
def test_each_declaration(declaration: str) -> None:
    assert declaration in header()


def test_constants() -> None:
    named = dict(re.findall(r"^    ([A-Z_]+) = (-?\d+),", ROUTINE.read_text(), re.MULTILINE))
    assert len(named) >= 8
    assert {name: int(value) for name, value in named.items()} == {name: constants()[name] for name in named}
    assert f"local ABI, ANY_ROW = {constants()['ABI']}, 0xffffffff" in ROUTINE.read_text()
