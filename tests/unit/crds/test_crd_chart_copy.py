"""The chart installs the very definition that crds/ has."""

import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[3]
COPIES = ROOT / "charts" / "serin" / "crds"


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "crds").glob("*.yaml")))
def test_copy_is_the_same(name: str) -> None:
    assert (COPIES / name).read_bytes() == (ROOT / "crds" / name).read_bytes(), "run: make chart"


def test_the_chart_has_no_definition_of_its_own() -> None:
    assert {path.name for path in COPIES.iterdir()} == {path.name for path in (ROOT / "crds").glob("*.yaml")}
