"""One forwarded exchange: sends the request to an endpoint, brings the answer to the client, tries again where allowed.

Stands between one client connection and one endpoint connection at a time. It is also the record that the log gets when
it is over. The gate has decided everything about the route before; what a failure means is all that is decided here.
"""

import asyncio
import time
from typing import TYPE_CHECKING

from serin.dataplane.proxy.answers import CHUNKED_LINE, CLOSE, KEEP_ALIVE, AnswerHead, date_line
from serin.dataplane.proxy.client_link import HOLD_CONNECTING, HOLD_UPLOAD
from serin.dataplane.proxy.completed import Attempt, Completed
from serin.dataplane.proxy.connection_settings import UpstreamSettings
from serin.dataplane.proxy.exchange import FINE, Choice, Client, Forward, RequestHead
from serin.dataplane.proxy.framing import LAST_CHUNK, chunk
from serin.dataplane.proxy.heads import CHUNKED, Fields, passed_lines
from serin.dataplane.proxy.retries import CLIENT_CLOSED, STATUS_OF, UNANSWERED, may_renew, may_retry
from serin.dataplane.proxy.tunnel import open_tunnel
from serin.dataplane.proxy.upstream import NEVER, Upstream, endpoint_name

if TYPE_CHECKING:
    from serin.dataplane.proxy.downstream import Downstream

_NOTHING: list[bytes] = []
"""The body of nearly every request; never changed."""


class Transfer(Completed):
    __slots__ = (
        *("_attempt_started", "_body", "_body_size", "_chunked_out", "_connecting", "_down", "_fields", "_framed"),
        *("_head", "_over", "_replayable", "_started", "_upstream", "_write", "bodiless", "body_done", "choice"),
        *("connect_time", "forward", "header_time", "judged", "reusable", "settings"),
    )

    def __init__(
        self, down: "Downstream", head: RequestHead, fields: Fields, forward: Forward, line: bytes, started: float
    ) -> None:
        self.remote_addr = forward.log.remote_addr or down.client.address
        self.request = line
        self.status = 0
        self.body_bytes = 0
        self.log = forward.log
        self.referer = fields.referer
        self.user_agent = fields.user_agent
        self.host = head.host
        self.upstream_addr = ""
        self.upstream_length = 0
        self.upstream_status = 0
        self.earlier = ()
        self.counted = False
        self.forward = forward
        self.choice = forward.choice
        self.settings: UpstreamSettings = forward.upstream
        self.judged = self.settings.retry_statuses
        """Statuses of answers that `accepts` is asked about before they are passed on."""
        self.bodiless = head.method == "HEAD"
        self.body_done = not head.content_length
        """The whole request body has been given to the endpoint's connection."""
        self.connect_time = 0.0
        """Seconds until the endpoint asked last was connected; a kept connection takes none."""
        self.header_time = -1.0
        """Seconds until its answer began; below 0: it has not, or came to its end in the same read."""
        self.reusable = False
        """The endpoint's head allows another exchange on its connection."""
        self._down = down
        self._write = down.write
        self._head = head
        self._fields = fields
        self._started = self._attempt_started = started
        self._upstream: Upstream | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._body = _NOTHING
        """What was sent of the body, as it was sent, as long as it may have to be sent again."""
        self._body_size = 0
        self._replayable = True
        self._chunked_out = False
        self._framed = True
        """The client can see that an answer is not whole."""
        self._over = False

    @property
    def fields(self) -> Fields:  # type: ignore[override]
        return self._fields

    @property
    def client(self) -> Client:  # type: ignore[override]
        return self._down.client

    # --- the request, called by the client's connection ---

    def start(self, part: bytes, *, done: bool) -> None:
        """Send the request with what has been read of its body."""
        self._keep(part, done=done)
        self.attempt()

    def body(self, part: bytes, *, done: bool) -> None:
        """More of the request's body."""
        pieces = self._keep(part, done=done)
        upstream = self._upstream
        if upstream is not None:
            for piece in pieces:
                upstream.write(piece)
            if done and not upstream.write_paused:
                upstream.deadline = self.read_deadline()
            self._forget_long_body()
        elif self._body_size > self._down.settings.replay:
            self._down.hold(HOLD_CONNECTING, on=True)

    def _keep(self, part: bytes, *, done: bool) -> list[bytes]:
        self.body_done = done
        if self._head.content_length != CHUNKED:
            pieces = [part] if part else []
        else:
            pieces = chunk(part)
            if done:
                pieces.append(LAST_CHUNK)
        if self._replayable:
            if self._body is _NOTHING:
                self._body = []
            self._body += pieces
            self._body_size += len(part)
        return pieces

    def _forget_long_body(self) -> None:
        """What is too long to be kept cannot be sent again."""
        if self._replayable and self._body_size > self._down.settings.replay:
            self._replayable = False
            self._body = []

    def attempt(self) -> None:
        """Send the request to the endpoint chosen."""
        upstream = self._down.pool.take(self.choice, self.settings)
        if upstream is None:
            self._connect()
        else:
            self.upstream_addr = upstream.name
            self._send(upstream, self._attempt_started)

    def _connect(self) -> None:
        self.upstream_addr = endpoint_name(self.choice.address, self.choice.port)
        self._connecting = self._down.pool.connect(self.choice, self.settings, self._opened, self._not_opened)

    def _opened(self, upstream: Upstream) -> None:
        self._connecting = None
        now = time.monotonic()
        self.connect_time = now - self._attempt_started
        self._send(upstream, now)
        self._down.hold(HOLD_CONNECTING, on=False)

    def _not_opened(self, word: str) -> None:
        self._connecting = None
        self.failed(word, sent=False)

    def _send(self, upstream: Upstream, now: float) -> None:
        forward, head, fields = self.forward, self._head, self._fields
        request = b"".join(
            (
                head.method.encode("ascii"),
                b" ",
                forward.target,
                b" HTTP/1.1\r\nHost: ",
                forward.host,
                b"\r\n",
                fields.passed if fields.passed_without is forward.drop else passed_lines(fields, forward.drop),
                forward.prelude,
                b"\r\n",
                *self._body,
            )
        )
        self._upstream = upstream
        if self._body_size:
            self._forget_long_body()
        deadline = now + self.settings.read_timeout if self.body_done else NEVER
        if not upstream.begin(self, request, deadline):
            upstream.close()
            self.failed("error", sent=False)

    def upload_paused(self) -> None:
        self._down.hold(HOLD_UPLOAD, on=True)

    def upload_resumed(self) -> None:
        if self._upstream is not None:
            self._upstream.deadline = self.read_deadline()
        self._down.hold(HOLD_UPLOAD, on=False)

    def read_deadline(self) -> float:
        """Until when the endpoint may be silent; while the client still sends its body it may be."""
        return time.monotonic() + self.settings.read_timeout if self.body_done else NEVER

    # --- the answer, called by the endpoint's connection ---

    def accepts(self, status: int) -> bool:
        """Of a status to be retried: False when the answer is thrown away for another attempt.

        The endpoint's connection is then closed.
        """
        choice = self._next_choice(f"http_{status}", sent=True)
        if choice is None:
            return True
        if self._upstream is not None:
            self._upstream.close()
        self._again(choice, status)
        return False

    def interim(self, answer: AnswerHead) -> None:
        """103 and the like; HTTP/1.0 does not know them."""
        if not self._head.http10:
            self._replayable = False
            self._down.write(answer.lines + b"\r\n")

    def answered(self, answer: AnswerHead, part: bytes, *, whole: bool) -> None:
        """The head and what came of the body with it; `whole`: all of it, and `complete` follows."""
        self.reusable = answer.keep_alive
        self.status = self.upstream_status = answer.status
        self.upstream_length = self.body_bytes = len(part)
        down, forward = self._down, self.forward
        if not whole:
            self.header_time = time.monotonic() - self._attempt_started
        if answer.length < 0 and not self.bodiless and answer.status not in (204, 304):
            self._chunked_out = not self._head.http10
            if self._head.http10:
                down.keep_alive = self._framed = False
        lines = forward.answer_prelude
        if not answer.dated:
            lines += date_line()
        if forward.on_choice is not None:
            lines += forward.on_choice(self.choice)
        if forward.fine_lines and answer.status in FINE:
            lines += forward.fine_lines
        persistence = KEEP_ALIVE if down.keep_alive else CLOSE
        if not self._chunked_out:
            self._write(b"".join((answer.lines, persistence, lines, b"\r\n", part)))
        else:
            pieces = [answer.lines, persistence, lines, CHUNKED_LINE, b"\r\n", *chunk(part)]
            if whole:
                pieces.append(LAST_CHUNK)
            self._write(b"".join(pieces))

    def part(self, data: bytes, *, last: bool) -> None:
        """More of the body; after the `last` part `complete` follows."""
        size = len(data)
        self.upstream_length += size
        self.body_bytes += size
        if not self._chunked_out:
            self._write(data)
        else:
            self._write(b"".join([*chunk(data), LAST_CHUNK] if last else chunk(data)))

    def complete(self, now: float) -> None:
        """The answer is with the client's transport."""
        self._upstream = None
        self._over = True
        self.request_time = took = now - self._started
        self.upstream_time = response = now - self._attempt_started
        down, status = self._down, self.status
        self.request_length = received = down.received
        if self.log.split is None:
            if status >= CLIENT_CLOSED and status in UNANSWERED and not self.upstream_length:
                response = -1.0
            connect, header = self.connect_time, self.header_time
            if header < 0:
                header = response
            self.counted = self.choice.over(
                status, self._head.method, received, self.body_bytes, took, response, connect, header
            )
        else:
            self.choice.done(status)
        down.on_complete(self)
        down.over(now)

    def switched(self, answer: AnswerHead, early: bytes) -> None:
        """101: from here on the two connections are one tunnel."""
        upstream = self._upstream
        assert upstream is not None
        if not self._head.upgrade:
            upstream.close()
            self.failed("invalid_header")
            return
        self.status = self.upstream_status = 101
        forward = self.forward
        cookie = forward.on_choice(self.choice) if forward.on_choice is not None else b""
        head = b"".join((answer.lines, b"Connection: upgrade\r\n", forward.answer_prelude, cookie, b"\r\n", early))
        self.upstream_length = self.body_bytes = len(early)
        open_tunnel(self, self._down, upstream, head)

    def tunnel_closed(self, received: int, *, failed: bool) -> None:
        """`received`: bytes that came from the endpoint, those beside its head not counted."""
        self.upstream_length += received
        self.body_bytes += received
        self._settle(101, time.monotonic(), failed=failed)
        self._down.completed(self)

    # --- failures ---

    def failed(self, word: str, *, sent: bool = True) -> None:
        """The attempt is lost: nginx's word for why, and whether anything of the request may have arrived.

        The endpoint's connection is closed already.
        """
        upstream, self._upstream = self._upstream, None
        if self._over:
            return
        if self.status:
            self._settle(self.status, time.monotonic(), failed=True)
            self._down.completed(self)
            self._down.cut(framed=self._framed)
            return
        method = self._head.method
        if (
            upstream is not None
            and self._replayable
            and may_renew(word, method, sent=sent, served=upstream.served, silent=upstream.silent)
        ):
            self._connect()
            return
        choice = self._next_choice(word, sent=sent)
        status = STATUS_OF[word]
        if choice is not None:
            self._again(choice, status)
        else:
            self._give_up(status)

    def _give_up(self, status: int) -> None:
        """No attempt is left."""
        self.status = self.upstream_status = status
        self._settle(status, time.monotonic(), failed=True)
        self._down.fail(self, status, self.forward.answer_prelude)

    def abort(self, status: int) -> None:
        """The client is gone; `status` is for the log when no answer was begun."""
        if not self._over:
            self._leave(status, counted=0)
            self._down.completed(self)

    def refuse(self, status: int) -> None:
        """The client's body cannot be taken to its end."""
        begun = self.status != 0
        if not begun:
            self.choice.excuse()
        self._leave(status, counted=status)
        if begun:
            self._down.completed(self)
            self._down.cut(framed=self._framed)
        else:
            self._down.fail(self, status, self.forward.answer_prelude)

    def _leave(self, status: int, *, counted: int) -> None:
        """Stop asking the endpoint, for no fault of its own.

        Where no answer was begun `status` is logged and `counted` goes to the statistics.
        """
        self._let_go()
        counted = self.status or counted
        self.status = self.status or status
        self._settle(counted, time.monotonic(), failed=False)

    def _let_go(self) -> None:
        """Of the endpoint, or of the attempt to get a connection to one."""
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()

    def hold_answer(self, *, on: bool) -> None:
        """The client does not take what it gets, or does again."""
        if self._upstream is not None:
            if on:
                self._upstream.pause_reading()
            else:
                self._upstream.resume_reading()

    def _next_choice(self, word: str, *, sent: bool) -> Choice | None:
        if self.status or not self._replayable:
            return None
        elapsed = time.monotonic() - self._started
        if not may_retry(
            self.settings, word, self._head.method, sent=sent, tries=len(self.earlier) + 1, elapsed=elapsed
        ):
            return None
        return self.choice.retry()

    def _again(self, choice: Choice, status: int) -> None:
        """`status`: how the attempt before ended."""
        now = time.monotonic()
        self.earlier = (*self.earlier, Attempt(self.upstream_addr, 0, now - self._attempt_started, status))
        self.choice = choice
        self._attempt_started = now
        self.connect_time = 0.0
        self.attempt()

    def _settle(self, status: int, now: float, *, failed: bool) -> None:
        """The endpoint is not asked any more; `status` is what the client got, 0 for nothing: its version counts it."""
        self._over = True
        self.request_time = now - self._started
        self.upstream_time = now - self._attempt_started
        self.choice.done(status, failed=failed)
