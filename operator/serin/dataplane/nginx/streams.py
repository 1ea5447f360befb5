"""What the stream part of nginx.conf is made of beside the plan: endpoints in force, and ports that can be had.

nginx binds these ports itself, at a reload. One that cannot be bound would make it refuse the whole configuration, so
each is tried before; what nginx of ours holds already is fine.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from serin.dataplane.handing import SocketKey
from serin.dataplane.nginx import process
from serin.dataplane.nginx.weights_file import WeightsFile
from serin.dataplane.stream_sockets import open_stream
from serin.errors import CorruptFileError, UsageError
from serin.render.nginx.streams import Endpoints
from serin.routing.plan import Globals, Pool
from serin.telemetry import log

RETRY_SECONDS = 2.0
"""How often ports that could not be had are tried again."""
_log = logging.getLogger(__name__)


class StreamState:
    """One for a data plane. `prefix` is nginx's folder; `addresses` to listen on; `there`: nginx can do it.

    `own`: ports of HTTP and HTTPS, which no stream can have. `tell` gets the ports that cannot be had.
    """

    def __init__(
        self,
        weights: WeightsFile,
        prefix: Path,
        addresses: tuple[str, ...],
        *,
        there: bool,
        own: tuple[int, ...] = (),
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[Mapping[SocketKey, str]], None] = lambda refused: None,
    ) -> None:
        self._weights = weights
        self._prefix = prefix
        self._addresses = addresses
        self._there = there
        self._own = frozenset(("TCP", port) for port in own)
        self._clock = clock
        self._tell = tell
        self._globals = Globals()
        self._used: Mapping[str, Pool | None] = {}
        self._pools: frozenset[str] = frozenset()
        self._refused: dict[SocketKey, str] = {}
        self._tried = 0.0
        self._said = False

    def endpoints(self, globals_: Globals, passed: frozenset[str]) -> Endpoints:
        """For the stream part of this plan. `passed`: pools of hosts whose TLS is passed on."""
        if not self._there:
            self._say(globals_)
            return Endpoints({})
        if not globals_.streams and not globals_.passthrough:
            self._globals, self._pools, self._refused = globals_, frozenset(), {}
            self._tell({})
            return Endpoints({})
        self._globals = globals_
        self._pools = passed | {stream.to.pool for stream in globals_.streams}
        pools = self._current()
        self._used = {ident: pools.get(ident) for ident in self._pools}
        self._refused = self._try_all()
        return Endpoints(pools, frozenset(self._refused))

    def changed(self) -> bool:
        """Whether `endpoints` would say something else now."""
        if not self._there or not (self._pools or self._globals.streams):
            return False
        due = self._refused and self._clock() >= self._tried + RETRY_SECONDS
        if due and self._try_all().keys() != self._refused.keys():
            return True
        pools = self._current()
        return any(pools.get(ident) != used for ident, used in self._used.items())

    def _current(self) -> Mapping[str, Pool]:
        try:
            return self._weights.current().pools
        except CorruptFileError:
            return {}

    def _try_all(self) -> dict[SocketKey, str]:
        """The ports that cannot be had, and why."""
        self._tried = self._clock()
        found: dict[SocketKey, str] = {}
        held: frozenset[tuple[str, int]] | None = None
        for stream in self._globals.streams:
            for address in self._addresses:
                key = (stream.protocol, stream.port, address)
                error = _refusal(key)
                if error and held is None:
                    held = held_by_master(self._prefix)
                if error and (key[:2] in self._own or key[:2] not in (held or ())):
                    found[key] = error
                    if self._refused.get(key) != error:
                        log.event(_log, log.STREAM_REFUSED, level=logging.ERROR, protocol=key[0], error=error)
        self._tell(found)
        return found

    def _say(self, globals_: Globals) -> None:
        wanted = bool(globals_.streams or globals_.passthrough)
        keys = ((s.protocol, s.port, address) for s in globals_.streams for address in self._addresses)
        self._tell(dict.fromkeys(keys, "nginx has no stream module (Debian, Ubuntu: libnginx-mod-stream)"))
        if wanted and not self._said:
            text = "nginx has no stream module (Debian, Ubuntu: libnginx-mod-stream); nobody answers on ports of TCP "
            text += "and UDP, and TLS is never passed on unread"
            log.event(_log, log.STREAM_REFUSED, level=logging.ERROR, protocol="TCP", error=text)
        self._said = wanted


def _refusal(key: SocketKey) -> str:
    """Why nobody could bind it now; empty when it is free."""
    try:
        for sock in open_stream(key, 0):
            sock.close()
    except UsageError as error:
        return str(error)
    return ""


def held_by_master(prefix: Path) -> frozenset[tuple[str, int]]:
    """Protocols and ports that the master of this folder listens on."""
    try:
        pid = int((prefix / process.PID).read_text())
        descriptors = tuple(Path(f"/proc/{pid}/fd").iterdir())
    except (OSError, ValueError):
        return frozenset()
    inodes: set[str] = set()
    for path in descriptors:
        with contextlib.suppress(OSError):  # closed meanwhile
            name = str(path.readlink())
            if name.startswith("socket:["):
                inodes.add(name[8:-1])
    found: set[tuple[str, int]] = set()
    for table, protocol in (("tcp", "TCP"), ("tcp6", "TCP"), ("udp", "UDP"), ("udp6", "UDP")):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[9] in inodes:
                found.add((protocol, int(fields[1].rpartition(":")[2], 16)))
    return frozenset(found)
