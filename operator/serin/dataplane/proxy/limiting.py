"""Limits of one client's requests and connections, counted over all workers in shared memory (serin.native.limits).

Who is refused, and with which status; a request that was let in holds its place until its exchange is over. Where the
counts cannot be had, everybody with a limit is refused.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from serin.dataplane.proxy.exchange import Choice, Client
from serin.dataplane.proxy.networks import networks
from serin.routing.access import Limits
from serin.routing.wide import Globals

UNCOUNTED = 503
"""Without shared memory nobody knows how much a client has asked for."""


class Counts(Protocol):
    """serin.native.limits.Limits."""

    def requests(self, zone: int, key: int, rates: Sequence[tuple[int, int]]) -> bool: ...
    def enter(self, zone: int, key: int, most: int) -> bool: ...
    def leave(self, zone: int, key: int) -> None: ...


class Place:
    """One request that counts as a connection until `leave`; leaving again is nothing.

    A place that is forgotten is left, too: a client may be gone before what waits for it has even begun.
    """

    __slots__ = ("_counts", "_key", "_zone")

    def __init__(self, counts: Counts, zone: int, key: int) -> None:
        self._counts: Counts | None = counts
        self._zone = zone
        self._key = key

    def leave(self) -> None:
        counts, self._counts = self._counts, None
        if counts is not None:
            counts.leave(self._zone, self._key)

    def __del__(self) -> None:
        self.leave()


class ReadyLimits:
    """Of one route."""

    __slots__ = ("_most", "_rates", "_spared", "_zone")

    def __init__(self, limits: Limits) -> None:
        self._zone = int(limits.zone, 16)
        thousandths = ((limits.rps, limits.rps * 1000), (limits.rpm, limits.rpm * 1000 // 60))
        self._rates = tuple((milli, rate * limits.burst) for rate, milli in thousandths if rate)
        self._most = limits.connections
        self._spared = networks(limits.spared) if limits.spared else None

    def take(self, counts: Counts | None, client: Client, key: int, settings: Globals) -> Place | int | None:
        """None: let in. A place is to be left when the request is over; a number is the status of the refusal."""
        if self._spared is not None and client.address in self._spared:
            return None
        if counts is None:
            return UNCOUNTED
        if self._rates and not counts.requests(self._zone, key, self._rates):
            return settings.limit_req_status
        if not self._most:
            return None
        if not counts.enter(self._zone, key, self._most):
            return settings.limit_conn_status
        return Place(counts, self._zone, key)


class PlacedChoice:
    """A choice whose end also frees the request's place."""

    __slots__ = ("_choice", "_place", "address", "endpoint", "port")

    def __init__(self, choice: Choice, place: Place) -> None:
        self._place = place
        self._take(choice)

    def _take(self, choice: Choice) -> None:
        self._choice = choice
        self.address, self.port, self.endpoint = choice.address, choice.port, choice.endpoint

    def __getattr__(self, name: str) -> Any:
        return getattr(self._choice, name)

    def retry(self) -> Choice | None:
        choice = self._choice.retry()
        if choice is None:
            return None
        self._take(choice)
        return self

    def done(self, status: int, *, failed: bool = False) -> None:
        try:
            self._choice.done(status, failed=failed)
        finally:
            self._place.leave()
