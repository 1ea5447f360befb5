"""The webhook's port: TLS, one review after the other, and everything that must never keep anybody out.

Runs in the controller's loop and never ends by an exception: without a certificate it waits for one, without its port
it tries again, and where judging fails the object is allowed, with a warning.
"""

import asyncio
import contextlib
import logging
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol

from aiohttp import web

from serin.admission.approval import DENIED, Approval
from serin.admission.certificate import CertificateFiles, ServedCertificate
from serin.admission.intake import RefusedError, Room, read, size_of
from serin.admission.last_review import LastReview
from serin.admission.review import Review, answer
from serin.admission.verdict import Result, Verdict, message_of, unchecked
from serin.objects.views import View
from serin.refs import Ref
from serin.telemetry import log
from serin.telemetry.figure import Figure

LOOK_SECONDS = 2.0
"""Between two looks at the certificate's files."""
LOOKUP_SECONDS = 1.0
"""For all Secrets of a review; API servers wait 5 or 10 s for the whole."""
IDLE_SECONDS = 100.0
"""Longer than an API server keeps an idle connection (90 s), so that it is never closed under its request."""
HANDSHAKE_SECONDS = 5.0
GRACE_SECONDS = 2.0
"""For the reviews under way when the server ends."""
MOST_CONNECTIONS = 256
REFUSED = "refused"
"""Beside the results of verdicts: what was no review."""

_log = logging.getLogger("serin.admission")
_quiet = logging.getLogger("serin.admission.http")
_quiet.setLevel(logging.CRITICAL)  # whoever sends nonsense to the port fills no log

Lookup = Callable[[Ref], Awaitable[View | None]]


class Judge(Protocol):
    """serin.admission.judge.Judge."""

    def secrets(self, review: Review, /) -> frozenset[Ref]: ...
    def verdict(self, review: Review, secrets: Mapping[Ref, View | None], /) -> Verdict: ...


class AdmissionServer:
    """`lookup` fetches one Secret; None when there is none, any exception when that cannot be found out."""

    def __init__(
        self,
        address: tuple[str, int],
        files: CertificateFiles,
        judge: Judge,
        lookup: Lookup,
        clock: Callable[[], float] = time.monotonic,
        approval: Approval | None = None,
    ) -> None:
        """`address`: host (empty: all addresses) and port (0: any free one, see `port`).

        `approval` is asked about actions on CanaryRoutes; None: whoever may write the object may write them.
        """
        self._address = address
        self._certificate = ServedCertificate(files)
        self._judge = judge
        self._lookup = lookup
        self._clock = clock
        self._approval = approval
        self._results: Counter[str] = Counter()
        self._seconds = 0.0
        self._judging = 0.0
        """Of the verdict reached last."""
        self._last = LastReview()
        self._room = Room()
        self._turn = asyncio.Lock()
        self.port = 0
        """What is listened on; 0 while nothing is."""

    async def run(self) -> None:
        """Serve until cancelled."""
        while not (self._certificate.look() or self._certificate.context):
            await asyncio.sleep(LOOK_SECONDS)
        while True:
            try:
                async with self._listening():
                    while True:
                        await asyncio.sleep(LOOK_SECONDS)
                        self._certificate.look()
            except Exception as error:
                told = f"{self._address[0]}:{self._address[1]}"
                log.event(_log, log.WEBHOOK_FAILED, level=logging.ERROR, address=told, error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    def figures(self) -> list[Figure]:
        told = "Admission reviews by what was answered; unchecked: allowed without having been judged."
        names = (*(result.value for result in Result), REFUSED)
        reviews = [
            Figure("admission_reviews_total", "counter", told, self._results[name], (("result", name),))
            for name in names
        ]
        spent = "Time from a review's head to its answer, all together."
        expires = "When the webhook's certificate ends, in seconds since the epoch; 0: there is none."
        return [
            *reviews,
            Figure("admission_review_seconds_total", "counter", spent, self._seconds),
            Figure("admission_listening", "gauge", "1 when the webhook's port is open.", float(self.port != 0)),
            Figure("admission_certificate_expiry_timestamp_seconds", "gauge", expires, self._certificate.not_after),
            *self._last.figures(),
        ]

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        http = web.Server(
            self._handle,
            access_log=None,
            logger=_quiet,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=1.0,
            auto_decompress=False,
        )

        def connection() -> asyncio.Protocol:
            return http() if len(http.connections) < MOST_CONNECTIONS else _Refuse()

        host, port = self._address
        server = await asyncio.get_running_loop().create_server(
            connection,
            host or None,
            port,
            ssl=self._certificate.context,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=GRACE_SECONDS,
        )
        try:
            self.port = server.sockets[0].getsockname()[1]
            log.event(_log, log.LISTENING, what="admission webhook", host=host or "*", port=self.port)
            yield
        finally:
            self.port = 0
            server.close()
            http.pre_shutdown()
            await http.shutdown(GRACE_SECONDS)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        started = self._clock()
        try:
            async with self._room.taken(size_of(request)):
                review = await read(request)
                arrived = self._clock()
                verdict = await self._verdict(review)
        except RefusedError as refused:
            self._results[REFUSED] += 1
            headers = {"Allow": refused.allow} if refused.allow else None
            response = web.Response(status=refused.status, text=f"{refused}\n", headers=headers)
            response.force_close()
            return response
        self._results[verdict.result] += 1
        ended = self._clock()
        self._seconds += ended - started
        if verdict.judged:
            size = request.content_length or 0
            self._last = LastReview(verdict.judged, self._judging, ended - arrived, ended - started, size)
        return web.Response(body=answer(review, verdict), content_type="application/json")

    async def _verdict(self, review: Review) -> Verdict:
        if self._approval is not None and (why := await self._approval.denial(review)):
            log.event(_log, log.REVIEW_DENIED, object=review.name, why=why, dry_run=review.dry_run)
            return Verdict(message=message_of([why]), codes=(DENIED,))
        try:
            secrets = await self._fetch(self._judge.secrets(review))
            verdict = await self._judged(review, secrets)
        except Exception as error:  # our own fault: nobody is kept out by it
            text = "".join(traceback.format_exception(error))
            log.event(_log, log.WEBHOOK_FAILED, level=logging.ERROR, kind="/".join(review.kind), error=text)
            return unchecked(f"it failed ({type(error).__name__}), which is no fault of yours; its log says more")
        if not verdict.allowed:
            log.event(_log, log.REVIEW_DENIED, object=review.name, why=verdict.message, dry_run=review.dry_run)
        return verdict

    async def _judged(self, review: Review, secrets: Mapping[Ref, View | None]) -> Verdict:
        """One at a time, and never more than half of the loop's time: its other work comes first."""
        await self._turn.acquire()
        started = time.perf_counter()
        try:
            return self._judge.verdict(review, secrets)
        finally:
            self._judging = spent = time.perf_counter() - started
            asyncio.get_running_loop().call_later(spent, self._turn.release)

    async def _fetch(self, refs: frozenset[Ref]) -> dict[Ref, View | None]:
        """What could be found out in time."""
        if not refs:
            return {}
        found: dict[Ref, View | None] = {}

        async def fetch(ref: Ref) -> None:
            with contextlib.suppress(Exception):  # unreachable, not allowed: then it is not judged
                found[ref] = await self._lookup(ref)

        tasks = [asyncio.create_task(fetch(ref)) for ref in refs]
        try:
            await asyncio.wait(tasks, timeout=LOOKUP_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
        return found


class _Refuse(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
