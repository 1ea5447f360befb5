"""Writes the addresses into the status of the Ingresses that are ours, and takes them away when the last replica goes.

A merge patch of the status subresource that carries uid and resourceVersion: it takes effect only on the very object
that was compared, so that nothing newer is overwritten, not even by a leader that was cut off for a while. What shows
the right addresses already is not written to. Ingresses that are no longer ours keep what they show: whoever serves
them now writes there, and to take it away could undo that.
"""

import asyncio
import logging
import random as randomness
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from serin.cluster.api import Api, ApiError, ApiUnreachableError
from serin.cluster.kinds import INGRESS, POD
from serin.cluster.own_pod import OwnPodReader, is_leaving, list_replicas
from serin.cluster.pace import TokenBucket
from serin.cluster.status.addresses import Address, arranged, of_entry, to_entry
from serin.cluster.status.follow import follow
from serin.cluster.status.publish import Publish, read_addresses
from serin.refs import Ref
from serin.telemetry import log
from serin.telemetry.figure import Figure

LEAST_INTERVAL = 5.0
RATE, BURST = 20.0, 40.0
"""Writes a second, and at once."""
CONCURRENT = 8
CONCURRENT_CLEARING = 32
ROUND = 100
"""Ingresses written to before it is looked again which are the most urgent ones."""
SETTLE = 1.0
"""Seconds between a change and the round that follows, so that many changes make one."""
SAME_VERSION = 10.0
"""Seconds in which an Ingress is not written to again unless it is seen to have changed."""
BACK_OFF = 5.0
COMPLAIN_EVERY, COMPLAINTS = 30.0, 3
"""Seconds between two lines of the log about failures, and how many may come at once."""
_CHUNK = 500

_log = logging.getLogger("serin.cluster.status")


class Identity(Protocol):
    @property
    def uid(self) -> str: ...
    @property
    def version(self) -> str: ...


class Source(Protocol):
    """What is known of Ingresses (serin.cluster.source.ClusterSource)."""

    def identity(self, ref: Ref) -> Identity | None: ...
    def addresses(self, ref: Ref) -> tuple[Mapping[str, str], ...]: ...


class StatusWriter:
    """`interval` in seconds: how often the addresses are read again whatever happens, at least 5."""

    def __init__(
        self,
        api: Api,
        leading: Callable[[], bool],
        source: Source,
        publish: Publish,
        own: OwnPodReader,
        *,
        interval: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        self._api = api
        self._leading = leading
        self._source = source
        self._publish = publish
        self._own = own
        self._interval = max(LEAST_INTERVAL, interval)
        self._clock = clock
        self._random = random
        self._ours: frozenset[Ref] = frozenset()
        self._addresses: tuple[Address, ...] | None = None
        self._read_at: float | None = None
        self._wake = asyncio.Event()
        self._bucket = TokenBucket(RATE, BURST)
        self._tried: dict[Ref, tuple[str, float]] = {}
        self._refused: set[Ref] = set()
        """Those come last: a policy that refuses some must not keep others from their address."""
        self._writing = asyncio.Lock()
        self._counts: Counter[str] = Counter()
        self._behind = 0
        self._failure = ""
        self._complaints = TokenBucket(1 / COMPLAIN_EVERY, COMPLAINTS)
        self._clearing = False

    def ours(self, refs: frozenset[Ref]) -> None:
        """The Ingresses that are ours now: after every compile, also when they are the same."""
        self._ours = refs
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write())
            tasks.create_task(
                follow(self._api, self._publish, self._own, self._leading, self._read_again, self._random)
            )

    async def clear(self, within: float = 10.0) -> int:
        """Takes the addresses of all our Ingresses away if no replica stays; how many it were. Before the release.

        In a pod only when that pod is being deleted: a container that is merely restarted comes back to its addresses.
        Nothing else is written from here on.
        """
        self._clearing = True
        cleared: list[Ref] = []
        shown: list[Ref] = []
        try:
            async with asyncio.timeout(within):
                if self._leading() and await self._is_last():
                    async with self._writing:  # what is under way ends first
                        shown = [ref for ref in self._ours if self._source.addresses(ref) or ref in self._tried]
                    todo = deque(shown)
                    async with asyncio.TaskGroup() as clearing:
                        for _ in range(CONCURRENT_CLEARING):
                            clearing.create_task(self._clear_some(todo, cleared))
        except (ApiError, ApiUnreachableError, TimeoutError) as error:
            self._failed(error)
        if shown:
            log.event(_log, log.STATUS_CLEARED, ingresses=len(cleared), left=len(shown) - len(cleared))
        return len(cleared)

    def figures(self) -> list[Figure]:
        about = "Writes of Ingress status by how they ended; skipped: the object had changed or was gone."
        return [
            Figure("ingress_status_behind", "gauge", "Ingresses that do not show our addresses yet.", self._behind),
            *(
                Figure("ingress_status_writes_total", "counter", about, self._counts[result], (("result", result),))
                for result in ("written", "skipped", "failed")
            ),
        ]

    # --- one round after the other ---

    async def _write(self) -> None:
        while True:
            if not self._may_write():
                self._read_at, self._behind = None, 0
                await asyncio.sleep(SETTLE)
                continue
            self._wake.clear()
            try:
                wait = await self._round()
                self._failure = ""
            except (ApiError, ApiUnreachableError) as error:
                self._failed(error)
                wait = BACK_OFF * (1 + self._random())
            await self._wait(wait)

    async def _round(self) -> float:
        """Brings the most urgent Ingresses up to date; the seconds until the next round.

        ApiError or ApiUnreachableError when it seems that nothing can be read or written.
        """
        if self._until_read() <= 0:
            self._read_at = self._clock()
            self._addresses = await read_addresses(self._api, self._publish, self._own)
        wanted = self._addresses
        if wanted is None:
            self._behind = 0
            return self._until_read()
        due = await self._due(wanted)
        todo = deque(due[:ROUND])
        writers = (self._write_some(todo, wanted) for _ in range(min(CONCURRENT, len(todo))))
        async with self._writing:
            failures = await asyncio.gather(*writers, return_exceptions=True)
        for failure in failures:
            if failure is not None:
                raise failure
        if due:
            return 0.0
        return min(self._until_read(), SAME_VERSION) if self._behind else self._until_read()

    async def _due(self, wanted: tuple[Address, ...]) -> list[Ref]:
        """The Ingresses to write to, those without any address first; lets others work in between."""
        ours, now = list(self._ours), self._clock()
        empty: list[Ref] = []
        other: list[Ref] = []
        refused: list[Ref] = []
        behind = 0
        for at in range(0, len(ours), _CHUNK):
            for ref in ours[at : at + _CHUNK]:
                shown = self._source.addresses(ref)
                if arranged(map(of_entry, shown)) == wanted:
                    self._tried.pop(ref, None)
                    continue
                behind += 1
                if not self._waits(ref, now):
                    (refused if ref in self._refused else other if shown else empty).append(ref)
            await asyncio.sleep(0)
        self._behind = behind
        for ref in [ref for ref in self._tried if ref not in self._ours]:
            del self._tried[ref]
        self._refused &= self._ours
        return empty + other + refused

    def _waits(self, ref: Ref, now: float) -> bool:
        """It was written to just now, and what came of it has not reached us; or it is not known at all."""
        identity = self._source.identity(ref)
        if identity is None or not identity.version:
            return True
        version, until = self._tried.get(ref, ("", 0.0))
        return version == identity.version and now < until

    async def _write_some(self, todo: deque[Ref], wanted: tuple[Address, ...]) -> None:
        while todo and self._may_write():
            ref = todo.popleft()
            while wait := self._bucket.take(self._clock()):
                await asyncio.sleep(wait)
            identity = self._source.identity(ref)
            if identity is None or not identity.version or not self._may_write():
                continue
            self._tried[ref] = (identity.version, self._clock() + SAME_VERSION)
            try:
                await self._patch(ref, identity.uid, identity.version, wanted)
            except (ApiError, ApiUnreachableError):
                todo.clear()
                raise

    async def _patch(self, ref: Ref, uid: str, version: str, wanted: tuple[Address, ...]) -> bool:
        """False when the object is another one by now, or will not have it. Other errors end the round."""
        try:
            await self._api.patch(INGRESS.path(ref.namespace, ref.name, "status"), _body(uid, version, wanted))
        except ApiError as error:
            if error.status in (404, 409):
                self._counts["skipped"] += 1
                return False
            self._counts["failed"] += 1
            self._refused.add(ref)
            if error.status != 422:
                raise
            self._tried[ref] = (version, self._clock() + self._interval)
            self._failed(error)
            return False
        except ApiUnreachableError:
            self._counts["failed"] += 1
            raise
        self._counts["written"] += 1
        self._refused.discard(ref)
        return True

    def _may_write(self) -> bool:
        return self._leading() and not self._clearing

    def _read_again(self) -> None:
        self._read_at = None
        self._wake.set()

    def _until_read(self) -> float:
        return 0.0 if self._read_at is None else self._read_at + self._interval - self._clock()

    async def _wait(self, seconds: float) -> None:
        """Until then, or shortly after something changed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()
        await asyncio.sleep(min(SETTLE, max(0.0, seconds)))

    # --- at the end ---

    async def _is_last(self) -> bool:
        if not self._own.inside:
            return True
        own = await self._own.read()
        if own is None:
            return False
        us = await self._api.get(POD.path(own.ref.namespace, own.ref.name))
        if us is not None and us["metadata"].get("uid") == own.uid and not is_leaving(us):
            return False
        replicas = await list_replicas(self._api, own)
        return not any(pod["metadata"].get("uid") != own.uid and not is_leaving(pod) for pod in replicas)

    async def _clear_some(self, todo: deque[Ref], cleared: list[Ref]) -> None:
        while todo and self._leading():
            ref = todo.popleft()
            identity = self._source.identity(ref)
            try:
                if identity is not None and await self._clear(ref, identity.uid, identity.version):
                    cleared.append(ref)
            except (ApiError, ApiUnreachableError) as error:
                self._failed(error)

    async def _clear(self, ref: Ref, uid: str, version: str) -> bool:
        if version and await self._patch(ref, uid, version, ()):
            return True
        # Nobody tells us of changes any more: look for ourselves.
        now = await self._api.get(INGRESS.path(ref.namespace, ref.name), metadata_only=True)
        if now is None or now["metadata"].get("uid") != uid:
            return False
        return await self._patch(ref, uid, now["metadata"]["resourceVersion"], ())

    def _failed(self, error: Exception) -> None:
        text = str(error) or "no answer in time"
        if text != self._failure and not self._complaints.take(self._clock()):
            self._failure = text
            log.event(_log, log.STATUS_FAILED, level=logging.WARNING, error=text)


def _body(uid: str, version: str, wanted: tuple[Address, ...]) -> dict[str, Any]:
    shown = [to_entry(address) for address in wanted] or None
    return {
        "metadata": {"uid": uid, "resourceVersion": version},
        "status": {"loadBalancer": {"ingress": shown}},
    }
