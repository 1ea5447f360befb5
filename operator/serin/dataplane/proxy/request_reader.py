"""Reads the requests of one client connection, one after the other: heads, bodies, and what is read too early.

The bytes of a body are counted or decoded here; what comes behind them waits for its turn, in bounded space. What is
done with a request is downstream.py's.
"""

import re
import time
from abc import abstractmethod

from serin.dataplane.proxy.client_link import ALL_HOLDS, DRAIN, EXCHANGE, HOLD_BUFFER, IDLE, LINGER, NEVER, ClientLink
from serin.dataplane.proxy.connection_settings import ConnectionSettings
from serin.dataplane.proxy.exchange import RequestHead
from serin.dataplane.proxy.framing import MANY_CHUNKS, BadChunkError, ChunkDecoder, CountedBody
from serin.dataplane.proxy.heads import CHUNKED, HeadReader, RefusedError
from serin.dataplane.proxy.intake import Intake

_empty_lines = re.compile(rb"(?:\r\n)+").match


class RequestReader(ClientLink):
    __slots__ = (
        "_advancing",
        "_body",
        "_buffer",
        "_head",
        "_intake",
        "_max_body",
        "_started",
        "_streaming",
        "_uploaded",
        "keep_alive",
        "received",
    )

    def __init__(self, settings: ConnectionSettings, heads: HeadReader, *, tls: bool) -> None:
        super().__init__(settings, tls=tls)
        self.keep_alive = True
        """The connection stays open after this exchange."""
        self._intake = Intake(heads, settings)
        self._head: RequestHead | None = None
        self._buffer = b""
        """Read and not yet used."""
        self._body: CountedBody | ChunkDecoder | None = None
        """What is left to be read of the request's body; None when nothing is."""
        self._streaming = False
        """Body bytes are handed on as they come; else they wait in the buffer."""
        self._max_body = 0
        self._advancing = False
        self.received = 0
        """Bytes of this request: line, head and body."""
        self._uploaded = 0
        """Bytes of its body, without framing."""
        self._started = 0.0

    @abstractmethod
    def _begin(self, head: RequestHead) -> None:
        """A request has come; its body may not have."""

    @abstractmethod
    def _refuse(self, status: int) -> None:
        """The bytes in the buffer are not a request that may be answered otherwise."""

    @abstractmethod
    def _body_part(self, part: bytes, *, done: bool) -> None:
        """More of the body of the request in hand."""

    @abstractmethod
    def _body_refused(self, status: int) -> None:
        """The body of the request in hand cannot be taken to its end."""

    # --- bytes ---

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state == IDLE:
            self._buffer = self._buffer + data if self._buffer else data
            self._advance()
        elif state == EXCHANGE:
            if self._streaming:
                self._read_body(data)
            else:
                self._wait_turn(self._buffer + data)
        elif state == DRAIN:
            self._drain(data)
        elif state == LINGER:
            self._linger_on()

    def _next_deadline(self) -> float:
        if self._state == IDLE:
            return time.monotonic() + (
                self.settings.header_timeout if self._buffer else self.settings.keepalive_timeout
            )
        if self._body is None or self._holds:
            return NEVER
        return time.monotonic() + self.settings.body_timeout

    def _wait_turn(self, buffer: bytes) -> None:
        self._buffer = buffer
        if self._intake.fields.upgrade:
            self.keep_alive = False  # these bytes are for the tunnel, or for nobody
        if len(buffer) > self.settings.replay:
            self.hold(HOLD_BUFFER, on=True)

    # --- heads ---

    def _advance(self) -> None:
        """Take the requests that are in the buffer, one exchange at a time."""
        if self._advancing:
            return
        self._advancing = True
        while self._buffer and self._state == IDLE and not self._write_paused:
            if not self._take():
                break
        self._advancing = False

    def _take(self) -> bool:
        """Begin the exchange whose head is in the buffer; False when it is not there as a whole."""
        data = self._buffer
        if data[0] == 13:  # empty lines before a request are skipped: RFC 9112, section 2.2
            empty = _empty_lines(data)
            if empty is not None:
                self._buffer = data = data[empty.end() :]
        end = data.find(b"\r\n\r\n")
        if not self._started:
            self._started = time.monotonic()
            if end < 0:
                self.deadline = self._started + self.settings.header_timeout
        try:
            if end < 0:
                if data:
                    self._intake.check_partial(data)
                return False
            head = self._intake.read(data, end)
        except RefusedError as refused:
            self._refuse(refused.status)
            return False
        self.received = end + 4
        self._buffer = data[end + 4 :]
        self._head = head
        fields = self._intake.fields
        length = fields.content_length
        if length:
            self._body = ChunkDecoder() if length == CHUNKED else CountedBody(length)
        self.keep_alive = fields.persistent and not (fields.upgrade and self._buffer)
        self._state = EXCHANGE
        self.deadline = NEVER
        self._begin(head)
        return True

    def _next(self, now: float) -> None:
        """Ready for the next request."""
        self._state = IDLE
        self._started = 0.0
        if self._holds:
            self.hold(ALL_HOLDS, on=False)
        if self._buffer:
            self._advance()
        elif not self._write_paused:
            self.deadline = now + self.settings.keepalive_timeout

    # --- bodies ---

    def _stream_body(self, limit: int) -> bytes | None:
        """From now on the body is handed on. What is there of it already; None when it was refused because of that.

        `limit` in bytes, 0 for none.
        """
        self._max_body = limit
        self._uploaded = 0
        self._streaming = True
        data, self._buffer = self._buffer, b""
        part = self._decode(data) if data else b""
        if self._holds:
            self.hold(HOLD_BUFFER, on=len(self._buffer) > self.settings.replay)
        return part

    def _read_body(self, data: bytes) -> None:
        part = self._decode(data)
        if part is None:
            return
        done = self._body is None
        if part or done:
            self._body_part(part, done=done)

    def _decode(self, data: bytes) -> bytes | None:
        body = self._body
        assert body is not None
        self.received += len(data)
        try:
            part = body.feed(data)
        except BadChunkError:
            self._body_refused(400)
            return None
        if body.chunks > MANY_CHUNKS:
            self.let_others()
        self._uploaded += len(part)
        if self._uploaded > self._max_body > 0:
            self._body_refused(413)
            return None
        if body.done:
            self._body = None
            self._streaming = False
            if body.rest:
                self.received -= len(body.rest)
                self._wait_turn(body.rest)
        if not self._holds and not self._write_paused:
            self.deadline = self._next_deadline()
        return part

    def _body_drainable(self) -> bool:
        """Whether the connection can go on although the request's body has not been read."""
        body = self._body
        if body is None:
            return True
        if self._intake.fields.expect_continue:
            return False  # whether the body comes at all is not known
        return isinstance(body, ChunkDecoder) or body.left <= self.settings.drain_body

    def _start_drain(self) -> None:
        """Throw the rest of the body away, then go on."""
        self._state = DRAIN
        self._streaming = False
        self.received = 0
        self.hold(ALL_HOLDS, on=False)
        data, self._buffer = self._buffer, b""
        if data:
            self._drain(data)
        elif not self._write_paused:
            self.deadline = self._next_deadline()

    def _drain(self, data: bytes) -> None:
        body = self._body
        assert body is not None
        self.received += len(data)
        try:
            body.feed(data)
        except BadChunkError:
            self._close_lingering(unread=True)
            return
        if body.chunks > MANY_CHUNKS:
            self.let_others()
        if body.done:
            self._body = None
            self._buffer = body.rest
            self._next(time.monotonic())
        elif self.received > self.settings.drain_body:
            self._close_lingering(unread=True)
        elif not self._write_paused:
            self.deadline = self._next_deadline()
