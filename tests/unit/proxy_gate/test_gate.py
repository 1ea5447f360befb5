"""The gate over hand-made plans: what each request gets, and what the endpoint is told."""

import base64
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest
from unit.proxy_gate.gate_fakes import FakeSplit, Served, client, request, serve

from serin.dataplane.proxy.entrance import challenge
from serin.dataplane.proxy.exchange import Answer, Client, Forward, RequestHead
from serin.dataplane.proxy.headers import DROPPED
from serin.refs import Ref, Source
from serin.routing.plan import (
    Affinity,
    AppRoot,
    BasicAuth,
    Closed,
    CookieRule,
    Globals,
    HeaderRule,
    Host,
    PathKind,
    PathMatch,
    Policy,
    Rewrite,
    Route,
    RuleId,
    TlsRedirect,
    Upstream,
    UrlRedirect,
    VersionRoute,
    WwwRedirect,
)

INGRESS = Ref("Ingress", "ns", "shop")
SOURCE = Source(INGRESS, "spec")
MAIN = VersionRoute("a" * 16, "main", INGRESS, "main", "80", "p")
CANARY = VersionRoute(
    "b" * 16, "canary", Ref("Ingress", "ns", "c"), "canary", "http", "q", HeaderRule("X-Try"), CookieRule("tester")
)


def route(
    path: str = "/",
    kind: PathKind = PathKind.PREFIX,
    *versions: VersionRoute,
    split: str | None = "5p",
    **policy: Any,
) -> Route:
    rule = RuleId("shop.example", path, "Prefix")
    return Route(PathMatch(kind, path), rule, INGRESS, split, versions or (MAIN,), Policy(**policy))


def ask(served: Served, head: RequestHead, one: Client | None = None) -> Answer | Forward:
    decision = served.gate(head, one or client())
    assert not isinstance(decision, Awaitable)
    return decision


def answered(served: Served, head: RequestHead, one: Client | None = None) -> Answer:
    decision = ask(served, head, one)
    assert isinstance(decision, Answer)
    return decision


def forwarded(served: Served, head: RequestHead, one: Client | None = None) -> Forward:
    decision = ask(served, head, one)
    assert isinstance(decision, Forward)
    return decision


def lines(block: bytes) -> dict[bytes, bytes]:
    assert block.endswith(b"\r\n")
    pairs = [line.split(b": ", 1) for line in block[:-2].split(b"\r\n")]
    assert len(pairs) == len({name for name, _ in pairs})
    return {name: value for name, value in pairs}  # noqa: C416


PLAIN = Host("shop.example", (route(),))


# --- what the endpoint is told ---


def test_the_endpoint_is_told_who_asked_and_how() -> None:
    forward = forwarded(serve(PLAIN), request(b"/a%20b?c", host_header=b"Shop.Example:8081"))
    sent = lines(forward.prelude)
    request_id = sent.pop(b"X-Request-ID")
    assert sent == {
        b"X-Real-IP": b"192.0.2.7",
        b"X-Forwarded-For": b"192.0.2.7",
        b"X-Forwarded-Host": b"Shop.Example:8081",
        b"X-Forwarded-Port": b"80",
        b"X-Forwarded-Proto": b"http",
        b"X-Forwarded-Scheme": b"http",
        b"X-Scheme": b"http",
    }
    assert len(request_id) == 32
    assert int(request_id, 16) >= 0
    assert forward.log.request_id == request_id.decode()
    assert (forward.target, forward.host) == (b"/a%20b?c", b"Shop.Example:8081")
    assert forward.answer_prelude == b""
    assert forward.drop == DROPPED


def test_over_tls_scheme_port_and_hsts_follow() -> None:
    forward = forwarded(serve(PLAIN), request(), client(tls=True))
    sent = lines(forward.prelude)
    assert (sent[b"X-Forwarded-Port"], sent[b"X-Forwarded-Proto"], sent[b"X-Scheme"]) == (b"443", b"https", b"https")
    assert forward.answer_prelude == b"Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
    assert b"strict-transport-security" in forward.answer_drop


def test_without_hsts_the_endpoint_s_own_stays() -> None:
    forward = forwarded(serve(PLAIN, settings=Globals(hsts="")), request(), client(tls=True))
    assert forward.answer_prelude == b""
    assert b"strict-transport-security" not in forward.answer_drop


def test_orders_to_nginx_and_the_server_s_name_are_not_passed_on() -> None:
    dropped = forwarded(serve(PLAIN), request()).answer_drop
    assert {b"server", b"x-accel-redirect", b"x-accel-buffering"} <= dropped
    assert b"date" not in dropped


def test_two_requests_have_two_ids_and_a_client_s_own_is_kept_when_sane() -> None:
    served = serve(PLAIN)
    first, second = (lines(forwarded(served, request()).prelude)[b"X-Request-ID"] for _ in range(2))
    assert first != second
    own = request(b"/", (b"x-request-id", b"trace-1"))
    assert lines(forwarded(served, own).prelude)[b"X-Request-ID"] == b"trace-1"
    for bad in (b"", b"a b", b"x" * 257, b"caf\xe9"):
        forward = forwarded(served, request(b"/", (b"X-Request-ID", bad)))
        assert lines(forward.prelude)[b"X-Request-ID"] != bad


def test_what_the_client_says_of_other_proxies_goes_on_under_another_name() -> None:
    forward = forwarded(serve(PLAIN), request(b"/", (b"X-Forwarded-For", b"1.2.3.4"), (b"x-forwarded-for", b"5.6.7.8")))
    sent = lines(forward.prelude)
    assert sent[b"X-Forwarded-For"] == b"192.0.2.7"
    assert sent[b"X-Original-Forwarded-For"] == b"1.2.3.4, 5.6.7.8"
    assert {b"x-forwarded-for", b"x-original-forwarded-for", b"proxy"} <= forward.drop
    assert not {b"x-original-uri", b"x-forwarded-prefix", b"forwarded", b"authorization"} & forward.drop


def test_a_forwarded_prefix_replaces_the_client_s() -> None:
    forward = forwarded(serve(Host("shop.example", (route(forwarded_prefix="/p"),))), request())
    assert lines(forward.prelude)[b"X-Forwarded-Prefix"] == b"/p"
    assert b"x-forwarded-prefix" in forward.drop


def test_connections_share_what_they_keep_for_a_set_of_names() -> None:
    served = serve(PLAIN)
    one, other = forwarded(served, request()), forwarded(served, request(b"/x"))
    assert one.drop is other.drop
    assert one.answer_drop is other.answer_drop
    assert one.upstream is other.upstream


def test_a_virtual_host_may_hold_variables_which_are_main_s() -> None:
    version = replace(CANARY, header=HeaderRule("X-Try"))
    upstream = Upstream(vhost="$service_name.$namespace.svc")
    served = serve(Host("shop.example", (route("/", PathKind.PREFIX, MAIN, version, upstream=upstream),)))
    for head in (request(), request(b"/", (b"X-Try", b"always"))):
        assert forwarded(served, head).host == b"main.ns.svc"


def test_a_decoded_path_cannot_break_a_header_line() -> None:
    served = serve(Host("shop.example", (route(upstream=Upstream(vhost="$uri")),)))
    assert forwarded(served, request(b"/a%0d%0aX-Evil:%201")).host == b"/aX-Evil: 1"


def test_a_request_without_a_host_still_names_one() -> None:
    served = serve(replace(PLAIN, name=""))
    assert forwarded(served, request(host="", host_header=b"")).host == b"_"


def test_how_to_speak_to_the_endpoint_is_the_route_s() -> None:
    settings = Upstream(tls=True, connect_timeout=1, read_timeout=2, send_timeout=3, tries=4, next_upstream=("off",))
    upstream = forwarded(serve(Host("shop.example", (route(upstream=settings),))), request()).upstream
    assert upstream.tls is not None
    assert not upstream.tls.check_hostname
    assert (upstream.connect_timeout, upstream.read_timeout, upstream.send_timeout, upstream.tries) == (1, 2, 3, 4)
    assert upstream.retry_on == frozenset()
    assert upstream.key != forwarded(serve(PLAIN), request()).upstream.key


# --- versions ---


def test_the_log_names_main_and_the_canary_beside_it() -> None:
    served = serve(Host("shop.example", (route("/", PathKind.PREFIX, MAIN, CANARY),)))
    log = forwarded(served, request(b"/", (b"X-Try", b"always"))).log
    assert (log.namespace, log.ingress, log.service, log.port) == ("ns", "shop", "main", "80")
    assert (log.upstream, log.alternative) == ("ns-main-80", "ns-canary-http")
    assert (log.version, log.reason) == ("canary", "header")
    log = forwarded(served, request()).log
    assert (log.upstream, log.alternative, log.version, log.reason) == ("ns-main-80", "", "main", "weight")


def test_a_plain_route_asks_its_split_once() -> None:
    served = serve(PLAIN)
    forwarded(served, request())
    assert len(served.splits.made["5p"].asked) == 1
    assert forwarded(served, request()).log.reason == "default"


def test_no_endpoint_is_503() -> None:
    answer = answered(serve(PLAIN, empty=("5p",)), request(), client(tls=True))
    assert (answer.status, answer.body) == (503, b"page 503")
    assert (b"Strict-Transport-Security", b"max-age=31536000; includeSubDomains") in answer.headers
    assert answer.log is not None
    assert (answer.log.ingress, answer.log.upstream) == ("shop", "ns-main-80")


def test_a_split_that_does_not_fit_the_plan_is_503_and_a_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served = serve(PLAIN)
    monkeypatch.setattr(FakeSplit, "decide", lambda *a, **k: -2)
    assert answered(served, request()).status == 503
    assert served.doubts == ["split 5p of Ingress ns/shop: the routine says -2"]


def test_an_affinity_cookie_comes_after_hsts() -> None:
    affinity = Affinity("INGRESSCOOKIE", "/")
    served = serve(Host("shop.example", (route(affinity=affinity),)))
    prelude = forwarded(served, request(), client(tls=True)).answer_prelude
    assert prelude.startswith(b"Strict-Transport-Security: ")
    assert b"\r\nSet-Cookie: INGRESSCOOKIE=" in prelude
    assert prelude.endswith(b"; Path=/; Secure; HttpOnly\r\n")


# --- answers of our own ---


def test_unknown_hosts_and_paths_are_404() -> None:
    served = serve(Host("shop.example", (route("/app"),)))
    for head in (request(host="nobody.example"), request(b"/other"), request(b"/apple")):
        answer = answered(served, head)
        assert (answer.status, answer.body, answer.close) == (404, b"page 404", False)
        assert answer.log is not None
        assert answer.log.upstream == "upstream-default-backend"
        assert answer.log.request_id


def test_answers_over_tls_carry_hsts() -> None:
    redirect = route(redirect=UrlRedirect(301, "/there", SOURCE))
    served = serve(PLAIN, replace(PLAIN, name="moved.x", routes=(redirect,)))
    heads = [request(host="nobody.example"), request(host="moved.x"), request(length=1 << 30)]
    statuses = []
    for head in heads:
        answer = answered(served, head, client(tls=True))
        statuses.append(answer.status)
        assert (b"Strict-Transport-Security", b"max-age=31536000; includeSubDomains") in answer.headers
        plain = answered(served, head)
        assert b"Strict-Transport-Security" not in dict(plain.headers)
    assert statuses == [404, 301, 413]
    assert answered(served, request(b"/%00"), client(tls=True)).headers == []


def test_the_redirects_to_www_and_to_app_root_carry_none() -> None:
    www = replace(PLAIN, name="www.x", www=WwwRedirect("x", 308, SOURCE))
    served = serve(Host("shop.example", (route(app_root=AppRoot("/start", SOURCE)),)), www)
    for head in (request(), request(host="www.x")):
        assert [name for name, _ in answered(served, head, client(tls=True)).headers] == [b"Location"]


def test_a_path_that_cannot_be_read_is_400_and_closes() -> None:
    for target in (b"/..", b"/%00", b"/%zz", b"*"):
        answer = answered(serve(PLAIN), request(target))
        assert (answer.status, answer.close) == (400, True)


def test_built_in_paths_of_the_catch_all_cannot_be_routed() -> None:
    for served in (serve(PLAIN), serve(replace(PLAIN, name=""))):
        answer = answered(served, request(b"/healthz", host="any"))
        assert (answer.status, answer.body, answer.content_type) == (200, b"", b"text/html")
        assert answered(served, request(b"/nginx_status", host="any")).status == 403
    assert forwarded(serve(PLAIN), request(b"/healthz")).target == b"/healthz"


def test_a_body_beyond_the_limit_is_refused_by_its_announced_length() -> None:
    served = serve(Host("shop.example", (route(max_body=10), route("/all", max_body=0))))
    assert answered(served, request(length=11)).status == 413
    for head in (request(length=10), request(length=-1)):
        assert forwarded(served, head).max_body == 10


def test_redirects_carry_their_location_and_page() -> None:
    tls = TlsRedirect(308, False, SOURCE)
    served = serve(Host("shop.example", (route(tls_redirect=tls),)))
    answer = answered(served, request(b"/a/?b", host_header=b"Shop.Example:8080"))
    assert (answer.status, answer.headers, answer.body) == (
        308,
        [(b"Location", b"https://Shop.Example/a/?b")],
        b"page 308",
    )
    assert forwarded(served, request(), client(tls=True)).target == b"/"


def test_a_closed_route_is_503() -> None:
    served = serve(Host("shop.example", (route(closed=Closed(503, "auth-secret-missing", SOURCE)),)))
    assert answered(served, request()).status == 503


def test_a_host_that_serin_fails_on_answers_503_and_no_other_suffers() -> None:
    served = serve(PLAIN, replace(PLAIN, name="broken.x", routes=(route(forwarded_prefix="\ud800"),)))
    assert answered(served, request(b"/any", host="broken.x")).status == 503
    assert forwarded(served, request()).target == b"/"


def test_a_pattern_that_cannot_be_run_is_500() -> None:
    served = serve(Host("shop.example", (route("/(", PathKind.REGEX),)))
    assert answered(served, request(b"/x")).status == 500


def test_a_rewritten_target_is_sent_on_and_is_the_variable_uri() -> None:
    rewrite = Rewrite("^/app(/|$)(.*)", "/$2", False, SOURCE)
    vhost = Upstream(vhost="$uri")
    served = serve(Host("shop.example", (route("/app", rewrite=rewrite, upstream=vhost),)))
    forward = forwarded(served, request(b"/app/a%20b?c=1"))
    assert (forward.target, forward.host) == (b"/a%20b?c=1", b"/a b")


# --- basic authentication ---


def basic(user: str, password: str) -> tuple[bytes, bytes]:
    return b"Authorization", b"Basic " + base64.b64encode(f"{user}:{password}".encode())


GUARDED = Host("shop.example", (route(auth=BasicAuth("who are you", "d1", SOURCE)),))
USERS = b"alice:{PLAIN}wonder\n"


async def decided(served: Served, head: RequestHead) -> Answer | Forward:
    decision = served.gate(head, client())
    return await decision if isinstance(decision, Awaitable) else decision


async def test_without_the_right_password_there_is_a_challenge() -> None:
    served = serve(GUARDED, users=USERS)
    for head in (request(), request(b"/", basic("alice", "no")), request(b"/", basic("bob", "wonder"))):
        answer = await decided(served, head)
        assert isinstance(answer, Answer)
        assert (answer.status, answer.body) == (401, b"page 401")
        assert answer.headers == [(b"WWW-Authenticate", b'Basic realm="who are you"')]
    assert "5p" not in served.splits.made or served.splits.made["5p"].asked == []
    served.auth.close()


async def test_the_right_password_goes_on_without_the_header() -> None:
    served = serve(GUARDED, users=USERS)
    head = request(b"/", basic("alice", "wonder"))
    first = await decided(served, head)
    again = ask(served, head)
    for forward in (first, again):
        assert isinstance(forward, Forward)
        assert b"authorization" in forward.drop
        assert forward.log.remote_user == "alice"
    served.auth.close()


async def test_a_guarded_path_without_a_service_is_not_found_once_the_password_is_right() -> None:
    guarded = replace(route(auth=BasicAuth("", "d1", SOURCE)), split=None, versions=())
    served = serve(Host("shop.example", (guarded,)), users=USERS)
    for head, status in ((request(), 401), (request(b"/", basic("alice", "wonder")), 404)):
        answer = await decided(served, head)
        assert isinstance(answer, Answer)
        assert answer.status == status
    served.auth.close()


async def test_redirects_come_before_authentication() -> None:
    guarded = route(auth=BasicAuth("", "d1", SOURCE), tls_redirect=TlsRedirect(308, False, SOURCE))
    served = serve(Host("shop.example", (guarded,)), users=USERS)
    assert answered(served, request()).status == 308
    assert answered(served, request(), client(tls=True)).status == 401
    served.auth.close()


@pytest.mark.parametrize(
    ("realm", "value"),
    [
        ("", b'Basic realm=""'),
        ('a "b" \\c', b'Basic realm="a \\"b\\" \\\\c"'),
        ("é", 'Basic realm="é"'.encode()),
        ("a\r\nb", b'Basic realm="ab"'),
    ],
)
def test_a_realm_is_quoted(realm: str, value: bytes) -> None:
    assert challenge(realm) == value
