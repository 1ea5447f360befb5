"""Plain scalars as Kubernetes' YAML reader takes them."""

import math

import pytest

from serin.files.scalars import UnknownTagError, plain_scalar, tagged_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None), ("nULL", "nULL"),
        ("true", True), ("True", True), ("yes", True), ("on", True), ("OFF", False), ("no", False), ("tRUE", "tRUE"),
        ("y", "y"), ("n", "n"),
        ("0", 0), ("80", 80), ("-5", -5), ("+100", 100), ("1_000", 1000),
        ("0x1F", 31), ("-0x10", -16), ("0b101", 5), ("0o17", 15), ("017", 15), ("0_", "0_"), ("08", 8.0), ("0x", "0x"),
        ("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("-1.5E-2", -0.015), (".", "."), ("1e", "1e"),
        (".inf", math.inf), ("-.INF", -math.inf),
        ("2026-01-01", "2026-01-01"), ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"), ("12:30:45", "12:30:45"),
        ("1.2.3", "1.2.3"), ("10.0.0.1", "10.0.0.1"), ("-", "-"), ("text", "text"), ("9" * 65, "9" * 65),
    ],
)  # fmt: skip
def test_plain_scalars(text: str, value: object) -> None:
    found = plain_scalar(text)
    assert (type(found), found) == (type(value), value)


def test_not_a_number() -> None:
    assert isinstance(found := plain_scalar(".nan"), float)
    assert math.isnan(found)


@pytest.mark.parametrize(
    ("tag", "text", "value"),
    [("str", "8", "8"), ("int", "8", 8), ("float", "8", 8.0), ("bool", "yes", True), ("null", "", None)],
)
def test_core_tags(tag: str, text: str, value: object) -> None:
    found = tagged_scalar(f"tag:yaml.org,2002:{tag}", text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("tag:yaml.org,2002:int", "x"),
        ("tag:yaml.org,2002:int", "true"),
        ("tag:yaml.org,2002:bool", "1"),
        ("tag:yaml.org,2002:python/name:os.system", "x"),
        ("tag:yaml.org,2002:binary", "YQ=="),
        ("!custom", "x"),
        ("int", "8"),
    ],
)
def test_other_tags_are_refused(tag: str, text: str) -> None:
    with pytest.raises(UnknownTagError):
        tagged_scalar(tag, text)
