"""An API server in memory that answers over HTTP, and misbehaves as told: what a real one does once in a blue moon.

Discovery, lists in pages, watches, reads by name; nothing can be written by requests. Versions are one ascending count.
"""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import web

from serin.cluster.kinds import CONFIG_MAP, ENDPOINT_SLICE, ENDPOINTS, INGRESS, INGRESS_CLASS, KINDS, SECRET, SERVICE
from serin.cluster.server import Connection
from serin.cluster.watch.login import AGENT

JSON = dict[str, Any]
SERVED = (INGRESS, INGRESS_CLASS, SERVICE, ENDPOINT_SLICE, ENDPOINTS, SECRET, CONFIG_MAP)
_CRD = {"group": "apiextensions.k8s.io", "version": "v1", "kind": "CustomResourceDefinition"}

Misbehave = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class FakeServer:
    """Async context manager, in the test's own loop. `misbehave` may answer a request in the server's place."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        """Requests by (list, watch, bridge or get, plural); a bridge is a watch of whole objects that is not kopf's."""
        self.misbehave: Misbehave | None = None
        self._objects: dict[str, dict[tuple[str, str], JSON]] = {kind.plural: {} for kind in SERVED}
        self._versions = itertools.count(1)
        self._version = 0
        self._watches: dict[str, set[asyncio.Queue[JSON | None]]] = {kind.plural: set() for kind in SERVED}
        self._bridges: set[asyncio.Queue[JSON | None]] = set()
        self._events: dict[str, list[tuple[int, JSON]]] = {kind.plural: [] for kind in SERVED}

    @property
    def connection(self) -> Connection:
        return Connection(server=self.server)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.server = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        await self._runner.cleanup()

    def put(self, raw: JSON) -> None:
        kind, meta = KINDS[raw["kind"]], raw["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        known = self._objects[kind.plural].get(key)
        uid = known["metadata"]["uid"] if known else f"uid-{self._version + 1}"
        made = raw | {"metadata": meta | {"uid": uid, "resourceVersion": self._next()}}
        self._objects[kind.plural][key] = made
        self._tell(kind.plural, "MODIFIED" if known else "ADDED", made)

    def delete(self, kind: str, namespace: str, name: str, *, silently: bool = False) -> None:
        """`silently`: as if it happened while nobody was connected and history is forgotten."""
        plural = KINDS[kind].plural
        gone = self._objects[plural].pop((namespace, name))
        made = gone | {"metadata": gone["metadata"] | {"resourceVersion": self._next()}}
        if not silently:
            self._tell(plural, "DELETED", made)

    def say(self, plural: str, event: JSON) -> None:
        """To every watch of that kind, whatever it is."""
        for queue in self._watches[plural]:
            queue.put_nowait(event)

    def watches(self, plural: str) -> int:
        """Open ones, now, without bridges."""
        return len(self._watches[plural] - self._bridges)

    def bridges(self, plural: str) -> int:
        return len(self._watches[plural] & self._bridges)

    def cut(self) -> None:
        """End all watches."""
        for queues in self._watches.values():
            for queue in queues:
                queue.put_nowait(None)

    def rewind(self) -> None:
        """Versions begin anew: the data come from a backup. Nothing is told of what happened before."""
        self._versions, self._version = itertools.count(1), 0
        for events in self._events.values():
            events.clear()

    def _next(self) -> str:
        self._version = next(self._versions)
        return str(self._version)

    def _tell(self, plural: str, kind_of_event: str, raw: JSON) -> None:
        event = {"type": kind_of_event, "object": raw}
        self._events[plural].append((self._version, event))
        self.say(plural, event)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        plural = self._plural(request.path)
        watches = "watch" in request.query
        named = bool(plural) and request.path.rpartition("/")[2] != plural
        if plural:
            watch = "bridge" if _is_bridge(request) else "watch"
            self.asked["get" if named else watch if watches else "list", plural] += 1
        if self.misbehave is not None and (instead := await self.misbehave(request)) is not None:
            return instead
        if not plural:
            found = _discovery(request.path)
            return web.json_response(found or {"kind": "Status", "code": 404}, status=200 if found else 404)
        if named:
            return self._get(request.path, plural)
        return await self._watch(request, plural) if watches else self._list(request, plural)

    def _plural(self, path: str) -> str:
        return next((part for part in path.split("/")[3:] if part in self._objects), "")

    def _get(self, path: str, plural: str) -> web.Response:
        parts = path.split("/")
        namespace = parts[parts.index("namespaces") + 1] if "namespaces" in parts else ""
        found = self._objects[plural].get((namespace, parts[-1]))
        return web.json_response(found or {"kind": "Status", "code": 404}, status=200 if found else 404)

    def _list(self, request: web.Request, plural: str) -> web.Response:
        kind = next(kind for kind in SERVED if kind.plural == plural)
        wanted = request.query.get("fieldSelector", "")
        items = [raw for raw in self._objects[plural].values() if _selected(raw, wanted)]
        begin, limit = int(request.query.get("continue") or 0), int(request.query.get("limit") or 500)
        meta = {"resourceVersion": str(self._version)}
        if len(items) > begin + limit:
            meta["continue"] = str(begin + limit)
        page = items[begin : begin + limit]
        body = {"kind": f"{kind.name}List", "apiVersion": kind.api_version, "metadata": meta, "items": page}
        return web.json_response(body)

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        queue: asyncio.Queue[JSON | None] = asyncio.Queue()
        since = int(request.query.get("resourceVersion") or 0)
        for version, event in self._events[plural]:
            if version > since:
                queue.put_nowait(event)
        self._watches[plural].add(queue)
        if _is_bridge(request):
            self._bridges.add(queue)
        try:
            while (told := await queue.get()) is not None:
                if _is_after(told["object"], since) and _selected(
                    told["object"], request.query.get("fieldSelector", "")
                ):
                    await response.write(json.dumps(told).encode() + b"\n")
        finally:
            self._watches[plural].discard(queue)
            self._bridges.discard(queue)
        return response


def _is_bridge(request: web.Request) -> bool:
    metadata_only = "PartialObjectMetadata" in request.headers.get("Accept", "")
    return not metadata_only and request.headers.get("User-Agent") != AGENT


def _is_after(raw: JSON, version: int) -> bool:
    """A watch from a version that is yet to come tells of nothing before it."""
    found = raw.get("metadata", {}).get("resourceVersion", "") if isinstance(raw, dict) else ""
    return not found or int(found) > version


def _selected(raw: JSON, field_selector: str) -> bool:
    """`type=…` and `type!=…` alone."""
    if not isinstance(raw, dict):
        return True
    if field_selector.startswith("type!="):
        return bool(raw.get("type") != field_selector.removeprefix("type!="))
    if field_selector.startswith("type="):
        return bool(raw.get("type", field_selector[5:]) == field_selector.removeprefix("type="))
    return True


def _discovery(path: str) -> JSON | None:
    groups = {(kind.group, kind.version) for kind in SERVED} | {(_CRD["group"], _CRD["version"])}
    if path == "/api":
        return {"versions": ["v1"]}
    if path == "/apis":
        return {"groups": [_group(*each) for each in sorted(groups) if each[0]]}
    if path == "/version":
        return {"gitVersion": "v1.34.4"}
    parts = path.strip("/").removeprefix("apis/").split("/")
    if tuple(parts) not in {*groups, ("api", "v1")}:
        return None
    group, version = parts
    found = [
        {"name": kind.plural, "kind": kind.name, "namespaced": kind.namespaced}
        for kind in SERVED
        if (kind.group or "api", kind.version) == (group, version)
    ]
    if group == _CRD["group"]:
        found.append({"name": "customresourcedefinitions", "kind": _CRD["kind"], "namespaced": False})
    if group == "api":
        found.append({"name": "namespaces", "kind": "Namespace", "namespaced": False})
    verbs = ["get", "list", "watch", "patch"]
    return {"resources": [each | {"singularName": "", "verbs": verbs} for each in found]}


def _group(name: str, version: str) -> JSON:
    each = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [each], "preferredVersion": each}
