"""The chart's files beside each other and beside the rest of the project."""

import json
import re
from typing import Any

import yaml
from harness.chart import CHART, ROOT, Chart, leaves
from harness.chart_tables import comments, pages

from serin import __version__

TEXT = (CHART / "values.yaml").read_text()
VALUES = yaml.safe_load(TEXT)
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
# Of charts that have this one as a part.
PASSED_DOWN = {"enabled", "global"}
# Filled by default, and whatever users put there goes to Kubernetes as it is.
AS_THEY_ARE = (
    "controller.resources",
    "controller.livenessProbe",
    "controller.readinessProbe",
    "controller.nodeSelector",
    "dataPlane.resources",
)


def known(values: dict[str, Any], path: str = "") -> list[str]:
    """Dotted keys of all values, without what is inside of those that are taken as they are."""
    found = []
    for key, value in values.items():
        here = f"{path}.{key}" if path else key
        inner = isinstance(value, dict) and bool(value) and here not in AS_THEY_ARE
        found += known(value, here) if inner else [here]
    return found


def in_schema(path: str) -> Any:
    here = SCHEMA
    for key in path.split("."):
        here = here.get("properties", {}).get(key)
        if here is None:
            return None
    return here


def test_lint_finds_nothing(chart: Chart) -> None:
    done = chart.run("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout
    assert "WARNING" not in done.stdout


def test_versions_are_those_of_the_program() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["appVersion"] == __version__
    assert about["version"] == __version__
    assert about["kubeVersion"] == ">=1.25.0-0"


def test_the_definition_is_the_project_s() -> None:
    ours = {path.name: path.read_bytes() for path in (ROOT / "crds").glob("*.yaml")}
    assert ours
    assert {path.name: path.read_bytes() for path in (CHART / "crds").iterdir()} == ours


def test_every_value_says_what_it_does() -> None:
    assert set(comments(TEXT)) == set(known(VALUES))
    assert all(text[0].isupper() or text[0].islower() for text in comments(TEXT).values())


def test_every_value_is_in_the_schema() -> None:
    assert [key for key in known(VALUES) if in_schema(key) is None] == []


def test_the_schema_knows_nothing_else() -> None:
    """But what ingress-nginx's chart has, which is told of, and what is passed down."""
    foreign = [row["key"] for row in yaml.safe_load((CHART / "files" / "ingress-nginx.yaml").read_text())]

    def extra(node: dict[str, Any], path: str = "") -> list[str]:
        found: list[str] = []
        for key, inner in node.get("properties", {}).items():
            here = f"{path}.{key}" if path else key
            of_ours = any(each == here or each.startswith(f"{here}.") for each in known(VALUES))
            of_others = any(each == here or each.startswith(f"{here}.") for each in foreign)
            found += extra(inner, here) if of_ours and isinstance(inner, dict) else [] if of_others else [here]
        return found

    assert set(extra(SCHEMA)) == PASSED_DOWN - {key.partition(".")[0] for key in foreign}
    assert [key for key in foreign if in_schema(key.rpartition(".")[0] or key) is None and not reachable(key)] == []


def reachable(key: str) -> bool:
    """Whether the schema lets a value through that deep: some folder above it is free."""
    parts = key.split(".")
    above = [in_schema(".".join(parts[:n])) for n in range(1, len(parts) + 1)]
    return any(node is not None and "properties" not in node for node in above)


def test_maps_of_ours_take_no_unknown_key() -> None:
    def loose(node: dict[str, Any], path: str) -> list[str]:
        maps = {key: each for key, each in node["properties"].items() if "properties" in each}
        inner = [found for key, each in maps.items() for found in loose(each, f"{path}.{key}")]
        return inner if node.get("additionalProperties") is False else [path, *inner]

    assert loose(SCHEMA, "") == []


def test_defaults_fit_the_schema(chart: Chart) -> None:
    assert chart.render().objects
    assert len(leaves(VALUES)) > 150


def test_pages_say_what_the_chart_does(chart: Chart) -> None:
    """After a change `make chart` writes them anew."""
    for path, text in pages(chart).items():
        assert path.read_text() == text, f"{path.name} is behind the chart: make chart"


def test_rules_for_alerts_name_metrics_that_there_are() -> None:
    page = (ROOT / "docs" / "observability.md").read_text()
    rules = VALUES["controller"]["metrics"]["prometheusRule"]["rules"]
    names = {name for rule in rules for name in re.findall(r"serin_\w+", rule["expr"])}
    assert names
    assert [name for name in names if f"`{name}`" not in page] == []
