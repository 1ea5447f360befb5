"""What the watch missed, found by comparing a kind's list with what is known. Pure: lists and times come as arguments.

After a re-list kopf says nothing of the objects that vanished meanwhile: they would be served for ever. And a watch may
be dead without anybody noticing. The one is repaired here, the other is said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from serin.cluster.inventory import Entry, is_newer
from serin.refs import Ref

Identity = tuple[str, str]
"""uid and resourceVersion."""

MOST_SHARE = 0.5
MOST_COUNT = 20
"""More ghosts than both, of one kind at once, are doubted: the list may be what is wrong."""
AGREED_AFTER = 30.0
AGREED_AUDITS = 3
"""So many audits in a row, over so many seconds, have to agree before doubted ghosts are removed."""
DEAD_AFTER = 4.0
"""Seconds that an object may be known to the list and not to us before the watch counts as dead."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`ghosts` are known and not in the list. `behind`: in the list, and unknown or known in an older version.

    `known` is how many objects of the kind were compared. `rewound`: in the list in an older version than was known
    before it, which is not possible unless the API server's data went back in time.
    """

    ghosts: frozenset[Ref]
    behind: Mapping[Ref, Identity]
    known: int
    rewound: frozenset[Ref] = frozenset()


class Comparison:
    """Of what is known with a list that comes in pages.

    Begun before the list is asked for: what is told later is left alone.
    """

    def __init__(self, entries: Mapping[Ref, Entry]) -> None:
        self._entries = entries
        self._unseen = set(entries)
        self._known = len(entries)
        self._behind: dict[Ref, Identity] = {}
        self._older: dict[Ref, Identity] = {}

    def page(self, listed: Mapping[Ref, Identity]) -> None:
        self._unseen -= listed.keys()
        for ref, identity in listed.items():
            entry = self._entries.get(ref)
            if is_behind(entry, identity):
                self._behind[ref] = identity
            elif entry is not None and is_newer(entry.version, identity[1]):
                self._older[ref] = identity

    def difference(self, began: int, entries: Mapping[Ref, Entry] | None = None) -> Difference:
        """`began` is the inventory's sequence from when this was begun; `entries`: what is known by now, where what was
        given first does not tell.
        """
        entries = self._entries if entries is None else entries
        ghosts = frozenset(
            ref for ref in self._unseen if (entry := entries.get(ref)) is not None and entry.sequence <= began
        )
        behind = {ref: listed for ref, listed in self._behind.items() if is_behind(entries.get(ref), listed)}
        rewound = frozenset(
            ref
            for ref, (_, version) in self._older.items()
            if (entry := entries.get(ref)) is not None and entry.sequence <= began and is_newer(entry.version, version)
        )
        return Difference(ghosts, behind, self._known, rewound)


def is_behind(entry: Entry | None, listed: Identity) -> bool:
    """Whether what is known is older than what was listed, as far as that can be said."""
    if entry is None:
        return True
    uid, version = listed
    if version and not entry.version:  # history began anew: whatever is listed counts
        return True
    if (entry.uid, entry.version) == (uid, version) or is_newer(entry.version, version):
        return False
    return is_newer(version, entry.version) or entry.uid != uid


def is_rewound(entries: Iterable[Entry], version: str, began: int) -> bool:
    """The list is of an older version than an object known before it: the API server's data is from a backup."""
    return any(entry.sequence <= began and is_newer(entry.version, version) for entry in entries)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`again`: this kind wants another audit soon."""

    remove: tuple[Ref, ...] = ()
    doubted: int = 0
    dead: tuple[Ref, ...] = ()
    again: bool = False


@dataclass(slots=True)
class Auditor:
    """Of one kind: what the audits before this one found."""

    _behind: dict[Ref, tuple[Identity, float]] = field(default_factory=dict)
    """With the time since when."""
    _doubted: frozenset[Ref] = frozenset()
    _doubted_since: float = 0.0
    _agreed: int = 0

    def judge(self, difference: Difference, entries: Mapping[Ref, Entry], now: float) -> Verdict:
        dead = self._dead(difference, entries, now)
        ghosts = difference.ghosts
        if len(ghosts) > MOST_COUNT and len(ghosts) > MOST_SHARE * difference.known:
            ghosts = self._believed(ghosts, now)
            if not ghosts:
                return Verdict(doubted=len(self._doubted), dead=dead, again=True)
        self._doubted, self._agreed = frozenset(), 0
        return Verdict(remove=tuple(sorted(ghosts)), dead=dead, again=bool(self._behind))

    def _believed(self, ghosts: frozenset[Ref], now: float) -> frozenset[Ref]:
        """Those that all audits in a row called ghosts, when these were enough; else none."""
        if not self._agreed or not self._doubted & ghosts:
            self._doubted, self._doubted_since, self._agreed = ghosts, now, 1
        else:
            self._doubted, self._agreed = self._doubted & ghosts, self._agreed + 1
        agreed = self._agreed >= AGREED_AUDITS and now - self._doubted_since >= AGREED_AFTER
        return self._doubted if agreed else frozenset()

    def _dead(self, difference: Difference, entries: Mapping[Ref, Entry], now: float) -> tuple[Ref, ...]:
        """Objects that the watch should have told of long ago."""
        before, self._behind = self._behind, {}
        dead = []
        for ref, identity in difference.behind.items():
            first, since = before.get(ref, (identity, now))
            # It may change often: what counts is whether the version of back then was told of by now.
            if not is_behind(entries.get(ref), first):
                first, since = identity, now
            self._behind[ref] = (first, since)
            if now - since >= DEAD_AFTER:
                dead.append(ref)
        if dead:
            self._behind = {}
        return tuple(sorted(dead))
