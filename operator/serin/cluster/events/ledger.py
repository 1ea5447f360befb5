"""Which Events are due: what is there, for how long, and what was told of it when. Pure, the clock is an argument.

A problem is told when it has lasted a moment, because objects that belong together are applied one after the other.
It is told again shortly before its Event would expire, and counted on when it went away and returned. All times are
seconds of one clock that never goes back.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from serin.cluster.events.notes import About, Note
from serin.cluster.pace import TokenBucket

LASTING = 2.0
"""Seconds that a problem must last before it is told."""
REPEAT = 60.0
"""Seconds between two writes of one Event, however often a problem comes and goes."""
LIFE = 3600.0
"""Seconds that the API server keeps an Event after its last write (--event-ttl)."""
REMIND = 50 * 60.0
"""Seconds after which a problem that lasts is told again, while its Event is still there to be counted on."""
PER_OBJECT_BURST = 25
PER_OBJECT_EVERY = 60.0
"""One object gets so many Events at once, then one in so many seconds."""
RETRY, LONGEST_RETRY = 5.0, 300.0
WAITING_SYNCS = 200
"""Events of type Normal that wait at most; more are dropped, for they say nothing that needs to be known."""
WAITING_PASSING = 2000
"""What happened in rollouts, as far as it waits: an outage of the API server must not fill memory."""


class Urgency(IntEnum):
    ERROR = 0
    WARNING = 1
    RETURNED = 2
    REMINDER = 3
    NORMAL = 4


@dataclass(frozen=True, slots=True)
class Told:
    """An Event that is in the API server: its name, its count and when it was written last."""

    name: str
    count: int
    at: float


@dataclass(frozen=True, slots=True)
class Write:
    """`told` None: make a new Event with this count; else count that one on to it."""

    note: Note
    count: int
    first: float
    told: Told | None
    urgency: Urgency


@dataclass(slots=True)
class _Entry:
    first: float
    since: float
    """Of the spell that goes on, or was the last."""
    waiting: int = 1
    """Spells, or occurrences, that no Event counts yet."""
    active: bool = True
    told: Told | None = None
    failures: int = 0
    not_before: float = 0.0


@dataclass(slots=True)
class _Due:
    ready: list[tuple[Urgency, float, Note]] = field(default_factory=list)
    next_at: float | None = None

    def later(self, at: float) -> None:
        self.next_at = at if self.next_at is None else min(self.next_at, at)


class Ledger:
    def __init__(self) -> None:
        self._entries: dict[Note, _Entry] = {}
        self._current: frozenset[Note] = frozenset()
        self._objects: dict[About, TokenBucket] = {}
        self._waiting: Counter[bool] = Counter()
        """Of what does not last: `passing` notes, and all others."""
        self.dropped = 0
        self.waiting = 0
        """Notes that were due at the last look and could not be told yet."""

    def observe(self, notes: Collection[Note], now: float) -> None:
        """All problems there are now."""
        current = frozenset(notes)
        for note in self._current - current:
            self._gone(note, now)
        for note in current - self._current:
            entry = self._entries.get(note)
            if entry is None:
                self._entries[note] = _Entry(now, now)
            else:
                entry.active, entry.since = True, now
                entry.waiting += 1
        self._current = current

    def happened(self, notes: Iterable[Note], now: float) -> None:
        """Things that do not last. More of them than can be told are dropped, each sort by itself."""
        for note in notes:
            entry, sort = self._entries.get(note), note.passing
            if entry is not None:
                if not entry.waiting:
                    self._waiting[sort] += 1
                entry.waiting += 1
                if note.passing:  # a former leader may have told the same, and of that it is not known any more
                    del self._entries[note]
                    self._entries[note] = entry
                    entry.since, entry.active = now, True
            elif self._waiting[sort] >= (WAITING_PASSING if sort else WAITING_SYNCS):
                self.dropped += 1
            else:
                self._waiting[sort] += 1
                self._entries[note] = _Entry(now, now)

    def seed(self, told: Iterable[tuple[Note, Told]]) -> None:
        """What the API server has of former leaders, or of ourselves: that is counted on and not told again.

        What is due already stays so; a problem that somebody told and that still lasts needs nothing.
        """
        for note, event in told:
            entry = self._entries.get(note)
            if entry is None:
                self._entries[note] = _Entry(event.at, event.at, 0, active=False, told=event)
            elif entry.told is None or entry.told.at < event.at:
                entry.told = event
                entry.waiting = 0 if note.warning else entry.waiting

    def due(self, now: float, limit: int) -> tuple[list[Write], float | None]:
        """At most `limit` writes, the most urgent first, and when there will be others if nothing changes.

        Of an object no more than it may get; what counts is what is written, so that an outage uses nothing up.
        """
        due = self._look(now)
        due.ready.sort(key=lambda item: item[:2])
        self.waiting = len(due.ready)
        writes: list[Write] = []
        chosen: Counter[About] = Counter()
        for urgency, _, note in due.ready:
            if len(writes) >= limit:
                break
            if note.warning and not note.passing:
                bucket = self._bucket(note.about)
                if bucket.available(now) <= chosen[note.about]:
                    due.later(now + (bucket.wait(now) or RETRY))
                    continue
                chosen[note.about] += 1
            entry = self._entries[note]
            before = entry.told.count if entry.told else 0
            count = before + (entry.waiting or 1)
            writes.append(Write(note, count, entry.first, entry.told, urgency))
        if len(writes) < len(due.ready) and len(writes) == limit:
            due.later(now)
        return writes, due.next_at

    def written(self, write: Write, told: Told) -> None:
        lasts = write.note.warning and not write.note.passing
        if lasts:
            self._bucket(write.note.about).take(told.at)
        entry = self._entries.get(write.note)
        if entry is None:
            return
        if not lasts and entry.waiting:
            self._waiting[write.note.passing] -= 1
            entry.active = False
        entry.told, entry.waiting, entry.failures, entry.not_before = told, 0, 0, 0.0

    def expired(self, write: Write) -> None:
        """The Event is not there any more: the next write makes it anew, and counts on."""
        entry = self._entries.get(write.note)
        if entry is not None and entry.told is not None:
            entry.waiting += entry.told.count
            entry.told = None

    def failed(self, write: Write, now: float) -> None:
        """Try again later, and then later still."""
        entry = self._entries.get(write.note)
        if entry is not None:
            entry.failures += 1
            entry.not_before = now + min(LONGEST_RETRY, RETRY * 2 ** min(entry.failures - 1, 10))

    def prune(self, now: float) -> None:
        """Forget what is over, and whose Events the API server has forgotten."""
        for note, entry in list(self._entries.items()):
            over = entry.told is not None and now >= entry.told.at + LIFE
            if over and not (entry.active and note.warning) and not entry.waiting:
                del self._entries[note]
        self._objects = {
            about: bucket for about, bucket in self._objects.items() if bucket.available(now) < PER_OBJECT_BURST
        }

    def _gone(self, note: Note, now: float) -> None:
        entry = self._entries.get(note)
        if entry is None:
            return
        entry.active = False
        if now < entry.since + LASTING and entry.waiting:
            entry.waiting -= 1  # it never was a problem
        if entry.told is None:
            del self._entries[note]

    def _look(self, now: float) -> _Due:
        due = _Due()
        for note, entry in self._entries.items():
            at = self._due_at(note, entry)
            if at is None:
                continue
            if at > now:
                due.later(at)
            else:
                due.ready.append((_urgency(note, entry), entry.since, note))
        return due

    def _due_at(self, note: Note, entry: _Entry) -> float | None:
        """None: not before something changes."""
        if note.warning and not entry.active:
            return None
        if entry.waiting:
            at = entry.since + LASTING if note.warning and not note.passing else entry.since
            if entry.told is not None:
                at = max(at, entry.told.at + REPEAT)
        elif entry.told is not None and note.warning and not note.passing:
            at = entry.told.at + REMIND
        else:
            return None
        return max(at, entry.not_before)

    def _bucket(self, about: About) -> TokenBucket:
        return self._objects.setdefault(about, TokenBucket(1 / PER_OBJECT_EVERY, PER_OBJECT_BURST))


def _urgency(note: Note, entry: _Entry) -> Urgency:
    if note.passing:
        return Urgency.WARNING  # in the order in which they happened
    if not note.warning:
        return Urgency.NORMAL
    if entry.told is None:
        return Urgency.ERROR if note.error else Urgency.WARNING
    return Urgency.RETURNED if entry.waiting else Urgency.REMINDER
