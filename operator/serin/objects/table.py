"""Tables whose states are kept: a change costs little however large the table is.

What changed since the last whole copy lies in a small layer over it. Reading a single row looks into both; whoever goes
over all rows pays for one merged copy, once for each state.
"""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")

# A layer is copied with each change, the whole once in so many changes: both stay small against 20,000 rows.
_LAYER_MAX = 256


class State(Mapping[K, V]):
    """The rows as they were when it was taken. Read-only; in the layer, None stands for a row that is gone."""

    __slots__ = ("_base", "_flat", "_layer")

    def __init__(self, base: dict[K, V] | None = None, layer: dict[K, V | None] | None = None) -> None:
        self._base = {} if base is None else base
        self._layer = {} if layer is None else layer
        self._flat = None if self._layer else self._base

    def with_row(self, key: K, row: V | None) -> "State[K, V]":
        """The next state, with the row set, or removed when it is None."""
        layer = {**self._layer, key: row}
        return State(self._base, layer) if len(layer) <= _LAYER_MAX else State(_merged(self._base, layer))

    def get(self, key: K, default: Any = None, /) -> Any:
        row = self._layer[key] if key in self._layer else self._base.get(key)
        return default if row is None else row

    def __getitem__(self, key: K) -> V:
        row: V | None = self.get(key)
        if row is None:
            raise KeyError(key)
        return row

    def __contains__(self, key: object) -> bool:
        return self.get(cast("K", key)) is not None

    def __iter__(self) -> Iterator[K]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def keys(self) -> KeysView[K]:
        return self._all().keys()

    def values(self) -> ValuesView[V]:
        return self._all().values()

    def items(self) -> ItemsView[K, V]:
        return self._all().items()

    def __repr__(self) -> str:
        return repr(self._all())

    def _all(self) -> dict[K, V]:
        if self._flat is None:
            self._flat = _merged(self._base, self._layer)
        return self._flat


def _merged(base: dict[K, V], layer: dict[K, V | None]) -> dict[K, V]:
    rows = base.copy()
    for key, row in layer.items():
        if row is None:
            rows.pop(key, None)
        else:
            rows[key] = row
    return rows
