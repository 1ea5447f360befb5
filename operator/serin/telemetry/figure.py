"""One figure of the controller, as each part of it tells its own; `control.figures` makes the text of all."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """`name` without prefix (it gets `serin_controller_`), in Prometheus' manner: base units, counters end in `_total`.

    `labels` are few and bounded: never a name that users choose without bound.
    """

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
