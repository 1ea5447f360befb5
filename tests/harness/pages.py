"""What the pages of docs/ show: blocks of manifests and command lines, for tests that run them."""

import pathlib
import re
import shlex
import textwrap
from typing import Any

import yaml

DOCS = pathlib.Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"(?:^(?: {4}.*)?\n)+", re.MULTILINE)


def blocks(page: str) -> list[str]:
    """The indented blocks of a page, in order, without what indents them."""
    found = (textwrap.dedent(block).strip("\n") for block in _BLOCK.findall((DOCS / page).read_text()))
    return [block for block in found if block]


def manifests(page: str) -> list[list[dict[str, Any]]]:
    """The objects of each block that is YAML."""
    return [list(yaml.safe_load_all(block)) for block in blocks(page) if block.startswith("apiVersion:")]


def commands(page: str, program: str) -> list[list[str]]:
    """Lines that begin with these words, as a shell would split them."""
    lines = (line for block in blocks(page) for line in block.splitlines() if line.startswith(f"{program} "))
    return [shlex.split(line, comments=True) for line in lines]
