"""The port on which a replica tells the others its counts: GET /trials, by TLS, to those who have the token.

Anybody in the pod network can reach it, so that nothing is read or told before the token was seen, and time and
connections are bounded. It never ends by an exception: without its Secret it waits for one, without its port it tries
again.
"""

import asyncio
import contextlib
import logging
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from serin.control.facts.secret import Material, NoSecretError, SharedSecret
from serin.control.facts.wire import MOST_BYTES, Answer, Read, encode
from serin.telemetry import log
from serin.telemetry.figure import Figure

PATH = "/trials"
LOOK_SECONDS = 2.0
"""Between two looks at the Secret's files."""
IDLE_SECONDS = 60.0
HANDSHAKE_SECONDS = 5.0
GRACE_SECONDS = 1.0
PROOF_SECONDS = 5.0
"""From the handshake until a connection has shown the token."""
MOST_STRANGERS = 64
"""Connections that have not; one more closes the oldest of them, so that nobody keeps the leader out by holding all."""
RESULTS = ("told", "unauthorized", "refused", "failed")

_log = logging.getLogger("serin.control.facts")
_quiet = logging.getLogger("serin.control.facts.http")
_quiet.setLevel(logging.CRITICAL)  # whoever sends nonsense to the port fills no log


class FactsServer:
    """`read` is called in a thread; `in_force` gives the trials that our data plane has the weights of."""

    def __init__(
        self,
        address: tuple[str, int],
        secret: SharedSecret,
        read: Read,
        in_force: Callable[[], frozenset[str]],
    ) -> None:
        """`address`: host (empty: all addresses) and port (0: any free one, see `port`)."""
        self._address = address
        self._secret = secret
        self._read = read
        self._in_force = in_force
        self._material: Material | None = None
        self._results: Counter[str] = Counter()
        self._turn = asyncio.Lock()
        self._strangers: dict[web.RequestHandler, asyncio.TimerHandle] = {}
        """Oldest first."""
        self.port = 0
        """What is listened on; 0 while nothing is."""

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            try:
                self._material = self._secret.look()
                async with self._listening(self._material):
                    while True:
                        await asyncio.sleep(LOOK_SECONDS)
                        self._material = self._secret.look()
            except NoSecretError:
                pass  # told by the Secret
            except Exception as error:
                told = f"{self._address[0]}:{self._address[1]}"
                log.event(_log, log.FACTS_FAILED, level=logging.ERROR, address=told, error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    def figures(self) -> list[Figure]:
        told = "Requests of other replicas for the counts of this one, by what they were answered."
        requests = [
            Figure("facts_requests_total", "counter", told, self._results[name], (("result", name),))
            for name in RESULTS
        ]
        return [*requests, Figure("facts_listening", "gauge", "1 when that port is open.", float(self.port != 0))]

    @contextlib.asynccontextmanager
    async def _listening(self, material: Material) -> AsyncIterator[None]:
        http = web.Server(
            self._handle, access_log=None, logger=_quiet, keepalive_timeout=IDLE_SECONDS, lingering_time=0.0
        )

        def connection() -> asyncio.Protocol:
            made = http()
            self._strangers[made] = loop.call_later(PROOF_SECONDS, self._part, made)
            if len(self._strangers) > MOST_STRANGERS:
                self._part(next(iter(self._strangers)))
            return made

        loop = asyncio.get_running_loop()
        host, port = self._address
        material.server.sni_callback = self._show
        server = await loop.create_server(
            connection,
            host or None,
            port,
            ssl=material.server,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=GRACE_SECONDS,
        )
        try:
            self.port = server.sockets[0].getsockname()[1]
            log.event(_log, log.LISTENING, what="counts for other replicas", host=host or "*", port=self.port)
            yield
        finally:
            self.port = 0
            server.close()
            http.pre_shutdown()
            for stranger in list(self._strangers):
                self._part(stranger)
            await http.shutdown(GRACE_SECONDS)

    def _part(self, stranger: web.RequestHandler) -> None:
        timer = self._strangers.pop(stranger, None)
        if timer is not None:
            timer.cancel()
            stranger.force_close()

    def _show(self, handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Each handshake shows the certificate that holds then."""
        if self._material is not None:
            handshake.context = self._material.server

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._material is None or not self._material.allows(request.headers.get("Authorization", "")):
            return self._refuse("unauthorized", 401, "")
        timer = self._strangers.pop(request.protocol, None)
        if timer is not None:
            timer.cancel()
        if request.path != PATH or request.method != "GET" or request.body_exists:
            return self._refuse("refused", 404, f"expected GET {PATH}\n")
        wanted = request.query.get("trial")
        try:
            async with self._turn:
                trials = None if wanted is None else frozenset(wanted.split(","))
                body = await asyncio.to_thread(self._body, trials, self._in_force())
        except Exception as error:
            log.event(_log, log.FACTS_FAILED, level=logging.ERROR, error=repr(error))
            return self._refuse("failed", 500, f"the counts cannot be read: {type(error).__name__}\n")
        if len(body) > MOST_BYTES:
            return self._refuse("failed", 500, f"the counts have {len(body)} bytes, more than {MOST_BYTES}\n")
        self._results["told"] += 1
        return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})

    def _body(self, trials: frozenset[str] | None, in_force: frozenset[str]) -> bytes:
        return encode(Answer(self._read(trials), in_force), trials)

    def _refuse(self, result: str, status: int, text: str) -> web.Response:
        self._results[result] += 1
        response = web.Response(status=status, text=text)
        response.force_close()
        return response
