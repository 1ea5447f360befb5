"""The parts of the controller that talk to an API server, one by one, against a real one."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serin.cluster.api import Api
from serin.cluster.connection import read_connection
from serin.cluster.kinds import KINDS, path_of
from serin.refs import Ref


@dataclass(frozen=True)
class Known:
    uid: str
    api_version: str
    version: str


class Objects:
    """What the watch would have told, read when it is asked to."""

    def __init__(self, api: Api, *refs: Ref) -> None:
        self._api = api
        self.refs = list(refs)
        self._found: dict[Ref, dict[str, Any]] = {}

    async def look(self) -> None:
        for ref in self.refs:
            found = await self._api.get(path_of(ref))
            if found is None:
                self._found.pop(ref, None)
            else:
                self._found[ref] = found

    def identity(self, ref: Ref) -> Known | None:
        found = self._found.get(ref)
        if found is None:
            return None
        meta = found["metadata"]
        return Known(meta["uid"], KINDS[ref.kind].api_version, meta["resourceVersion"])

    def addresses(self, ref: Ref) -> tuple[Mapping[str, str], ...]:
        status = self._found.get(ref, {}).get("status", {})
        return tuple(status.get("loadBalancer", {}).get("ingress", ()))


@asynccontextmanager
async def calling(kubeconfig: Path) -> AsyncIterator[Api]:
    api = Api(lambda: read_connection(kubeconfig, environ={}))
    try:
        yield api
    finally:
        await api.close()


@asynccontextmanager
async def running(*works: Coroutine[Any, Any, None]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Until the end of the block; a work that ended by an exception fails the test."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield tasks
    finally:
        ended = [task for task in tasks if task.done() and not task.cancelled()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in ended:
            task.result()


async def soon(condition: Callable[[], Any], what: str, *, seconds: float = 30.0, every: float = 0.02) -> Any:
    """The condition's first true value. It may block: it is asked in another thread, or be awaited itself."""
    end = time.monotonic() + seconds
    while True:
        value = await asyncio.to_thread(condition)
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        await asyncio.sleep(every)


def ingress(name: str, namespace: str, **annotations: str) -> dict[str, Any]:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"host": f"{name}.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {"ingressClassName": "nginx", "rules": [rule]},
    }
