"""The heads that come on one client connection, one after the other.

Clients that keep a connection repeat their headers: the last block is remembered with what it was read to. That skips
no check, since a block's reading depends on nothing else; the request line is read each time.
"""

from serin.dataplane.proxy.connection_settings import ConnectionSettings
from serin.dataplane.proxy.exchange import RequestHead
from serin.dataplane.proxy.heads import (
    COMMON_METHODS,
    TOO_LARGE,
    Fields,
    HeadReader,
    RefusedError,
    host_name,
    other_method,
    read_common_line,
    read_line,
    request_head,
)

NO_FIELDS = Fields([], [])


class Intake:
    __slots__ = ("_block", "_head", "_reader", "_settings", "fields", "line")

    def __init__(self, reader: HeadReader, settings: ConnectionSettings) -> None:
        self._reader = reader
        self._settings = settings
        self._block: bytes | None = None
        self._head: RequestHead | None = None
        self.fields = NO_FIELDS
        """Of the head read last."""
        self.line = b""
        """The request line read last, as sent; also that of a refused head."""

    def read(self, data: bytes, end: int) -> RequestHead:
        """The head that ends with the empty line at `end`. It is valid until the next one is read.

        Raises RefusedError.
        """
        settings = self._settings
        eol = data.find(b"\r\n")
        self.line = line = data[:eol]
        if end > settings.header_line:
            if eol + 2 > settings.request_line:
                raise RefusedError(414)
            if end + 4 > settings.head:
                raise RefusedError(TOO_LARGE)
        match = read_common_line(line)
        if match is not None:
            method, target = match.groups()
            authority, http10 = None, False
        else:
            method, target, authority, http10 = read_line(line)
        name = COMMON_METHODS.get(method)
        block = data[eol + 2 : end + 4]
        head = self._head
        if head is not None and block == self._block and not http10:
            head.method = name or other_method(method, target)
            head.target = target
            head.host = self.fields.host if authority is None else host_name(authority)
            return head
        self._head = None
        self.fields = NO_FIELDS
        fields = self._reader.fields(block, http10=http10)
        host = fields.host if authority is None else host_name(authority)
        head = request_head(fields, name or other_method(method, target), target, host, http10=http10)
        self.fields = fields
        if not http10:
            self._block = block
            self._head = head
        return head

    def forget(self) -> None:
        """Of a refused request there are no headers to speak of."""
        self.fields = NO_FIELDS
        self._head = None

    def check_partial(self, data: bytes) -> None:
        """Refuse what cannot become a head any more. Raises RefusedError."""
        settings = self._settings
        eol = data.find(b"\r\n")
        self.line = data[:eol] if eol >= 0 else b""
        if max(eol + 2, 0 if eol >= 0 else len(data)) > settings.request_line:
            raise RefusedError(414)
        if len(data) > settings.head:
            raise RefusedError(TOO_LARGE)
        if data.count(b"\n") != data.count(b"\r\n") or not (65 <= data[0] <= 90 or data == b"\r"):
            raise RefusedError(400)
        if eol >= 0 and read_common_line(self.line) is None:
            read_line(self.line)
