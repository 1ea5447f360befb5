"""Which namespaces a label selector finds: one that enters brings its objects along, one that leaves takes them."""

import asyncio
import logging

from serin.cluster.api import Api, ApiError
from serin.cluster.intake import Intake
from serin.cluster.kinds import NAMESPACE
from serin.cluster.scope import Feed
from serin.cluster.told import READ, Told, read_object, ref_of
from serin.cluster.waits import Waits
from serin.errors import SerinError
from serin.refs import Ref
from serin.telemetry import log

ABSENT = (403, 404)
PAGE = 100

_log = logging.getLogger("serin.cluster.watch")


class Selection:
    """`feeds` are the main watch's; one of them is of Namespaces."""

    def __init__(self, api: Api, feeds: tuple[Feed, ...], intake: Intake, waits: Waits) -> None:
        self._api = api
        self._feeds = [feed for feed in feeds if feed.kind.namespaced]
        self._namespaces = next(feed for feed in feeds if feed.kind is NAMESPACE)
        self._intake = intake
        self._waits = waits
        self._entered: asyncio.Queue[str] = asyncio.Queue()
        intake.told.append(self._told)
        intake.forgotten.append(self._forgotten)

    async def begin(self) -> None:
        """Before anything is watched: those that are selected now."""
        listing = await self._api.list(self._namespaces.path, label_selector=self._namespaces.labels)
        self._intake.interest.namespaces = frozenset()
        for raw in listing.items:
            ref = ref_of(self._namespaces, raw)
            if ref is not None:
                self._select(ref.name)
                self._intake.apply(read_object(self._namespaces, ref, raw, READ))
        while not self._entered.empty():
            self._entered.get_nowait()

    async def run(self) -> None:
        """Read the objects of each namespace that enters, until cancelled."""
        while True:
            name = await self._entered.get()
            while name in self._selected:
                try:
                    for feed in self._feeds:
                        await self._read(feed, name)
                    self._waits.reset()
                    break
                except SerinError as error:
                    log.event(_log, log.AUDIT_FAILED, level=logging.WARNING, namespace=name, error=str(error))
                    await asyncio.sleep(self._waits.next())

    @property
    def _selected(self) -> frozenset[str]:
        return self._intake.interest.namespaces or frozenset()

    def _told(self, told: Told) -> None:
        if told.ref.kind == NAMESPACE.name and told.parsed is not None:
            self._select(told.ref.name)

    def _select(self, name: str) -> None:
        if name not in self._selected:
            # First of all: what is told from here on is kept, what was told before is read.
            self._intake.interest.namespaces = self._selected | {name}
            self._entered.put_nowait(name)
            log.event(_log, log.NAMESPACES_CHANGED, entered=name)

    def _forgotten(self, ref: Ref) -> None:
        if ref.kind != NAMESPACE.name or ref.name not in self._selected:
            return
        self._intake.interest.namespaces = self._selected - {ref.name}
        log.event(_log, log.NAMESPACES_CHANGED, left=ref.name)
        for kind in {feed.kind.name for feed in self._feeds}:
            for other in [other for other in self._intake.inventory.entries(kind) if other.namespace == ref.name]:
                if not self._intake.interest.keeps(other):
                    self._intake.forget(other)

    async def _read(self, feed: Feed, namespace: str) -> None:
        listing = self._api.pages(
            feed.kind.path(namespace), label_selector=feed.labels, field_selector=feed.fields, limit=PAGE
        )
        try:
            async for page in listing:
                for raw in page.items:
                    ref = ref_of(feed, raw)
                    if ref is not None:
                        self._intake.apply(read_object(feed, ref, raw, READ))
        except ApiError as error:
            if not (feed.optional and error.status in ABSENT):
                raise
