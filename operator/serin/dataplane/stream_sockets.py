"""The sockets of ports of TCP and UDP: opened and closed by the parent as plans come, one for each worker and address.

As with the ports of HTTP the parent keeps them, so that connections which wait when a worker ends are its successor's.
A port that cannot be had is told once, and tried again.
"""

import logging
import socket
from collections.abc import Iterable, Mapping

from serin.dataplane.handing import SocketKey
from serin.dataplane.sockets import BACKLOG, bind_socket
from serin.errors import UsageError
from serin.routing.wide import Stream
from serin.telemetry import log

_log = logging.getLogger(__name__)


class StreamSockets:
    """`addresses` to listen on; `places`: how many workers there are."""

    def __init__(self, addresses: tuple[str, ...], places: int) -> None:
        self._addresses = addresses
        self._wanted: frozenset[tuple[str, int]] = frozenset()
        self._refused: dict[SocketKey, str] = {}
        self.places: tuple[dict[SocketKey, socket.socket], ...] = tuple({} for _ in range(places))

    @property
    def complete(self) -> bool:
        """Every port of the plan is open."""
        return not self._refused

    @property
    def refused(self) -> Mapping[SocketKey, str]:
        """What could not be had, and why."""
        return self._refused

    def follow(self, streams: Iterable[Stream]) -> None:
        """Open what is new, close what no plan names any more."""
        self._wanted = frozenset((stream.protocol, stream.port) for stream in streams)
        for key in [key for key in self.places[0] if key[:2] not in self._wanted]:
            self._close(key)
        self._refused = {key: why for key, why in self._refused.items() if key[:2] in self._wanted}
        self.open()

    def open(self) -> None:
        """Open what is not; what could not be opened before is tried again."""
        for protocol, port in sorted(self._wanted):
            for address in self._addresses:
                key = (protocol, port, address)
                if key not in self.places[0]:
                    self._open(key)

    def close(self) -> None:
        for key in tuple(self.places[0]):
            self._close(key)

    def _open(self, key: SocketKey) -> None:
        try:
            opened = open_stream(key, len(self.places))
        except UsageError as error:
            if self._refused.get(key) != str(error):
                log.event(_log, log.STREAM_REFUSED, level=logging.ERROR, protocol=key[0], error=str(error))
            self._refused[key] = str(error)
            return
        self._refused.pop(key, None)
        for place, sock in zip(self.places, opened, strict=True):
            place[key] = sock

    def _close(self, key: SocketKey) -> None:
        for place in self.places:
            place.pop(key).close()


def open_stream(key: SocketKey, places: int) -> list[socket.socket]:
    """So many sockets on one address and port. UsageError says why there are none."""
    protocol, port, address = key
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    option = "the ConfigMap of these ports"
    # SO_REUSEPORT would let a second instance of the same user in without a word: ask without it first.
    bind_socket(address, port, option=option, shared=False, kind=kind).close()
    opened: list[socket.socket] = []
    try:
        for _ in range(places):
            opened.append(bind_socket(address, port, option=option, shared=True, kind=kind))
            if kind == socket.SOCK_STREAM:
                opened[-1].listen(BACKLOG)
    except (UsageError, OSError) as error:
        for sock in opened:
            sock.close()
        raise UsageError(str(error)) from error
    return opened
