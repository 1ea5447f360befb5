"""The Lease in the API server: reads it, writes it, as machine.py decides. Never raises; what fails is tried again.

Whoever writes asks `leading` before each write: it turns false by itself, without any answer from anywhere, before
another replica can take over.
"""

import asyncio
import copy
import datetime as dt
import logging
import random as randomness
import time
from collections.abc import Callable
from typing import Any

from serin.cluster.api import Api, ApiError, ApiUnreachableError
from serin.cluster.election.machine import (
    Acquire,
    Action,
    Create,
    Record,
    Seen,
    Terms,
    Wait,
    decide,
    is_leading,
    next_attempt,
    observe,
    written,
)
from serin.cluster.kinds import LEASE
from serin.telemetry import log
from serin.telemetry.figure import Figure

LONGEST_CALL = 5.0
"""Seconds for one call, less with a short ttl: a slow answer must not use up the time in which others still wait."""
_MICRO_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"

_log = logging.getLogger("serin.cluster.election")


class Election:
    """`name` is --election-id. `ttl` in seconds; two thirds of it is about the longest time without a leader."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        identity: str,
        *,
        ttl: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        self.identity = identity
        self._api = api
        self._folder = LEASE.path(namespace)
        self._path = LEASE.path(namespace, name)
        self._name = name
        self._terms = Terms(identity, ttl)
        self._clock = clock
        self._random = random
        self._seen = Seen()
        self._object: dict[str, Any] | None = None
        """As read or written last; None: it must be read again."""
        self._was_leading = False
        self._closed = False
        self._failure = ""
        self._renewals = self._failures = self._acquisitions = 0

    @property
    def leading(self) -> bool:
        """May be asked at any time, and costs nothing."""
        return not self._closed and is_leading(self._seen, self._terms, self._clock())

    @property
    def holder(self) -> str:
        """As seen last; empty when nobody holds the Lease or it was not read yet."""
        return self._seen.record.holder if self._seen.record else ""

    async def run(self) -> None:
        """Until cancelled, or released."""
        while not self._closed:
            await self.attempt()
            wait = next_attempt(self._seen, self._terms, self._clock(), self._random())
            await self._sleep(max(0.0, wait))

    async def attempt(self) -> None:
        """One round: read the Lease unless we know it, and write it if that is our turn."""
        try:
            async with asyncio.timeout(min(LONGEST_CALL, self._terms.attempt_every)):
                await self._attempt()
            self._failure = ""
        except (ApiError, ApiUnreachableError, TimeoutError) as error:
            self._failed(error)
        self._tell()

    async def release(self) -> None:
        """Stop to lead at once and for good; a holder empties the Lease, so that a successor need not wait.

        Takes 5 seconds at most.
        """
        self._closed = True
        self._tell()
        try:
            async with asyncio.timeout(LONGEST_CALL):
                # A renewal may be under way, or have been cut off: then there is another version of it.
                while not await self._empty():
                    pass
        except (ApiError, ApiUnreachableError, TimeoutError) as error:
            self._failed(error)

    def figures(self) -> list[Figure]:
        return [
            Figure("leader", "gauge", "1 while this replica is the one that writes.", float(self.leading)),
            Figure("lease_acquisitions_total", "counter", "Times that this replica became leader.", self._acquisitions),
            Figure("lease_renewals_total", "counter", "Renewals of the Lease.", self._renewals),
            Figure("lease_failures_total", "counter", "Attempts at the Lease that failed.", self._failures),
        ]

    async def _attempt(self) -> None:
        if self._object is None or self._seen.renewed_at is None:
            await self._read()
        action = decide(self._seen, self._terms, self._clock())
        if isinstance(action, Wait):
            return
        try:
            await self._write(action)
        except ApiError as error:
            # Somebody else was faster, or wrote to it: look at once what is there now.
            if error.status not in (404, 409):
                raise
            self._object = None
            await self._read()
            action = decide(self._seen, self._terms, self._clock())
            if not isinstance(action, Wait):
                await self._write(action)

    async def _empty(self) -> bool:
        """False: it changed meanwhile."""
        lease = await self._api.get(self._path)
        record = None if lease is None else _record(lease)
        if lease is None or record is None or record.holder != self.identity:
            return True
        released = Record("", 1.0, record.transitions, record.acquired, self._now())
        try:
            await self._api.replace(self._path, _with_record(lease, released))
        except ApiError as error:
            if error.status != 409:
                raise
            return False
        return True

    async def _read(self) -> None:
        lease = await self._api.get(self._path)
        record = None if lease is None else _record(lease)
        self._object = lease
        self._seen = observe(self._seen, record, self.identity, self._clock())

    async def _write(self, action: Action) -> None:
        if self._closed:
            return
        begun, now = self._clock(), self._now()
        before = self._seen.record or Record()
        if isinstance(action, Create | Acquire):
            transitions = action.transitions if isinstance(action, Acquire) else 0
            record = Record(self.identity, self._terms.ttl, transitions, now, now)
        else:
            record = Record(self.identity, self._terms.ttl, before.transitions, before.acquired or now, now)
        lease = self._object
        self._object = None
        if lease is None:
            made = {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": {"name": self._name}}
            self._object = await self._api.create(self._folder, _with_record(made, record))
        else:
            self._object = await self._api.replace(self._path, _with_record(lease, record))
        self._seen = written(_record(self._object), begun)
        self._renewals += 1

    async def _sleep(self, seconds: float) -> None:
        """Wakes in between to tell that the renewal has become too old."""
        end = self._clock() + seconds
        while (left := end - self._clock()) > 0:
            renewed_at = self._seen.renewed_at
            lapse = left if renewed_at is None else renewed_at + self._terms.renew_deadline - self._clock()
            await asyncio.sleep(min(left, lapse) if lapse > 0 else left)
            self._tell()

    def _tell(self) -> None:
        if self.leading == self._was_leading:
            return
        self._was_leading = not self._was_leading
        if self._was_leading:
            self._acquisitions += 1
            log.event(_log, log.LEADING, lease=self._path, identity=self.identity)
        else:
            log.event(_log, log.NOT_LEADING, lease=self._path, holder=self.holder)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        text = str(error) or "no answer in time"
        if text != self._failure:
            self._failure = text
            log.event(_log, log.LEASE_FAILED, level=logging.WARNING, lease=self._path, error=text)

    def _now(self) -> str:
        return dt.datetime.now(dt.UTC).strftime(_MICRO_TIME)


class AlwaysLeading:
    """--disable-leader-election: no Lease is touched; whoever runs two of these has two that write."""

    leading = True

    def __init__(self, identity: str) -> None:
        self.identity = self.holder = identity

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def release(self) -> None:
        self.leading = False

    def figures(self) -> list[Figure]:
        return [Figure("leader", "gauge", "1 while this replica is the one that writes.", float(self.leading))]


def make_identity(pod_name: str, hostname: str, random: Callable[[int], bytes]) -> str:
    """The pod's name: a controller started again in its pod goes on at once. Elsewhere the host and 4 random bytes."""
    return pod_name or f"{hostname}_{random(4).hex()}"


def _record(lease: dict[str, Any]) -> Record:
    spec = lease.get("spec") or {}
    return Record(
        holder=spec.get("holderIdentity") or "",
        ttl=float(spec.get("leaseDurationSeconds") or 0),
        transitions=spec.get("leaseTransitions") or 0,
        acquired=spec.get("acquireTime") or "",
        renewed=spec.get("renewTime") or "",
    )


def _with_record(lease: dict[str, Any], record: Record) -> dict[str, Any]:
    """Keeps whatever else is in it, resourceVersion too: the write fails when the Lease changed meanwhile."""
    changed = copy.deepcopy(lease)
    spec = changed.setdefault("spec", {})
    spec["holderIdentity"] = record.holder
    spec["leaseDurationSeconds"] = max(1, round(record.ttl))
    spec["leaseTransitions"] = record.transitions
    spec["acquireTime"] = record.acquired
    spec["renewTime"] = record.renewed
    return changed
