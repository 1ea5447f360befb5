"""The registry of codes: complete against the source, its examples true, its pages current."""

import ast
import pathlib
import re
from collections.abc import Iterator

import pytest

from serin.lint import pages
from serin.lint.codes import CODES, SUBJECTS, Code

ROOT = pathlib.Path(__file__).parents[3]
PACKAGES = ("objects", "files", "compile", "control", "cluster", "admission", "dataplane", "lint")
PAGES = ROOT / "docs" / "problems"
CODE = re.compile(r"[a-z]+(?:-[a-z0-9]+)+")
CONSTANT = re.compile(r'^CODE = "([a-z-]+)"$', re.MULTILINE)
"""How a module says that it gives one code alone."""
TELLS = {"error", "warning", "Problem", "note"}
"""Calls that make a problem."""
HANDS_ON = {
    "string_map",
    "secret_of",
    "config_map_of",
    "_warn",
    "_closed",
    "UnreadableError",
    "_at",
    "Closed",
    "read_duration",
    "read_percentage",
}
"""Calls that have a code among their arguments, which others make a problem of."""
FORWARDERS = {
    "objects/canaryroute_values.py",
    "objects/fields.py",
    "files/source.py",
    "compile/answering.py",
    "compile/findings.py",
    "compile/canaries.py",
    "compile/annotations/references.py",
    "cluster/events/recorder.py",
    "lint/note.py",
    "lint/pages.py",
}
"""Modules with a call of TELLS whose code comes from elsewhere."""
WITH_EXAMPLE = [code for code in CODES.values() if code.example]


def calls(module: pathlib.Path) -> Iterator[tuple[str, list[str]]]:
    """Name of the function, and the codes among its arguments."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            given: list[ast.expr] = []
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                given += [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
            texts = [a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            yield name, [text for text in texts if CODE.fullmatch(text)]


def modules() -> Iterator[pathlib.Path]:
    for package in PACKAGES:
        for module in sorted((ROOT / "operator" / "serin" / package).rglob("*.py")):
            if "lint/codes/" not in str(module):
                yield module


def named_in_source() -> set[str]:
    found = {
        code for module in modules() for name, codes in calls(module) if name in TELLS | HANDS_ON for code in codes
    }
    for module in modules():
        found.update(CONSTANT.findall(module.read_text()))
    return found


def test_every_code_of_the_source_is_in_the_registry_and_no_other() -> None:
    assert named_in_source() == CODES.keys()


def test_codes_come_from_where_this_test_looks() -> None:
    """A new module that hands codes on has to be looked at, or the test above overlooks what it says."""
    found = set()
    for module in modules():
        tree = ast.parse(module.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                on = ast.unparse(node.func)
                if name in TELLS and not on.startswith(("_log.", "log.", "self.error")) and len(node.args) >= 3:
                    code = node.args[1]
                    constant = isinstance(code, (ast.Constant, ast.IfExp))
                    if not constant and ast.unparse(code) != "CODE":
                        found.add(str(module.relative_to(ROOT / "operator" / "serin")))
    assert found <= FORWARDERS


def test_no_code_stands_twice() -> None:
    assert sum(len(codes) for codes in SUBJECTS.values()) == len(CODES)


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.code)
def test_an_entry_says_what_and_what_to_do(code: Code) -> None:
    assert code.title
    assert code.what.endswith(".")
    assert code.do.endswith(".")
    assert bool(code.example) != bool(code.unshown)
    assert not (code.alike and code.there)


@pytest.mark.parametrize("code", WITH_EXAMPLE, ids=lambda code: code.code)
def test_an_example_gives_its_problem(code: Code) -> None:
    found = pages.show(code).problem
    assert found is not None
    assert found.code == code.code


def test_pages_are_those_of_the_registry() -> None:
    made = pages.files()
    assert {path.name for path in PAGES.glob("*.md")} == made.keys()
    stale = [name for name, text in made.items() if (PAGES / name).read_text() != text]
    assert stale == [], "python -m serin.lint.pages docs/problems"
