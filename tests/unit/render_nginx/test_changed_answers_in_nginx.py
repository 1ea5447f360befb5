"""What is changed on answers, and who answers instead: a real nginx, without Lua, over an endpoint that tells all."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from harness.waiting import until
from unit.render_nginx.nginx_text import NGINX
from unit.render_nginx.stock_nginx import POOL, SOURCE, Echo, Running, one, serving

from serin.routing.access import ExternalAuth
from serin.routing.answers import Bandwidth, Cors, ErrorPages, Swap
from serin.routing.beside import Beside, Mirror
from serin.routing.lines import HeaderLine
from serin.routing.plan import (
    AppRoot,
    BasicAuth,
    Closed,
    Globals,
    Host,
    PathKind,
    Policy,
    Route,
    TlsRedirect,
    UrlRedirect,
)
from serin.routing.upstream import Upstream
from serin.routing.wide import Blocks, Compression, Connections, Lines, Logs

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not here")
BY = Beside("b" * 16, "1" * 16, POOL, "shop-errors-80", "errors", "80")
NOBODY = Beside("c" * 16, "1" * 16, "0" * 16, "shop-nobody-80", "nobody", "80")
CORS = Cors(("https://a.example", "https://*.b.example"), "GET, PUT", "X-A", "X-E", True, 60, SOURCE)
ANY = Cors(("*",), "GET", "X-A", "", False, 60, SOURCE)
PAGES = ErrorPages((401, 404, 413, 503), BY, SOURCE)
ALLOWED = "Access-Control-Allow-Origin"


def nobody_there(route: Route) -> Route:
    """Its one version is not among those that have endpoints."""
    return replace(route, versions=(replace(route.versions[0], ident="2" * 16, pool="0" * 16),))


def said(line: str) -> HeaderLine:
    name, _, value = line.partition(":")
    return HeaderLine(name, value)


ROUTES = {
    "/cors": Policy(cors=CORS, auth=BasicAuth("r", "e" * 32, SOURCE)),
    "/open": Policy(cors=CORS),
    "/any": Policy(cors=ANY, redirect=UrlRedirect(302, "/there", SOURCE)),
    "/shut": Policy(cors=ANY, closed=Closed(503, "x", SOURCE)),
    "/lines": Policy(answer_headers=(said("X-Own:$namespace/$service_name"), said("X-Secret:"), said("Date:x"))),
    "/swaps": Policy(
        cookie_domain=Swap("in.example", "out.example"), cookie_path=Swap("/in", "/out"), location=Swap("/in", "/out")
    ),
    "/tilde": Policy(location=Swap("~", "/out"), cookie_path=Swap("off", "on")),
    "/pages": Policy(errors=PAGES, max_body=2, tls_redirect=TlsRedirect(308, False, SOURCE)),
    "/own": Policy(errors=replace(PAGES, own_only=True), max_body=2),
    "/none": Policy(errors=ErrorPages((404,), None, SOURCE, 500)),
    "/away": Policy(errors=ErrorPages((404,), NOBODY, SOURCE)),
    "/secret": Policy(errors=PAGES, auth=BasicAuth("r", "e" * 32, SOURCE)),
    "/claims": Policy(
        errors=PAGES,
        external_auth=ExternalAuth(
            BY, "http://a.example/", "a.example", "/?status=401", SOURCE, response_headers=("X-User", "X-Code")
        ),
    ),
    "/copied": Policy(mirror=Mirror(BY, "$host.copy", "/copy$uri?$args", True, SOURCE)),
    "/bare": Policy(mirror=Mirror(BY, "copy", "$request_uri", False, SOURCE)),
    "/copied-to-nobody": Policy(mirror=Mirror(NOBODY, "copy", "/", True, SOURCE)),
    "/slow": Policy(bandwidth=Bandwidth(200)),
    "/connection": Policy(upstream=Upstream(connection="keep-alive")),
    "/relative": Policy(redirect=UrlRedirect(301, "/there", SOURCE), relative_redirects=True),
    "/unlogged": Policy(access_log=False, rewrite_log=True),
}
EMPTY = {
    "/gone": Policy(errors=PAGES),
    "/fallback": Policy(fallback=BY, errors=replace(PAGES, codes=(404,))),
    "/fallback-gone": Policy(fallback=NOBODY),
    "/fallback-secret": Policy(fallback=BY, auth=BasicAuth("r", "e" * 32, SOURCE)),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    prefix = tmp_path_factory.mktemp("changes")
    (prefix / "plan" / "users").mkdir(parents=True)
    (prefix / "plan" / "users" / ("e" * 32)).write_text("")
    routes = [one(number, path, policy) for number, (path, policy) in enumerate(ROUTES.items())]
    routes += [nobody_there(one(number, path, policy)) for number, (path, policy) in enumerate(EMPTY.items(), 100)]
    with serving(prefix, [Host("c.example", tuple(routes))]) as found:
        yield found


def told(running: Running, target: str, **more: Any) -> tuple[int, dict[str, Any]]:
    answer, body = running.ask("c.example", target, **more)
    return answer.status, json.loads(body) if body.startswith(b"{") else {}


# --- CORS ---


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://a.example", True),
        ("https://A.example", True),
        ("https://x.b.example", True),
        ("https://x.y.b.example", False),
        ("https://xb.example", False),
        ("https://a.example.evil", False),
        ("http://a.example", False),
        ("null", False),
    ],
)
def test_origins(running: Running, origin: str, allowed: bool) -> None:
    answer, _ = running.ask("c.example", "/open", more=f"Origin: {origin}\r\n")
    assert answer.headers[ALLOWED] == (origin if allowed else None)
    assert answer.headers["Access-Control-Expose-Headers"] == ("X-E" if allowed else None)
    assert len(answer.headers.get_all("Strict-Transport-Security")) == 1


def test_headers_of_the_endpoint_give_way_to_an_allowed_origin_alone(running: Running) -> None:
    target = f"/open?set={ALLOWED}:https://endpoint"
    answer, _ = running.ask("c.example", target, more="Origin: https://a.example\r\n")
    assert answer.headers.get_all(ALLOWED) == ["https://a.example"]
    answer, _ = running.ask("c.example", target, more="Origin: https://other.example\r\n")
    assert answer.headers.get_all(ALLOWED) == ["https://endpoint"]


def test_preflights_come_before_passwords_and_redirects(running: Running) -> None:
    answer, _ = running.ask("c.example", "/cors", method="OPTIONS", more="Origin: https://a.example\r\n")
    assert (answer.status, answer.headers[ALLOWED]) == (204, "https://a.example")
    assert running.ask("c.example", "/cors", method="OPTIONS", more="Origin: https://x\r\n")[0].status == 401
    assert running.ask("c.example", "/any", method="OPTIONS")[0].status == 204
    assert running.ask("c.example", "/shut", method="OPTIONS")[0].status == 503


def test_our_own_answers_have_the_headers(running: Running) -> None:
    answer, _ = running.ask("c.example", "/cors", more="Origin: https://a.example\r\n")
    assert (answer.status, answer.headers[ALLOWED]) == (401, "https://a.example")
    answer, _ = running.ask("c.example", "/any")
    assert (answer.status, answer.headers[ALLOWED]) == (302, "*")
    assert answer.headers["Access-Control-Allow-Credentials"] is None


# --- headers, cookies, redirects, speed ---


def test_header_lines(running: Running) -> None:
    answer, _ = running.ask("c.example", "/lines?set=X-Own:endpoint&set=X-Secret:s", tls=True)
    assert answer.headers.get_all("X-Own") == ["shop/web"]
    assert answer.headers["X-Secret"] is None
    assert answer.headers.get_all("Strict-Transport-Security") == ["max-age=31536000; includeSubDomains"]


def test_swaps(running: Running) -> None:
    answer, _ = running.ask("c.example", "/swaps?set=Set-Cookie:a=b;Path=/in/x;Domain=in.example&set=Location:/in/y")
    assert answer.headers["Set-Cookie"] == "a=b; Path=/out/x; Domain=out.example"
    assert answer.headers["Location"].endswith("/out/y")
    answer, _ = running.ask("c.example", "/tilde?set=Location:~/x&set=Set-Cookie:a=b;Path=offline")
    assert answer.headers["Location"].endswith("/out/x")
    assert answer.headers["Set-Cookie"] == "a=b; Path=online"


def test_speed(running: Running) -> None:
    begun = time.monotonic()
    _, body = running.ask("c.example", "/slow")
    assert time.monotonic() - begun >= len(body) / 200 - 2


def test_connection_header(running: Running) -> None:
    assert told(running, "/connection")[1]["headers"]["connection"] == "keep-alive"


def test_relative_redirects(running: Running) -> None:
    assert running.ask("c.example", "/relative")[0].headers["Location"] == "/there"


# --- error pages ---


def test_pages_are_asked_with_what_happened(running: Running) -> None:
    status, asked = told(running, "/pages/x?status=404&a=%26", tls=True, method="POST", more="Accept: text/plain\r\n")
    headers = asked["headers"]
    assert (status, asked["target"]) == (404, "/?status=404&a=%26")
    found = {name: headers.get(name) for name in headers if name.startswith("x-")}
    assert found.pop("x-request-id")
    assert found == {
        "x-code": "404",
        "x-format": "text/plain",
        "x-original-uri": "/pages/x?status=404&a=%26",
        "x-namespace": "shop",
        "x-ingress-name": "main",
        "x-service-name": "web",
        "x-service-port": "80",
        "x-forwarded-for": "127.0.0.1",
    }
    assert (headers["host"], headers["connection"]) == ("c.example", "close")


def test_the_page_has_the_last_word_on_the_status(running: Running) -> None:
    status, asked = told(running, "/own", method="POST", body="long")
    assert (status, asked["headers"]["x-code"]) == (200, "413")
    assert told(running, "/pages", method="POST", body="long")[1]["headers"]["x-code"] == "413"


def test_other_codes_and_answers_of_endpoints_stay(running: Running) -> None:
    status, asked = told(running, "/pages/x?status=500", tls=True)
    assert (status, asked["target"]) == (500, "/pages/x?status=500")
    status, asked = told(running, "/own/x?status=404")
    assert (status, asked["target"]) == (404, "/own/x?status=404")


def test_without_somebody_there(running: Running) -> None:
    assert told(running, "/none?status=404") == (500, {})
    assert told(running, "/away?status=404") == (503, {})


def test_passwords_do_not_get_to_pages(running: Running) -> None:
    status, asked = told(running, "/secret", more="Authorization: Basic eDp5\r\n")
    assert (status, asked["headers"]["x-code"]) == (200, "401")
    assert "authorization" not in asked["headers"]


def test_what_only_the_authentication_server_says_does_not_get_to_pages(running: Running) -> None:
    status, asked = told(running, "/claims", more="X-User: root\r\nX-Other: own\r\n")
    assert (status, asked["headers"]["x-code"], asked["headers"]["x-other"]) == (200, "401", "own")
    assert "x-user" not in asked["headers"]


def test_no_endpoint_is_an_error(running: Running) -> None:
    assert told(running, "/gone")[1]["headers"]["x-code"] == "503"


def test_fallback(running: Running) -> None:
    status, asked = told(running, "/fallback/x?status=404", method="POST", body="x")
    assert (status, asked["target"]) == (404, "/fallback/x?status=404")
    assert (asked["headers"]["x-code"], asked["headers"]["x-real-ip"]) == ("503", "127.0.0.1")
    assert told(running, "/fallback-gone")[0] == 503
    assert told(running, "/fallback-secret")[0] == 401


def test_inner_places_are_not_for_clients(running: Running) -> None:
    for target in ("//serin/e/0-404", "//serin/m/0", "//serin/m/1"):
        assert running.ask("c.example", target)[0].status == 404


# --- mirrors ---


def test_mirrors(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str | None, str | None]] = []

    def note(echo: Echo, *_: object) -> None:
        length = echo.headers["Content-Length"]
        if echo.path.startswith(("/copy/", "/bare")) and length:
            echo.rfile.read(int(length))
        seen.append((echo.path, echo.headers["Host"], length))

    monkeypatch.setattr(Echo, "log_message", note)
    assert told(running, "/copied/x?a=1", method="POST", body="abc")[0] == 200
    until(lambda: ("/copy/copied/x?a=1", "c.example.copy", "3") in seen, "the copy came with its body")
    assert told(running, "/bare/y?a=1", method="POST", body="abc")[0] == 200
    until(lambda: ("/bare/y?a=1", "copy", None) in seen, "the copy came without its body")
    assert told(running, "/copied-to-nobody")[0] == 200


# --- what holds for all hosts ---


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    prefix = tmp_path_factory.mktemp("wide")
    to_endpoints = (said("X-Who:$namespace/$ingress_name$arg_a"), said("X-Real-IP:"), said("Connection:keep-alive"))
    made = Globals(
        https_port=0,
        lines=Lines(to_endpoints, (said("X-Added:$host"), said("Strict-Transport-Security:x")), ("X-Secret",)),
        errors=ErrorPages((404,), None, SOURCE, 500),
        blocks=Blocks(("203.0.113.0/24",)),
        connections=Connections(underscores=True, header_buffer=2048, upstream_kept=0, workers=1, shutdown_timeout=5),
        compression=Compression(True, 5, 1, ("application/json", "text/html", "*")),
        logs=Logs(format='$the_real_ip "$request" ${service_name}x $http_x_a', skip=("/routed/skipped",)),
        generate_request_id=False,
        server_tokens=True,
    )
    routes = (
        one(1, "/routed", Policy()),
        one(2, "/own", Policy(answer_headers=(said("X-Own:1"),), forwarded_prefix="/p")),
        one(3, "/unlogged", Policy(access_log=False)),
        one(4, "/", Policy(app_root=AppRoot("/app", SOURCE)), PathKind.EXACT),
    )
    with serving(prefix, [Host("w.example", routes)], made) as found:
        yield found


def test_lines_of_all_routes(wide: Running) -> None:
    for target in ("/routed?a=b", "/own?a=b"):
        answer, body = wide.ask("w.example", target + "&set=X-Secret:s&set=X-Added:endpoint", more="X_Low: 1\r\n")
        sent = json.loads(body)["headers"]
        assert (sent["x-who"], sent.get("x-real-ip"), sent["connection"]) == ("shop/mainb", None, "keep-alive")
        assert (sent["x_low"], sent.get("x-request-id")) == ("1", None)
        assert answer.headers.get_all("X-Added") == ["w.example"]
        assert answer.headers.get_all("Strict-Transport-Security") == ["x"]
        assert answer.headers["X-Secret"] is None


def test_lines_of_our_own_answers(wide: Running) -> None:
    for name, target in (("w.example", "/nowhere"), ("nobody.example", "/"), ("w.example", "/"), ("x", "/healthz")):
        answer, _ = wide.ask(name, target)
        assert len(answer.headers.get_all("X-Added")) == 1, (name, target)
        assert answer.headers["Server"].startswith("nginx/")


def test_errors_of_nobody(wide: Running) -> None:
    assert wide.ask("w.example", "/nowhere")[0].status == 500
    assert wide.ask("nobody.example", "/x")[0].status == 500


def test_compression(wide: Running) -> None:
    answer, _ = wide.ask("w.example", "/routed?set=Content-Type:text/plain", more="Accept-Encoding: gzip\r\n")
    assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
    answer, _ = wide.ask("w.example", "/routed?set=Content-Type:text/plain")
    assert answer.headers["Content-Encoding"] is None


def test_log_format(wide: Running) -> None:
    for target in ("/routed/skipped", "/unlogged", "/routed/last"):
        wide.ask("w.example", target, more="X-A: b\r\n")
    line = '127.0.0.1 "GET /routed/last HTTP/1.1" webx b\n'
    until(lambda: wide.log.read_text().endswith(line), "the line is there")
    assert "skipped" not in wide.log.read_text()
    assert "unlogged" not in wide.log.read_text()
