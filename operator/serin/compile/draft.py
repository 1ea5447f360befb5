"""Mappings that are edited without copying them whole: what stays is shared, what changes lies over it.

A dictionary of 5,000 entries takes up to 0.1 ms to copy when its entries are not in the processor's caches, and a
compile would copy ten of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_GONE: Any = object()
_SMALL = 256
"""Dictionaries up to this length are copied: nothing is gained by a layer."""
_THICK = 64
"""Changes that a layer holds before it is made into a dictionary again."""


class Layer(Mapping[K, V]):
    """A dictionary, and changes over it. Nobody can tell it from a dictionary that never changes.

    Whoever goes through all of it makes one dictionary of both, which takes their place.
    """

    __slots__ = ("_base", "_length", "_over")

    def __init__(self, base: dict[K, V], over: dict[K, V]) -> None:
        """`over` holds new values, and `_GONE` for keys taken away."""
        self._base = base
        self._over = over
        self._length = len(base) + sum((value is not _GONE) - (key in base) for key, value in over.items())

    def __getitem__(self, key: K) -> V:
        value: V = self._over.get(key, self._base.get(key, _GONE))
        if value is _GONE:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[K]:
        return iter(self.flat())

    def __len__(self) -> int:
        return self._length

    def __contains__(self, key: Any) -> bool:
        return self._over.get(key, self._base.get(key, _GONE)) is not _GONE

    def get(self, key: K, default: Any = None) -> Any:
        value = self._over.get(key, self._base.get(key, _GONE))
        return default if value is _GONE else value

    def items(self) -> Any:
        return self.flat().items()

    def values(self) -> Any:
        return self.flat().values()

    def keys(self) -> Any:
        return self.flat().keys()

    def __eq__(self, other: object) -> bool:
        return self.flat() == (other.flat() if isinstance(other, Layer) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.flat())

    def flat(self) -> dict[K, V]:
        """All of it as one dictionary, not to be changed."""
        if self._over:
            merged = {**self._base, **self._over}
            self._base, self._over = {key: value for key, value in merged.items() if value is not _GONE}, {}
        return self._base

    def with_changes(self, changes: dict[K, V]) -> "Layer[K, V]":
        made = Layer(self._base, {**self._over, **changes})
        if len(made._over) > _THICK:
            made.flat()
        return made


def changed(base: Mapping[K, V], changes: dict[K, V]) -> Mapping[K, V]:
    """`base` with changes put over it; `_GONE` takes a key away."""
    if not changes:
        return base
    if isinstance(base, Layer):
        return base.with_changes(changes)
    made = Layer(base if isinstance(base, dict) else dict(base), changes)
    return made.flat() if len(made) <= _SMALL or len(changes) > _THICK else made


class Draft(Generic[K, V]):
    """An edited view of an immutable mapping. `result` is the mapping itself when nothing was changed."""

    __slots__ = ("_base", "_changes")

    def __init__(self, base: Mapping[K, V]) -> None:
        self._base = base
        self._changes: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        value = self._changes.get(key, None)
        if value is None:
            return self._base.get(key)
        return None if value is _GONE else value

    def put(self, key: K, value: V | None) -> None:
        """None takes the key away. A value equal to the one that is there leaves that one in place."""
        old = self._base.get(key)
        if value is old or (value is not None and old is not None and value == old):
            self._changes.pop(key, None)
        else:
            self._changes[key] = _GONE if value is None else value

    def result(self) -> Mapping[K, V]:
        return changed(self._base, self._changes)


class Uses(Generic[K, V]):
    """Who uses what: an index from things to users by name, each with what it says about the use.

    Edited one user at a time; only the entries that change are touched.
    """

    __slots__ = ("_base", "_edited")

    def __init__(self, base: Mapping[K, Mapping[str, V]]) -> None:
        self._base = base
        self._edited: dict[K, Draft[str, V]] = {}

    def move(self, user: str, old: Mapping[K, V], new: Mapping[K, V]) -> None:
        """`user` used what is in `old`, and now uses what is in `new`."""
        for key in old:
            if key not in new:
                self._edit(key).put(user, None)
        for key, said in new.items():
            if key not in old or old[key] != said:
                self._edit(key).put(user, said)

    def of(self, key: K) -> Mapping[str, V]:
        """The users of a thing; empty when nobody uses it."""
        edited = self._edited.get(key)
        return self._base.get(key, {}) if edited is None else edited.result()

    @property
    def touched(self) -> Iterable[K]:
        """The things whose users were edited."""
        return self._edited.keys()

    def result(self) -> Mapping[K, Mapping[str, V]]:
        changes: dict[K, Mapping[str, V]] = {}
        for key, edited in self._edited.items():
            users = edited.result()
            if users or key in self._base:
                changes[key] = users or _GONE
        return changed(self._base, changes)

    def _edit(self, key: K) -> Draft[str, V]:
        if key not in self._edited:
            self._edited[key] = Draft(self._base.get(key, {}))
        return self._edited[key]
