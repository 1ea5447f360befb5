"""kopf's settings as a pipe needs them. Made anew for each run: kopf changes them while it runs."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import kopf

from serin.cluster.scope import Feed

CHUNK = 250
"""Objects in one page of a list: memory has a page of raw objects at most, for each kind."""
CONNECT_TIMEOUT = 5.0
REQUEST_TIMEOUT = 60.0
"""Seconds for one page of a list."""
STREAM_SECONDS = 300
"""After which the API server ends a watch, so that a connection that died unseen does not live longer."""
INACTIVITY = 70.0
"""Seconds without any event, bookmarks included (one a minute), after which a watch counts as dead."""
RECONNECT = 0.5
IDLE = 0.1
"""Seconds that kopf keeps a task, a queue and the last raw object of each object that was told of."""
LONGEST_RETRY = 2.0


def pipe_settings(feeds: Iterable[Feed], random: Callable[[], float]) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    # kopf would end the whole process with SIGKILL when it ends too slowly for its taste.
    settings.process.ultimate_exiting_timeout = None
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.chunk_size = CHUNK
    settings.watching.server_timeout = STREAM_SECONDS
    settings.watching.client_timeout = STREAM_SECONDS + 30
    settings.watching.connect_timeout = CONNECT_TIMEOUT
    settings.watching.inactivity_timeout = INACTIVITY
    settings.watching.reconnect_backoff = RECONNECT * (0.5 + random())
    settings.networking.connect_timeout = CONNECT_TIMEOUT
    settings.networking.request_timeout = REQUEST_TIMEOUT
    settings.networking.error_backoffs = Backoffs(random)
    settings.queueing.idle_timeout = IDLE
    settings.execution.default_backoff = 1.0
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.persistence.finalizer = "serin.dev/never"
    for feed in feeds:
        resource = (feed.kind.group, feed.kind.version, feed.kind.plural)
        if feed.labels:
            settings.watching.label_selectors[resource] = feed.labels
        if feed.fields:
            settings.watching.field_selectors[resource] = feed.fields
    return settings


class Backoffs:
    """Seconds between attempts of one request: 0.25 and up to LONGEST_RETRY, with jitter, without end.

    kopf's own end after a minute, and with them the whole operator. Short, because every watch begins where it ended
    when the API server is back, and traffic waits for that; a server that is overloaded says how long to wait.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random

    def __iter__(self) -> Iterator[float]:
        longest = 0.25
        while True:
            yield longest * (0.5 + self._random() / 2)
            longest = min(longest * 2, LONGEST_RETRY)


class NoDiffBase(kopf.DiffBaseStorage):
    """kopf has nothing to remember on any object, and no copy of it to make for comparison."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        pass


class NoProgress(kopf.ProgressStorage):
    """No handler has progress to be kept."""

    def fetch(self, *, key: str, body: kopf.Body) -> kopf.ProgressRecord | None:
        return None

    def store(self, *, key: str, record: kopf.ProgressRecord, body: kopf.Body, patch: kopf.Patch) -> None:
        pass

    def purge(self, *, key: str, body: kopf.Body, patch: kopf.Patch) -> None:
        pass

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        pass

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def namespaces_of(feeds: Collection[Feed]) -> list[str]:
    """Empty: the whole cluster."""
    return sorted({feed.namespace for feed in feeds if feed.kind.namespaced and feed.namespace})
