"""A split without shared memory: enough of srn_decide to see what a picker asks and what it makes of the answers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from serin.dataplane.proxy.auth import Authenticator
from serin.dataplane.proxy.exchange import Client, RequestHead
from serin.dataplane.proxy.gate import Gate
from serin.dataplane.proxy.runtime import Workshop, make_ready
from serin.dataplane.proxy.site import LoadedHosts, Site
from serin.errors import SerinError
from serin.native.worker import DECIDED, EXACT, KEYED, NO_ENDPOINT, STICKY, VERSION_ONLY
from serin.render.documents import Index
from serin.routing.match import host_names
from serin.routing.plan import Globals, Host
from serin.routing.search import Spans

BY_DEFAULT, BY_CALLER, BY_WEIGHT = 0, 1, 2


@dataclass
class FakeChoice:
    version: int
    reason: int
    endpoint: int = 0
    exact: bool = False
    address: str = "192.0.2.1"
    port: int = 80
    finished: list[tuple[int, bool]] = field(default_factory=list)
    excused: bool = False

    def retry(self) -> "FakeChoice | None":
        return None

    def follow(self) -> int:
        return DECIDED

    def excuse(self) -> None:
        self.excused = True

    def done(self, status: int, *, failed: bool = False) -> None:
        self.finished.append((status, failed))

    def over(self, status: int, /, *_measured: object) -> bool:
        self.done(status)
        return False


@dataclass
class FakeSplit:
    """`endpoints` has the idents of each version's endpoints; `drawn` is the version that the next draw gives."""

    endpoints: Sequence[Sequence[int]]
    drawn: int = 0
    weighted: bool = True
    turn: int = 0
    asked: list[tuple[int, int, int, int]] = field(default_factory=list)
    users: list[int] = field(default_factory=list)

    def decide(
        self, forced: int = -1, excluded: int = 0, key: int = 0, flags: int = 0, user: int = 0
    ) -> FakeChoice | int:
        self.asked.append((forced, excluded, key, flags & ~DECIDED))
        self.users.append(user)
        ready = [v for v, ends in enumerate(self.endpoints) if ends and not excluded >> v & 1]
        if forced >= 0:
            if forced not in ready:
                return NO_ENDPOINT
            version, reason = forced, BY_CALLER
        elif not ready:
            return NO_ENDPOINT
        else:
            version = self.drawn if self.drawn in ready else ready[0]
            reason = BY_WEIGHT if len(ready) > 1 and self.weighted else BY_DEFAULT
        if flags & VERSION_ONLY:
            return FakeChoice(version, reason)
        ends = self.endpoints[version]
        exact = bool(flags & EXACT) and key in ends
        if exact:
            endpoint = key
        elif flags & (STICKY | KEYED):
            endpoint = ends[key % len(ends)]
        else:
            self.turn += 1
            endpoint = ends[self.turn % len(ends)]
        return FakeChoice(version, reason, endpoint, exact)


def hashed(data: bytes) -> int:
    """Stable, and small enough to be read in a failing test."""
    return sum(data) + 1


def request(
    target: bytes = b"/",
    *headers: tuple[bytes, bytes],
    host: str = "shop.example",
    method: str = "GET",
    length: int = 0,
    host_header: bytes | None = None,
) -> RequestHead:
    sent = host.encode() if host_header is None else host_header
    every = [(b"Host", sent), *headers]
    return RequestHead(
        method=method,
        target=target,
        host=host,
        host_header=sent,
        http10=False,
        headers=every,
        lower=[name.lower() for name, _ in every],
        content_length=length,
        upgrade=b"",
        expect_continue=False,
    )


def client(*, tls: bool = False, address: str = "192.0.2.7") -> Client:
    return Client(address, 40000, tls, 443 if tls else 80)


class RePattern:
    """Python's re in the place of PCRE: the same for the patterns that these tests use."""

    def __init__(self, text: str, *, ignore_case: bool = False, anchored: bool = False) -> None:
        try:
            compiled = re.compile(text.encode(), re.IGNORECASE if ignore_case else 0)
        except re.error as error:
            raise SerinError(str(error)) from error
        self._search = compiled.match if anchored else compiled.search

    def search(self, subject: bytes, /) -> Spans | None:
        found = self._search(subject)
        return None if found is None else tuple(found.span(n) for n in range(len(found.groups()) + 1))


@dataclass
class FakeSplits:
    """One endpoint for each version of every split, unless `empty` names the split."""

    empty: set[str] = field(default_factory=set)
    made: dict[str, FakeSplit] = field(default_factory=dict)

    def split(self, split_id: str, shape: tuple[str, ...], /) -> FakeSplit:
        ends = [[] if split_id in self.empty else [n + 1] for n in range(len(shape))]
        return self.made.setdefault(split_id, FakeSplit(ends))


@dataclass
class Served:
    """A gate over a plan that never touches a file. `doubts`: what it found to be out of date."""

    gate: Gate
    splits: FakeSplits
    auth: Authenticator
    doubts: list[str]


def serve(
    *hosts: Host,
    settings: Globals | None = None,
    users: bytes = b"",
    empty: tuple[str, ...] = (),
    asks: Any = None,
    counts: Any = None,
) -> Served:
    plan = {host.name: host for host in hosts}
    names = {name: host.name or "everything" for name, host in host_names(plan).items()}
    documents = {host.name or "everything": host for host in hosts}
    splits = FakeSplits(set(empty))
    workshop = Workshop(splits, RePattern, hashed, lambda: 0.0)
    loaded = LoadedHosts(lambda digest: make_ready(documents[digest], workshop), workshop)
    site = Site(Index(1, names, {}, (), settings or Globals()), loaded)
    auth = Authenticator(lambda digest: users, compare=lambda stored, given: stored == "{PLAIN}" + given.decode())
    doubts: list[str] = []
    gate = Gate(site, lambda status: b"page %d" % status, auth, hashed, doubts.append, asks, counts)
    return Served(gate, splits, auth, doubts)
