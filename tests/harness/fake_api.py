"""An API server in memory, as far as writes of ours go: versions, conflicts, merge patches, refusals on demand."""

import asyncio
import copy
import itertools
from collections.abc import AsyncGenerator
from typing import Any

from serin.cluster.api import Api, ApiError, ApiUnreachableError, Listing

Object = dict[str, Any]


class FakeApi(Api):
    """`objects` by path. `calls` is what was asked, as (verb, path). `fail` decides on each call."""

    def __init__(self) -> None:  # no transport: nothing leaves this process
        self.objects: dict[str, Object] = {}
        self.calls: list[tuple[str, str]] = []
        self.down = False
        self.refuse: dict[tuple[str, str], ApiError] = {}
        self.hold: asyncio.Event | None = None
        self.running = 0
        self.most_running = 0
        self._versions = itertools.count(1)

    def put(self, path: str, body: Object) -> Object:
        name = path.rpartition("/")[2]
        made = copy.deepcopy(body)
        meta = made.setdefault("metadata", {})
        meta.setdefault("name", name)
        meta.setdefault("uid", f"uid-{name}")
        meta["resourceVersion"] = str(next(self._versions))
        self.objects[path] = made
        return copy.deepcopy(made)

    def wrote(self) -> list[tuple[str, str]]:
        return [call for call in self.calls if call[0] not in ("get", "list", "watch")]

    async def _asked(self, verb: str, path: str) -> None:
        self.calls.append((verb, path))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(0)
            if self.hold is not None:
                await self.hold.wait()
        finally:
            self.running -= 1
        if self.down:
            raise ApiUnreachableError("nobody there")
        if error := self.refuse.get((verb, path)):
            raise error

    async def get(self, path: str, *, metadata_only: bool = False) -> Object | None:
        await self._asked("get", path)
        found = self.objects.get(path)
        return copy.deepcopy(found)

    async def list(
        self, path: str, *, label_selector: str = "", field_selector: str = "", metadata_only: bool = False
    ) -> Listing:
        await self._asked("list", path)
        labels = dict(pair.split("=", 1) for pair in label_selector.split(",") if pair)
        items = [
            copy.deepcopy(item)
            for at, item in sorted(self.objects.items())
            if (at.rpartition("/")[0] == path or _everywhere(at) == path)
            and labels.items() <= (item["metadata"].get("labels") or {}).items()
        ]
        return Listing(items, "1")

    async def create(self, path: str, body: Object) -> Object:
        await self._asked("create", path)
        at = f"{path}/{body['metadata']['name']}"
        if at in self.objects:
            raise ApiError(409, "AlreadyExists", "there is one")
        return self.put(at, body)

    async def replace(self, path: str, body: Object) -> Object:
        await self._asked("replace", path)
        self._check(path, body)
        return self.put(path, body)

    async def patch(self, path: str, body: Object) -> Object:
        await self._asked("patch", path)
        at = path.removesuffix("/status")
        self._check(at, body)
        return self.put(at, merged(self.objects[at], body))

    async def watch(
        self, path: str, *, version: str, field_selector: str = "", label_selector: str = "", **_: object
    ) -> AsyncGenerator[Object, None]:
        await self._asked("watch", path)
        await asyncio.Event().wait()
        yield {}

    def _check(self, path: str, body: Object) -> None:
        found = self.objects.get(path)
        if found is None:
            raise ApiError(404, "NotFound", "there is none")
        version = body.get("metadata", {}).get("resourceVersion")
        if version is not None and version != found["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "it changed")


def merged(old: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _everywhere(path: str) -> str:
    """The path of all objects of the kind, whatever the namespace."""
    head, _, rest = path.partition("/namespaces/")
    return f"{head}/{rest.split('/')[1]}" if rest.count("/") > 1 else ""
