"""Writes the status of a CanaryRoute: a merge patch that carries uid and resourceVersion of the object it was made for.

So a leader that was cut off for a while overwrites nothing, and what was decided on an old status is refused. What was
written, or read after a refusal, is known here until the watch has told as much: whoever decides next goes on from it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from serin.cluster.api import Api, ApiError
from serin.cluster.canaries.merging import merge_patch
from serin.cluster.inventory import is_newer
from serin.cluster.kinds import CANARY_ROUTE
from serin.cluster.pace import TokenBucket
from serin.errors import SerinError
from serin.objects.canary_status import CanaryStatus
from serin.objects.parse import parse_object
from serin.objects.views import CanaryRoute
from serin.refs import Ref
from serin.rollout.status_document import to_document
from serin.telemetry.figure import Figure

RATE, BURST = 20.0, 40.0
"""Writes a second, and at once."""
LONGEST = 5.0
"""Seconds for one call: others wait for their turn."""


class NotLeadingError(SerinError):
    """Another replica writes by now."""


class ChangedError(SerinError):
    """The object is another one than what was decided on: `known` gives what it is."""


class Identity(Protocol):
    @property
    def uid(self) -> str: ...


class Source(Protocol):
    """What is known of objects (serin.cluster.source.ClusterSource)."""

    def identity(self, ref: Ref) -> Identity | None: ...


@dataclass(frozen=True, slots=True)
class _Newer:
    uid: str
    view: CanaryRoute


class CanaryStatusWriter:
    def __init__(
        self,
        api: Api,
        leading: Callable[[], bool],
        source: Source,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._leading = leading
        self._source = source
        self._clock = clock
        self._bucket = TokenBucket(RATE, BURST)
        self._newer: dict[Ref, _Newer] = {}
        self._counts: Counter[str] = Counter()

    def known(self, view: CanaryRoute) -> CanaryRoute:
        """`view` as the watch told it, or what we know to be newer."""
        ref = view.meta.ref
        newer = self._newer.get(ref)
        if newer is None:
            return view
        identity = self._source.identity(ref)
        same = identity is not None and identity.uid == newer.uid
        if same and is_newer(newer.view.meta.version, view.meta.version):
            return newer.view
        del self._newer[ref]
        return view

    def forget(self, refs: frozenset[Ref]) -> None:
        for ref in refs:
            self._newer.pop(ref, None)

    async def write(self, view: CanaryRoute, status: CanaryStatus) -> None:
        """ChangedError, NotLeadingError; ApiError, ApiUnreachableError and TimeoutError: whether it was written or not
        is found out with the next write.
        """
        while wait := self._bucket.take(self._clock()):
            await asyncio.sleep(wait)
        ref = view.meta.ref
        identity = self._source.identity(ref)
        if identity is None:
            raise ChangedError(f"{ref} is gone")
        if not self._leading():
            raise NotLeadingError(f"the status of {ref} is another replica's to write")
        before = to_document(view.status) if view.status is not None else {}
        body = {
            "metadata": {"uid": identity.uid, "resourceVersion": view.meta.version},
            "status": merge_patch(before, to_document(status)),
        }
        try:
            async with asyncio.timeout(LONGEST):
                raw = await self._api.patch(CANARY_ROUTE.path(ref.namespace, ref.name, "status"), body)
        except ApiError as error:
            if error.status not in (404, 409):
                self._counts["failed"] += 1
                raise
            self._counts["skipped"] += 1
            await self._read_again(ref)
            raise ChangedError(f"{ref} changed meanwhile") from error
        except (SerinError, TimeoutError):
            self._counts["failed"] += 1
            raise
        self._counts["written"] += 1
        self._note(ref, raw)

    def figures(self) -> list[Figure]:
        about = "Writes of CanaryRoute status by how they ended; skipped: the object had changed or was gone."
        return [
            Figure("canaryroute_status_writes_total", "counter", about, self._counts[result], (("result", result),))
            for result in ("written", "skipped", "failed")
        ]

    async def _read_again(self, ref: Ref) -> None:
        async with asyncio.timeout(LONGEST):
            raw = await self._api.get(CANARY_ROUTE.path(ref.namespace, ref.name))
        if raw is not None:
            self._note(ref, raw)

    def _note(self, ref: Ref, raw: dict[str, Any]) -> None:
        view = parse_object(raw).view
        uid = (raw.get("metadata") or {}).get("uid")
        if isinstance(view, CanaryRoute) and isinstance(uid, str):
            self._newer[ref] = _Newer(uid, view)
