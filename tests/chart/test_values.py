"""Every value of the chart does what values.yaml says of it: a row each, and no value without a row."""

import pytest
import yaml
from chart import rows_cluster, rows_extras, rows_pod, rows_rollouts, rows_service
from chart.finding import Row
from harness.chart import CHART, Chart, leaves

ROWS = [*rows_cluster.ROWS, *rows_pod.ROWS, *rows_service.ROWS, *rows_extras.ROWS, *rows_rollouts.ROWS]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.key}={row.value}"[:60])
def test_value_does_what_it_says(chart: Chart, row: Row) -> None:
    assert row.find(chart.render({**row.given, row.key: row.value})) == row.expected


def test_every_value_has_a_row() -> None:
    keys = {row.key for row in ROWS}
    values = leaves(yaml.safe_load((CHART / "values.yaml").read_text()))
    without = [leaf for leaf in values if not any(leaf == key or leaf.startswith(f"{key}.") for key in keys)]
    assert without == []


def test_no_row_shows_what_is_so_anyway(chart: Chart) -> None:
    """A row that holds without its value proves nothing, unless another row of the same key does."""
    proven: dict[str, bool] = {}
    for row in ROWS:
        try:
            differs = row.find(chart.render(row.given)) != row.expected
        except (AssertionError, KeyError, IndexError, StopIteration, TypeError, AttributeError):
            differs = True
        proven[row.key] = proven.get(row.key, False) or differs
    assert [key for key, differs in proven.items() if not differs] == []
