"""Who gets 403 everywhere, and how texts are compared."""

import pytest

from serin.dataplane.proxy.blocks import Texts, ready_blocks
from serin.routing.wide import Blocks


@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        ("BadBot", b"badbot", True),
        ("BadBot", b"BadBot/1.0", False),
        ("~BadBot", b"a BadBot/1.0", True),
        ("~BadBot", b"a badbot", False),
        ("~*BadBot", b"a badbot", True),
        ("~^$", b"", False),
        ("~x", b"", False),
    ],
)
def test_texts(written: str, value: bytes, expected: bool) -> None:
    assert Texts((written,)).match(value) is expected


def test_a_pattern_that_does_not_come_to_an_end_blocks() -> None:
    assert Texts(("~^(a+)+$",)).match(b"a" * 4000 + b"!")


def test_nothing_to_block() -> None:
    assert ready_blocks(Blocks()) is None
