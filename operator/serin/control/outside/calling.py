"""One HTTP call to a host that a user named: to allowed addresses alone, without redirects, bounded in time and size.

The address that was looked at is the one that is connected to: a name that leads elsewhere soon after gains nothing.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

import serin
from serin.control.outside.allowed import Allowed
from serin.control.outside.names import Lookups
from serin.errors import SerinError


class NotAllowedError(SerinError):
    """It may not, or cannot, be asked as it is set up; says why, and what to change."""


class NotReachedError(SerinError):
    """No answer; says why."""


@dataclass(frozen=True, slots=True)
class Call:
    """`timeout` in seconds for all of it. `most`: bytes of the answer that are read; what is beyond is left.

    `authority`: PEM of those whose certificates are believed, None for those of this machine.
    """

    method: str
    url: str
    timeout: float
    most: int
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    body: bytes | None = None
    content: str = "application/json"
    """The body's type."""
    authorization: str = field(default="", repr=False)
    authority: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """`whole`: the body was not longer than what was read of it."""

    status: int
    body: bytes
    whole: bool


async def call(asked: Call, allowed: Allowed, lookups: Lookups | None = None) -> Said:
    """NotAllowedError, NotReachedError."""
    url = _url(asked)
    host = url.raw_host or ""
    _check(host, allowed)
    try:
        context = None if asked.authority is None else ssl.create_default_context(cadata=asked.authority)
        connector = aiohttp.TCPConnector(
            resolver=_Resolver(allowed, lookups or Lookups()),
            use_dns_cache=False,
            force_close=True,
            ssl=True if context is None else context,
        )
    except (ssl.SSLError, ValueError) as error:
        raise NotAllowedError(f"ca.crt of its Secret cannot be used: {error}") from error
    try:
        async with (
            asyncio.timeout(asked.timeout),
            aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
            ) as session,
            session.request(
                asked.method,
                url,
                data=asked.form if asked.body is None else asked.body,
                headers=_headers(asked),
                allow_redirects=False,
            ) as response,
        ):
            return await _read(response, asked.most)
    except TimeoutError:
        raise NotReachedError(f"{host} gave no answer in {asked.timeout:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NotReachedError(f"{host} cannot be reached: {_told(error)}") from error


def _url(asked: Call) -> URL:
    try:
        url = URL(asked.url)
        if url.scheme not in ("http", "https") or not url.host or url.user is not None:
            raise ValueError("no user name, and http or https")
        return url.update_query(asked.query) if asked.query else url
    except (ValueError, TypeError) as error:
        raise NotAllowedError(f"the URL cannot be used: {error}") from error


def _headers(asked: Call) -> dict[str, str]:
    headers = {"User-Agent": f"serin/{serin.__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
    if asked.authorization:
        headers["Authorization"] = asked.authorization
    if asked.body is not None:
        headers["Content-Type"] = asked.content
    return headers


def _check(host: str, allowed: Allowed) -> None:
    """A host that is an address is not resolved, so that it is looked at here."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # Old ways to write an address (127.1, 2130706433), which some would connect to without resolving anything.
        odd = ":" in host or host.replace(".", "").isdigit()
        why = (
            f"{host} may not be asked: it is no address as it should be written" if odd else allowed.refuses_name(host)
        )
    else:
        why = allowed.refuses_address(host, host)
    if why:
        raise NotAllowedError(why)


async def _read(response: aiohttp.ClientResponse, most: int) -> Said:
    found = bytearray()
    async for piece in response.content.iter_any():
        found += piece
        if len(found) > most:
            return Said(response.status, bytes(found[:most]), whole=False)
    return Said(response.status, bytes(found), whole=True)


class _Resolver(AbstractResolver):
    """As the machine resolves names, but for the addresses that may not be asked."""

    def __init__(self, allowed: Allowed, lookups: Lookups) -> None:
        self._allowed = allowed
        self._lookups = lookups

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """NotAllowedError when there are addresses, and none may be asked."""
        infos = await self._lookups.look_up(host, port, family)
        found: list[ResolveResult] = []
        why = ""
        for kind, _, protocol, _, address in infos:
            text = str(address[0])
            refused = self._allowed.refuses_address(host, text)
            why = why or refused
            if not refused:
                found.append(
                    ResolveResult(
                        hostname=host, host=text, port=port, family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
                    )
                )
        if not found:
            raise NotAllowedError(why) if why else OSError(f"{host} has no address")
        return found

    async def close(self) -> None:
        return


def _told(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not believed: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error.os_error)
    return str(error) or type(error).__name__
