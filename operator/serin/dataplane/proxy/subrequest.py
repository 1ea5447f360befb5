"""Requests of our own, beside the client's: to servers of external authentication, of error pages, of mirrors.

They go over the worker's own connections to endpoints and are tried again by the same rules; the endpoint is the choice
of the split that the plan names for the service. It must not decide what an answer means, nor know clients.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Protocol

from serin.dataplane.proxy.answers import AnswerHead
from serin.dataplane.proxy.connection_settings import UpstreamSettings
from serin.dataplane.proxy.exchange import Choice, Forward, LogContext
from serin.dataplane.proxy.pool import UpstreamPool
from serin.dataplane.proxy.retries import STATUS_OF, may_renew, may_retry
from serin.dataplane.proxy.upstream import Upstream
from serin.errors import SerinError
from serin.native.worker import KEYED

MOST = 1 << 20
"""Bytes of an answer's body that are taken unless the caller says otherwise."""
DROPPED_AT_MOST = 1 << 16
"""Bytes of an unwanted body that are read so that its connection can be kept."""
_ALL_PASS: frozenset[bytes] = frozenset()
_WITH_BODY = frozenset(("POST", "PUT", "PATCH"))


class SubrequestFailedError(SerinError):
    """Nobody answered. `status` is what nginx would say of it: 502, 504, or 503 where no endpoint was there to ask."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Decides(Protocol):
    """A split as native gives it; the int is a negative SRN_* result."""

    def decide(self, forced: int = -1, excluded: int = 0, key: int = 0, flags: int = 0) -> Any: ...


@dataclass(frozen=True, slots=True)
class ReadyBeside:
    """A Beside of the plan, ready to be asked (Workshop.beside)."""

    split: Decides
    settings: UpstreamSettings
    name: str


@dataclass(slots=True)
class SubAnswer:
    """`headers` as sent and in order, those of the connection left out; `body` without any coding of the transfer."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    address: str = ""
    """`ip:port` of the endpoint that answered."""

    def all(self, name: bytes) -> list[bytes]:
        """Values of the headers of this lower-case name."""
        return [value for key, value in self.headers if key.lower() == name]

    def get(self, name: bytes) -> bytes | None:
        """The first of them, as nginx's `$upstream_http_…` has it but for repeated ones, which it joins."""
        values = self.all(name)
        return b", ".join(values) if values else None


class Subrequests:
    """One for a worker. `pool` is set once its connections are made, before the first request."""

    __slots__ = ("pool",)

    def __init__(self, pool: UpstreamPool | None = None) -> None:
        self.pool = pool

    async def ask(
        self,
        to: ReadyBeside,
        method: str,
        target: bytes,
        host: bytes,
        headers: bytes = b"",
        body: bytes = b"",
        most: int = MOST,
        key: int = 0,
    ) -> SubAnswer:
        """The answer, with its body whole. `headers` are lines, each ended by CRLF, without Host and framing.

        A body longer than `most` bytes is a failure; with 0 nobody wants it. `key`: as a route's hash key, for services
        with client affinity. Raises SubrequestFailedError; being cancelled gives the request up.
        """
        if self.pool is None:
            raise SubrequestFailedError(502, "the worker has no connections yet")
        choice = to.split.decide(-1, 0, key, KEYED)
        if isinstance(choice, int):
            raise SubrequestFailedError(503, f"{to.name} has no endpoint")
        framing = b"Content-Length: %d\r\n" % len(body) if body or method in _WITH_BODY else b""
        request = b"".join(
            (
                method.encode("ascii"),
                b" ",
                target,
                b" HTTP/1.1\r\nHost: ",
                host,
                b"\r\n",
                headers,
                framing,
                b"\r\n",
                body,
            )
        )
        exchange = _Exchange(self.pool, to, choice, method, request, most)
        try:
            return await exchange.answer()
        finally:
            exchange.leave()


class _Exchange:
    """One subrequest: what an endpoint's connection sees in the place of a transfer."""

    def __init__(
        self, pool: UpstreamPool, to: ReadyBeside, choice: Choice, method: str, request: bytes, most: int
    ) -> None:
        self.settings = to.settings
        self.judged = to.settings.retry_statuses
        self.forward = Forward(choice, b"", b"", b"", _ALL_PASS, b"", _ALL_PASS, to.settings, 0, LogContext())
        self.bodiless = method == "HEAD"
        self.body_done = True
        self.reusable = False
        self._pool = pool
        self._to = to
        self._choice = choice
        self._method = method
        self._request = request
        self._most = most
        self._started = time.monotonic()
        self._tries = 1
        self._upstream: Upstream | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._counted = False
        self._head: AnswerHead | None = None
        self._answer: asyncio.Future[SubAnswer] = asyncio.get_running_loop().create_future()

    async def answer(self) -> SubAnswer:
        self._attempt()
        return await self._answer

    def leave(self) -> None:
        """Nobody waits any more."""
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()
        self._answer.cancel()
        self._done(0 if self._head is None else self._head.status)

    # --- asking ---

    def _attempt(self) -> None:
        upstream = self._pool.take(self._choice, self.settings)
        if upstream is None:
            self._connect()
        else:
            self._send(upstream)

    def _connect(self) -> None:
        self._connecting = self._pool.connect(self._choice, self.settings, self._opened, self._not_opened)

    def _opened(self, upstream: Upstream) -> None:
        self._connecting = None
        if self._answer.done():
            upstream.close()
        else:
            self._send(upstream)

    def _not_opened(self, word: str) -> None:
        self._connecting = None
        if word in STATUS_OF:
            self.failed(word, sent=False)

    def _send(self, upstream: Upstream) -> None:
        self._upstream = upstream
        if not upstream.begin(self, self._request, self.read_deadline()):
            upstream.close()
            self.failed("error", sent=False)

    # --- what the endpoint's connection calls ---

    def read_deadline(self) -> float:
        return time.monotonic() + self.settings.read_timeout

    def upload_paused(self) -> None:
        """The whole request is in the transport already."""

    def upload_resumed(self) -> None:
        if self._upstream is not None:
            self._upstream.deadline = self.read_deadline()

    def interim(self, answer: AnswerHead) -> None:
        """Nobody is there for it."""

    def switched(self, answer: AnswerHead, early: bytes) -> None:
        """Nobody asked for another protocol."""
        upstream = self._upstream
        if upstream is not None:
            upstream.close()
        self.failed("invalid_header")

    def accepts(self, status: int) -> bool:
        """Of a status to be retried: False when the answer is thrown away for another attempt."""
        choice = self._next(f"http_{status}", sent=True)
        if choice is None:
            return True
        if self._upstream is not None:
            self._upstream.close()
        self._again(choice)
        return False

    def answered(self, answer: AnswerHead, part: bytes, *, whole: bool) -> None:
        self.reusable = answer.keep_alive
        self._head = answer
        self._take(part)

    def part(self, data: bytes, *, last: bool) -> None:
        self._take(data)

    def complete(self, now: float) -> None:
        self._upstream = None
        self._conclude()

    def failed(self, word: str, *, sent: bool = True) -> None:
        """The attempt is lost; its connection is closed already."""
        upstream, self._upstream = self._upstream, None
        if self._answer.done():
            return
        if self._head is not None:
            self._give_up(STATUS_OF[word], "its answer broke off")
            return
        if upstream is not None and may_renew(
            word, self._method, sent=sent, served=upstream.served, silent=upstream.silent
        ):
            self._connect()
            return
        choice = self._next(word, sent=sent)
        if choice is not None:
            self._again(choice)
        else:
            self._give_up(STATUS_OF[word], "it did not answer in time" if word == "timeout" else "it did not answer")

    # --- ends ---

    def _take(self, data: bytes) -> None:
        if self._answer.done():
            return
        self._size += len(data)
        if self._most:
            self._parts.append(data)
            if self._size > self._most:
                self._give_up(502, f"its answer is longer than {self._most} bytes")
        elif self._size > DROPPED_AT_MOST:
            self._conclude()

    def _conclude(self) -> None:
        head = self._head
        if self._answer.done() or head is None:
            return
        address = f"[{self._choice.address}]" if ":" in self._choice.address else self._choice.address
        self._answer.set_result(
            SubAnswer(head.status, _headers(head), b"".join(self._parts), f"{address}:{self._choice.port}")
        )

    def _next(self, word: str, *, sent: bool) -> Choice | None:
        elapsed = time.monotonic() - self._started
        if not may_retry(self.settings, word, self._method, sent=sent, tries=self._tries, elapsed=elapsed):
            return None
        return self._choice.retry()

    def _again(self, choice: Choice) -> None:
        self._tries += 1
        self._choice = choice
        self._attempt()

    def _give_up(self, status: int, why: str) -> None:
        self._done(status, failed=True)
        self._answer.set_exception(SubrequestFailedError(status, f"{self._to.name}: {why}"))

    def _done(self, status: int, *, failed: bool = False) -> None:
        if not self._counted:
            self._counted = True
            self._choice.done(status, failed=failed)


def _headers(head: AnswerHead) -> list[tuple[bytes, bytes]]:
    """The lines of a head that was checked, but the first."""
    pairs = [line.partition(b": ") for line in head.lines.split(b"\r\n")[1:-1]]
    return [(name, value) for name, _, value in pairs]
