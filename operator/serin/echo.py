"""The demo backend: answers with JSON of what it received, so that one sees what a proxy chose and sent.

For demonstrations and tests alone; it must not know anything else of Serin.
"""

import asyncio
import ipaddress
import json
import re
import signal
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from aiohttp import WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from multidict import CIMultiDict

HEADER = "X-Echo-Backend"
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(h|ms|us|m|s)", re.ASCII)
_LONGEST_SLEEP = 300.0
_NO_BODY = (204, 304)


class Backend(NamedTuple):
    """`name` is what the answers carry; port 0 takes a free one; `tls` with a certificate made at the start.

    `errors`: the share of requests, of 1, that are answered 500, evenly spread: 0.05 is each 20th.
    """

    name: str
    host: str
    port: int
    tls: bool = False
    errors: float = 0.0


class _Echo:
    """One backend's answers.

    Query parameters: `status=503`, `set=Name:Value` (repeated: more headers), `sleep=150ms`, `noupgrade` (a WebSocket
    request is answered like any other).
    """

    def __init__(self, name: str, errors: float = 0.0) -> None:
        self._name = name
        self._errors = errors
        self._asked = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket" and "noupgrade" not in request.query:
            return await self._websocket(request)
        body_len = 0
        async for data in request.content.iter_any():
            body_len += len(data)
        await asyncio.sleep(duration(request.query.get("sleep", "")))
        status = _status(request.query.get("status", ""), 500 if self._fails() else 200)
        headers = self._headers(request)
        if headers is None:
            return web.Response(status=400, text="set= needs Name:Value\n")
        if status in _NO_BODY:
            return web.Response(status=status, headers=headers)
        text = json.dumps(self._seen(request, body_len)) + "\n"
        return web.Response(status=status, headers=headers, text=text, content_type="application/json")

    def _fails(self) -> bool:
        """Whether this request is one of the share that fails."""
        self._asked += 1
        return int(self._asked * self._errors + 1e-9) > int((self._asked - 1) * self._errors + 1e-9)

    def _seen(self, request: web.BaseRequest, body_len: int) -> dict[str, object]:
        pod, port = _local_address(request)
        return {
            "backend": self._name,
            "pod": pod,
            "port": port,
            "proto": f"HTTP/{request.version.major}.{request.version.minor}",
            "tls": request.secure,
            "method": request.method,
            "host": request.headers.get("Host", ""),
            "uri": request.raw_path,
            "headers": [[_text(name), _text(value)] for name, value in request.raw_headers if name.lower() != b"host"],
            "body_len": body_len,
        }

    def _headers(self, request: web.BaseRequest) -> CIMultiDict[str] | None:
        headers = CIMultiDict({HEADER: self._name})
        for text in request.query.getall("set", []):
            name, colon, value = text.partition(":")
            if not colon or not re.fullmatch(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+", name) or not value.isprintable():
                return None
            headers.add(name, value.strip())
        return headers

    async def _websocket(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        socket.headers[HEADER] = self._name
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket


def duration(text: str) -> float:
    """Seconds of a duration like 150ms or 1m30s, at most five minutes; 0 when it is none."""
    parts = _DURATION_PART.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        return 0.0
    return min(sum(float(number) * _UNITS[unit] for number, unit in parts), _LONGEST_SLEEP)


def _status(text: str, usual: int) -> int:
    return int(text) if re.fullmatch(r"[2-5]\d\d", text, re.ASCII) else usual


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _local_address(request: web.BaseRequest) -> tuple[str, str]:
    sockname = None if request.transport is None else request.transport.get_extra_info("sockname")
    return (str(sockname[0]), str(sockname[1])) if sockname else ("", "")


def self_signed_context(name: str, host: str) -> ssl.SSLContext:
    """A TLS server with a key of its own, made now and never stored."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "backend.test")])
    names: list[x509.GeneralName] = [x509.DNSName("backend.test")]
    try:
        names.append(x509.IPAddress(ipaddress.ip_address(host)))
    except ValueError:
        names.append(x509.DNSName(host or name))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain, pem = serialization.NoEncryption(), serialization.Encoding.PEM
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The ssl module takes files only; this one is readable by its owner alone and gone at once.
    with tempfile.NamedTemporaryFile() as file:
        file.write(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem))
        file.flush()
        context.load_cert_chain(file.name)
    return context


@asynccontextmanager
async def running(backends: Iterable[tuple[str, str, int] | Backend]) -> AsyncIterator[list[Backend]]:
    """The backends listen while the context is open; gives them with the ports they really have."""
    started = []
    async with AsyncExitStack() as stack:
        for backend in (Backend(*item) for item in backends):
            runner = web.ServerRunner(
                web.Server(_Echo(backend.name, backend.errors), access_log=None), shutdown_timeout=1.0
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            context = self_signed_context(backend.name, backend.host) if backend.tls else None
            await web.TCPSite(runner, backend.host, backend.port, ssl_context=context).start()
            started.append(backend._replace(port=runner.addresses[0][1]))
        yield started


async def _serve(backends: Iterable[tuple[str, str, int] | Backend]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(backends) as started:
        for backend in started:
            scheme = "https" if backend.tls else "http"
            host = f"[{backend.host}]" if ":" in backend.host else backend.host
            print(f"{backend.name} answers on {scheme}://{host}:{backend.port}/", file=sys.stderr, flush=True)
        await stop.wait()


def serve_many(backends: Iterable[tuple[str, str, int] | Backend]) -> None:
    """Serves (name, host, port[, tls[, errors]]) each until SIGINT or SIGTERM. Raises OSError when a port is taken."""
    asyncio.run(_serve(backends))


def run(name: str, port: int, bind: str = "127.0.0.1", *, tls: bool = False, errors: float = 0.0) -> None:
    """Serves one backend until SIGINT or SIGTERM."""
    serve_many([Backend(name, bind, port, tls, errors)])
