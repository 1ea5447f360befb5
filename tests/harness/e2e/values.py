"""Values files of the chart, as people give them to helm with -f, in the form that Site.install takes."""

from typing import Any

import yaml
from localkube.release import CHART


def read_values(name: str) -> dict[str, object]:
    """`charts/serin/ci/NAME-values.yaml` as {"controller.affinity": …}: one key for each part's value."""
    told: dict[str, dict[str, Any]] = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text())
    return {f"{part}.{key}": value for part, values in told.items() for key, value in values.items()}
