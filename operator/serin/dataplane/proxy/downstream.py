"""One client connection: reads requests one at a time, asks the gate, writes answers.

All in callbacks; a task only where the gate must wait. The bytes of a request's body are counted or decoded here and
given to the transfer; what comes behind them waits for its turn, in bounded space. It knows no routes.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from serin.dataplane.proxy.answers import own_answer
from serin.dataplane.proxy.client_link import (
    CLOSED,
    DRAIN,
    EXCHANGE,
    HOLD_BUFFER,
    HOLD_CONNECTING,
    HOLD_UPLOAD,
    IDLE,
    LINGER,
    NEVER,
    ClientLink,
)
from serin.dataplane.proxy.completed import Completed
from serin.dataplane.proxy.exchange import Answer, Client, Forward, LogContext, RequestHead
from serin.dataplane.proxy.framing import BadChunkError, ChunkDecoder, CountedBody
from serin.dataplane.proxy.heads import CHUNKED, TOO_LARGE, RefusedError
from serin.dataplane.proxy.intake import NO_FIELDS, Intake
from serin.dataplane.proxy.transfer import CLIENT_CLOSED, Transfer

if TYPE_CHECKING:
    from serin.dataplane.proxy.server import Server

_log = logging.getLogger(__name__)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
REQUEST_TIMEOUT = 408
_NO_LOG = LogContext()
_CLOSING = frozenset((400, 413, 414))
"""Pages after which nginx closes the connection."""


class Downstream(ClientLink):
    __slots__ = (
        "_advancing",
        "_body",
        "_buffer",
        "_fields",
        "_head",
        "_intake",
        "_received",
        "_requests",
        "_server",
        "_started",
        "_task",
        "_transfer",
        "_uploaded",
        "client",
        "keep_alive",
        "pool",
        "tunnels",
    )

    def __init__(self, server: "Server", *, tls: bool, server_port: int) -> None:
        super().__init__(server.settings, tls=tls)
        self._server = server
        self.pool = server.pool
        self.tunnels = server.tunnels
        self.client = Client("", 0, tls, server_port)
        self.keep_alive = True
        """The connection stays open after this exchange."""
        self._buffer = b""
        """Read and not yet used."""
        self._body: CountedBody | ChunkDecoder | None = None
        """What is left to be read of the request's body; None when nothing is."""
        self._intake = Intake(server.heads, server.settings)
        self._fields = NO_FIELDS
        self._head: RequestHead | None = None
        self._transfer: Transfer | None = None
        self._task: asyncio.Task[None] | None = None
        self._advancing = False
        self._requests = 0
        self._received = 0
        """Bytes of this request: line, head and body."""
        self._uploaded = 0
        """Bytes of its body, without framing."""
        self._started = 0.0

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        if not self._server.admit(self):
            self._state = CLOSED
            self.transport.abort()
            return
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            address: str = peer[0]
            self.client.address = address.removeprefix("::ffff:") if "." in address else address
            self.client.port = peer[1]
        self.deadline = time.monotonic() + self.settings.header_timeout

    def data_received(self, data: bytes) -> None:
        state = self._state
        if state == IDLE:
            self._buffer = self._buffer + data if self._buffer else data
            self._advance()
        elif state == EXCHANGE:
            if self._body is not None and self._transfer is not None:
                self._read_body(data)
            else:
                self._wait_turn(self._buffer + data)
        elif state == DRAIN:
            self._drain(data)
        elif state == LINGER:
            self._linger_on()

    def eof_received(self) -> None:
        """A client that has closed its side is gone, as nginx sees it: the endpoint is told. The transport closes."""
        self._gone(CLIENT_CLOSED)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.forget(self)
        self._gone(CLIENT_CLOSED)

    def _output_paused(self, *, paused: bool) -> None:
        if self._transfer is not None:
            self._transfer.hold_answer(on=paused)
        elif not paused and self._state == IDLE:
            self._advance()

    def _next_deadline(self) -> float:
        if self._state == IDLE:
            return time.monotonic() + (
                self.settings.header_timeout if self._buffer else self.settings.keepalive_timeout
            )
        if self._body is None or self._holds:
            return NEVER
        return time.monotonic() + self.settings.body_timeout

    def expired(self, now: float) -> None:
        """The deadline has passed."""
        if (self._write_paused or self._state == CLOSED) and not self._output_stuck(now):
            return
        if self._state == IDLE and not self._write_paused:
            if self._buffer:
                self._started = self._started or now
                self._complete_own(REQUEST_TIMEOUT, 0, _NO_LOG)
            self._close()
            return
        self._gone(CLIENT_CLOSED if self._write_paused else REQUEST_TIMEOUT)
        self.transport.abort()

    def drain(self, now: float) -> None:
        """The worker ends: one more request at most is taken, soon."""
        self.keep_alive = False
        if self._state == IDLE and not self._write_paused:
            self.deadline = min(self.deadline, now + self.settings.drain_idle)

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
            while data.startswith(b"\r\n"):
                data = data[2:]
            self._buffer = data
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
        self._received = end + 4
        self._uploaded = 0
        self._buffer = data[end + 4 :]
        self._set_up(head)
        self._decide(head)
        return True

    def _set_up(self, head: RequestHead) -> None:
        """Framing and persistence of the exchange that begins."""
        fields = self._intake.fields
        self._head = head
        self._fields = fields
        length = fields.content_length
        if length:
            self._body = ChunkDecoder() if length == CHUNKED else CountedBody(length)
        else:
            self._body = None
        self._requests += 1
        keep = fields.keep_alive and not fields.close if head.http10 else not fields.close
        keep = keep and not (fields.upgrade and self._buffer)  # those bytes are for the tunnel, or for nobody
        self.keep_alive = keep and self._requests < self.settings.keepalive_requests and not self._server.draining
        self._state = EXCHANGE
        self.deadline = NEVER

    # --- decisions ---

    def _decide(self, head: RequestHead) -> None:
        try:
            decision = self._server.gate(head, self.client)
        except Exception:
            _log.exception("the gate failed on %s", head.host)
            decision = self._failure()
        if type(decision) is Forward:
            self._forward(decision)
        elif type(decision) is Answer:
            self._answer(decision)
        else:
            self._task = asyncio.get_running_loop().create_task(self._wait(decision))  # type: ignore[arg-type]

    async def _wait(self, decision: "Awaitable[Answer | Forward]") -> None:
        try:
            decided = await decision
        except Exception:
            _log.exception("the gate failed")
            decided = self._failure()
        self._task = None
        if isinstance(decided, Forward):
            self._forward(decided)
        else:
            self._answer(decided)

    def _failure(self) -> Answer:
        return Answer(500, body=self.settings.page(500), close=True)

    def _forward(self, forward: Forward) -> None:
        head = self._head
        assert head is not None
        self._transfer = transfer = Transfer(self, head, self._fields, forward, self._intake.line, self._started)
        if self._body is None:
            transfer.start(b"", done=True)
            return
        if head.content_length > forward.max_body > 0:
            transfer.refuse(413)
            return
        data, self._buffer = self._buffer, b""
        if head.expect_continue and not data:
            self.write(CONTINUE)
        self._read_body(data, start=True)
        self.hold(HOLD_BUFFER, on=False)

    def _answer(self, answer: Answer) -> None:
        self.keep_alive = self.keep_alive and not answer.close and self._body_drainable()
        head_only = self._head is not None and self._head.method == "HEAD"
        self.write(own_answer(answer, head_only=head_only, keep_alive=self.keep_alive))
        self._complete_own(answer.status, 0 if head_only else len(answer.body), answer.log or _NO_LOG)
        self.over()

    def _refuse(self, status: int) -> None:
        """Answer a request that HTTP forbids, and close."""
        page = self.settings.page(status)
        shown = 400 if status == TOO_LARGE else status
        self.keep_alive = False
        self._head = None
        self._fields = NO_FIELDS
        self._received = self._received or len(self._buffer)
        self.write(own_answer(Answer(shown, body=page), head_only=False, keep_alive=False))
        self._complete_own(shown, len(page), _NO_LOG)
        self._close_lingering(unread=True)

    def _complete_own(self, status: int, body: int, log: LogContext) -> None:
        """Tell the log of an exchange that no endpoint had a part in."""
        head, fields = self._head, self._fields
        self._server.on_complete(
            Completed(
                self.client.address,
                self._intake.line,
                status,
                body,
                self._received,
                time.monotonic() - self._started,
                log,
                fields.referer,
                fields.user_agent,
                head.host if head is not None else "",
            )
        )

    # --- bodies ---

    def _read_body(self, data: bytes, *, start: bool = False) -> None:
        body, transfer = self._body, self._transfer
        assert body is not None
        assert transfer is not None
        self._received += len(data)
        try:
            part = body.feed(data) if data else b""
        except BadChunkError:
            transfer.refuse(400)
            return
        limit = transfer.forward.max_body
        self._uploaded += len(part)
        if self._uploaded > limit > 0:
            transfer.refuse(413)
            return
        done = body.done
        if done:
            self._body = None
            self._received -= len(body.rest)
            if body.rest:
                self._wait_turn(body.rest)
        if not self._holds:
            self.deadline = self._next_deadline()
        if start:
            transfer.start(part, done=done)
        elif part or done:
            transfer.body(part, done=done)

    def _wait_turn(self, buffer: bytes) -> None:
        self._buffer = buffer
        if self._fields.upgrade:
            self.keep_alive = False
        if len(buffer) > self.settings.replay:
            self.hold(HOLD_BUFFER, on=True)

    def _body_drainable(self) -> bool:
        """Whether the connection can go on although the request's body has not been read."""
        body = self._body
        if body is None:
            return True
        if self._head is None or self._head.expect_continue:
            return False  # whether the body comes at all is not known
        return isinstance(body, ChunkDecoder) or body.left <= self.settings.drain_body

    def _drain(self, data: bytes) -> None:
        body = self._body
        assert body is not None
        self._received += len(data)
        try:
            body.feed(data)
        except BadChunkError:
            self._close_lingering(unread=True)
            return
        if body.done:
            self._body = None
            self._buffer = body.rest
            self._next()
        elif self._received > self.settings.drain_body:
            self._close_lingering(unread=True)
        else:
            self.deadline = self._next_deadline()

    # --- the transfer's side ---

    def over(self) -> None:
        """The answer is written."""
        self._transfer = None
        unread = self._body is not None
        if self._state != EXCHANGE:
            return
        if unread and self.keep_alive and self._body_drainable():
            self._state = DRAIN
            self._received = 0
            self.hold(HOLD_UPLOAD | HOLD_CONNECTING | HOLD_BUFFER, on=False)
            data, self._buffer = self._buffer, b""
            if data:
                self._drain(data)
            elif not self._write_paused:
                self.deadline = self._next_deadline()
        elif not self.keep_alive:
            if unread or self._buffer:
                self._close_lingering(unread=True)
            else:
                self._close()
        else:
            self._next()

    def _next(self) -> None:
        """Ready for the next request."""
        self._state = IDLE
        self._started = 0.0
        self._head = None
        if self._holds:
            self.hold(HOLD_UPLOAD | HOLD_CONNECTING | HOLD_BUFFER, on=False)
        if self._buffer:
            self._advance()
        elif not self._write_paused:
            self.deadline = time.monotonic() + self.settings.keepalive_timeout

    def completed(self, record: Transfer) -> None:
        """The exchange is over for the log and the statistics."""
        record.request_length = self._received
        self._server.on_complete(record)

    def fail(self, transfer: Transfer, status: int, prelude: bytes) -> None:
        """No endpoint gave an answer: a page says so."""
        self.keep_alive = self.keep_alive and status not in _CLOSING and self._body_drainable()
        page = self.settings.page(status)
        transfer.body_bytes = 0 if transfer.bodiless else len(page)
        answer = Answer(status, body=page)
        self.write(own_answer(answer, head_only=transfer.bodiless, keep_alive=self.keep_alive, prelude=prelude))
        self.completed(transfer)
        self.over()

    def cut(self, *, framed: bool) -> None:
        """The answer broke off: the client must be able to see that. `framed`: from the missing end alone."""
        self._transfer = None
        if framed:
            self._close()
        else:
            self._reset()

    def switch(self) -> bytes:
        """The connection becomes one end of a tunnel; what was read early on it."""
        early, self._buffer = self._buffer, b""
        self.hold(HOLD_UPLOAD | HOLD_CONNECTING | HOLD_BUFFER, on=False)
        self._transfer = None
        self._state = CLOSED
        self.deadline = NEVER
        self._server.forget(self)
        return early

    def _gone(self, status: int) -> None:
        """The client has left, or was too slow: whoever works for it stops."""
        if self._state == CLOSED and self._transfer is None and self._task is None:
            return
        self._state = CLOSED
        self._watch_output()
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self._complete_own(status, 0, _NO_LOG)
        transfer, self._transfer = self._transfer, None
        if transfer is not None:
            transfer.abort(status)
