"""The API server of the measurements, as administrator: many objects at once, one change with its moment."""

import asyncio
import json
import ssl
import time
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

import aiohttp
from cluster_objects import Put, Raw
from localkube.controlplane import ControlPlane

CONNECTIONS = 32
PAGE = 500


class Api(AbstractAsyncContextManager["Api"]):
    def __init__(self, plane: ControlPlane) -> None:
        self._server = plane.server
        trust = ssl.create_default_context(cafile=plane.authority.files.certificate)
        trust.load_cert_chain(plane.admin_identity.certificate, plane.admin_identity.key)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=trust))

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, body: Raw | None = None) -> tuple[float, Raw]:
        """The moment of the answer, and the answer."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        data = None if body is None else json.dumps(body)
        async with self._session.request(
            method, self._server + path, data=data, headers={"Content-Type": kind}
        ) as answer:
            moment = time.monotonic()
            told = await answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {told[:300]!r}")
        return moment, json.loads(told)

    async def patch(self, path: str, body: Raw) -> float:
        """The moment of the answer."""
        return (await self.call("PATCH", path, body))[0]

    async def create(self, objects: Iterable[Put]) -> None:
        """All of them, over many connections."""
        waiting = iter(objects)

        async def some() -> None:
            for path, body in waiting:
                await self.call("POST", path, body)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONNECTIONS):
                tasks.create_task(some())

    async def list(self, path: str) -> list[Raw]:
        """In pages, as any controller reads them."""
        items: list[Raw] = []
        token = ""
        while True:
            more = f"&continue={token}" if token else ""
            _, page = await self.call("GET", f"{path}?limit={PAGE}{more}")
            kind = {"apiVersion": page["apiVersion"], "kind": page["kind"].removesuffix("List")}
            items += [{**kind, **item} for item in page["items"]]
            token = page["metadata"].get("continue", "")
            if not token:
                return items
