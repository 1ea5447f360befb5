"""One connection to an endpoint: reads answers, finds where they end, says when it breaks.

Linked to the transfer that uses it, or idle in the pool. It knows nothing of clients: what it reads goes to the
transfer, which also decides what a failure means.
"""

import asyncio
import time
from typing import Protocol

from serin.dataplane.proxy.answers import CHUNKED, AnswerHead, AnswerReader
from serin.dataplane.proxy.connection_settings import UpstreamSettings
from serin.dataplane.proxy.exchange import Forward
from serin.dataplane.proxy.framing import MANY_CHUNKS, BadChunkError, ChunkDecoder
from serin.dataplane.proxy.parsers import BadHeadError

PoolKey = tuple[str, int, tuple[bool, str, str]]
NEVER = float("inf")
MAX_INTERIM = 16
"""Answers below 200 before the final one."""

_HEAD, _COUNTED, _CHUNKED, _UNTIL_END = range(4)


def endpoint_name(address: str, port: int) -> str:
    """As the access log writes it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Asker(Protocol):
    """Who asks, as a connection sees it: a client's transfer, or a request of our own."""

    settings: UpstreamSettings
    forward: Forward
    judged: frozenset[int]
    """Statuses that `accepts` is asked about."""
    bodiless: bool
    """No body follows the head, whatever it says: HEAD."""
    body_done: bool
    reusable: bool

    def read_deadline(self) -> float: ...
    def upload_paused(self) -> None: ...
    def upload_resumed(self) -> None: ...
    def accepts(self, status: int) -> bool: ...
    def interim(self, answer: AnswerHead) -> None: ...
    def switched(self, answer: AnswerHead, early: bytes) -> None: ...
    def answered(self, answer: AnswerHead, part: bytes, *, whole: bool) -> None: ...
    def part(self, data: bytes, *, last: bool) -> None: ...
    def complete(self, now: float) -> None: ...
    def failed(self, word: str, *, sent: bool = True) -> None: ...


class Keeper(Protocol):
    """The pool, as a connection sees it."""

    answers: AnswerReader
    head_limit: int
    longest_life: float
    open: set["Upstream"]

    def give_back(self, upstream: "Upstream", now: float) -> None: ...
    def forget(self, upstream: "Upstream") -> None: ...


class Upstream(asyncio.Protocol):
    __slots__ = (
        "_buffer",
        "_decoder",
        "_head_limit",
        "_interim",
        "_left",
        "_mode",
        "_pool",
        "_queued",
        "_read_answer",
        "_read_paused",
        "closing",
        "connected",
        "deadline",
        "expires",
        "key",
        "name",
        "served",
        "silent",
        "transfer",
        "transport",
        "write_paused",
    )

    transport: asyncio.Transport

    def __init__(self, pool: Keeper, key: PoolKey) -> None:
        self._pool = pool
        self._head_limit = pool.head_limit
        self._read_answer = pool.answers.read
        self.key = key
        self.name = endpoint_name(key[0], key[1])
        self.transfer: Asker | None = None
        self.connected = False
        self.closing = False
        self.deadline = NEVER
        """When to act next, on time.monotonic()'s clock."""
        self.expires = time.monotonic() + pool.longest_life
        """When it is not kept any longer."""
        self.served = 0
        """Exchanges begun on it."""
        self.silent = True
        """Nothing of the answer has been read."""
        self.write_paused = False
        self._read_paused = False
        self._mode = _HEAD
        self._left = 0
        self._interim = 0
        self._queued = 0
        self._decoder: ChunkDecoder | None = None
        self._buffer = b""

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.connected = True
        self._pool.open.add(self)

    def data_received(self, data: bytes) -> None:
        transfer = self.transfer
        if transfer is None:
            self.close()  # bytes that nobody asked for
            return
        mode = self._mode
        try:
            if mode == _HEAD:
                self.silent = False
                self._take_head(transfer, self._buffer + data if self._buffer else data)
            elif mode == _COUNTED:
                self._take_counted(transfer, data)
            elif mode == _CHUNKED:
                self._take_chunked(transfer, data)
            else:
                self.deadline = transfer.read_deadline()
                transfer.part(data, last=False)
        except (BadHeadError, BadChunkError):
            self.close()
            transfer.failed("invalid_header")

    def eof_received(self) -> None:
        """The transport closes itself; connection_lost follows."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        self._pool.open.discard(self)
        self._pool.forget(self)
        transfer = self.transfer
        if transfer is None:
            return
        self.transfer = None
        if self._mode == _UNTIL_END and exc is None:
            transfer.part(b"", last=True)
            transfer.complete(time.monotonic())
        else:
            transfer.failed("error")

    def pause_writing(self) -> None:
        self.write_paused = True
        if self.transfer is not None:
            self._queued = self.transport.get_write_buffer_size()
            self.deadline = time.monotonic() + self.transfer.settings.send_timeout
            self.transfer.upload_paused()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self.transfer is not None:
            self.transfer.upload_resumed()

    # --- the transfer's side ---

    def begin(self, transfer: Asker, request: bytes, deadline: float) -> bool:
        """Send a request; False when the connection turns out to be closed and nothing was sent."""
        self.transfer = transfer
        self.silent = True
        self.deadline = deadline
        self.served += 1
        try:
            self.transport.write(request)
        except RuntimeError:  # uvloop: closed, connection_lost not yet called
            return False
        return True

    def write(self, data: bytes) -> bool:
        """False when the connection is closed. connection_lost follows, if it has not come already."""
        try:
            self.transport.write(data)
        except RuntimeError:  # uvloop: closed, connection_lost not yet called
            return False
        return True

    def pause_reading(self) -> None:
        if not self._read_paused and not self.closing:
            self._read_paused = True
            self.deadline = NEVER  # the client's send time-out counts now
            if not self.transport.is_closing():
                self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._read_paused:
            self._read_paused = False
            if self.transfer is not None:
                self.deadline = self.transfer.read_deadline()
            if not self.transport.is_closing():
                self.transport.resume_reading()

    def take_transport(self) -> asyncio.Transport:
        """Hand the connection over to a tunnel: nothing of it comes here any more."""
        self.transfer = None
        self.closing = True
        self.deadline = NEVER
        self._pool.open.discard(self)
        return self.transport

    def close(self) -> None:
        """Never used again; what is left to be sent is not waited for."""
        self.transfer = None
        self.closing = True
        self._pool.open.discard(self)  # uvloop does not always say that a connection given up while opened is lost
        self._pool.forget(self)
        self.transport.abort()

    abort = close

    def expired(self, now: float) -> None:
        """The deadline has passed."""
        transfer = self.transfer
        if transfer is None:
            self.close()
            return
        if self.write_paused:
            queued = self.transport.get_write_buffer_size()
            if queued < self._queued:
                self._queued = queued
                self.deadline = now + transfer.settings.send_timeout
                return
        self.close()
        transfer.failed("timeout")

    # --- reading an answer ---

    def _take_head(self, transfer: Asker, data: bytes) -> None:
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0 or end + 4 > self._head_limit:
                self._keep_partial(data, whole=end >= 0)
                self.deadline = transfer.read_deadline()
                return
            end += 4
            answer = self._read_answer(data[:end], transfer.forward.answer_drop)
            status = answer.status
            if status >= 200:
                break
            data = data[end:]
            self._buffer = b""
            if status == 101:
                transfer.switched(answer, data)
                return
            self._interim += 1
            if self._interim > MAX_INTERIM:
                raise BadHeadError("too many interim answers")
            if status != 100:
                transfer.interim(answer)
            if not data:
                return
        if status in transfer.judged and not transfer.accepts(status):
            return
        rest = data[end:]
        bodiless = transfer.bodiless or status in (204, 304)
        if bodiless or len(rest) == answer.length:
            reusable = answer.keep_alive and not (bodiless and rest)
            self._finish(transfer, answer, b"" if bodiless else rest, reusable=reusable)
        else:
            self._start_body(transfer, answer, rest)

    def _keep_partial(self, data: bytes, *, whole: bool) -> None:
        if whole or len(data) > self._head_limit:
            raise BadHeadError("too large a head")
        if not b"HTTP/1.".startswith(data[:7]):
            raise BadHeadError("not HTTP/1")
        if data.count(b"\n") != data.count(b"\r\n"):
            raise BadHeadError("bare line feed")
        self._buffer = data

    def _start_body(self, transfer: Asker, answer: AnswerHead, rest: bytes) -> None:
        """The body is not all of `rest`, or there is no telling without a look."""
        length = answer.length
        if length >= 0:
            self._left = length - len(rest)
            if self._left < 0:
                self._finish(transfer, answer, rest[:length], reusable=False)
                return
            self._mode = _COUNTED
        elif length == CHUNKED:
            self._decoder = decoder = ChunkDecoder(padded=True)
            rest = self._decode(decoder, rest) if rest else b""
            if decoder.done:
                self._finish(transfer, answer, rest, reusable=answer.keep_alive and not decoder.rest)
                return
            self._mode = _CHUNKED
        else:
            self._mode = _UNTIL_END
        self.deadline = transfer.read_deadline()
        transfer.answered(answer, rest, whole=False)

    def _finish(self, transfer: Asker, answer: AnswerHead, body: bytes, *, reusable: bool) -> None:
        """Head and whole body came in one read."""
        self.transfer = None
        transfer.answered(answer, body, whole=True)
        now = time.monotonic()
        self._release(transfer, now, reusable=reusable)
        transfer.complete(now)

    def _take_counted(self, transfer: Asker, data: bytes) -> None:
        left = self._left - len(data)
        self._left = left
        if left > 0:
            self.deadline = transfer.read_deadline()
            transfer.part(data, last=False)
        else:
            self._end(transfer, data if left == 0 else data[:left], clean=left == 0)

    def _take_chunked(self, transfer: Asker, data: bytes) -> None:
        decoder = self._decoder
        assert decoder is not None
        payload = self._decode(decoder, data)
        if decoder.done:
            self._end(transfer, payload, clean=not decoder.rest)
            return
        self.deadline = transfer.read_deadline()
        if payload:
            transfer.part(payload, last=False)

    def _decode(self, decoder: ChunkDecoder, data: bytes) -> bytes:
        payload = decoder.feed(data)
        if decoder.chunks > MANY_CHUNKS and not self._read_paused:
            self.transport.pause_reading()  # the other connections first
            asyncio.get_running_loop().call_soon(self._go_on)
        return payload

    def _go_on(self) -> None:
        if not self._read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def _end(self, transfer: Asker, last: bytes, *, clean: bool) -> None:
        self.transfer = None
        transfer.part(last, last=True)
        now = time.monotonic()
        self._release(transfer, now, reusable=clean and transfer.reusable)
        transfer.complete(now)

    def _release(self, transfer: Asker, now: float, *, reusable: bool) -> None:
        """Back to the pool before the client's next request looks for a connection there."""
        if self._read_paused:
            self.resume_reading()
        if reusable and transfer.body_done and not self.closing and not self.write_paused:
            self._mode = _HEAD
            if self._buffer or self._interim:
                self._buffer = b""
                self._interim = 0
            self._pool.give_back(self, now)
        else:
            self.close()
