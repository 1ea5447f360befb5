"""An API server that is ill: it answers as a test says, and asks the real one for everything else.

Between a client and the real server stands a second TLS server with an authority of its own, so that it can read what
passes. Callers are whoever the token they send says; without one, the identity given here.
"""

import asyncio
import dataclasses
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp import web
from harness.kube import Kube
from localkube import kubeconfig
from localkube.pki import Authority, KeyPair
from yarl import URL

T = TypeVar("T")

_HOP = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length", "host", "accept-encoding"))
_MEANINGS = {
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    500: ("InternalError", "etcdserver: leader changed"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "the server was unable to return a response in the time allotted"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    watch: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Illness:
    """What happens to the calls that `meets` picks; of these, each `every`-th one.

    `status`: that answer. `page`: 200 with HTML, as a wrong proxy gives. `seconds`: later than usual by so much.
    `silent`: never any answer. `stops_after`: so many bytes of the answer come, and then nothing.
    """

    meets: Callable[[Call], bool] = lambda _: True
    every: int = 1
    status: int = 0
    page: bool = False
    seconds: float = 0.0
    silent: bool = False
    stops_after: int | None = None


class SickServer:
    """Context manager. `illness` None: all is well."""

    def __init__(self, kube: Kube, folder: Path) -> None:
        self.illness: Illness | None = None
        self.met = 0
        """Calls that an illness changed."""
        self.seen: list[Call] = []
        self._kube = kube
        self._authority = Authority(folder / "pki")
        self._pair = self._authority.issue("server", "kube-apiserver", hosts=["127.0.0.1"])
        self._number = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.server = f"https://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def kubeconfig(self, path: Path, token: Path | None = None) -> Path:
        """Written to `path`. Without a token the caller is the administrator, whatever it says."""
        authority = self._authority.files.certificate
        if token is not None:
            return kubeconfig.with_token(path, self.server, authority, token, "default")
        return kubeconfig.with_certificate(path, self.server, authority, self._kube.plane.admin_identity)

    def is_ill(self, illness: Illness) -> None:
        """From now on; connections that are open are cut, so that nothing goes on by them."""
        self.illness, self.met = illness, 0
        self._call(self._cut())

    def recovers(self) -> None:
        self.illness = None
        self._call(self._cut())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> None:
        plane = self._kube.plane
        self._admin = aiohttp.ClientSession(
            auto_decompress=False, connector=_connector(plane.authority.files.certificate, plane.admin_identity)
        )
        self._others = aiohttp.ClientSession(
            auto_decompress=False, connector=_connector(plane.authority.files.certificate)
        )
        self._server = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(self._server, shutdown_timeout=0.1)
        await self._runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._pair.certificate, self._pair.key)
        await web.SockSite(self._runner, self._listening, ssl_context=context).start()

    async def _end(self) -> None:
        await self._cut()
        await self._runner.cleanup()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._admin.close()
        await self._others.close()

    async def _cut(self) -> None:
        for connection in list(self._server.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        call = Call(request.method, request.path, "watch" in request.query)
        self.seen.append(call)
        illness = self._illness_for(call)
        if illness is not None:
            if illness.silent:
                await asyncio.Event().wait()
            if illness.seconds:
                await asyncio.sleep(illness.seconds)
            if illness.page:
                return web.Response(text="<html><body>Sign in</body></html>", content_type="text/html")
            if illness.status:
                return _refusal(illness.status)
        return await self._pass_on(request, illness.stops_after if illness is not None else None)

    def _illness_for(self, call: Call) -> Illness | None:
        illness = self.illness
        if illness is None or not illness.meets(call):
            return None
        self._number += 1
        if self._number % illness.every:
            return None
        self.met += 1
        return illness

    async def _pass_on(self, request: web.BaseRequest, stops_after: int | None) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        session = self._others if "Authorization" in headers else self._admin
        url = URL(self._kube.server + request.raw_path, encoded=True)
        body = await request.read() or None
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        try:
            async with session.request(request.method, url, headers=headers, data=body, timeout=timeout) as answer:
                passed = web.StreamResponse(status=answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in _HOP:
                        passed.headers[name] = value
                await passed.prepare(request)
                async for data in answer.content.iter_any():
                    if stops_after is not None:
                        await passed.write(data[:stops_after])
                        await asyncio.Event().wait()
                    await passed.write(data)
                return passed
        except aiohttp.ClientError:
            return _refusal(503)


def _connector(authority: Path, identity: KeyPair | None = None) -> aiohttp.TCPConnector:
    context = ssl.create_default_context(cafile=str(authority))
    if identity is not None:
        context.load_cert_chain(identity.certificate, identity.key)
    return aiohttp.TCPConnector(ssl=context, limit=0)


def _refusal(status: int) -> web.Response:
    reason, message = _MEANINGS[status]
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status}
    answer = web.json_response(body | {"message": message}, status=status)
    if status == 429:
        answer.headers["Retry-After"] = "1"
    return answer
