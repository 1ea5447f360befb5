"""Asks one replica for its counts: believes nobody without the chart's certificate, and waits for nobody for long."""

import asyncio
from collections.abc import Collection

import aiohttp

from serin.control.facts.replicas import Replica
from serin.control.facts.secret import SERVER_NAME, Material
from serin.control.facts.server import PATH
from serin.control.facts.wire import MOST_BYTES, Answer, AnswerError, decode
from serin.errors import SerinError

TIMEOUT = 2.0
"""Seconds for all of it."""
MOST_IN_QUERY = 256
"""Trials that are asked for by name; for more, all are asked for."""
_LONG = 64 << 10
"""Bytes of an answer that is not read in the event loop."""


class NoAnswerError(SerinError):
    """Says why."""


class FactsClient:
    """Keeps its connections between two looks. Belongs to the event loop of its first call."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._material: Material | None = None

    async def ask(self, replica: Replica, material: Material, trials: Collection[str] | None) -> Answer:
        """NoAnswerError. Its addresses are tried one after the other, each for its part of the time."""
        session = await self._ready(material)
        why = "it has no address"
        for address in replica.addresses:
            try:
                async with asyncio.timeout(self._timeout / len(replica.addresses)):
                    return await self._one(session, material, address, replica.port, trials)
            except TimeoutError:
                why = f"no answer in {self._timeout:g} s"
            except aiohttp.ClientConnectorCertificateError as error:
                why = f"its certificate is not of our Secret: {error.certificate_error}"
            except aiohttp.ClientConnectorError as error:  # its own text has an address of ours in memory
                why = f"it cannot be reached: {error.os_error}"
            except (aiohttp.ClientError, OSError) as error:
                why = f"it cannot be reached: {error or type(error).__name__}"
            except AnswerError as error:
                raise NoAnswerError(str(error)) from error
        raise NoAnswerError(why)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _one(
        self,
        session: aiohttp.ClientSession,
        material: Material,
        address: str,
        port: int,
        trials: Collection[str] | None,
    ) -> Answer:
        host = f"[{address}]" if ":" in address else address
        named = trials is not None and len(trials) <= MOST_IN_QUERY
        query = {"trial": ",".join(sorted(trials))} if named and trials is not None else {}
        async with session.get(
            f"https://{host}:{port}{PATH}",
            params=query,
            headers={"Authorization": material.authorization, "Accept-Encoding": "identity"},
            server_hostname=SERVER_NAME,
            allow_redirects=False,
        ) as response:
            if response.status == 401:
                raise AnswerError("it does not know our token")
            if response.status != 200:
                raise AnswerError(f"it answers {response.status}")
            body = await _read(response)
        return decode(body) if len(body) < _LONG else await asyncio.to_thread(decode, body)

    async def _ready(self, material: Material) -> aiohttp.ClientSession:
        if self._session is None or material is not self._material:
            await self.close()
            connector = aiohttp.TCPConnector(ssl=material.client, limit=0, use_dns_cache=False)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
            self._material = material
        return self._session


async def _read(response: aiohttp.ClientResponse) -> bytes:
    found = bytearray()
    async for piece in response.content.iter_any():
        found += piece
        if len(found) > MOST_BYTES:
            raise AnswerError(f"its answer has more than {MOST_BYTES} bytes")
    return bytes(found)
