"""A real nginx with rendered hosts over an endpoint that tells what it got; without Lua, so it needs nginx alone."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from golden.certificates import make_pair
from unit.render_nginx.nginx_text import NGINX, settings_in, write_files

from serin.refs import Ref, Source
from serin.render.nginx.weights import Weights
from serin.routing.plan import (
    Endpoint,
    Globals,
    Host,
    PathKind,
    PathMatch,
    Policy,
    Pool,
    PoolSpec,
    Route,
    RuleId,
    Share,
    Split,
    VersionRoute,
)

REF = Ref("Ingress", "shop", "main")
SOURCE = Source(REF, "metadata")
POOL = "f" * 16


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        told = {"target": self.requestline.split(" ")[1], "headers": {k.lower(): v for k, v in self.headers.items()}}
        body = json.dumps(told).encode()
        asked = re.search(r"[?&]status=([0-9]{3})", self.path)
        self.send_response(int(asked[1]) if asked else 200)
        for header in re.findall(r"[?&]set=([A-Za-z-]+:[^&]*)", self.path):
            self.send_header(*header.split(":", 1))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Accel-Redirect", "/closed")
        self.send_header("Strict-Transport-Security", "endpoint")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def one(number: int, path: str, policy: Policy, kind: PathKind = PathKind.PREFIX, *, proxied: bool = True) -> Route:
    split = f"{number:016x}" if proxied else None
    versions = (VersionRoute("1" * 16, "main", REF, "web", "80", POOL),) if proxied else ()
    return Route(PathMatch(kind, path), RuleId("h", path, kind), REF, split, versions, policy, source=SOURCE)


@dataclass(slots=True, repr=False)
class Running:
    plain: int
    tls: int
    hosts: dict[str, Host]
    log: Path

    def ask(
        self,
        name: str,
        target: str,
        *,
        tls: bool = False,
        method: str = "GET",
        body: str = "",
        asked_for: str = "",
        certificate: Path | None = None,
        more: str = "",
        forwarded: str = "9.9.9.9",
    ) -> Any:
        """The answer and its body. `asked_for`: the name in the TLS handshake; `more`: header lines."""
        if tls:
            context = ssl._create_unverified_context()
            if certificate is not None:
                context.load_cert_chain(certificate)
            raw = socket.create_connection(("127.0.0.1", self.tls), 10)
            sock: socket.socket = context.wrap_socket(raw, server_hostname=asked_for or name.partition(":")[0])
        else:
            sock = socket.create_connection(("127.0.0.1", self.plain), 10)
        with sock:
            head = (
                f"{method} {target} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n"
                f"X-Forwarded-For: {forwarded}\r\n{more}"
            )
            if body:
                head += f"Content-Length: {len(body)}\r\n"
            sock.sendall(f"{head}\r\n{body}".encode())
            answer = http.client.HTTPResponse(sock, method=method)
            answer.begin()
            return answer, answer.read()


@contextmanager
def serving(prefix: Path, hosts: list[Host], globals_: Globals | None = None, endpoint: int = 0) -> Iterator[Running]:
    """`endpoint`: a port in the place of the endpoint that tells what it got."""
    assert NGINX is not None
    echo = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    plain, tls = (s.getsockname()[1] for s in sockets)
    (prefix / "certificates").mkdir(parents=True)
    (prefix / "certificates" / "default.pem").write_bytes(b"".join(make_pair("h.example")))
    pool = Pool(PoolSpec(POOL, "shop", "web", 80), (Endpoint("127.0.0.1", endpoint or echo.server_address[1]),))
    splits = {
        r.split: Split(r.split, r.rule, (Share("1" * 16, POOL, 100),)) for h in hosts for r in h.routes if r.split
    }
    made = settings_in(
        prefix,
        lua=False,
        http=(f"127.0.0.1:{plain}",),
        https=(f"127.0.0.1:{tls}",),
        access_log="json",
        access_log_path=str(prefix / "access.log"),
        user="root" if os.geteuid() == 0 else "",
    )
    write_files(prefix, hosts, made, Weights(splits, {POOL: pool}), globals_ or Globals(https_port=0))
    fds = tuple(s.fileno() for s in sockets)
    line = [NGINX, "-p", f"{prefix}/", "-e", "stderr", "-c", str(prefix / "nginx.conf")]
    inherited = {"NGINX": "".join(f"{fd};" for fd in fds)}
    with (prefix / "error.log").open("wb") as errors:  # a pipe that nobody reads would hold nginx up
        process = subprocess.Popen(line, pass_fds=fds, env=os.environ | inherited, stderr=errors)
    names = {name: host for host in hosts for name in (host.name, *host.aliases)}
    try:
        yield Running(plain, tls, names, prefix / "access.log")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        echo.shutdown()
        for s in sockets:
            s.close()
