"""How texts with nginx variables are cut, whatever stands around the names."""

import pytest

from serin.routing.variables import is_variable_part, split_variables


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("plain", ("plain",)),
        ("a$b${c}d", ("a", "$b", "$c", "d")),
        ("$http_x_user-$arg_a", ("$http_x_user", "-", "$arg_a")),
        ("$$1", ("$", "$1")),
        ("${", ("$", "{")),
        ("$-a", ("$", "-a")),
        ("$é", ("$", "é")),
        ("line\nbreak", ("line\nbreak",)),
    ],
)
def test_parts(text: str, parts: tuple[str, ...]) -> None:
    assert split_variables(text) == parts


def test_only_names_are_variables() -> None:
    assert [is_variable_part(part) for part in split_variables("a$b$-")] == [False, True, False, False]
