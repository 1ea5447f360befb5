"""The table of outcomes knows every problem that reading and compiling can find, and no other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import serin.admission
from serin.admission.outcomes import OUTCOMES, Outcome, outcome_of

ROOT = Path(serin.admission.__file__).parents[1]
CALLS = [
    node
    for room in ("objects", "compile")
    for module in sorted((ROOT / room).rglob("*.py"))
    for node in ast.walk(ast.parse(module.read_text()))
    if isinstance(node, ast.Call | ast.FunctionDef)
]


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def takers() -> dict[str, int]:
    """Functions that are given a problem's code, by name, and the place of it among the arguments of a call."""
    found = {"error": 1, "warning": 1}
    for node in CALLS:
        if isinstance(node, ast.FunctionDef) and node.name not in found:
            names = [argument.arg for argument in node.args.args if argument.arg != "self"]
            if "code" in names and "Report" not in node.name:
                found[node.name] = names.index("code")
    return found


def texts(value: ast.expr) -> Iterator[str]:
    """The texts that an argument may be: itself, or either side of a condition."""
    if isinstance(value, ast.IfExp):
        yield from texts(value.body)
        yield from texts(value.orelse)
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value


def codes() -> set[str]:
    places = takers()
    found: set[str] = set()
    for call in CALLS:
        if isinstance(call, ast.Call) and (place := places.get(name_of(call))) is not None and len(call.args) > place:
            found.update(texts(call.args[place]))
    return found


def test_every_code_has_its_outcome() -> None:
    found = codes()
    assert found - OUTCOMES.keys() == set(), "say in serin.admission.outcomes what becomes of these"
    assert OUTCOMES.keys() - found == set(), "no such problem is found any more"
    assert {"path-conflict", "annotation-not-string", "canary-weights-exceed", "missing-field"} <= found


def test_what_may_come_later_keeps_nobody_out() -> None:
    later = ("service-not-found", "certificate-unusable", "auth-secret-unusable", "no-ready-endpoints")
    assert {outcome_of(code) for code in (*later, "canary-without-main", "internal-error")} == {Outcome.WARN}


def test_a_code_that_is_not_in_the_table_keeps_nobody_out() -> None:
    assert outcome_of("never-heard-of") is Outcome.WARN


def test_the_page_names_every_code_that_denies() -> None:
    page = (ROOT.parents[1] / "docs" / "admission.md").read_text()
    denying = [code for code, outcome in OUTCOMES.items() if outcome is not Outcome.WARN]
    assert [code for code in denying if f"`{code}`" not in page] == []
