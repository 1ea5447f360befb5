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
    edits: frozenset[Ref] = frozenset()
    """Objects that are not as they were at `revision`: a what-if snapshot's (`with_view`, `without`)."""

    def changed_since(self, revision: int) -> frozenset[Ref] | None:
        """Names of the objects that differ from those at `revision`, or may; None when that is not known any more."""
        changed = self.log.between(revision, self.revision)
        return None if changed is None else changed | self.edits

    def differs_from(self, older: "Snapshot") -> frozenset[Ref] | None:
        """Names of the objects that differ between the two, or may; None when that is not known: of another store,
        or forgotten. Either may be a what-if snapshot, so that what was compiled from one serves for the other.
        """
        changed = self.changed_since(older.revision) if self.log is older.log else None
        return None if changed is None else changed | older.edits

    def with_view(self, view: View) -> "Snapshot":
        """What if the object were like this? The store, and this snapshot, know nothing of it.

        Itself when the object is so already, but for its version.
        """
        return self._edited(view.meta.ref, view)

    def without(self, ref: Ref) -> "Snapshot":
        """What if there were no such object? Itself when there is none."""
        return self._edited(ref, None)

    def _edited(self, ref: Ref, view: View | None) -> "Snapshot":
        attribute = _MAPPING_OF.get(ref.kind)
        if attribute is None:
            return self
        key, table = (ref.namespace, ref.name), _state(getattr(self, attribute))
        old = table.get(key)
        if old is view or (old is not None and view is not None and same_content(old, view)):
            return self
        tables: dict[str, Any] = {attribute: table.with_row(key, view)}
        if isinstance(old, EndpointSlice) or isinstance(view, EndpointSlice):
            tables["slices_of"] = _reindexed(_state(self.slices_of), old, _slice(view))
        return replace(self, edits=self.edits | {ref}, **tables)

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
        self._slices_of: Slices = State()
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
            self._slices_of = _reindexed(self._slices_of, old, view)
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
            self._slices_of = _reindexed(self._slices_of, old, None)
        self._changed(ref)
        return True

    def snapshot(self) -> Snapshot:
        """The same value until the next change."""
        if self._snapshot is None:
            tables: dict[str, Any] = {"slices_of": self._slices_of, **self._tables}
            self._snapshot = Snapshot(revision=self._log.revision, log=self._log, **tables)
        return self._snapshot

    def _changed(self, ref: Ref) -> None:
        self._log.add(ref)
        self._snapshot = None


Slices = State[Key, tuple[EndpointSlice, ...]]
"""By (namespace, Service name)."""


def _state(table: Mapping[Key, Any]) -> State[Key, Any]:
    return table if isinstance(table, State) else State(dict(table))


def _slice(view: View | None) -> EndpointSlice | None:
    return view if isinstance(view, EndpointSlice) else None


def _reindexed(slices: Slices, old: EndpointSlice | None, new: EndpointSlice | None) -> Slices:
    """`new` in the place of `old`, which may have been another Service's; None: there is none."""
    for key in dict.fromkeys((piece.meta.ref.namespace, piece.service) for piece in (old, new) if piece is not None):
        pieces = [s for s in slices.get(key) or () if old is None or s.meta.ref != old.meta.ref]
        if new is not None and new.service == key[1]:
            pieces.append(new)
            pieces.sort(key=lambda s: s.meta.ref.name)
        slices = slices.with_row(key, tuple(pieces) or None)
    return slices


def same_content(old: View, new: View) -> bool:
    """Whether the two are equal but for metadata's version."""
    if old.meta.version != new.meta.version:
        new = replace(new, meta=replace(new.meta, version=old.meta.version))
    return old == new
