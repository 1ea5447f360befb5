"""A forwarded exchange that changes something on its way: error pages, headers of answers, gzip, speed, mirrors.

A transfer as any other but for that; routes without such wishes never come here. What is to be done was decided by the
gate (serin.dataplane.proxy.changes), how an exchange goes on is transfer.py's.
"""

import time
from typing import TYPE_CHECKING

from serin.dataplane.proxy.answers import AnswerHead
from serin.dataplane.proxy.changes import NO_CHANGES
from serin.dataplane.proxy.client_link import HOLD_CONNECTING, HOLD_UPLOAD
from serin.dataplane.proxy.completed import Attempt
from serin.dataplane.proxy.compression import GzipStream, accepts_gzip, coded_lines, varied
from serin.dataplane.proxy.exchange import Forward, RequestHead
from serin.dataplane.proxy.heads import Fields
from serin.dataplane.proxy.mirroring import MOST_BODY
from serin.dataplane.proxy.pacing import Pacer
from serin.dataplane.proxy.retries import may_retry
from serin.dataplane.proxy.transfer import Transfer
from serin.dataplane.proxy.upstream import Upstream

if TYPE_CHECKING:
    from serin.dataplane.proxy.downstream import Downstream
    from serin.dataplane.proxy.exchange import Choice

_UNKNOWN_LENGTH = -2


class ChangedTransfer(Transfer):
    __slots__ = ("_before", "_changes", "_copy", "_copy_size", "_encoder", "_pacer", "_paged", "_unfinished")

    def __init__(
        self, down: "Downstream", head: RequestHead, fields: Fields, forward: Forward, line: bytes, started: float
    ) -> None:
        super().__init__(down, head, fields, forward, line, started)
        self._changes = changes = forward.changes or NO_CHANGES
        self._encoder: GzipStream | None = None
        self._pacer: Pacer | None = None
        self._copy: list[bytes] | None = [] if changes.mirror is not None and not head.upgrade else None
        """What the mirror's copy of the body has so far; None when no copy is to be sent, or no more."""
        self._copy_size = 0
        self._before = 0
        """Attempts at the route's own endpoints, when an error page is asked for."""
        self._paged = changes.bare
        """This is the request for an error page: the client's body is not sent, and no other page follows."""
        self._unfinished = False
        """The endpoint's part is over, the client's is not: bytes wait for their time."""
        if changes.errors is not None:
            self.judged |= changes.errors.intercepted
        if self._paged:
            self.body_done = True

    # --- the request ---

    def attempt(self) -> None:
        shadow = self._changes.shadow
        if shadow is not None and not self.earlier:
            shadow.copy(self._head, self.forward)
        self._mirror()
        super().attempt()

    def start(self, part: bytes, *, done: bool) -> None:
        self._copy_part(part)
        super().start(part, done=done)

    def body(self, part: bytes, *, done: bool) -> None:
        if self._paged:
            return
        self._copy_part(part)
        super().body(part, done=done)
        self._mirror()

    def _copy_part(self, part: bytes) -> None:
        mirror = self._changes.mirror
        if self._copy is None or mirror is None or not mirror.body:
            return
        size = self._copy_size + len(part)
        if size <= MOST_BODY and mirror.mirrors.hold(len(part)):
            self._copy_size = size
            self._copy.append(part)
        else:
            self._drop_copy()

    def _drop_copy(self) -> None:
        """None is sent from here, any more."""
        mirror = self._changes.mirror
        if mirror is not None and self._copy_size:
            mirror.mirrors.release(self._copy_size)
        self._copy, self._copy_size = None, 0

    def _mirror(self) -> None:
        """Send the copy once it is whole."""
        mirror = self._changes.mirror
        if self._copy is None or mirror is None or (mirror.body and not self.body_done):
            return
        body = b"".join(self._copy)
        self._drop_copy()
        mirror.send(self._head, self._down.client, body)

    def _send(self, upstream: Upstream, now: float) -> None:
        if not self._paged:
            super()._send(upstream, now)
            return
        self._upstream = upstream
        if not upstream.begin(self, self._page_request(), now + self.settings.read_timeout):
            upstream.close()
            self.failed("error", sent=False)

    def _page_request(self) -> bytes:
        forward, method = self.forward, self._head.method
        length = b"" if method in ("GET", "HEAD") else b"Content-Length: 0\r\n"
        return b"".join(
            (
                method.encode("ascii"),
                b" ",
                forward.target,
                b" HTTP/1.0\r\nHost: ",
                forward.host,
                b"\r\n",
                forward.prelude,
                length,
                b"\r\n",
            )
        )

    # --- errors ---

    def accepts(self, status: int) -> bool:
        if status in self.settings.retry_statuses and not super().accepts(status):
            return False
        errors = self._changes.errors
        if errors is None or self._paged or status not in errors.intercepted:
            return True
        self._page(status, failed=False)
        return False

    def _give_up(self, status: int) -> None:
        if self._has_page(status):
            self._page(status, failed=True)
        else:
            super()._give_up(status)

    def refuse(self, status: int) -> None:
        if self._paged and not self._changes.bare:
            return  # the rest of a body that was refused before
        if status == 413 and not self.status and self._has_page(status):
            self.choice.excuse()
            self._down.keep_alive = False
            self._page(status, failed=False)
        else:
            super().refuse(status)

    def _has_page(self, status: int) -> bool:
        errors = self._changes.errors
        return errors is not None and not self._paged and status in errors.codes

    def _page(self, status: int, *, failed: bool) -> None:
        """Ask for the page of an error instead of passing the error on."""
        errors = self._changes.errors
        assert errors is not None
        now = time.monotonic()
        self._let_go()
        forward, down = self.forward, self._down
        page = errors.page(status, self._head, down.client, self.log, forward.answer_prelude, forward.answer_drop)
        if isinstance(page, int):
            self.status, self.upstream_status = page, status
            self._settle(status, now, failed=failed)
            down.fail(self, page, forward.answer_prelude)
            return
        self.earlier = (*self.earlier, Attempt(self.upstream_addr, 0, now - self._attempt_started, status))
        self._before = len(self.earlier)
        self.choice = PageChoice(self, page.choice, self.choice, status, failed=failed)
        self.forward, self.settings = page, page.upstream
        self.judged = self.settings.retry_statuses
        self._paged = self._replayable = self.body_done = True
        self._body, self._body_size = [], 0
        self._drop_copy()
        self._attempt_started = now
        self.connect_time = 0.0
        self.header_time = -1.0
        down.hold(HOLD_CONNECTING | HOLD_UPLOAD, on=False)
        self.attempt()

    def _next_choice(self, word: str, *, sent: bool) -> "Choice | None":
        if not self._before:
            return super()._next_choice(word, sent=sent)
        tries = len(self.earlier) - self._before + 1
        elapsed = time.monotonic() - self._attempt_started
        if self.status or not may_retry(
            self.settings, word, self._head.method, sent=sent, tries=tries, elapsed=elapsed
        ):
            return None
        return self.choice.retry()

    # --- the answer ---

    def answered(self, answer: AnswerHead, part: bytes, *, whole: bool) -> None:
        changes = self._changes
        if changes.bandwidth is not None and changes.bandwidth.rate > 0:
            self._pacer = Pacer(changes.bandwidth, self._down.write, self._waiting)
            self._write = self._pacer.write
        lines = answer.lines
        if changes.swaps is not None:
            lines = changes.swaps.lines(lines)
        lines = self._compressed(answer, lines)
        if lines is not answer.lines:
            answer = _with_lines(answer, lines, whole_length=self._encoder is None)
        if self._encoder is None:
            super().answered(answer, part, whole=whole)
            return
        coded = self._encoder.feed(part, last=whole)
        super().answered(answer, coded, whole=whole)
        self.upstream_length = len(part)

    def _compressed(self, answer: AnswerHead, lines: bytes) -> bytes:
        """The lines of the answer; with a stream from now on where its body is compressed."""
        compression = self._changes.compression
        length = max(answer.length, -1)
        if compression is None or self.bodiless or not compression.applies(answer.status, length, lines):
            return lines
        if not accepts_gzip(self._head):
            return varied(lines)
        self._encoder = compression.stream()
        return coded_lines(lines)

    def part(self, data: bytes, *, last: bool) -> None:
        encoder = self._encoder
        if encoder is None:
            super().part(data, last=last)
            return
        received = self.upstream_length + len(data)
        coded = encoder.feed(data, last=last)
        if coded or last:
            super().part(coded, last=last)
        self.upstream_length = received

    # --- speed ---

    def _waiting(self, on: bool) -> None:
        """Told by the pacer: something has to wait, or nothing does any more."""
        if self._upstream is not None:
            super().hold_answer(on=on)
        if not on and self._unfinished:
            self._unfinished = False
            super().complete(time.monotonic())

    def hold_answer(self, *, on: bool) -> None:
        pacer = self._pacer
        if pacer is None:
            super().hold_answer(on=on)
            return
        pacer.pause(on=on)
        if on or pacer.empty:
            super().hold_answer(on=on)

    def complete(self, now: float) -> None:
        self._upstream = None
        if self._pacer is not None and not self._pacer.empty:
            self._unfinished = True
        else:
            super().complete(now)

    def _settle(self, status: int, now: float, *, failed: bool) -> None:
        if self._pacer is not None:
            self._pacer.stop()
        self._drop_copy()
        super()._settle(status, now, failed=failed)


class PageChoice:
    """The endpoint of an error page, and that of the route, whose answer it replaces: both are done at the end.

    The route's comes last and is the transfer's again then, because the exchange counts for it.
    """

    __slots__ = ("_failed", "_page", "_route", "_status", "_transfer", "address", "endpoint", "port")

    def __init__(self, transfer: Transfer, page: "Choice", route: "Choice", status: int, *, failed: bool) -> None:
        self._transfer = transfer
        self._page = page
        self._route = route
        self._status = status
        self._failed = failed
        self.address, self.port, self.endpoint = page.address, page.port, page.endpoint

    def retry(self) -> "PageChoice | None":
        page = self._page.retry()
        if page is None:
            return None
        self._page = page
        self.address, self.port, self.endpoint = page.address, page.port, page.endpoint
        return self

    def done(self, status: int, *, failed: bool = False) -> None:
        self._page.done(status, failed=failed)
        self._route.done(self._status, failed=self._failed)
        self._transfer.choice = self._route

    def excuse(self) -> None:
        """The route's endpoint has had its say."""

    def over(self, status: int, /, *_measured: object) -> bool:
        """Counted by whoever counts what is no plain answer."""
        self.done(status)
        return False


def _with_lines(answer: AnswerHead, lines: bytes, *, whole_length: bool) -> AnswerHead:
    """The head with other lines. It is kept for other clients, so it is never changed itself."""
    changed = AnswerHead(answer.status, answer.without)
    changed.lines = lines
    changed.length = answer.length if whole_length else _UNKNOWN_LENGTH
    changed.keep_alive = answer.keep_alive
    changed.dated = answer.dated
    return changed
