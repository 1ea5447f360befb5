"""One HTTP client towards the API server, made anew when the server, its CA or our certificate changed.

The kubernetes package's client carries the requests; its own handling of kubeconfigs is not used, because it writes
keys to temporary files, reads tokens at most once a minute and cannot tell a replaced certificate.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import aiohttp

import serin
from serin.cluster.api.errors import ApiUnreachableError, refusal
from serin.cluster.credentials import Credential, CredentialError, Credentials
from serin.cluster.server import Connection
from serin.cluster.tls import tls_context
from serin.errors import UsageError
from serin.telemetry import log

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

LOOK_AGAIN = 10.0
"""Seconds after which the files that the connection is made of are read again; after a failure at once."""
CONNECT_TIMEOUT = 5.0
RETIRED = 30.0
"""Seconds that a client which was replaced is kept, so that the calls under way on it can end."""

_log = logging.getLogger("serin.cluster.api")
_FAILURES = (aiohttp.ClientError, OSError, TimeoutError)


class Transport:
    """Belongs to the event loop of its first call."""

    def __init__(self, connection: Callable[[], Connection], clock: Callable[[], float] = time.monotonic) -> None:
        self._read_connection = connection
        self._clock = clock
        self._credentials = Credentials()
        self._client: ApiClient | None = None
        self._connector: aiohttp.TCPConnector | None = None
        self._retired: set[asyncio.Task[None]] = set()
        self._connection: Connection | None = None
        self._made_of: tuple[str, str, str] | None = None
        self._looked_at = 0.0
        self._changing = asyncio.Lock()

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: Any = None,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """A response with a status below 300, not read yet. ApiError, ApiUnreachableError.

        After a 401, and after a failure with a connection that has changed since, the call is made once more.
        """
        again = True
        while True:
            try:
                client, connection, credential = await self._ready(anew=not again)
                response = await self._request(client, connection, credential, method, path, headers, body, timeout)
            except (*_FAILURES, CredentialError, ValueError) as error:  # ValueError: a token that is no header's value
                if again and await self._changed():
                    again = False
                    continue
                raise ApiUnreachableError(f"{method} {path}: {_told(error)}") from error
            if response.status < 300:
                return response
            text = await _body(response)
            if response.status == 401 and again:
                again = False
                continue
            raise refusal(f"{method} {path}", response.status, text)

    async def close(self) -> None:
        """Whatever is under way ends with it."""
        for retired in self._retired:
            retired.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        client, connector = self._client, self._connector
        self._client = self._connector = None
        await _close(client, connector)

    async def _request(
        self,
        client: "ApiClient",
        connection: Connection,
        credential: Credential,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Any,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        sent = {"User-Agent": f"serin/{serin.__version__}", **headers}
        if credential.authorization:
            sent["Authorization"] = credential.authorization
        answer = await client.call_api(method, connection.server + path, sent, body, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _ready(self, *, anew: bool) -> "tuple[ApiClient, Connection, Credential]":
        """The client for what the files say now. `anew`: what was sent last has been refused."""
        async with self._changing:
            connection = self._look() if anew or self._clock() >= self._looked_at + LOOK_AGAIN else self._connection
            if connection is None:
                connection = self._look()
            credential = await self._credentials.read(connection, anew=anew)
            made_of = (connection.fingerprint, credential.certificate, credential.key)
            if self._client is None or made_of != self._made_of:
                await self._make(connection, credential)
                self._made_of = made_of
            assert self._client is not None
            return self._client, connection, credential

    async def _changed(self) -> bool:
        """The connection is not what the client was made of any more."""
        async with self._changing:
            before = self._connection
            try:
                return before is None or self._look().fingerprint != before.fingerprint
            except ApiUnreachableError:
                return False

    def _look(self) -> Connection:
        """While the files cannot be read (they are being replaced), what was read last holds."""
        self._looked_at = self._clock()
        try:
            self._connection = self._read_connection()
        except UsageError as error:
            if self._connection is None:
                raise ApiUnreachableError(str(error)) from error
            log.event(_log, log.CONNECTION_KEPT, level=logging.WARNING, error=str(error))
        return self._connection

    async def _make(self, connection: Connection, credential: Credential) -> None:
        try:
            context = tls_context(connection, credential)
        except UsageError as error:
            raise ApiUnreachableError(str(error)) from error
        # Not before it is needed: half of what `serin serve`, which knows the type of Api alone, would take to start.
        from kubernetes.aio.client import ApiClient, Configuration

        self._retire()
        self._connector = aiohttp.TCPConnector(limit=0, ssl=True if context is None else context)
        configuration = Configuration(
            host=connection.server,
            tls_server_name=connection.server_name or None,
            proxy=connection.proxy or None,
            client_session_kwargs={"connector": self._connector},
        )
        self._client = ApiClient(configuration)

    def _retire(self) -> None:
        """The client at hand takes no more calls, and is closed when those under way had their time."""
        if self._client is None:
            return
        task = asyncio.create_task(_close_later(self._client, self._connector))
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)


async def _close_later(client: "ApiClient", connector: aiohttp.TCPConnector | None) -> None:
    try:
        await asyncio.sleep(RETIRED)
    finally:
        await _close(client, connector)


async def _close(client: "ApiClient | None", connector: aiohttp.TCPConnector | None) -> None:
    if client is not None:
        await client.close()  # type: ignore[no-untyped-call]
    if connector is not None:
        await connector.close()


async def read_json(response: aiohttp.ClientResponse, call: str) -> Any:
    """ApiUnreachableError when the answer breaks off, or is not JSON."""
    try:
        return json.loads(await response.read())
    except (*_FAILURES, ValueError) as error:
        raise ApiUnreachableError(f"{call}: {_told(error)}") from error
    finally:
        response.release()


async def _body(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await response.read()
    except _FAILURES:
        return b""
    finally:
        response.release()


def _told(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientResponseError):  # its own text has the proxy's URL, with name and password
        return f"the proxy answers {error.status} {error.message}".rstrip()
    return "no answer in time" if isinstance(error, TimeoutError) and not str(error) else str(error) or repr(error)
