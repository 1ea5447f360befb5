"""One client connection: asks the gate about each request, and writes answers or has them brought by a transfer.

All in callbacks; a task only where the gate must wait. It knows no routes.
"""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from serin.dataplane.proxy.answers import own_answer
from serin.dataplane.proxy.changed_transfer import ChangedTransfer
from serin.dataplane.proxy.client_link import ALL_HOLDS, CLOSED, EXCHANGE, IDLE, NEVER
from serin.dataplane.proxy.completed import Completed
from serin.dataplane.proxy.exchange import Answer, Client, Forward, LogContext, RequestHead
from serin.dataplane.proxy.heads import TOO_LARGE
from serin.dataplane.proxy.proxy_protocol import Address
from serin.dataplane.proxy.request_reader import RequestReader
from serin.dataplane.proxy.retries import CLIENT_CLOSED
from serin.dataplane.proxy.transfer import Transfer

if TYPE_CHECKING:
    from serin.dataplane.proxy.server import Server

_log = logging.getLogger(__name__)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
REQUEST_TIMEOUT = 408
_CLOSING = frozenset((400, 413, 414))
"""Pages after which nginx closes the connection."""


def _no_log() -> LogContext:
    """For a request that no gate saw. It has an id as well (ingress-nginx's req_id is never empty)."""
    return LogContext(request_id=os.urandom(16).hex())


class Downstream(RequestReader):
    __slots__ = ("_requests", "_server", "_task", "_transfer", "client", "on_complete", "pool", "tunnels")

    def __init__(self, server: "Server", *, tls: bool, server_port: int, client: Address | None = None) -> None:
        super().__init__(server.settings, server.heads, tls=tls)
        self._server = server
        self.pool = server.pool
        self.on_complete = server.on_complete
        """Takes the record of an exchange that is over; its length has been set."""
        self.tunnels = server.tunnels
        self.client = Client("", 0, tls, server_port)
        if client is not None:
            self.client.address, self.client.port = client
        self._transfer: Transfer | None = None
        self._task: asyncio.Task[None] | None = None
        self._requests = 0

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        if not self._server.admit(self):
            self._state = CLOSED
            self.transport.abort()
            return
        peer = transport.get_extra_info("peername")
        if not self.client.address and isinstance(peer, tuple):
            address: str = peer[0]
            self.client.address = address.removeprefix("::ffff:") if "." in address else address
            self.client.port = peer[1]
        self.deadline = time.monotonic() + self.settings.header_timeout

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

    def expired(self, now: float) -> None:
        """The deadline has passed."""
        if (self._write_paused or self._state == CLOSED) and not self._output_stuck(now):
            return
        if self._state == IDLE and not self._write_paused:
            if self._buffer:
                self._started = self._started or now
                self._head = None
                self._intake.forget()
                self._complete_own(REQUEST_TIMEOUT, 0, _no_log())
            self._close()
            return
        self._gone(CLIENT_CLOSED if self._write_paused else REQUEST_TIMEOUT)
        self.transport.abort()

    def drain(self, now: float) -> None:
        """The worker ends: one more request at most is taken, soon."""
        self.keep_alive = False
        if self._state == IDLE and not self._write_paused:
            self.deadline = min(self.deadline, now + self.settings.drain_idle)

    # --- decisions ---

    def _begin(self, head: RequestHead) -> None:
        self._requests += 1
        if self._requests >= self.settings.keepalive_requests or self._server.draining:
            self.keep_alive = False
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
        kind = Transfer if forward.changes is None else ChangedTransfer
        self._transfer = transfer = kind(self, head, self._intake.fields, forward, self._intake.line, self._started)
        if self._body is None:
            transfer.attempt()
        elif forward.changes is not None and forward.changes.bare:
            self.keep_alive = self.keep_alive and self._body_drainable()
            transfer.attempt()
        elif head.content_length > forward.max_body > 0:
            transfer.refuse(413)
        else:
            if head.expect_continue and not self._buffer:
                self.write(CONTINUE)
            part = self._stream_body(forward.max_body)
            if part is not None:
                transfer.start(part, done=self._body is None)

    def _body_part(self, part: bytes, *, done: bool) -> None:
        if self._transfer is not None:
            self._transfer.body(part, done=done)

    def _body_refused(self, status: int) -> None:
        if self._transfer is not None:
            self._transfer.refuse(status)

    def _answer(self, answer: Answer) -> None:
        closing = answer.close or answer.status in _CLOSING
        self.keep_alive = self.keep_alive and not closing and self._body_drainable()
        head_only = self._head is not None and self._head.method == "HEAD"
        self.write(own_answer(answer, head_only=head_only, keep_alive=self.keep_alive, prelude=answer.lines))
        self._complete_own(answer.status, 0 if head_only else len(answer.body), answer.log or _no_log())
        self.over(time.monotonic())

    def _refuse(self, status: int) -> None:
        """Answer a request that HTTP forbids, and close."""
        page = self.settings.page(status)
        shown = 400 if status == TOO_LARGE else status
        self.keep_alive = False
        self._head = None
        self._intake.forget()
        self.received = self.received or len(self._buffer)
        self.write(own_answer(Answer(shown, body=page), head_only=False, keep_alive=False))
        self._complete_own(shown, len(page), _no_log())
        self._close_lingering(unread=True)

    def _complete_own(self, status: int, body: int, log: LogContext) -> None:
        """Tell the log of an exchange that no endpoint had a part in."""
        head, fields = self._head, self._intake.fields
        self.on_complete(
            Completed(
                log.remote_addr or self.client.address,
                self._intake.line,
                status,
                body,
                self.received,
                time.monotonic() - self._started,
                log,
                fields.referer,
                fields.user_agent,
                head.host if head is not None else "",
                fields=fields,
                client=self.client,
            )
        )

    # --- the transfer's side ---

    def over(self, now: float) -> None:
        """The answer is written; `now` on time.monotonic()'s clock."""
        self._transfer = None
        if self._state != EXCHANGE:
            return
        unread = self._body is not None
        if self.keep_alive and not unread:
            self._next(now)
        elif self.keep_alive and self._body_drainable():
            self._start_drain()
        elif unread or self._buffer:
            self._close_lingering(unread=True)
        else:
            self._close()

    def completed(self, record: Transfer) -> None:
        """The exchange is over for the log and the statistics."""
        record.request_length = self.received
        self.on_complete(record)

    def fail(self, transfer: Transfer, status: int, prelude: bytes) -> None:
        """No endpoint gave an answer: a page says so."""
        self.keep_alive = self.keep_alive and status not in _CLOSING and self._body_drainable()
        page = self.settings.page(status)
        transfer.body_bytes = 0 if transfer.bodiless else len(page)
        answer = Answer(status, body=page)
        if b"content-type:" in prelude.lower():
            answer.content_type = b""  # one of a user's header lines
        self.write(own_answer(answer, head_only=transfer.bodiless, keep_alive=self.keep_alive, prelude=prelude))
        self.completed(transfer)
        self.over(time.monotonic())

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
        self.hold(ALL_HOLDS, on=False)
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
            self._complete_own(status, 0, _no_log())
        transfer, self._transfer = self._transfer, None
        if transfer is not None:
            transfer.abort(status)
