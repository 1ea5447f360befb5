"""What is told, from wherever, goes through here once: into the inventory, and on as changes.

Belongs to the main loop; nothing in here waits. Views are not kept: what is pending is handed over with the next batch.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from serin.cluster.inventory import Inventory
from serin.cluster.scope import Interest
from serin.cluster.told import Told
from serin.objects.views import View
from serin.problems import Problem
from serin.refs import Ref


@dataclass(frozen=True, slots=True)
class Changes:
    """What a batch changed. Names in `deleted` are never in `applied`."""

    applied: tuple[View, ...] = ()
    deleted: tuple[Ref, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.applied or self.deleted)


class Intake:
    """`told` is called for each object that was told of, news or not; `forgotten` for each that is known no more."""

    def __init__(self) -> None:
        self.inventory = Inventory()
        self.interest = Interest()
        self.news = asyncio.Event()
        self.told: list[Callable[[Told], None]] = []
        self.forgotten: list[Callable[[Ref], None]] = []
        self._pending: dict[Ref, View | None] = {}

    def apply(self, told: Told) -> None:
        ref = told.ref
        # It was of interest when it was told, which may be a while ago.
        if self.interest.keeps(ref) and not told.known:
            if told.parsed is None:
                if self.inventory.delete(ref, told.uid, told.version):
                    self._gone(ref)
            elif self.inventory.put(told.feed, ref, told.uid, told.version):
                self.inventory.describe(ref, told.parsed.problems, told.addresses)
                if not told.failed:
                    self._pending[ref] = told.parsed.view
                self.news.set()
        for listener in self.told:
            listener(told)

    def forget(self, ref: Ref) -> None:
        """The object is not there, or not of interest any more."""
        if self.inventory.remove(ref):
            self._gone(ref)

    def absent(self, ref: Ref, problems: tuple[Problem, ...] = ()) -> None:
        """Somebody looks at the object and there is none, or it cannot be read; told even when it never was there."""
        self.inventory.remove(ref)
        self.inventory.describe(ref, problems, ())
        self._gone(ref)

    def take(self) -> Changes:
        """All that is pending."""
        self.news.clear()
        pending, self._pending = self._pending, {}
        return Changes(
            applied=tuple(view for view in pending.values() if view is not None),
            deleted=tuple(ref for ref, view in pending.items() if view is None),
        )

    def _gone(self, ref: Ref) -> None:
        self._pending[ref] = None
        self.news.set()
        for listener in self.forgotten:
            listener(ref)
