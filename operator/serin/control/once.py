"""A cluster read once and compiled as a controller would: for commands that only look."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from serin.cluster import kinds
from serin.cluster.api import Api, ApiError
from serin.cluster.kinds import path_of
from serin.cluster.scope import Feed, Scope, watched_feeds
from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.control.patterns import check_pattern
from serin.control.settle import settle
from serin.objects.parse import parse_object
from serin.objects.store import Store
from serin.objects.views import View
from serin.problems import Problem
from serin.refs import Ref


@dataclass(slots=True)
class Looked:
    """What was read so far. `unreadable`: what we may not read, which counts as absent, and why."""

    options: Options
    problems: set[Problem] = field(default_factory=set)
    unreadable: dict[Ref, str] = field(default_factory=dict)
    _store: Store = field(default_factory=Store)
    _compiled: Compiled | None = None

    @property
    def compiled(self) -> Compiled:
        self._compiled = compile_snapshot(self._store.snapshot(), self.options, check_pattern, self._compiled)
        return self._compiled

    def reads(self) -> frozenset[Ref]:
        return self.compiled.reads

    def knows(self, ref: Ref) -> bool:
        return self._store.snapshot().find(ref) is not None

    def add(self, views: Iterable[View]) -> None:
        for view in views:
            self._store.apply(view)

    def take(self, raw: object) -> View | None:
        """Parse an object; what is wrong with it is kept."""
        version = str((raw.get("metadata") or {}).get("resourceVersion", "")) if isinstance(raw, dict) else ""
        parsed = parse_object(raw, version=version)
        self.problems.update(parsed.problems)
        return parsed.view


async def look(api: Api, scope: Scope, options: Options) -> Looked:
    """ApiError when a kind may not be listed that nothing works without; ApiUnreachableError."""
    looked = Looked(options)
    feeds = [feed for feed in watched_feeds(scope) if feed.kind is not kinds.SECRET]
    namespaces: frozenset[str] | None = None
    listed = await asyncio.gather(*(_listed(api, feed) for feed in feeds))
    views = [view for items in listed for raw in items if (view := looked.take(raw)) is not None]
    if scope.selector:
        namespaces = frozenset(view.meta.ref.name for view in views if view.meta.ref.kind == "Namespace")
    looked.add(view for view in views if _counts(view.meta.ref, namespaces))

    async def fetch(ref: Ref) -> View | None:
        try:
            raw = await api.get(path_of(ref))
        except ApiError as error:
            looked.unreadable[ref] = error.text
            return None
        return None if raw is None else looked.take(raw)

    await settle(looked, fetch)
    return looked


async def _listed(api: Api, feed: Feed) -> list[dict[str, object]]:
    try:
        return (await api.list(feed.path, label_selector=feed.labels, field_selector=feed.fields)).items
    except ApiError as error:
        if feed.optional and error.status in (403, 404):
            return []
        raise


def _counts(ref: Ref, namespaces: frozenset[str] | None) -> bool:
    return namespaces is None or not ref.namespace or ref.namespace in namespaces
