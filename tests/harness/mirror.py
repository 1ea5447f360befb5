"""A ClusterSource in a test, and a mirror of what it told: what Control's store would hold."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

from serin.cluster.api import Api
from serin.cluster.connection import read_connection
from serin.cluster.intake import Changes
from serin.cluster.scope import Scope
from serin.cluster.server import Connection
from serin.cluster.source import ClusterSource
from serin.objects.views import View
from serin.refs import Ref

LONGEST = 60.0


class Mirror:
    """`views` is what there is by what was told. `wait` returns as soon as the mirror is as wanted."""

    def __init__(self, source: ClusterSource, api: Api) -> None:
        self.source = source
        self.api = api
        self.views: dict[Ref, View] = {}
        self._changed = asyncio.Event()

    def take(self, changes: Changes) -> None:
        for ref in changes.deleted:
            self.views.pop(ref, None)
        self.views |= {view.meta.ref: view for view in changes.applied}
        self._changed.set()

    async def follow(self) -> None:
        async for changes in self.source.changes():
            self.take(changes)

    def of(self, kind: str, namespace: str) -> dict[str, Any]:
        """Views by name."""
        return {ref.name: view for ref, view in self.views.items() if (ref.kind, ref.namespace) == (kind, namespace)}

    def figure(self, name: str) -> float:
        """Summed over its labels."""
        return sum(figure.value for figure in self.source.figures() if figure.name == name)

    async def wait(self, holds: Callable[[], Any], what: str, seconds: float = LONGEST) -> None:
        """Looks again with every change, and now and then for what is no change of objects."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not holds():
                    self._changed.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.1):
                            await self._changed.wait()
        assert holds(), f"waited {seconds:g} s for {what}"


@contextlib.asynccontextmanager
async def mirrored(
    kubeconfig: Path, scope: Scope | None = None, *, want: Iterable[Ref] = (), watched_by: Path | None = None
) -> AsyncIterator[Mirror]:
    """Ready, loaded, and following. `watched_by`: another way to the server, for the watch alone."""
    ways = (lambda: read_connection(kubeconfig), lambda: read_connection(watched_by or kubeconfig))
    async with connected(*ways, scope=scope, want=want) as mirror:
        yield mirror


@contextlib.asynccontextmanager
async def connected(
    connection: Callable[[], Connection],
    watched_by: Callable[[], Connection] | None = None,
    *,
    scope: Scope | None = None,
    want: Iterable[Ref] = (),
) -> AsyncIterator[Mirror]:
    api = Api(connection)
    source = ClusterSource(api, watched_by or connection, scope or Scope())
    mirror = Mirror(source, api)
    await source.start()
    try:
        async with asyncio.timeout(LONGEST):
            await source.ready()
        mirror.take(source.load())
        source.want(frozenset(want))
        following = asyncio.create_task(mirror.follow())
        try:
            yield mirror
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    finally:
        await source.close()
        await api.close()
