"""FastCGI: a real nginx and a server that tells the parameters that it got."""

import json
import socketserver
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from unit.render_nginx.nginx_text import NGINX
from unit.render_nginx.stock_nginx import SOURCE, Running, one, serving

from serin.routing.lines import HeaderLine
from serin.routing.plan import BasicAuth, Globals, Host, Policy, Protocol
from serin.routing.upstream import Buffering, FastCgi, Upstream
from serin.routing.wide import Lines

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not here")
PARAMS, STDIN, STDOUT, END = 4, 5, 6, 3
"""Types of records (FastCGI specification, section 8)."""


class Responder(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        params, body = b"", b""
        while True:
            _, kind, request, length, padding, _ = struct.unpack(">BBHHBB", self.rfile.read(8))
            content = self.rfile.read(length)
            self.rfile.read(padding)
            if kind == PARAMS:
                params += content
            elif kind == STDIN and content:
                body += content
            elif kind == STDIN:
                break
        told = json.dumps(dict(pairs(params)) | {"body": body.decode()}).encode()
        answer = b"Status: 201 Made\r\nContent-Type: application/json\r\nX-Secret: s\r\n\r\n" + told
        self.wfile.write(struct.pack(">BBHHBB", 1, STDOUT, request, len(answer), 0, 0) + answer)
        self.wfile.write(struct.pack(">BBHHBB", 1, END, request, 8, 0, 0) + bytes(8))


def pairs(text: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        sizes = []
        for _ in range(2):
            size = text[at]
            if size >> 7:
                size = struct.unpack_from(">I", text, at)[0] & 0x7FFFFFFF
                at += 3
            at += 1
            sizes.append(size)
        name, value = text[at : at + sizes[0]], text[at + sizes[0] : at + sum(sizes)]
        at += sum(sizes)
        yield name.decode(), value.decode()


def fastcgi(**more: Any) -> Policy:
    asked = FastCgi(
        "index.php", (HeaderLine("SCRIPT_FILENAME", "/app$fastcgi_script_name"), HeaderLine("OWN", "$ingress_name"))
    )
    words = ("error", "http_502", "http_503")
    return Policy(
        upstream=Upstream(protocol=Protocol.FCGI, fastcgi=asked, vhost="v.example", next_upstream=words), **more
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    prefix = tmp_path_factory.mktemp("fastcgi")
    buffered = Upstream(protocol=Protocol.FCGI, buffering=Buffering(answers=True, size=8192))
    routes = (
        one(1, "/a", fastcgi()),
        one(2, "/b", Policy(upstream=buffered, auth=BasicAuth("off", "e" * 32, SOURCE))),
        one(3, "/c", Policy(upstream=buffered, answer_headers=(HeaderLine("X-Own", "1"),))),
    )
    (prefix / "plan" / "users").mkdir(parents=True)
    (prefix / "plan" / "users" / ("e" * 32)).write_text("ann:{PLAIN}secret\n")
    lines = Lines((HeaderLine("X-More", "$host"),), (), ("X-Secret",))
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Responder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with serving(prefix, [Host("f.example", routes)], Globals(lines=lines), server.server_address[1]) as found:
            yield found
        server.shutdown()


def test_parameters(running: Running) -> None:
    headers = "Proxy: evil\r\nX-Real-IP: 9.9.9.9\r\nAccept: a\r\n"
    answer, body = running.ask("f.example", "/a/?x=1", method="POST", body="abc", more=headers)
    told = json.loads(body)
    assert (answer.status, answer.headers["X-Secret"]) == (201, None)
    expected = {
        "SCRIPT_FILENAME": "/app/a/index.php",
        "SCRIPT_NAME": "/a/index.php",
        "OWN": "main",
        "REQUEST_URI": "/a/?x=1",
        "QUERY_STRING": "x=1",
        "REQUEST_METHOD": "POST",
        "CONTENT_LENGTH": "3",
        "HTTP_HOST": "v.example",
        "HTTP_X_REAL_IP": "127.0.0.1",
        "HTTP_X_FORWARDED_FOR": "127.0.0.1",
        "HTTP_X_MORE": "f.example",
        "HTTP_ACCEPT": "a",
        "body": "abc",
    }
    assert {name: told.get(name) for name in expected} == expected
    assert told.get("HTTP_PROXY", "") == ""


def test_passwords_stay_here(running: Running) -> None:
    answer, body = running.ask("f.example", "/b", more="Authorization: Basic YW5uOnNlY3JldA==\r\n")
    assert answer.status == 201
    assert json.loads(body).get("HTTP_AUTHORIZATION", "") == ""
    assert running.ask("f.example", "/b")[0].status == 401


def test_header_lines_of_answers(running: Running) -> None:
    answer, _ = running.ask("f.example", "/c")
    assert (answer.headers["X-Own"], answer.headers["X-Secret"]) == ("1", None)
