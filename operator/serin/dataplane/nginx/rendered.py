"""A host each: its document, as far as it changed, is read, rendered and put beside nginx.conf. A memo over plans.

A document that cannot be read leaves the host's file before; where there is none, its names answer 503. What nginx does
with a file is not known here.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from serin.dataplane.nginx.files import NginxFiles, acted_on, host_path
from serin.dataplane.nginx.quarantine import Cure, Quarantined
from serin.dataplane.nginx.testing import one_line
from serin.errors import CorruptFileError
from serin.render.documents import Index
from serin.render.nginx.besides import splits_of
from serin.render.nginx.closing import close_host
from serin.render.nginx.weights import Weights
from serin.routing.plan import Globals, Host
from serin.telemetry import log

RETRY_SECONDS = 600.0
"""After so long a refused host is tried as it is once more, with the next change: memory may have been short."""
_log = logging.getLogger(__name__)


class Key(NamedTuple):
    """What a host's file is made of, beside the globals: `stamps` change with the weights that stock mode uses."""

    document: str
    names: tuple[str, ...]
    stamps: tuple[int, ...]


class RenderHost(Protocol):
    def host(self, host: Host, globals_: Globals, weights: Weights | None) -> str:
        """The host's file. Any exception is a fault of ours, and of this host alone."""

    def include(self, host: Host, file: str) -> object:
        """What the main file needs of a host whose file is at this path, relative to nginx's folder."""


@dataclass(frozen=True, slots=True)
class HostEntry:
    """A host's file: `file` names it by its whole text, `acted` by what nginx acts on.

    `include` is what the main file needs of it, which the renderer alone looks at.
    """

    name: str
    file: str
    acted: str
    include: object
    key: Key
    quarantined: tuple[Quarantined, ...] = ()


class RenderedHosts:
    """`read` gives the host of a document: CorruptFileError."""

    def __init__(
        self, read: Callable[[str], Host], files: NginxFiles, renderer: RenderHost, clock: Callable[[], float]
    ) -> None:
        self._read = read
        self._files = files
        self._renderer = renderer
        self._globals: Globals | None = None
        self._weights: Weights | None = None
        self._entries: dict[Key, HostEntry] = {}
        self._by_name: dict[str, HostEntry] = {}
        self._clock = clock
        self._cures: dict[tuple[str, tuple[str, ...]], tuple[Cure, float]] = {}
        self._uses: dict[str, tuple[str, ...]] = {}
        self._stamps: dict[str, tuple[int, object]] = {}
        self._complained: set[str] = set()
        self.unread = False
        """Some document could not be read at the last `take`: it is worth trying again."""
        self.failed: dict[Key, str] = {}
        """Hosts that could not be rendered at the last `take`, and why."""
        self.absent: list[Quarantined] = []
        """Objects of hosts that nginx takes in no form at all."""

    def take(self, index: Index, weights: Weights | None) -> list[HostEntry]:
        """All hosts of an index but those in `failed`, by name. OSError when a file cannot be written."""
        if index.globals != self._globals:
            self._globals = index.globals
            self._entries.clear()
            self._uses.clear()
        self._stamp(weights)
        names: defaultdict[str, list[str]] = defaultdict(list)
        for name, digest in index.hosts.items():
            names[digest].append(name)
        self.failed, self.unread, self.absent = {}, False, []
        hosts = {digest: tuple(sorted(own)) for digest, own in names.items()}
        self._forget_cures(hosts)
        self._uses = {document: ids for document, ids in self._uses.items() if document in hosts}
        self._complained &= hosts.keys()
        found: dict[str, HostEntry] = {}
        for digest, own_names in hosts.items():
            entry = self._entry(digest, own_names)
            if entry is not None:
                found[entry.name] = entry
        in_index = {entry.key for entry in found.values()}
        self._entries = {key: entry for key, entry in self._entries.items() if key in in_index}
        return [found[name] for name in sorted(found)]

    def keep(self, entries: list[HostEntry]) -> None:
        """These are in force: what others were made of is forgotten."""
        self._entries = {entry.key: entry for entry in entries}
        self._by_name = {name: entry for entry in entries for name in entry.key.names}

    @property
    def files(self) -> frozenset[str]:
        """Of all entries that may be given again."""
        return frozenset(entry.file for entries in (self._entries, self._by_name) for entry in entries.values())

    def host(self, key: Key) -> Host:
        """As its document says, under the names that are its own. CorruptFileError."""
        host = self._read(key.document)
        return replace(host, aliases=tuple(alias for alias in host.aliases if alias in key.names))

    def put(self, host: Host, key: Key, quarantined: tuple[Quarantined, ...] = ()) -> HostEntry:
        """Render and write a host in any form. OSError when it cannot be written; others are faults of ours."""
        if self._globals is None:
            raise ValueError("before the first index")
        text = self._renderer.host(host, self._globals, self._weights)
        file = self._files.put_host(text)
        return HostEntry(
            host.name, file, acted_on(text), self._renderer.include(host, host_path(file)), key, quarantined
        )

    def remember(self, key: Key, host: Host, cure: Cure) -> None:
        """The host of this document is rendered in this way until its document changes."""
        self._cures[key.document, key.names] = (cure, self._clock())
        if cure.absent:
            self.absent += told_of(cure, host)

    def _forget_cures(self, hosts: Mapping[str, tuple[str, ...]]) -> None:
        """Of documents that are gone, and those that are old."""
        oldest = self._clock() - RETRY_SECONDS
        kept = {at: c for at, c in self._cures.items() if hosts.get(at[0]) == at[1] and c[1] > oldest}
        gone, self._cures = self._cures.keys() - kept.keys(), kept
        if gone:
            self._entries = {k: e for k, e in self._entries.items() if (k.document, k.names) not in gone}

    def _entry(self, document: str, names: tuple[str, ...]) -> HostEntry | None:
        """None: the host failed, or is to be absent."""
        key = Key(document, names, self._stamps_of(document))
        entry = self._entries.get(key)
        if entry is not None:
            return entry
        try:
            host = self.host(key)
        except CorruptFileError as error:
            return self._unreadable(key, error)
        if self._weights is not None and document not in self._uses:
            self._uses[document] = self._splits(host)
            key = Key(document, names, self._stamps_of(document))
        cure, _ = self._cures.get((document, names), (None, 0.0))
        form, told = host, tuple[Quarantined, ...]()
        if cure is not None:
            cured = cure(host)
            if cured is None:
                self.absent += told_of(cure, host)
                return None
            form, told = cured, told_of(cure, host)
        try:
            entry = self.put(form, key, told)
        except OSError:
            raise
        except Exception as error:  # our own fault, and this host's alone
            self.failed[key] = fault_text(error)
            return None
        self._entries[key] = entry
        return entry

    def _unreadable(self, key: Key, error: CorruptFileError) -> HostEntry:
        self.unread = True
        if key.document not in self._complained:
            self._complained.add(key.document)
            log.event(_log, log.DOCUMENT_REFUSED, level=logging.ERROR, error=str(error))
        for name in key.names:
            before = self._by_name.get(name)
            if before is not None:
                return before
        closed = close_host(Host(key.names[0], aliases=key.names[1:]))
        return self.put(closed, key._replace(document=""))  # which no later look takes for the document's own

    def _stamp(self, weights: Weights | None) -> None:
        if weights is None or weights is self._weights:
            return
        self._weights = weights
        stamps: dict[str, tuple[int, object]] = {}
        for ident, split in weights.splits.items():
            value = (split, tuple(weights.pools.get(share.pool) for share in split.shares))
            number, before = self._stamps.get(ident, (0, None))
            stamps[ident] = (number, before) if before == value else (number + 1, value)
        self._stamps = stamps

    def _splits(self, host: Host) -> tuple[str, ...]:
        """Those whose weights and endpoints are in the host's file, without Lua."""
        own = {route.split for route in host.routes if route.split}
        return tuple(sorted(own | splits_of(host, self._globals or Globals())))

    def _stamps_of(self, document: str) -> tuple[int, ...]:
        return tuple(self._stamps.get(ident, (0, None))[0] for ident in self._uses.get(document, ()))


def told_of(cure: Cure, host: Host) -> tuple[Quarantined, ...]:
    return tuple(Quarantined(ref, host.name, error) for ref, error in cure.errors.items())


def fault_text(fault: Exception) -> str:
    """One line about a host that could not be rendered."""
    return one_line(f"not rendered: {fault!r}", "")
