"""A plan as a worker serves it: every name from the index, each host's document only when it is asked for.

A site never changes once it is made; a new plan is a new site, which takes over the hosts whose document is the same.
"""

import logging
from collections.abc import Callable, Container, Iterable, Iterator

from serin.dataplane.proxy.finishing import Wide
from serin.dataplane.proxy.headers import HSTS
from serin.dataplane.proxy.runtime import RuntimeHost, Workshop
from serin.dataplane.proxy.seen_clients import seen_clients
from serin.errors import CorruptFileError
from serin.render.documents import Index
from serin.routing.beside import Beside
from serin.routing.match import HostTable
from serin.routing.plan import Globals
from serin.telemetry import log

_log = logging.getLogger(__name__)


class LoadedHosts:
    """Hosts made ready, by the digest of their document; shared by the sites that follow each other.

    `load` raises CorruptFileError when a document is not there or not right; it is not read again before `retry`.
    """

    __slots__ = ("_failed", "_hosts", "_load", "_made", "_wide")

    def __init__(self, load: Callable[[str], RuntimeHost], made: Workshop | None = None) -> None:
        self._load = load
        self._made = made
        self._wide: Wide | None = None
        self._hosts: dict[str, RuntimeHost] = {}
        self._failed: dict[str, CorruptFileError] = {}

    def get(self, digest: str) -> RuntimeHost:
        host = self._hosts.get(digest)
        if host is None:
            if digest in self._failed:
                raise self._failed[digest]
            try:
                host = self._hosts[digest] = self._load(digest)
            except CorruptFileError as error:
                self._failed[digest] = error
                log.event(_log, log.DOCUMENT_REFUSED, level=logging.ERROR, error=str(error))
                raise
        return host

    def wide(self, settings: Globals) -> Wide:
        """What the Globals ask for on all answers; the same one as long as they stay the same."""
        if self._wide is None or self._wide.globals != settings:
            self._wide = Wide(settings, self._made)
        return self._wide

    def keep(self, digests: Container[str]) -> None:
        """Forget all others."""
        self._hosts = {digest: host for digest, host in self._hosts.items() if digest in digests}

    def retry(self) -> None:
        """What could not be read may be tried again."""
        self._failed.clear()


class Site:
    """One plan in force."""

    __slots__ = (
        "_certificates",
        "_hosts",
        "_loaded",
        "_names",
        "blocks",
        "generation",
        "globals",
        "hsts",
        "hsts_line",
        "ready",
        "seen",
        "used",
        "wide",
    )

    def __init__(self, index: Index, loaded: LoadedHosts) -> None:
        self.generation = index.generation
        self.globals = index.globals
        self.hsts = index.globals.hsts.encode()
        self.hsts_line = b"%b: %b\r\n" % (HSTS, self.hsts) if self.hsts else b""
        self._names = HostTable({name: name for name in index.hosts})
        self._hosts = index.hosts
        self._certificates = index.certificates
        self._loaded = loaded
        self.wide = loaded.wide(index.globals)
        self.seen = seen_clients(index.globals.forwarding)
        """Who a client is where something stands before us; None: the connection's peer."""
        self.blocks = self.wide.blocks
        """Who gets 403 everywhere; None: nobody."""
        self.ready: dict[str, RuntimeHost] = {}
        """Hosts by a name that was asked for and is exactly theirs: the first place to look."""
        self.used: set[str] = set()
        """The plan's names under which hosts were asked for."""

    def find(self, name: str) -> RuntimeHost | None:
        """The host that serves a name (lower case, without port and trailing dot); None: nothing does."""
        key = self._names.find(name)
        if key is None:
            return None
        host = self._loaded.get(self._hosts[key])
        self.used.add(key)
        if key == name:
            self.ready[name] = host
        return host

    def certificate_of(self, name: str) -> str | None:
        """The digest of the certificate for a name; None: the data plane's own."""
        key = self._names.find(name)
        found = None if key is None else self._certificates.get(key)
        return found or self.globals.default_certificate

    def ciphers_of(self, name: str) -> str:
        """A host's own list of ciphers, or empty."""
        host = self.ready.get(name)
        if host is None:
            try:
                host = self.find(name)
            except CorruptFileError:
                return ""
        return "" if host is None else host.host.ciphers

    def passthrough_of(self, name: str) -> Beside | None:
        """Who gets TLS connections for a name unread; None: TLS is ended here."""
        found = self.find(name) if self.globals.passthrough else None
        return None if found is None else found.host.passthrough

    def warm(self, names: Iterable[str]) -> Iterator[None]:
        """Load the hosts of these names as far as the plan has them, one at each step.

        Called with the names in use before, so that a new plan costs its first requests nothing, and a document that
        cannot be read is known before the plan is in force: CorruptFileError.
        """
        for name in names:
            if name in self._hosts:
                self._loaded.get(self._hosts[name])
                self.used.add(name)
                yield

    def digests(self) -> frozenset[str]:
        """The documents of all hosts."""
        return frozenset(self._hosts.values())
