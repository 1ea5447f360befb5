"""docs/cluster.md lists every right with the reason that the program gives."""

from pathlib import Path

import pytest

from serin.cluster.access import RULES, Rule

DOCUMENT = Path(__file__).parents[3] / "docs" / "cluster.md"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.kind.plural}-{rule.where}-{'-'.join(rule.verbs)}")
def test_each_right_is_documented_with_its_reason(rule: Rule) -> None:
    resource = f"{rule.kind.plural}/{rule.sub}" if rule.sub else rule.kind.plural
    beginning = f"| {resource} | {', '.join(rule.verbs)} |"
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith(beginning) and rule.why in line]
    assert len(lines) == 1
    assert lines[0].endswith("| optional |" if rule.optional else "| required |")


def test_no_right_is_documented_that_is_not_asked_for() -> None:
    table = DOCUMENT.read_text().partition("| resource | verbs |")[2].partition("\n\n")[0]
    assert len([line for line in table.splitlines() if line.startswith("| ")]) == len(RULES)
