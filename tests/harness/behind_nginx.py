"""Endpoints that behave as a test says, and nginx with a configuration made by hand around the Lua modules."""

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from harness.shared_memory import Rig
from harness.waiting import until

from serin.dataplane.nginx.assets import library, lua_folder
from serin.dataplane.nginx.components import Components
from serin.routing.plan import Endpoint

MakeNginx = Callable[..., "Nginx"]
MakeEndpoint = Callable[..., "Endpoints"]
"""The fixtures `nginx` and `endpoint`."""

Behave = Callable[["Endpoints", socket.socket, bytes, int], bool]
"""Called with a request's head and how many came on this connection; False: close it."""


def answer(end: "Endpoints", link: socket.socket, head: bytes, nth: int, status: int = 200) -> bool:
    body = end.name.encode()
    link.sendall(b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\nX-Nth: %d\r\n\r\n%s" % (status, len(body), nth, body))
    return True


def with_status(status: int) -> Behave:
    return lambda end, link, head, nth: answer(end, link, head, nth, status)


def hang_up(end: "Endpoints", link: socket.socket, head: bytes, nth: int) -> bool:
    """Closes instead of answering."""
    return False


def once(end: "Endpoints", link: socket.socket, head: bytes, nth: int) -> bool:
    """A kept connection is closed when it is used again: what a restarted or impatient endpoint looks like."""
    return nth == 1 and answer(end, link, head, nth)


def silent(end: "Endpoints", link: socket.socket, head: bytes, nth: int) -> bool:
    return True


def garbage(end: "Endpoints", link: socket.socket, head: bytes, nth: int) -> bool:
    link.sendall(b"HTTP/1.1 200 OK\r\nX-\0: 1\r\n\r\n")
    return False


def tunnel(end: "Endpoints", link: socket.socket, head: bytes, nth: int) -> bool:
    link.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    while data := link.recv(4096):
        link.sendall(data)
    return False


class Endpoints:
    """One endpoint: a name, a loopback port, a behaviour that may change."""

    def __init__(self, name: str, behave: Behave = answer) -> None:
        self.name = name
        self.behave = behave
        self.heads: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._links: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self.port)

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            self._links.append(link)
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        data, nth = b"", 0
        with link:
            try:
                while True:
                    while b"\r\n\r\n" not in data:
                        more = link.recv(65536)
                        if not more:
                            return
                        data += more
                    head, _, data = data.partition(b"\r\n\r\n")
                    nth += 1
                    self.heads.append(head)
                    data = self._body(link, head, data)
                    if not self.behave(self, link, head, nth):
                        return
            except OSError:
                return

    def _body(self, link: socket.socket, head: bytes, data: bytes) -> bytes:
        lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = lengths[0] if lengths else 0
        while len(data) < length:
            data += link.recv(65536)
        return data[length:]

    def refuse(self) -> None:
        """No new connection from now on; the port stays ours for nobody."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self) -> None:
        for end in (self._listener, *self._links):
            end.close()


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Nginx:
    """`locations` go into the one server, `http` before it. `prefix` is its folder; the run directory is `rig.path`."""

    def __init__(
        self,
        components: Components,
        rig: Rig,
        prefix: Path,
        locations: str,
        *,
        http: str = "",
        upstream: str = "",
        workers: int = 1,
    ) -> None:
        self._binary, self._prefix = components.binary, prefix
        self._environment = {**os.environ, **dict(components.environment)}
        self.rig = rig
        with socket.create_server(("127.0.0.1", 0)) as held:
            self.port = int(held.getsockname()[1])
        (prefix / "nginx.conf").write_text(self._conf(components, locations, http, upstream, workers))
        self._process: subprocess.Popen[bytes] | None = None

    def _conf(self, components: Components, locations: str, http: str, upstream: str, workers: int) -> str:
        modules = "".join(f"load_module {path};\n" for path in components.modules)
        user = "user root;\n" if os.geteuid() == 0 else ""
        folders = "".join(f"{name}_temp_path tmp;\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return f"""{modules}{user}daemon off; worker_processes {workers}; pid nginx.pid; error_log error.log info;
worker_shutdown_timeout 60s;
events {{ worker_connections 512; }}
http {{
access_log off; {folders} uninitialized_variable_warn off; keepalive_requests 1000000; server_tokens off;
map $host $proxy_alternative_upstream_name {{ default ""; }}
lua_package_path "{lua_folder()}/?.lua;{components.package_path}";
init_by_lua_block {{ serin = require("serin"); serin.configure{{run_dir="{self.rig.path}", library="{library()}"}} }}
init_worker_by_lua_block {{ serin.start() }}
error_page 500 @serin_failed;
proxy_http_version 1.1; proxy_set_header Connection $http_connection; proxy_set_header Upgrade $http_upgrade;
proxy_connect_timeout 2s; proxy_read_timeout 2s; proxy_next_upstream error timeout; proxy_next_upstream_tries 1000;
upstream serin_http {{ server 0.0.0.1; balancer_by_lua_block {{ serin.balance() }} keepalive 32; {upstream} }}
{http}
server {{
listen 127.0.0.1:{self.port};
location @serin_failed {{ internal; content_by_lua_block {{ serin.failed() }} }}
location = /alive {{ return 204; }}
{locations}
}} }}
"""

    def start(self) -> None:
        command = [self._binary, "-p", str(self._prefix), "-c", "nginx.conf", "-e", "error.log"]
        self._process = subprocess.Popen(command, env=self._environment)
        until(self._answers, "nginx answers")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        try:
            return self.get("/alive").status == 204
        except OSError:
            return False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def worker_pids(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in children]

    def log(self) -> str:
        path = self._prefix / "error.log"
        return path.read_text() if path.exists() else ""

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)

    def get(self, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own; `_` in the names of headers stands for `-`."""
        link = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            link.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            found = link.getresponse()
            return Answer(found.status, found.read().decode("latin-1"), {k.lower(): v for k, v in found.getheaders()})
        finally:
            link.close()

    def names(self, path: str, count: int) -> list[str]:
        """Who answers each of `count` requests, made on one connection."""
        link = HTTPConnection("127.0.0.1", self.port, timeout=20)
        found: list[str] = []
        for _ in range(count):
            link.request("GET", path)
            got = link.getresponse()
            text = got.read().decode()
            found.append(text if got.status == 200 else str(got.status))
        link.close()
        return found


def passed(spec: str, *, path: str = "/", more: str = "") -> str:
    """A location that forwards by a spec."""
    return f'location {path} {{ set $serin "{spec}"; {more} proxy_pass http://serin_http; }}\n'


def listed(ends: Sequence[Endpoints]) -> tuple[Endpoint, ...]:
    return tuple(end.endpoint for end in ends)
