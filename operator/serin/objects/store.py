"""The objects in force, and immutable snapshots of them.

One writer. A snapshot costs next to nothing and stays as it is for ever.
The store decides nothing: which objects matter is the compiler's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from serin.objects.changelog import ChangeLog
from serin.objects.table import State
from serin.objects.views import (
    CanaryRoute,
    ConfigMap,
    Endpoints,
    EndpointSlice,
    Ingress,
    IngressClass,
    Namespace,
    Secret,
    Service,
    View,
)
from serin.refs import Ref

Key = tuple[str, str]
"""(namespace, name); the namespace is empty for cluster-scoped kinds."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All objects as they were at `revision`. Mappings are read-only; `slices_of` is by (namespace, Service name).

    The slices of a Service are in the order of their names.
    """

    revision: int
    ingresses: Mapping[Key, Ingress] = field(default_factory=dict)
    ingress_classes: Mapping[Key, IngressClass] = field(default_factory=dict)
    services: Mapping[Key, Service] = field(default_factory=dict)
    endpoint_slices: Mapping[Key, EndpointSlice] = field(default_factory=dict)
    slices_of: Mapping[Key, tuple[EndpointSlice, ...]] = field(default_factory=dict)
    endpoints: Mapping[Key, Endpoints] = field(default_factory=dict)
    secrets: Mapping[Key, Secret] = field(default_factory=dict)
    config_maps: Mapping[Key, ConfigMap] = field(default_factory=dict)
    namespaces: Mapping[Key, Namespace] = field(default_factory=dict)
    canary_routes: Mapping[Key, CanaryRoute] = field(default_factory=dict)
    log: ChangeLog = field(default_factory=ChangeLog, repr=False)

    def changed_since(self, revision: int) -> frozenset[Ref] | None:
        """Names of the objects that differ from those at `revision`, or may; None when that is not known any more."""
        return self.log.between(revision, self.revision)

    def find(self, ref: Ref) -> View | None:
        attribute = _MAPPING_OF.get(ref.kind)
        if attribute is None:
            return None
        mapping: Mapping[Key, View] = getattr(self, attribute)
        return mapping.get((ref.namespace, ref.name))


_MAPPING_OF = {
    "Ingress": "ingresses",
    "IngressClass": "ingress_classes",
    "Service": "services",
    "EndpointSlice": "endpoint_slices",
    "Endpoints": "endpoints",
    "Secret": "secrets",
    "ConfigMap": "config_maps",
    "Namespace": "namespaces",
    "CanaryRoute": "canary_routes",
}


class Store:
    """Holds one view per name. `revision` grows by one with every change that a reader could see."""

    def __init__(self) -> None:
        self._tables: dict[str, State[Key, Any]] = {attribute: State() for attribute in _MAPPING_OF.values()}
        self._slices_of: State[Key, tuple[EndpointSlice, ...]] = State()
        self._log = ChangeLog()
        self._snapshot: Snapshot | None = None

    @property
    def revision(self) -> int:
        return self._log.revision

    def apply(self, view: View) -> bool:
        """Puts the view in force; False when nothing but its version differs from the one in force, which then stays.

        That keeps others' status writes, which change the resourceVersion alone, from counting as changes.
        """
        ref = view.meta.ref
        attribute, key = _MAPPING_OF[ref.kind], (ref.namespace, ref.name)
        table = self._tables[attribute]
        old = table.get(key)
        if old is not None and same_content(old, view):
            return False
        self._tables[attribute] = table.with_row(key, view)
        if isinstance(view, EndpointSlice):
            self._index(old, None)
            self._index(None, view)
        self._changed(ref)
        return True

    def delete(self, ref: Ref) -> bool:
        """False when there is no such object."""
        attribute = _MAPPING_OF.get(ref.kind)
        if attribute is None:
            return False
        table, key = self._tables[attribute], (ref.namespace, ref.name)
        old = table.get(key)
        if old is None:
            return False
        self._tables[attribute] = table.with_row(key, None)
        if isinstance(old, EndpointSlice):
            self._index(old, None)
        self._changed(ref)
        return True

    def snapshot(self) -> Snapshot:
        """The same value until the next change."""
        if self._snapshot is None:
            self._snapshot = Snapshot(
                revision=self._log.revision, slices_of=self._slices_of, log=self._log, **self._tables
            )
        return self._snapshot

    def _changed(self, ref: Ref) -> None:
        self._log.add(ref)
        self._snapshot = None

    def _index(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        """Takes `old` out of its Service's slices, or puts `new` in."""
        changed = old or new
        if changed is None:
            return
        key = (changed.meta.ref.namespace, changed.service)
        slices = [s for s in self._slices_of.get(key) or () if s.meta.ref != changed.meta.ref]
        if new is not None:
            slices.append(new)
            slices.sort(key=lambda s: s.meta.ref.name)
        self._slices_of = self._slices_of.with_row(key, tuple(slices) or None)


def same_content(old: View, new: View) -> bool:
    """Whether the two are equal but for metadata's version."""
    if old.meta.version != new.meta.version:
        new = replace(new, meta=replace(new.meta, version=old.meta.version))
    return old == new
