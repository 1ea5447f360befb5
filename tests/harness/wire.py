"""A client (HTTP/1.1, HTTP/2 where a request asks for it) that sends exactly what a test names and hides nothing.

One connection for each request, so that no answer depends on what came before it.
"""

import contextlib
import http.client
import re
import socket
import ssl
import tempfile
from dataclasses import dataclass, field
from typing import Any

from harness import http2
from harness.authorities import certificate_of

CLOSED = "closed"


def expand(text: str) -> str:
    """`{a*4000}` stands for 4000 letters a."""
    return re.sub(r"\{(.)\*(\d+)\}", lambda found: found[1] * int(found[2]), text)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; `status` 0 and `error` when no answer did. Header names are in lower case, in order."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str = ""
    echoed: str = ""
    """What an upgraded connection sent back."""

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def first(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


def is_refused(place: tuple[str, int]) -> bool:
    """Whether nobody listens there; a connection that is taken is closed at once."""
    try:
        socket.create_connection(place, timeout=20).close()
    except ConnectionRefusedError:
        return True
    return False


@dataclass(frozen=True, slots=True)
class Door:
    """Where Serin listens."""

    http: tuple[str, int]
    https: tuple[str, int] = ("127.0.0.1", 0)
    timeout: float = 45.0

    def connect(
        self, *, tls: bool = False, server_name: str | None = None, certificate: str = "", alpn: str = ""
    ) -> socket.socket:
        """`certificate`: the name of the authority that signed the client's own one; empty: it has none."""
        connection = socket.create_connection(self.https if tls else self.http, timeout=self.timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not tls:
            return connection
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols([alpn])
        if certificate:
            with tempfile.NamedTemporaryFile() as file:
                file.write(certificate_of(certificate))
                file.flush()
                context.load_cert_chain(file.name)
        return context.wrap_socket(connection, server_hostname=server_name or None)

    def send(self, request: "Request") -> Reply:
        try:
            with contextlib.closing(self._connect_for(request)) as connection:
                if request.http2:
                    return ask_http2(connection, request)
                connection.sendall(request.encode())
                return read_reply(connection, request)
        except (OSError, ssl.SSLError, http.client.HTTPException) as error:
            return Reply(0, error=type(error).__name__)

    def _connect_for(self, request: "Request") -> socket.socket:
        return self.connect(
            tls=request.tls or request.http2,
            server_name=request.sni or request.server_name,
            certificate=request.certificate,
            alpn="h2" if request.http2 else "",
        )


@dataclass(frozen=True, slots=True)
class Request:
    host: str | None = None
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    tls: bool = False
    raw: bytes | None = None
    websocket_payload: str = ""
    http2: bool = False
    sni: str = ""
    """Where the handshake names another host than the request does."""
    certificate: str = ""
    """The authority that signed the client's certificate; empty: it has none."""

    @property
    def server_name(self) -> str:
        return (self.host or "unnamed").partition(":")[0]

    def encode(self) -> bytes:
        if self.raw is not None:
            return self.raw
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        if self.host is not None:
            lines.append(f"Host: {self.host}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body is not None:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + (self.body or b"")


def ask_http2(connection: socket.socket, request: Request) -> Reply:
    """One stream; trailers come after the headers, as `trailer:NAME`."""
    client = http2.Client(connection)
    headers = [(name.lower(), value) for name, value in request.headers]
    body = request.body
    stream = client.open(request.host or "", request.path, method=request.method, headers=headers, end=body is None)
    if body is not None:
        client.send(stream, body, end=True)
    data = client.finish(stream)
    if stream in client.reset:
        return Reply(0, error="Reset")
    trailers = tuple((f"trailer:{name}", value) for name, value in client.trailers.get(stream, ()))
    regular = tuple(pair for pair in client.headers[stream] if not pair[0].startswith(":"))
    return Reply(client.status(stream), regular + trailers, data)


def read_reply(connection: socket.socket, request: Request) -> Reply:
    answer = http.client.HTTPResponse(connection, method=request.method)
    try:
        answer.begin()
        headers = tuple((name.lower(), value) for name, value in answer.getheaders())
        if answer.status != 101:
            return Reply(answer.status, headers, answer.read())
        echoed = ""
        if request.websocket_payload:
            connection.sendall(request.websocket_payload.encode())
            echoed = connection.recv(1024).decode()
        return Reply(answer.status, headers, echoed=echoed)
    finally:
        answer.close()


@dataclass(slots=True)
class Jar:
    """The cookies a browser would send back: names and values, nothing else."""

    cookies: dict[str, str] = field(default_factory=dict)

    def take(self, reply: Reply) -> None:
        for line in reply.all("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value

    def header(self) -> tuple[str, str]:
        return ("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))


def request_of(spec: dict[str, Any], **changes: Any) -> Request:
    """A request as a case writes it."""
    spec = {**spec, **changes}
    if "raw" in spec:
        return Request(
            host=spec.get("host"), raw=expand(spec["raw"]).encode("latin-1"), method=spec.get("method", "GET")
        )
    headers = spec.get("headers") or []
    pairs = list(headers.items()) if isinstance(headers, dict) else [(str(n), str(v)) for n, v in headers]
    if cookies := spec.get("cookies"):
        text = cookies if isinstance(cookies, str) else "; ".join(f"{n}={v}" for n, v in cookies.items())
        pairs.append(("Cookie", text))
    body = spec.get("body")
    if "body_size" in spec:
        body = "x" * spec["body_size"]
    return Request(
        host=spec.get("host"),
        path=expand(spec.get("path", "/")),
        method=spec.get("method", "GET"),
        headers=tuple((name, expand(value)) for name, value in pairs),
        body=None if body is None else body.encode(),
        tls=spec.get("scheme") == "https",
        websocket_payload=spec.get("ws_payload", ""),
        http2=bool(spec.get("http2")),
        sni=spec.get("sni", ""),
        certificate=spec.get("certificate", ""),
    )
