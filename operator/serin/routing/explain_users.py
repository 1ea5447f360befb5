"""What an explanation says of rollouts and users: where a run stands, and which version a user's key chooses.

The key is read, hashed and compared as the data planes do it (user_split). Where it is missing the request is drawn,
and the explanation says so instead of choosing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serin.refs import Source
from serin.routing.conditions import Subject, cookie_of, header_of
from serin.routing.explanation import Note
from serin.routing.plan import Route, Split, SplitBy, SplitKind
from serin.routing.user_split import choose

Hash64 = Callable[[bytes], int]
"""The hash of a user's key (native.hashing.hash64, or its twin)."""


@dataclass(frozen=True, slots=True)
class Run:
    """Where the rollout of a CanaryRoute stands: `version` by name, `text` such as `run of revision 1.8.2, step 3/5`.

    `taken_back`: why it gets no request at all, empty while it may.
    """

    version: str
    text: str
    taken_back: str = ""
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Keyed:
    """`version` is an index, or -1 where the request has no key; `user` names and shows the key, or is empty."""

    version: int
    note: Note
    user: str = ""


def keyed(route: Route, split: Split, subject: Subject, there: Sequence[bool], hash64: Hash64 | None) -> Keyed | None:
    """Which version the user's key chooses, of those that are there. None: users have none here."""
    by = route.split_by
    if by is None or split.salts is None or hash64 is None:
        return None
    value = user_key(by, subject)
    shown = {SplitKind.COOKIE: f"cookie {by.name}", SplitKind.HEADER: f"header {by.name}"}.get(
        by.kind, "client address"
    )
    if not value:
        instead = "is drawn by itself"
        if by.kind is SplitKind.COOKIE:
            instead = f"is given one, whose random value chooses and is kept for {by.ttl} s"
        return Keyed(-1, Note(f"no {shown} came: the request {instead}", by.source))
    first = split.shape.index(split.first) if split.first in split.shape else -1
    weights = [share.weight for share in split.shares]
    index = choose(hash64(value) or 1, split.salts, weights, first, there)
    if index < 0:
        return None
    user = f"{shown} {value.decode('utf-8', 'replace')}"
    return Keyed(index, Note(f"the user ({user}) is one of {route.versions[index].name}'s", by.source), user)


def user_key(by: SplitBy, subject: Subject) -> bytes | None:
    """The text that a user is known by; None or empty: there is none."""
    match by.kind:
        case SplitKind.COOKIE:
            return cookie_of(by.name)(subject)
        case SplitKind.HEADER:
            return header_of(by.name)(subject)
        case SplitKind.CLIENT:
            return subject.client.encode()
