"""The tables of docs/chart.md and docs/rbac.md, made from the chart so that the pages say what it does.

`make chart` writes them anew, between the marks of the pages; tests compare.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from harness.chart import CHART, ROOT, Chart, leaves
from harness.rbac import Grant, grants
from localkube.build import programs

END = "<!-- end -->"
_COMMENT = re.compile(r"^\s*# (?P<name>[A-Za-z0-9]+): (?P<text>.+)$")
ONE = {"controller.scope.enabled": True, "controller.scope.namespace": "shop"}
SHAPES = {"all": {}, "one": ONE, "bare": {**ONE, "rbac.scope": True}}


def comments(text: str) -> dict[str, str]:
    """Dotted key → what values.yaml says right above it: `# NAME: text`."""
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    said: tuple[str, str] | None = None
    for line in text.splitlines():
        if told := _COMMENT.match(line):
            said = told["name"], told["text"]
            continue
        key = re.match(r"^( *)([A-Za-z0-9]+):", line)
        if key is None:
            said = None
            continue
        indent = len(key[1])
        path = [(at, name) for at, name in path if at < indent] + [(indent, key[2])]
        if said and said[0] == key[2]:
            found[".".join(name for _, name in path)] = said[1]
        said = None
    return found


def values_table() -> Iterator[str]:
    """Of every value its default and what it does. Maps that users fill are one value."""
    text = (CHART / "values.yaml").read_text()
    values, said = yaml.safe_load(text), comments(text)
    parts: dict[str, list[str]] = {}
    for key in said:
        parts.setdefault(_part(key), []).append(key)
    for part, keys in parts.items():
        yield from ("", f"### {part}", "", "| value | default | |", "|---|---|---|")
        for key in keys:
            yield f"| `{key}` | {_default(_at(values, key))} | {_cell(said[key])} |"


def _part(key: str) -> str:
    """The headline that a value stands under."""
    parts = key.split(".")
    return ".".join(parts[: 2 if len(parts) > 2 else 1]) if len(parts) > 1 else "Names"


def foreign_table() -> Iterator[str]:
    """Values of ingress-nginx's chart that are not taken, and what to do instead."""
    yield from ("| value of ingress-nginx's chart | | instead |", "|---|---|---|")
    for row in yaml.safe_load((CHART / "files" / "ingress-nginx.yaml").read_text()):
        yield f"| `{row['key']}` | {row['lost']} | {_cell(row['at'])} |"


def rules_table(chart: Chart, shape: str) -> Iterator[str]:
    """What the roles of a shape grant; the release lies in `ingress`."""
    yield from ("| resource | verbs | where | why |", "|---|---|---|---|")
    for grant in sorted(grants(chart.render(SHAPES[shape]).text), key=lambda grant: grant.namespace):
        yield f"| {_resources(grant)} | {', '.join(grant.verbs)} | {_where(grant)} | {_cell(grant.why)} |"


def filled(page: str, tables: dict[str, Callable[[], Iterator[str]]]) -> str:
    """The page with each table between its `<!-- NAME: made by `make chart` -->` and the next `<!-- end -->`."""
    for name, table in tables.items():
        begin = f"<!-- {name}: made by `make chart` -->"
        before, found, rest = page.partition(begin)
        _, end, after = rest.partition(END)
        if not found or not end:
            raise ValueError(f"the page has no {begin} and {END}")
        body = "\n".join(table()).strip("\n")
        page = f"{before}{begin}\n\n{body}\n\n{END}{after}"
    return page


def pages(chart: Chart) -> dict[Path, str]:
    """Each page as it has to be."""

    def rules(shape: str) -> Callable[[], Iterator[str]]:
        return lambda: rules_table(chart, shape)

    about = {
        "chart.md": {"values": values_table, "ingress-nginx": foreign_table},
        "rbac.md": {shape: rules(shape) for shape in SHAPES},
    }
    docs = ROOT / "docs"
    return {docs / name: filled((docs / name).read_text(), tables) for name, tables in about.items()}


def _default(value: Any) -> str:
    if isinstance(value, dict | list) and value:
        if isinstance(value, dict) and len(leaves(value)) <= 2:
            return _cell(f"`{json.dumps(value)}`")
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return _cell(f"`{json.dumps(value)}`".replace('\\"', "'"))
        return "see values.yaml"
    return f"`{json.dumps(value)}`" if value != "" else ""


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values[part]
    return values


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _resources(grant: Grant) -> str:
    groups = "" if grant.groups == ("",) else f" ({', '.join(grant.groups)})"
    names = f" {', '.join(f'`{name}`' for name in grant.names)}" if grant.names else ""
    return f"{', '.join(grant.resources)}{groups}{names}"


def _where(grant: Grant) -> str:
    return f"namespace `{grant.namespace}`" if grant.namespace else "cluster"


def main() -> None:
    found = programs(["helm"], lambda text: print(text, file=sys.stderr))
    for path, text in pages(Chart(found["helm"])).items():
        path.write_text(text)


if __name__ == "__main__":
    main()
