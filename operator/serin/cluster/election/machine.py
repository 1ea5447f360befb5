"""What to do about the Lease, decided from what was seen of it and when. Pure: the clock is an argument.

Times are those of our own monotonic clock, in seconds. What others wrote as a time is never compared with anything: a
holder is alive as long as its record keeps changing before our eyes, as client-go judges it.
"""

from dataclasses import dataclass, field

RENEW_DEADLINE = 0.5
"""Part of the ttl after which a leader whose renewals fail stops to lead: others wait for a whole one."""
ATTEMPTS = 0.25
"""Part of the ttl between two attempts, to renew or to acquire."""


@dataclass(frozen=True, slots=True)
class Terms:
    """`identity` is ours. `ttl` in seconds is what others wait before they take over."""

    identity: str
    ttl: float = 30.0

    @property
    def renew_deadline(self) -> float:
        return self.ttl * RENEW_DEADLINE

    @property
    def attempt_every(self) -> float:
        return self.ttl * ATTEMPTS


@dataclass(frozen=True, slots=True)
class Record:
    """A Lease's spec as it was read. `renewed` and `acquired` are texts: compared, never read as times."""

    holder: str = ""
    ttl: float = 0.0
    transitions: int = 0
    acquired: str = ""
    renewed: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What we know of the Lease. `record` is None when there is none; `since` is when we first saw it like that.

    `renewed_at`: when the write that last made or kept us the holder was begun; None while we are not.
    """

    record: Record | None = None
    since: float = 0.0
    renewed_at: float | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """There is no Lease: make one that is ours."""


@dataclass(frozen=True, slots=True)
class Acquire:
    """Write ourselves in as the holder, `transitions` counted up."""

    transitions: int


@dataclass(frozen=True, slots=True)
class Renew:
    """The Lease is ours: write that we live."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Another one holds it. `until`: when it counts as dead, unless it is seen to change before."""

    until: float
    holder: str = field(default="")


Action = Create | Acquire | Renew | Wait


def observe(seen: Seen, record: Record | None, identity: str, now: float) -> Seen:
    """`record` was read at `now`. Whoever else holds it has ended our leadership."""
    ours = record is not None and record.holder == identity
    renewed_at = seen.renewed_at if ours else None
    if record is not None and record == seen.record:
        return Seen(record, seen.since, renewed_at)
    return Seen(record, now, renewed_at)


def written(record: Record, begun: float) -> Seen:
    """The API server took our record; `begun` is when the call was made, so that we count no longer than others do."""
    return Seen(record, begun, begun)


def decide(seen: Seen, terms: Terms, now: float) -> Action:
    record = seen.record
    if record is None:
        return Create()
    if record.holder == terms.identity:
        return Renew()
    until = seen.since + (record.ttl or terms.ttl)
    if record.holder and now < until:
        return Wait(until, record.holder)
    return Acquire(record.transitions + 1)


def is_leading(seen: Seen, terms: Terms, now: float) -> bool:
    """Our last renewal is young enough, whatever has been tried since."""
    return seen.renewed_at is not None and now < seen.renewed_at + terms.renew_deadline


def next_attempt(seen: Seen, terms: Terms, now: float, random: float) -> float:
    """Seconds until the next attempt; `random` in [0, 1).

    A holder tries early rather than late, and sooner after a failure; candidates late and not all at once, but soon
    after the time of a dead holder is over.
    """
    if seen.renewed_at is not None:
        failed = now >= seen.renewed_at + terms.attempt_every * 0.8
        return terms.attempt_every * (0.25 * (1.0 + random) if failed else 1.0 - 0.2 * random)
    every = terms.attempt_every * (1.0 + 0.2 * random)
    action = decide(seen, terms, now)
    if isinstance(action, Wait):
        return min(every, action.until - now + terms.attempt_every * 0.1 * random)
    return every
