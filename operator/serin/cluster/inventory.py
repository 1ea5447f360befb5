"""Which objects are known, in which version: what makes sense of events that come late, twice or out of order.

Pure. Holds no views: those go on at once. Versions are compared where they are numbers (KEP-5504), for the API server
gives all objects of a kind ascending ones; else the last word counts.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from serin.cluster.scope import Feed
from serin.cluster.told import Address
from serin.problems import Problem
from serin.refs import Ref

_T = TypeVar("_T")

_BURIED = 4096
"""Deletions that are remembered, so that an older answer that was under way does not bring the object back."""


@dataclass(slots=True)
class Entry:
    """`sequence` says when the object was last told of, against the inventory's own count."""

    uid: str
    version: str
    sequence: int
    feed: Feed


class Inventory:
    def __init__(self) -> None:
        self.sequence = 0
        self._entries: dict[str, dict[Ref, Entry]] = {}
        self._buried: OrderedDict[Ref, str] = OrderedDict()
        self._problems: dict[Ref, tuple[Problem, ...]] = {}
        self._all_problems: tuple[Problem, ...] | None = ()
        self._addresses: dict[Ref, tuple[Address, ...]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Those that have, or had, objects."""
        return tuple(sorted(self._entries))

    def find(self, ref: Ref) -> Entry | None:
        return self._entries.get(ref.kind, {}).get(ref)

    def knows(self, ref: Ref, uid: str, version: str) -> bool:
        """In just that version. May be asked by any thread."""
        entry = self.find(ref)
        return entry is not None and entry.uid == uid and entry.version == version

    def entries(self, kind: str) -> Mapping[Ref, Entry]:
        return self._entries.get(kind, {})

    def addresses(self, ref: Ref) -> tuple[Address, ...]:
        return self._addresses.get(ref, ())

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Of all objects, sorted."""
        if self._all_problems is None:
            self._all_problems = tuple(sorted({p for problems in self._problems.values() for p in problems}))
        return self._all_problems

    def put(self, feed: Feed, ref: Ref, uid: str, version: str) -> bool:
        """The object as it is in that version; False when that, or something newer, is known already."""
        self.sequence += 1
        old = self.find(ref)
        if old is None:
            buried = self._buried.get(ref)
            if buried is not None and not is_newer(version, buried):
                return False
            self._buried.pop(ref, None)
            self._entries.setdefault(ref.kind, {})[ref] = Entry(uid, version, self.sequence, feed)
            return True
        if is_newer(old.version, version):
            return False
        news = (old.uid, old.version) != (uid, version)
        old.uid, old.version, old.sequence, old.feed = uid, version, self.sequence, feed
        return news

    def delete(self, ref: Ref, uid: str, version: str) -> bool:
        """The object is gone since that version; False when it is not known, or what is known came after it."""
        self.sequence += 1
        old = self.find(ref)
        if old is None:
            self._bury(ref, version)
            return False
        if is_newer(old.version, version) or (old.uid != uid and not is_newer(version, old.version)):
            return False
        self.remove(ref)
        self._bury(ref, version)
        return True

    def remove(self, ref: Ref) -> bool:
        """Whatever is known of it; it may come back in any version."""
        known = self._entries.get(ref.kind, {}).pop(ref, None)
        self.describe(ref, (), ())
        return known is not None

    def describe(self, ref: Ref, problems: tuple[Problem, ...], addresses: tuple[Address, ...]) -> None:
        """What the version that was put last says beside its view."""
        if problems != self._problems.get(ref, ()):
            self._all_problems = None
        _keep(self._problems, ref, problems)
        _keep(self._addresses, ref, addresses)

    def forget_versions(self, refs: Iterable[Ref]) -> None:
        """The API server's history began anew, at lower numbers: whatever comes next counts."""
        for ref in refs:
            entry = self.find(ref)
            if entry is not None:
                entry.version = ""
        self._buried.clear()

    def exhume(self, refs: Iterable[Ref]) -> None:
        """They are there, whatever was told of their end: it was the end of something else, before a backup."""
        for ref in refs:
            self._buried.pop(ref, None)

    def _bury(self, ref: Ref, version: str) -> None:
        if not is_newer(self._buried.get(ref, ""), version):
            self._buried[ref] = version
        self._buried.move_to_end(ref)
        if len(self._buried) > _BURIED:
            self._buried.popitem(last=False)


def is_newer(version: str, other: str) -> bool:
    """False also when that cannot be said."""
    if not (version.isdecimal() and other.isdecimal()):
        return False
    return (len(version), version) > (len(other), other)


def _keep(mapping: dict[Ref, tuple[_T, ...]], ref: Ref, values: tuple[_T, ...]) -> None:
    if values:
        mapping[ref] = values
    else:
        mapping.pop(ref, None)
