"""ConfigMaps that others name: header lists, parameters, ports of TCP and UDP.

What a host looked at is recorded, also when it was not there: a ConfigMap that appears must reach the hosts that wait,
and the controller must fetch it. What was made of one is kept for each version of it. Must not know what is in them.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from serin.compile.draft import Draft
from serin.objects.store import Key, Snapshot
from serin.objects.views import ConfigMap

T = TypeVar("T")

Cache = Draft[tuple[Key, str], Any]
"""By ConfigMap and what was made of it."""


class ConfigMapReader:
    """`reads` collects the names asked for; the compiler clears it before each host."""

    __slots__ = ("_cache", "_snapshot", "reads")

    def __init__(self, snapshot: Snapshot, cache: Cache) -> None:
        self._snapshot = snapshot
        self._cache = cache
        self.reads: set[Key] = set()

    def read(self, key: Key) -> ConfigMap | None:
        """None: there is no such ConfigMap, or it was not fetched yet."""
        self.reads.add(key)
        return self._snapshot.config_maps.get(key)

    def parsed(self, key: Key, parse: Callable[[ConfigMap | None], T]) -> T:
        """What `parse` (a function of a module, never None) makes of it, made once for each version of the ConfigMap.

        An exception of `parse` is the caller's, and nothing is kept.
        """
        self.reads.add(key)
        kind = f"{parse.__module__}.{parse.__qualname__}"
        known = self._cache.get((key, kind))
        if known is None:
            known = parse(self._snapshot.config_maps.get(key))
            self._cache.put((key, kind), known)
        return cast("T", known)
