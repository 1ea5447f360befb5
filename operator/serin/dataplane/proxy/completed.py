"""The record of one exchange, made when it is over: what the access log says of it.

Holds values as they were on the wire; quoting is the log's business. Made for each request, so slotted and plain.
"""

from dataclasses import dataclass

from serin.dataplane.proxy.exchange import Client, LogContext
from serin.dataplane.proxy.heads import Fields


@dataclass(slots=True)
class Attempt:
    """One try at an endpoint. `address` is `ip:port`; `seconds` until it was over.

    `status` as nginx says it: 502 when the endpoint refused or broke off, 504 when it was too slow; 0 is logged as `-`.
    """

    address: str
    length: int
    seconds: float
    status: int


@dataclass(slots=True)
class Completed:
    """One exchange. Lengths in bytes, times in seconds."""

    remote_addr: str
    request: bytes
    """The request line as sent; empty when none was read."""
    status: int
    body_bytes: int
    """Sent to the client, without the head (nginx's body_bytes_sent)."""
    request_length: int
    """Received from the client: line, head and body."""
    request_time: float
    """From the first byte of the request to the last of the answer."""
    log: LogContext
    referer: bytes | None = None
    user_agent: bytes | None = None
    host: str = ""
    upstream_addr: str = ""
    """`ip:port` of the endpoint that answered, or was tried last; empty when none was asked."""
    upstream_length: int = 0
    """Body bytes received from it."""
    upstream_time: float = 0.0
    upstream_status: int = 0
    """As in Attempt."""
    earlier: tuple[Attempt, ...] = ()
    """Attempts before that one, in order."""
    fields: Fields | None = None
    """The request's headers, for logs that name some; good until the next request is read."""
    client: Client | None = None
    counted: bool = False
    """The choice has told the statistics all that there is."""
