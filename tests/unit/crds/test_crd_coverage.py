"""Every bound and expression of the spec is broken by a case of tests/manifests/canaryroutes/invalid.yaml."""

import re
from collections.abc import Iterator
from typing import Any

from harness import canaryroutes

SAID = {
    "required": "Required value",
    "pattern": "should match",
    "enum": '"',
    "minLength": "should be at least 1 chars",
    "maxLength": "may not be more than",
    "minItems": "at least 1 items",
    "maxItems": "must have at most",
    "minimum": "greater than or equal to",
    "maximum": "less than or equal to",
    "format": "must be of type cidr",
}
IN_THE_PATTERN = ("h|m|s|ms", "%$")
"""Patterns of durations and percentages, which bound the length by themselves."""


def wanted() -> Iterator[tuple[str, str]]:
    """Field (as in messages, without numbers of entries), and what is to be said of it."""
    spec = canaryroutes.schema()["properties"]["spec"]
    yield from _wanted(spec, "spec")


def _wanted(node: dict[str, Any], place: str) -> Iterator[tuple[str, str]]:
    for rule in node.get("x-kubernetes-validations", ()):
        yield place + rule.get("fieldPath", ""), rule["message"]
    for word in SAID.keys() - {"required"} & node.keys():
        bounded_by_pattern = any(part in node.get("pattern", "") for part in IN_THE_PATTERN)
        told_by_pattern = word == "minLength" and "pattern" in node
        integer_format = word == "format" and node["format"] != "cidr"
        if (
            not (word in ("minLength", "maxLength") and bounded_by_pattern)
            and not told_by_pattern
            and not integer_format
        ):
            yield place, SAID[word]
    for name in node.get("required", ()):
        yield f"{place}.{name}", SAID["required"]
    for name, field in node.get("properties", {}).items():
        yield from _wanted(field, f"{place}.{name}")
    if "items" in node:
        yield from _wanted(node["items"], f"{place}[]")


def test_each_is_broken_once() -> None:
    broken = [(re.sub(r"\d+(?=])", "", case.field), case.says) for case in canaryroutes.invalid()]
    missing = [
        (place, said)
        for place, said in wanted()
        if not any(field == place and (says in said or said in says) for field, says in broken)
    ]
    assert missing == []
