"""The tables of docs/canaryroute.md, made from the definition so that kubectl explain and the page say the same.

`make chart` writes them anew, between the two marks of the page; a test compares.
"""

import pathlib
import sys
from collections.abc import Iterator

from harness.canaryroutes import Object, schema

BEGIN = "<!-- made from crds/canaryroute.yaml by `make chart` -->"
END = "<!-- end -->"


def tables() -> str:
    """Of spec and of status, one for each object in them."""
    root = schema()["properties"]
    return "\n".join(line for name in ("spec", "status") for line in _table(name, root[name]))


def filled(page: str) -> str:
    """The page with these tables between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def _table(place: str, node: Object) -> Iterator[str]:
    fields = node["properties"]
    yield f"### {place}"
    yield ""
    yield node["description"]
    yield ""
    yield "| field | value | |"
    yield "|---|---|---|"
    for name, field in fields.items():
        needed = " (required)" if name in node.get("required", ()) else ""
        yield f"| `{name}`{needed} | {_value(field)} | {_cell(field['description'])} |"
    yield ""
    for name, field in fields.items():
        inner = field.get("items", field)
        if "properties" in inner:
            yield from _table(f"{place}.{name}" + ("[]" if "items" in field else ""), inner)


def _value(field: Object) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" if value else "empty" for value in field["enum"])
    if "items" in field:
        bounds = f"{field.get('minItems', 0)} to {field['maxItems']}"
        inner = field["items"]
        return f"list of {bounds}" + ("" if "properties" in inner else f", each {_value(inner)}")
    if field.get("x-kubernetes-int-or-string"):
        return "number or text"
    pattern = field.get("pattern", "")
    if "h|m|s|ms" in pattern:
        return "duration"
    if pattern.endswith("%$"):
        return "percentage"
    formats = {"date-time": "time", "cidr": "CIDR"}
    words = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "object"}
    return formats.get(field.get("format", "")) or words[field["type"]]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("{{", "`{{").replace("}}", "}}`").replace("*.", "\\*.")


if __name__ == "__main__":
    page = pathlib.Path(sys.argv[1])
    page.write_text(filled(page.read_text()))
