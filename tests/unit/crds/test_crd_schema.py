"""What holds for the text of crds/canaryroute.yaml without an API server: nothing unexplained, nothing unbounded."""

import re
from typing import Any

import pytest
from harness import canaryroutes

FIELDS = dict(canaryroutes.fields())
OURS = {name: field for name, field in FIELDS.items() if name.partition(".")[0] in ("spec", "status")}
LEAVES = {name: field for name, field in OURS.items() if "properties" not in field}
MOST_SENTENCES = 3
LONGEST_LINE = 120
LARGEST = 200_000
"""Bytes. kubectl apply keeps a copy in an annotation, for which there are 256 KiB."""


def bounded(field: dict[str, Any]) -> bool:
    """No value of any size fits."""
    match field.get("type"):
        case "string":
            return "maxLength" in field or "enum" in field or field.get("format") == "date-time"
        case "integer":
            return "minimum" in field and ("maximum" in field or field.get("format") in ("int32", "int64"))
        case "array":
            return "maxItems" in field and bounded(field["items"])
        case "boolean":
            return True
        case "object":
            return bool(field.get("properties")) and "additionalProperties" not in field
        case None:
            return bool(field.get("x-kubernetes-int-or-string")) and {"minimum", "maximum", "maxLength"} <= set(field)
    return False


@pytest.mark.parametrize("name", OURS)
def test_has_one_to_three_sentences(name: str) -> None:
    text = OURS[name].get("description", "")
    assert text.endswith(".")
    assert text[0].isupper() or text.startswith("{{")
    assert 1 <= len(re.findall(r"\.(?= |$)", text)) <= MOST_SENTENCES
    assert text == " ".join(text.split())


@pytest.mark.parametrize("name", [name for name, field in OURS.items() if "items" in field])
def test_entries_of_lists_have_text_too(name: str) -> None:
    assert OURS[name]["items"].get("description", "").endswith(".")


@pytest.mark.parametrize("name", OURS)
def test_is_bounded(name: str) -> None:
    assert bounded(OURS[name])


@pytest.mark.parametrize("name", [name for name, field in OURS.items() if name.startswith("spec.")])
def test_text_tells_default_and_bounds(name: str) -> None:
    field = OURS[name]
    text = field["description"].replace('"', "")
    if field.get("default") not in (None, ""):
        assert "default" in text.lower()
        shown = str(field["default"]).lower() if field.get("type") == "boolean" else str(field["default"])
        assert re.search(rf"(?<![\w.]){re.escape(shown)}(?![\w%])", text)
    for bound in ("maximum", "maxItems"):
        if bound in field:
            assert re.search(rf"\b{field[bound]}\b", text), bound


@pytest.mark.parametrize("name", [name for name, field in OURS.items() if field.get("type") == "array"])
def test_list_says_how_it_is_merged(name: str) -> None:
    field = OURS[name]
    kind = field["x-kubernetes-list-type"]
    assert kind in ("map", "atomic")
    assert (kind == "map") == ("x-kubernetes-list-map-keys" in field)
    if kind == "map":
        assert set(field["x-kubernetes-list-map-keys"]) <= set(field["items"]["required"])


def test_expressions_have_a_message_that_says_what_is_expected() -> None:
    found = list(expressions(canaryroutes.schema()))
    assert len(found) >= 30
    for rule in found:
        assert rule["message"].startswith("expected ")
        assert len(rule["message"]) < 200


def test_a_pattern_is_written_alike_everywhere() -> None:
    """Durations, percentages and names of Kubernetes objects: one pattern each."""
    patterns = {field["pattern"] for name, field in FIELDS.items() if name.startswith("spec.") and "pattern" in field}
    assert len([pattern for pattern in patterns if "h|m|s|ms" in pattern]) == 1
    assert len([pattern for pattern in patterns if pattern.endswith("%$") and "100" in pattern]) == 1


def test_file_is_readable() -> None:
    text = canaryroutes.DEFINITION.read_text()
    assert len(text.encode()) < LARGEST
    assert not re.search(r"\t| $", text, re.MULTILINE)
    long = [line for line in text.splitlines() if len(line) > LONGEST_LINE and "pattern:" not in line]
    assert long == []


def expressions(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [rule for item in node for rule in expressions(item)]
    if not isinstance(node, dict):
        return []
    own = node.get("x-kubernetes-validations", [])
    return [
        *own,
        *(rule for key, value in node.items() for rule in expressions(value) if key != "x-kubernetes-validations"),
    ]
