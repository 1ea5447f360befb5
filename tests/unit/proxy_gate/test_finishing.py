"""What a route's policy puts on answers and requests: the gate's decision with all that belongs to it."""

from typing import Any

import pytest
from unit.proxy_gate.gate_fakes import Served, client, request, serve

from serin.dataplane.proxy.exchange import Answer, Forward, RequestHead
from serin.refs import Ref, Source
from serin.routing.access import ExternalAuth
from serin.routing.answers import Bandwidth, Cors, ErrorPages, Swap
from serin.routing.beside import Beside
from serin.routing.lines import HeaderLine
from serin.routing.plan import (
    BasicAuth,
    Closed,
    Globals,
    Host,
    PathKind,
    PathMatch,
    Policy,
    Route,
    RuleId,
    Upstream,
    VersionRoute,
)
from serin.routing.wide import Compression, Lines

INGRESS = Ref("Ingress", "ns", "shop")
SOURCE = Source(INGRESS, "spec")
MAIN = VersionRoute("a" * 16, "main", INGRESS, "main", "80", "p")
PAGES = Beside("e" * 16, "f" * 16, "p2", "ns-pages-80", "pages", "80")
CORS = Cors(("https://a.example", "https://*.b.example"), "GET, PUT", "X-A", "X-Out", True, 60, SOURCE)


def shop(settings: Globals | None = None, empty: tuple[str, ...] = (), **policy: Any) -> Served:
    rule = RuleId("shop.example", "/", "Prefix")
    one = Route(PathMatch(PathKind.PREFIX, "/"), rule, INGRESS, "5p", (MAIN,), Policy(**policy))
    return serve(Host("shop.example", (one,)), settings=settings, empty=empty)


def forwarded(served: Served, head: RequestHead, **of_client: Any) -> Forward:
    decision = served.gate(head, client(**of_client))
    assert isinstance(decision, Forward)
    return decision


def answered(served: Served, head: RequestHead, **of_client: Any) -> Answer:
    decision = served.gate(head, client(**of_client))
    assert isinstance(decision, Answer)
    return decision


def test_a_route_without_wishes_has_nothing_put_on_it() -> None:
    served = shop()
    forward = forwarded(served, request())
    assert (forward.changes, forward.answer_prelude, forward.log.logged) == (None, b"", True)


def test_lines_for_endpoints_take_the_place_of_the_clients_and_of_ours() -> None:
    lines = (HeaderLine("X-Add", "config"), HeaderLine("X-Real-IP", "me"), HeaderLine("X-Host", "$host"))
    served = shop(Globals(lines=Lines(to_endpoints=lines)))
    forward = forwarded(served, request(b"/", (b"X-Add", b"mine")))
    assert {b"x-add", b"x-real-ip", b"x-host"} <= forward.drop
    sent = forward.prelude.split(b"\r\n")
    assert [line for line in sent if line.startswith((b"X-Add", b"X-Real-IP", b"X-Host"))] == [
        b"X-Add: config",
        b"X-Real-IP: me",
        b"X-Host: shop.example",
    ]
    assert any(line.startswith(b"X-Forwarded-For: ") for line in sent)


def test_host_among_the_lines_is_the_host_that_endpoints_get() -> None:
    served = shop(Globals(lines=Lines(to_endpoints=(HeaderLine("Host", "inner.example"),))))
    forward = forwarded(served, request())
    assert forward.host == b"inner.example"
    assert b"inner.example" not in forward.prelude


def test_a_line_without_a_value_takes_the_header_away() -> None:
    served = shop(Globals(lines=Lines(to_endpoints=(HeaderLine("X-Gone", ""),))))
    forward = forwarded(served, request(b"/", (b"X-Gone", b"1")))
    assert b"x-gone" in forward.drop
    assert b"x-gone" not in forward.prelude.lower()


def test_the_connection_header_may_be_another_one() -> None:
    forward = forwarded(shop(upstream=Upstream(connection="keep-alive")), request())
    assert forward.prelude.endswith(b"Connection: keep-alive\r\n")
    assert b"connection" in forward.drop


def test_lines_for_clients_are_on_answers_of_endpoints_and_on_ours() -> None:
    settings = Globals(lines=Lines(to_clients=(HeaderLine("X-All", "1"), HeaderLine("X-Both", "all")), hidden=("X-S",)))
    served = shop(settings, answer_headers=(HeaderLine("X-Both", "route"),))
    forward = forwarded(served, request())
    assert forward.answer_prelude == b"X-All: 1\r\nX-Both: route\r\n"
    assert {b"x-all", b"x-both", b"x-s", b"server"} <= forward.answer_drop
    assert forwarded(served, request()).answer_drop is forward.answer_drop
    closed = shop(settings, closed=Closed(503, "x", SOURCE))
    assert answered(closed, request()).lines == b"X-All: 1\r\nX-Both: all\r\n"
    nowhere = answered(served, request(host="nobody.example"))
    assert (nowhere.status, nowhere.lines) == (404, b"X-All: 1\r\nX-Both: all\r\n")


def test_a_line_for_clients_replaces_a_header_of_an_answer_of_ours() -> None:
    settings = Globals(lines=Lines(to_clients=(HeaderLine("Content-Type", "text/plain"),)))
    answer = answered(shop(settings, closed=Closed(503, "x", SOURCE)), request(), tls=True)
    assert answer.content_type == b""
    hsts = HeaderLine("Strict-Transport-Security", "max-age=1")
    answer = answered(
        shop(Globals(lines=Lines(to_clients=(hsts,))), closed=Closed(503, "x", SOURCE)), request(), tls=True
    )
    assert answer.headers == []
    assert answer.lines == b"Strict-Transport-Security: max-age=1\r\n"


def test_the_server_is_named_only_when_that_is_asked_for() -> None:
    assert b"Server" not in forwarded(shop(), request()).answer_prelude
    assert forwarded(shop(Globals(server_tokens=True)), request()).answer_prelude == b"Server: serin\r\n"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (b"https://a.example", True),
        (b"HTTPS://A.example", True),
        (b"https://x.b.example", True),
        (b"https://x.y.b.example", False),
        (b"https://b.example", False),
        (b"http://a.example", False),
        (b"https://a.example.evil.test", False),
        (b"https://xa.example", False),
        (b"null", False),
    ],
)
def test_cors_lines_are_for_allowed_origins(origin: bytes, allowed: bool) -> None:
    served = shop(cors=CORS)
    forward = forwarded(served, request(b"/", (b"Origin", origin)))
    if not allowed:
        assert forward.answer_prelude == b""
        assert b"access-control-allow-origin" not in forward.answer_drop
        return
    assert (
        forward.answer_prelude
        == (
            b"Access-Control-Allow-Origin: %b\r\n"
            b"Access-Control-Allow-Credentials: true\r\n"
            b"Access-Control-Allow-Methods: GET, PUT\r\n"
            b"Access-Control-Allow-Headers: X-A\r\n"
            b"Access-Control-Expose-Headers: X-Out\r\n"
            b"Access-Control-Max-Age: 60\r\n"
        )
        % origin
    )
    assert b"access-control-allow-origin" in forward.answer_drop


def test_with_a_star_every_answer_carries_the_lines() -> None:
    served = shop(cors=Cors(("*",), "GET", "", "", False, 1, SOURCE))
    assert forwarded(served, request()).answer_prelude == (
        b"Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: GET\r\nAccess-Control-Max-Age: 1\r\n"
    )


def test_a_preflight_of_an_allowed_origin_is_answered() -> None:
    served = shop(cors=CORS)
    asked = request(b"/", (b"Origin", b"https://a.example"), method="OPTIONS")
    answer = answered(served, asked)
    assert answer.status == 204
    assert answer.lines.startswith(b"Access-Control-Allow-Origin: https://a.example\r\n")
    forwarded(served, request(b"/", (b"Origin", b"https://evil.test"), method="OPTIONS"))
    assert answered(shop(cors=CORS, closed=Closed(503, "x", SOURCE)), asked).status == 503


def test_an_error_of_ours_becomes_a_request_for_its_page() -> None:
    errors = ErrorPages((413, 503), PAGES, SOURCE)
    served = shop(errors=errors, max_body=10)
    head = request(b"/a?b=c", (b"Accept", b"text/css"), (b"X-Code", b"200"), method="POST", length=11)
    forward = forwarded(served, head)
    assert (forward.target, forward.host) == (b"/?b=c", b"")
    assert forward.changes is not None
    assert forward.changes.bare
    lines = dict(line.split(b": ", 1) for line in forward.prelude.split(b"\r\n") if line)
    assert lines.pop(b"X-Request-ID")
    assert lines == {
        b"Accept": b"text/css",
        b"Connection": b"close",
        b"X-Code": b"413",
        b"X-Format": b"text/css",
        b"X-Original-URI": b"/a?b=c",
        b"X-Namespace": b"ns",
        b"X-Ingress-Name": b"shop",
        b"X-Service-Name": b"main",
        b"X-Service-Port": b"80",
        b"X-Forwarded-For": b"192.0.2.7",
    }


def test_pages_get_no_password_and_no_claims_of_the_client() -> None:
    asked = ExternalAuth(PAGES, "http://a.example/", "a.example", "/", SOURCE, response_headers=("X-User",))
    served = shop(
        errors=ErrorPages((413,), PAGES, SOURCE),
        max_body=10,
        auth=BasicAuth("r", "e" * 32, SOURCE),
        external_auth=asked,
    )
    sent = ((b"Authorization", b"Basic eDp5"), (b"X-User", b"root"), (b"X-Other", b"own"))
    forward = forwarded(served, request(b"/", *sent, method="POST", length=11))
    assert b"X-Other: own" in forward.prelude
    assert b"root" not in forward.prelude
    assert b"Basic" not in forward.prelude


def test_without_anybody_to_ask_an_error_is_a_page_of_ours() -> None:
    served = shop(errors=ErrorPages((503,), None, SOURCE, status=404), empty=("5p",))
    answer = answered(served, request())
    assert (answer.status, answer.body) == (404, b"page 404")
    empty = shop(errors=ErrorPages((503,), PAGES, SOURCE), empty=("5p", PAGES.split))
    assert answered(empty, request()).status == 503


def test_errors_of_no_host_have_pages_of_their_own() -> None:
    served = shop(Globals(errors=ErrorPages((404,), PAGES, SOURCE)))
    forward = forwarded(served, request(b"/x", host="nobody.example"))
    assert b"X-Code: 404\r\n" in forward.prelude
    assert forwarded(served, request()).changes is None


def test_the_default_backend_serves_where_there_is_no_endpoint() -> None:
    served = shop(fallback=PAGES, empty=("5p",), upstream=Upstream(vhost="inner.example"))
    forward = forwarded(served, request(b"/a?b", (b"X-Code", b"9")))
    assert (forward.target, forward.host, forward.changes) == (b"/a?b", b"inner.example", None)
    assert b"x-code" in forward.drop
    assert b"X-Code: 503\r\n" in forward.prelude
    assert forward.prelude.count(b"X-Request-ID: ") == forward.prelude.count(b"X-Forwarded-For: ") == 1
    assert answered(shop(fallback=PAGES, empty=("5p", PAGES.split)), request()).status == 503


def test_the_controllers_default_backend_serves_requests_of_no_host() -> None:
    served = shop(Globals(fallback=PAGES))
    forward = forwarded(served, request(b"/a?b", host="nobody.example"))
    assert (forward.target, forward.host) == (b"/a?b", b"nobody.example")
    assert b"X-Code" not in forward.prelude
    assert answered(served, request(host="nobody.example", length=2 << 20, method="POST")).status == 413
    assert answered(shop(Globals(fallback=PAGES), empty=(PAGES.split,)), request(host="nobody.example")).status == 404


def test_what_the_transfer_does_is_made_once() -> None:
    settings = Globals(compression=Compression(gzip=True))
    served = shop(settings, cookie_path=Swap("/a", "/b"), bandwidth=Bandwidth(1000, 10))
    one, two = forwarded(served, request()).changes, forwarded(served, request()).changes
    assert one is not None
    assert one is two
    assert one.swaps is not None
    assert one.compression is not None
    assert one.bandwidth == Bandwidth(1000, 10)
    assert forwarded(shop(bandwidth=Bandwidth(0)), request()).changes is None


def test_a_route_may_stay_out_of_the_log() -> None:
    assert not forwarded(shop(access_log=False), request()).log.logged
    answer = answered(shop(access_log=False, closed=Closed(503, "x", SOURCE)), request())
    assert answer.log is not None
    assert not answer.log.logged


def test_ids_are_made_unless_that_is_switched_off() -> None:
    forward = forwarded(shop(Globals(generate_request_id=False)), request())
    assert (forward.log.request_id, b"X-Request-ID" in forward.prelude) == ("", False)
    forward = forwarded(shop(Globals(generate_request_id=False)), request(b"/", (b"X-Request-ID", b"mine")))
    assert forward.log.request_id == "mine"
    assert b"X-Request-ID: mine\r\n" in forward.prelude
    assert len(forwarded(shop(), request()).log.request_id) == 32


def test_new_globals_are_in_force_with_the_next_request() -> None:
    served = shop()
    before = served.gate.site
    assert forwarded(served, request()).answer_prelude == b""
    served.gate.take(shop(Globals(lines=Lines(to_clients=(HeaderLine("X-New", "1"),)))).gate.site)
    assert forwarded(served, request()).answer_prelude == b"X-New: 1\r\n"
    served.gate.take(before)
    assert forwarded(served, request()).answer_prelude == b""


def test_lines_may_hold_the_id_of_the_request() -> None:
    line = HeaderLine("X-Id", "<$req_id>")
    forward = forwarded(shop(Globals(lines=Lines(to_endpoints=(line,), to_clients=(line,)))), request())
    assert forward.answer_prelude == b"X-Id: <%b>\r\n" % forward.log.request_id.encode()
    assert forward.answer_prelude in forward.prelude


def test_no_line_says_where_a_message_ends() -> None:
    lines = (HeaderLine("Content-Length", "5"), HeaderLine("Transfer-Encoding", "chunked"), HeaderLine("Upgrade", "x"))
    settings = Globals(lines=Lines(to_endpoints=lines, to_clients=lines, hidden=("Content-Length",)))
    forward = forwarded(shop(settings, answer_headers=lines), request())
    assert forward.answer_prelude == b""
    assert not {b"content-length", b"transfer-encoding", b"upgrade"} & (forward.answer_drop | forward.drop)
    assert b"Content-Length" not in forward.prelude
