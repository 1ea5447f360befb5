"""The verbs, with plain dicts: a timeout on each call, and a count of how each ended."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from serin.cluster.api.errors import ApiError, ApiUnreachableError
from serin.cluster.api.stream import events
from serin.cluster.api.transport import CONNECT_TIMEOUT, Transport, read_json
from serin.cluster.server import Connection
from serin.telemetry.figure import Figure

Figures = list[Figure]
Object = dict[str, Any]
"""A Kubernetes object as JSON."""

TIMEOUT = 30.0
"""Seconds for a whole call."""
PAGE = 500
WATCH_TIMEOUT = 300.0
SILENCE = 90.0
"""Seconds without a byte after which a watch is taken for dead: the API server sends a bookmark each minute."""
RESTARTS = 3
"""How often a list begins anew because its continue token expired."""

_METADATA = "application/json;as={};g=meta.k8s.io;v=v1,application/json"


@dataclass(frozen=True, slots=True)
class Listing:
    """`version` is the one to watch from. Each item has its apiVersion and kind."""

    items: list[Object]
    version: str


class Api:
    """`connection` is asked again from time to time, and after a failure: what it tells then is used.

    Every call raises ApiError when the server refuses and ApiUnreachableError when it does not answer.
    """

    def __init__(self, connection: Callable[[], Connection], *, timeout: float = TIMEOUT) -> None:
        self._transport = Transport(connection)
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=min(CONNECT_TIMEOUT, timeout))
        self._counts: Counter[tuple[str, str]] = Counter()
        self._unreachable = False
        self.recovered: list[Callable[[], None]] = []
        """Called with the first answer after a call that got none."""

    async def get(self, path: str, *, metadata_only: bool = False) -> Object | None:
        """None when there is no such object."""
        try:
            return await self._call("get", "GET", path, accept="PartialObjectMetadata" if metadata_only else "")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list(
        self, path: str, *, label_selector: str = "", field_selector: str = "", metadata_only: bool = False
    ) -> Listing:
        """All objects, read in pages. One that takes so long that its token expires begins anew."""
        query = _selectors(label_selector, field_selector)
        for _ in range(RESTARTS):
            try:
                return await self._pages(path, query, metadata_only)
            except ApiError as error:
                if error.status != 410:
                    raise
        return await self._pages(path, query, metadata_only)

    def pages(
        self,
        path: str,
        *,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        limit: int = PAGE,
    ) -> AsyncIterator[Listing]:
        """As `list`, but one page after the other, of at most `limit` objects. ApiError 410 when its token expires."""
        return self._each_page(path, _selectors(label_selector, field_selector), metadata_only, limit)

    async def create(self, path: str, body: Object) -> Object:
        return await self._call("create", "POST", path, body=body)

    async def replace(self, path: str, body: Object) -> Object:
        """With metadata.resourceVersion in `body`, 409 when the object is another one by now."""
        return await self._call("replace", "PUT", path, body=body)

    async def patch(self, path: str, body: Object) -> Object:
        """A merge patch (RFC 7386). With metadata.resourceVersion in it, 409 when the object changed since."""
        return await self._call("patch", "PATCH", path, body=body, content="application/merge-patch+json")

    async def delete(self, path: str) -> Object:
        return await self._call("delete", "DELETE", path)

    async def watch(
        self,
        path: str,
        *,
        version: str,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        timeout: float = WATCH_TIMEOUT,
    ) -> AsyncGenerator[Object, None]:
        """{"type": ADDED|MODIFIED|DELETED|BOOKMARK|ERROR, "object": …} from `version` on, until the server ends it.

        The server is asked to end after `timeout` seconds. A version that is too old is an ERROR event or an ApiError,
        with code 410 either way.
        """
        query = {
            **_selectors(label_selector, field_selector),
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(max(1, round(timeout))),
        }
        patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=SILENCE)
        accept = "PartialObjectMetadata" if metadata_only else ""
        response = await self._send("watch", "GET", _with_query(path, query), accept=accept, timeout=patience)
        async with aclosing(events(response, f"watch {path}")) as stream:
            async for event in stream:
                yield event

    async def version(self) -> str:
        """Of the API server, as `v1.34.4`."""
        told = await self._call("get", "GET", "/version")
        return str(told.get("gitVersion", ""))

    async def close(self) -> None:
        await self._transport.close()

    def figures(self) -> Figures:
        about = "Calls to the API server by verb and by how they ended: the HTTP status, or unreachable."
        return [
            Figure("api_calls_total", "counter", about, count, (("verb", verb), ("result", result)))
            for (verb, result), count in sorted(self._counts.items())
        ]

    async def _pages(self, path: str, query: Mapping[str, str], metadata_only: bool) -> Listing:
        items: list[Object] = []
        version = ""
        async for page in self._each_page(path, query, metadata_only, PAGE):
            items += page.items
            version = page.version
        return Listing(items, version)

    async def _each_page(
        self, path: str, query: Mapping[str, str], metadata_only: bool, limit: int
    ) -> AsyncIterator[Listing]:
        token = ""
        while True:
            asked = {**query, "limit": str(limit), **({"continue": token} if token else {})}
            accept = "PartialObjectMetadataList" if metadata_only else ""
            page = await self._call("list", "GET", _with_query(path, asked), accept=accept)
            kind = {"apiVersion": page.get("apiVersion", ""), "kind": page.get("kind", "").removesuffix("List")}
            meta = page.get("metadata") or {}
            token = meta.get("continue") or ""
            items = [{**kind, **item} for item in page.get("items") or ()]
            yield Listing(items, str(meta.get("resourceVersion", "")))
            if not token:
                return

    async def _call(
        self, verb: str, method: str, path: str, *, body: Object | None = None, content: str = "", accept: str = ""
    ) -> Object:
        response = await self._send(verb, method, path, body=body, content=content, accept=accept)
        told = await read_json(response, f"{verb} {path}")
        if not isinstance(told, dict):
            raise ApiUnreachableError(f"{verb} {path}: the answer is not an object")
        return told

    async def _send(
        self,
        verb: str,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        content: str = "",
        accept: str = "",
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": _METADATA.format(accept) if accept else "application/json"}
        headers["Content-Type"] = content or "application/json"
        result = "cancelled"
        try:
            response = await self._transport.send(
                method, path, headers=headers, body=body, timeout=timeout or self._timeout
            )
            result = str(response.status)
            self._answered()
            return response
        except ApiError as error:
            result = str(error.status)
            raise
        except ApiUnreachableError:
            result = "unreachable"
            self._unreachable = True
            raise
        finally:
            self._counts[verb, result] += 1

    def _answered(self) -> None:
        if self._unreachable:
            self._unreachable = False
            for call in self.recovered:
                call()


def _selectors(label: str, field: str) -> dict[str, str]:
    return {key: text for key, text in (("labelSelector", label), ("fieldSelector", field)) if text}


def _with_query(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
