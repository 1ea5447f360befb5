"""What is known of a connection or UDP session that was passed on, for its line in the access log.

Filled while it lasts; telemetry.stream_variables has what a line may say of it.
"""

import time
from dataclasses import dataclass, field

from serin.dataplane.proxy.proxy_protocol import Address


@dataclass(slots=True)
class EndpointTry:
    """An endpoint that was tried, as `address:port`; seconds since its beginning, None where that did not come."""

    address: str
    begun: float = field(default_factory=time.monotonic)
    connected: float | None = None
    first_byte: float | None = None
    ended: float | None = None
    sent: int = 0
    received: int = 0

    def since(self) -> float:
        return time.monotonic() - self.begun


@dataclass(slots=True)
class StreamSession:
    """`protocol` is TCP or UDP; `server` the address that the client came to; `upstream` is what logs call it.

    `sent` to the client and `received` from it, in bytes. `told`: the client's address came in a PROXY line.
    """

    protocol: str
    client: Address
    server: Address
    upstream: str
    server_name: str = ""
    told: bool = False
    status: int = 200
    sent: int = 0
    received: int = 0
    tries: list[EndpointTry] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    def ended(self, status: int) -> None:
        now = time.monotonic()
        self.status, self.seconds = status, now - self.begun
        if self.tries and self.tries[-1].ended is None:
            self.tries[-1].ended = now - self.tries[-1].begun
