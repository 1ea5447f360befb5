"""docs/canaryroute.md says what the definition says, and shows what can be applied."""

import re

import pytest
from harness import canaryroutes
from harness.canaryroute_tables import filled

from serin.objects.parse import parse_object

PAGE = canaryroutes.PAGE.read_text()
EXAMPLES = canaryroutes.examples()


def test_tables_are_those_of_the_definition() -> None:
    assert filled(PAGE) == PAGE, "run: make chart"


def test_every_field_is_on_the_page() -> None:
    named = set(re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE))
    assert {name.rpartition(".")[2] for name, _ in canaryroutes.fields() if "." in name} - {"name"} <= named


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_example_is_read_without_a_problem(number: int) -> None:
    assert list(parse_object(EXAMPLES[number]).problems) == []


def test_examples_are_found() -> None:
    assert len(EXAMPLES) == PAGE.count("    apiVersion: serin.dev/")
