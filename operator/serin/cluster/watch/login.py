"""kopf's session to the API server, made of our connection.

Every request carries the token as its file has it at that moment. kopf asks for another session when one is refused
(401), and begins a watch again when one ends; how fast it may do so is bounded here, for kopf does so at once.
"""

import asyncio
from collections.abc import Callable

import aiohttp
import kopf

from serin.cluster.credentials import Credential, CredentialError, Credentials
from serin.cluster.server import Connection
from serin.cluster.tls import tls_context
from serin.errors import UsageError

AGENT = "serin-watch"
FIRST_WAIT = 0.5
LONGEST_WAIT = 5.0
WATCH_EVERY = 0.5
"""Seconds from the beginning of a watch to that of the next one of the same kind, at least."""
PEACE = 60.0
"""Seconds without a refusal after which the next one is answered at once again."""


class Login:
    """Belongs to one run of kopf."""

    def __init__(self, connection: Callable[[], Connection]) -> None:
        self._connection = connection
        self._credentials: Credentials | None = None
        self._wait = 0.0
        self._last = float("-inf")
        self._began: dict[str, float] = {}
        self._sessions: list[aiohttp.ClientSession] = []

    async def login(self, **_: object) -> kopf.AiohttpSession:
        """Of kopf's login activity."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._last > PEACE:
            self._wait = 0.0
        await asyncio.sleep(self._wait)
        again, self._wait = self._wait > 0, min(max(self._wait * 2, FIRST_WAIT), LONGEST_WAIT)
        self._last = loop.time()
        try:
            return await self._session(again)
        except (CredentialError, UsageError) as error:
            raise kopf.TemporaryError(str(error), delay=1.0) from error

    async def _session(self, again: bool) -> kopf.AiohttpSession:
        connection = self._connection()
        credentials = self._credentials = self._credentials or Credentials()
        first = await credentials.read(connection, anew=again)

        async def authorize(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            credential = await credentials.read(connection)
            if credential.authorization:
                request.headers["Authorization"] = credential.authorization
            if connection.server_name:
                request.server_hostname = connection.server_name
            if "watch" in request.url.query:
                await self._pace(request.url.path)
            try:
                return await send(request)
            except AssertionError as error:
                # Closed while this waited: kopf knows what to do about the error that aiohttp has for it elsewhere.
                raise RuntimeError("Session is closed") from error

        session = _client(connection, first, authorize)
        self._sessions = [known for known in self._sessions if not known.closed] + [session]
        return kopf.AiohttpSession(
            server=connection.server,
            aiohttp_session=session,
            default_namespace=connection.namespace or None,
        )

    async def _pace(self, path: str) -> None:
        """A watch that ends as soon as it began is asked for again by kopf at once, and again."""
        loop = asyncio.get_running_loop()
        begin = max(loop.time(), self._began.get(path, float("-inf")) + WATCH_EVERY)
        self._began[path] = begin
        await asyncio.sleep(begin - loop.time())

    async def close(self) -> None:
        """kopf closes its sessions only when it ends in order."""
        for session in self._sessions:
            await session.close()


def _client(
    connection: Connection, credential: Credential, authorize: aiohttp.ClientMiddlewareType
) -> aiohttp.ClientSession:
    context = tls_context(connection, credential)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=context if context is not None else True),
        headers={"User-Agent": AGENT},
        middlewares=(authorize,),
        proxy=connection.proxy or None,
        trust_env=True,  # HTTPS_PROXY and NO_PROXY, as for all other calls
    )
