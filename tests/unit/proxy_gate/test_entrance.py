"""Who comes in: limits, lists, password and external authentication, alone and together, in nginx's order."""

import asyncio
import base64
from collections.abc import Awaitable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, cast

import pytest
from unit.proxy_gate.gate_fakes import Served, client, request, serve

from serin.dataplane.proxy.exchange import Answer, Choice, Client, Forward, RequestHead
from serin.dataplane.proxy.limiting import Place, PlacedChoice
from serin.dataplane.proxy.subrequest import ReadyBeside, SubAnswer, SubrequestFailedError
from serin.refs import Ref, Source
from serin.routing.access import Access, CacheTime, ExternalAuth, Limits
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
    TlsRedirect,
    VersionRoute,
)
from serin.routing.wide import Blocks, Forwarding

INGRESS = Ref("Ingress", "ns", "shop")
SOURCE = Source(INGRESS, "spec")
MAIN = VersionRoute("a" * 16, "main", INGRESS, "main", "80", "p")
USERS = b"alice:{PLAIN}wonder\n"
ALICE = (b"Authorization", b"Basic " + base64.b64encode(b"alice:wonder"))
WRONG = (b"Authorization", b"Basic " + base64.b64encode(b"alice:no"))
BASIC = BasicAuth("who", "d1", SOURCE)
EXTERNAL = ExternalAuth(Beside("b1", "c1", "p1", "ns-auth-80"), "http://auth/check", "auth", "/check", SOURCE)
OURS, FOREIGN = ("192.0.2.0/24",), ("203.0.113.0/24",)


def host(**policy: Any) -> Host:
    rule = RuleId("shop.example", "/", "Prefix")
    return Host(
        "shop.example", (Route(PathMatch(PathKind.PREFIX, "/"), rule, INGRESS, "5p", (MAIN,), Policy(**policy)),)
    )


@dataclass
class Server:
    """An authentication server. `answer` is what it says; None: nothing comes."""

    answer: SubAnswer | None = field(default_factory=lambda: SubAnswer(200, []))
    asked: list[tuple[str, bytes, bytes, dict[bytes, bytes]]] = field(default_factory=list)
    hold: asyncio.Event | None = None

    async def ask(
        self,
        to: ReadyBeside,
        method: str,
        target: bytes,
        host: bytes,
        headers: bytes,
        body: bytes = b"",
        most: int = 1,
        key: int = 0,
    ) -> SubAnswer:
        assert key == sum(b"192.0.2.7") + 1
        assert (to.name, body, most) == ("ns-auth-80", b"", 0)
        lines = [line.split(b": ", 1) for line in headers.split(b"\r\n")[:-1]]
        assert len(lines) == len({name.lower() for name, _ in lines})
        self.asked.append((method, target, host, {name.lower(): value for name, value in lines}))
        if self.hold is not None:
            await self.hold.wait()
        if self.answer is None:
            raise SubrequestFailedError(502, "gone")
        return self.answer


@dataclass
class Counts:
    """`left` requests are within the rate, `room` may be in flight."""

    left: int = 1000
    room: int = 1000
    inside: int = 0
    asked: list[tuple[int, int, tuple[tuple[int, int], ...]]] = field(default_factory=list)

    def requests(self, zone: int, key: int, rates: Sequence[tuple[int, int]]) -> bool:
        self.asked.append((zone, key, tuple(rates)))
        self.left -= 1
        return self.left >= 0

    def enter(self, zone: int, key: int, most: int) -> bool:
        if self.inside >= min(most, self.room):
            return False
        self.inside += 1
        return True

    def leave(self, zone: int, key: int) -> None:
        self.inside -= 1
        assert self.inside >= 0


async def decide(served: Served, head: RequestHead | None = None, one: Client | None = None) -> Answer | Forward:
    decision = served.gate(head or request(), one or client())
    return await decision if isinstance(decision, Awaitable) else decision


async def status(served: Served, head: RequestHead | None = None, one: Client | None = None) -> int:
    decision = await decide(served, head, one)
    return decision.status if isinstance(decision, Answer) else 200


# --- lists ---


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (Access(allow=OURS), 200),
        (Access(allow=FOREIGN), 403),
        (Access(deny=OURS), 403),
        (Access(deny=FOREIGN), 200),
        (Access(allow=OURS, deny=("192.0.2.7/32",)), 403),
        (Access(allow=OURS, deny=FOREIGN), 200),
        (Access(allow=FOREIGN, any_of=True), 403),
        (Access(deny=FOREIGN, any_of=True), 200),
    ],
)
async def test_lists(access: Access, expected: int) -> None:
    assert await status(serve(host(access=access))) == expected


async def test_a_client_without_an_address_is_in_no_list() -> None:
    assert await status(serve(host(access=Access(allow=("0.0.0.0/0", "::/0")))), one=client(address="")) == 403


async def test_the_address_is_the_one_behind_the_proxies() -> None:
    head = request(b"/", (b"X-Forwarded-For", b"203.0.113.9"))
    for trust, expected in ((False, 403), (True, 200)):
        served = serve(host(access=Access(allow=FOREIGN)), settings=Globals(forwarding=Forwarding(trust=trust)))
        assert await status(served, head) == expected


async def test_blocked_networks_count_beside_lists_of_a_route() -> None:
    settings = Globals(blocks=Blocks(cidrs=OURS))
    for policy in ({}, {"access": Access(allow=OURS)}, {"access": Access(allow=OURS, any_of=True), "auth": BASIC}):
        served = serve(host(**policy), settings=settings, users=USERS)
        assert await status(served, request(b"/", ALICE)) == 403
        assert await status(served, request(host="unknown.example")) == 403
    closed = host(closed=Closed(503, "x", SOURCE))
    assert await status(serve(closed, settings=settings)) == 503
    redirected = host(tls_redirect=TlsRedirect(308, False, SOURCE))
    assert await status(serve(redirected, settings=settings)) == 308


async def test_blocked_agents_are_refused_before_anything_of_a_route() -> None:
    settings = Globals(blocks=Blocks(user_agents=("~*bot",), referers=("http://spam.example/",)))
    closed = host(closed=Closed(503, "x", SOURCE))
    assert await status(serve(closed, settings=settings), request(b"/", (b"User-Agent", b"BOT/1"))) == 403
    assert await status(serve(host(), settings=settings), request(b"/", (b"Referer", b"http://SPAM.example/"))) == 403
    assert await status(serve(host(), settings=settings), request(b"/", (b"User-Agent", b"curl"))) == 200
    assert (
        await status(serve(host(max_body=1), settings=settings), request(b"/", (b"User-Agent", b"bot"), length=2))
        == 413
    )


# --- satisfy ---


def said(lists: bool | None, password: bool | None, server: int | None) -> dict[str, Any]:
    policy: dict[str, Any] = {}
    if password is not None:
        policy["auth"] = BASIC
    if server is not None:
        policy["external_auth"] = EXTERNAL
    allow = () if lists is None else OURS if lists else FOREIGN
    return {**policy, "access": Access(allow=allow)}


@pytest.mark.parametrize("any_of", [False, True])
@pytest.mark.parametrize(
    ("lists", "password", "server"),
    list(product((None, True, False), (None, True, False), (None, 200, 401, 403, 404))),
)
async def test_one_of_them_or_all(lists: bool | None, password: bool | None, server: int | None, any_of: bool) -> None:
    policy = said(lists, password, server)
    policy["access"] = replace(policy["access"], any_of=any_of)
    server_of = Server(SubAnswer(server or 200, []))
    served = serve(host(**policy), users=USERS, asks=server_of)
    found = await status(served, request(b"/", ALICE if password else WRONG))
    assert found == expected_of(lists, password, server, any_of)
    served.auth.close()


def expected_of(lists: bool | None, password: bool | None, server: int | None, any_of: bool) -> int:
    """nginx's access phase, in words: each module says yes, no (a status) or nothing."""
    external = {200: 200, 401: 401, 403: 403, 404: 500}
    words: list[int | None] = [
        None if lists is None else 200 if lists else 403,
        None if password is None else 200 if password else 401,
        None if server is None else external[server],
    ]
    kept = 200
    for word in words:
        if word is None:
            continue
        if not any_of:
            if word != 200:
                return word
        elif word not in (401, 403):
            return word
        elif kept != 401:
            kept = word
    return kept


# --- limits ---

LIMITS = Limits("00000000000000ff", rps=2, rpm=100, connections=3, burst=5)


async def test_rates_as_they_are_counted() -> None:
    counts = Counts()
    assert await status(serve(host(limits=LIMITS), counts=counts)) == 200
    assert counts.asked == [(255, sum(b"192.0.2.7") + 1, ((2000, 10), (1666, 500)))]


async def test_what_has_no_limit_is_not_counted() -> None:
    counts = Counts()
    assert await status(serve(host(limits=replace(LIMITS, connections=0)), counts=counts)) == 200
    assert (len(counts.asked), counts.inside) == (1, 0)
    decision = await decide(serve(host(limits=replace(LIMITS, rps=0, rpm=0)), counts=counts))
    assert isinstance(decision, Forward)
    assert (len(counts.asked), counts.inside) == (1, 1)


@dataclass
class Tried:
    """A choice with others after it."""

    endpoint: int
    later: list["Tried"] = field(default_factory=list)
    ended: list[tuple[int, bool]] = field(default_factory=list)
    address: str = "192.0.2.1"
    version: int = 3

    @property
    def port(self) -> int:
        return 8000 + self.endpoint

    def retry(self) -> "Tried | None":
        return self.later.pop(0) if self.later else None

    def done(self, status: int, *, failed: bool = False) -> None:
        self.ended.append((status, failed))


def test_a_choice_with_a_place_is_the_choice_of_each_try() -> None:
    counts = Counts(inside=1)
    second = Tried(2)
    first = Tried(1, [second])
    choice = PlacedChoice(cast("Choice", first), Place(counts, 1, 2))
    assert (choice.endpoint, choice.port, choice.version) == (1, 8001, 3)
    assert choice.retry() is choice
    assert (choice.endpoint, choice.port) == (2, 8002)
    second.later = []
    assert choice.retry() is None
    assert (choice.endpoint, counts.inside) == (2, 1)
    choice.done(502, failed=True)
    assert (first.ended, second.ended, counts.inside) == ([], [(502, True)], 0)


async def test_beyond_a_limit() -> None:
    settings = Globals(limit_req_status=429, limit_conn_status=431)
    assert await status(serve(host(limits=LIMITS), settings=settings, counts=Counts(left=0))) == 429
    assert await status(serve(host(limits=LIMITS), settings=settings, counts=Counts(room=0))) == 431
    assert await status(serve(host(limits=LIMITS), counts=Counts(left=0))) == 503


async def test_without_counts_who_has_a_limit_is_refused() -> None:
    assert await status(serve(host(limits=LIMITS))) == 503
    assert await status(serve(host(limits=replace(LIMITS, spared=OURS)))) == 200
    assert await status(serve(host(limits=replace(LIMITS, spared=FOREIGN)))) == 503


async def test_limits_come_before_lists_and_after_redirects() -> None:
    counts = Counts(left=0)
    limited = {"limits": LIMITS, "access": Access(allow=FOREIGN)}
    assert await status(serve(host(**limited), counts=counts)) == 503
    redirected = host(**limited, tls_redirect=TlsRedirect(308, False, SOURCE))
    assert await status(serve(redirected, counts=Counts(left=0))) == 308


async def test_a_place_is_held_until_the_exchange_is_over() -> None:
    counts = Counts()
    served = serve(host(limits=LIMITS), counts=counts)
    decisions = [await decide(served) for _ in range(4)]
    assert [type(d) for d in decisions] == [Forward, Forward, Forward, Answer]
    assert counts.inside == 3
    for decision in decisions[:3]:
        assert isinstance(decision, Forward)
        assert (decision.choice.address, decision.choice.port) == ("192.0.2.1", 80)
        decision.choice.done(200)
        decision.choice.done(200)
    assert counts.inside == 0
    assert await status(served) == 200


async def test_no_place_is_held_by_an_answer_of_ours_or_by_a_client_that_left() -> None:
    counts, server = Counts(), Server(SubAnswer(403, []), hold=asyncio.Event())
    served = serve(host(limits=LIMITS, external_auth=EXTERNAL), counts=counts, asks=server)
    waiting = asyncio.ensure_future(decide(served))
    gone = asyncio.ensure_future(decide(served))
    while len(server.asked) < 2:
        await asyncio.sleep(0)
    assert counts.inside == 2
    gone.cancel()
    assert server.hold is not None
    server.hold.set()
    assert isinstance(await waiting, Answer)
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert counts.inside == 0
    assert await status(serve(host(limits=LIMITS), counts=counts, empty=("5p",))) == 503
    assert counts.inside == 0


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
async def test_a_client_that_left_before_anybody_was_asked_holds_no_place() -> None:
    counts = Counts()
    served = serve(host(limits=LIMITS, external_auth=EXTERNAL), counts=counts, asks=Server())
    decision = served.gate(request(), client())
    assert isinstance(decision, Coroutine)
    assert counts.inside == 1
    decision.close()
    del decision
    assert counts.inside == 0


# --- external authentication ---


async def test_what_the_server_is_told() -> None:
    server = Server()
    external = replace(EXTERNAL, target="/check$uri?host=$host&id=$request_id", host="auth.$host")
    served = serve(host(external_auth=external), asks=server)
    head = request(
        b"/a%20b?c=d",
        (b"Cookie", b"s=1"),
        (b"X-Forwarded-Proto", b"https"),
        (b"X-Sent-From", b"me"),
        (b"Content-Length", b"5"),
        (b"Connection", b"close, X-Hop"),
        (b"X-Hop", b"1"),
        (b"Proxy", b"evil"),
        (b"X_Odd", b"1"),
        method="POST",
        length=5,
    )
    decision = await decide(served, head)
    ((method, target, to, lines),) = server.asked
    assert isinstance(decision, Forward)
    request_id = decision.log.request_id.encode()
    assert (method, to) == ("GET", b"auth.shop.example")
    assert target == b"/check/a%20b?host=shop.example&id=" + request_id
    assert lines == {
        b"cookie": b"s=1",
        b"x-request-id": request_id,
        b"x-original-url": b"http://shop.example/a%20b?c=d",
        b"x-original-method": b"POST",
        b"x-sent-from": b"nginx-ingress-controller",
        b"x-real-ip": b"192.0.2.7",
        b"x-forwarded-for": b"192.0.2.7",
        b"x-auth-request-redirect": b"/a%20b?c=d",
    }
    assert b"X-Request-ID: %b\r\n" % request_id in decision.prelude


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"shop.example:8080", b"shop.example:8080"),
        (b"SHOP.example.", b"SHOP.example."),
        (b"other.example", b"shop.example"),
        (b"[::1]:80", b"shop.example"),
        (b"", b"shop.example"),
    ],
)
async def test_the_server_is_told_of_the_host_that_is_served(sent: bytes, told: bytes) -> None:
    """`GET http://shop.example/` with another Host: who may see that one may not see this one for it."""
    server = Server()
    await decide(serve(host(external_auth=EXTERNAL), asks=server), request(b"/x", host_header=sent))
    assert server.asked[0][3][b"x-original-url"] == b"http://%b/x" % told


async def test_what_else_it_may_be_told() -> None:
    server = Server()
    lines = (HeaderLine("X-Tenant", "$host-$req_id"), HeaderLine("X-Sent-From", "serin"), HeaderLine("Cookie", ""))
    external = replace(EXTERNAL, method="POST", request_redirect="https://$host/", set_headers=lines)
    decision = await decide(serve(host(external_auth=external), asks=server), request(b"/x", (b"Cookie", b"s=1")))
    assert isinstance(decision, Forward)
    method, _, _, told = server.asked[0]
    assert method == "POST"
    assert told[b"x-tenant"] == b"shop.example-" + decision.log.request_id.encode()
    assert told[b"x-sent-from"] == b"serin"
    assert told[b"x-auth-request-redirect"] == b"https://shop.example/"
    assert (told[b"x-original-uri"], told[b"x-scheme"]) == (b"/x", b"http")
    assert b"cookie" not in told


async def test_headers_of_its_answer_replace_the_client_s() -> None:
    said = [(b"X-User", b"u1"), (b"x-user", b"u2"), (b"Content-Length", b"99"), (b"X-Other", b"o")]
    external = replace(EXTERNAL, response_headers=("X-User", "X-Group", "Content-Length", "Connection"))
    decision = await decide(serve(host(external_auth=external), asks=Server(SubAnswer(204, said))))
    assert isinstance(decision, Forward)
    assert b"X-User: u1, u2\r\n" in decision.prelude
    assert b"Content-Length" not in decision.prelude
    assert {b"x-user", b"x-group"} <= decision.drop
    assert b"content-length" not in decision.drop
    assert b"X-Other" not in decision.prelude


@pytest.mark.parametrize(
    ("said", "expected"),
    [(200, 200), (299, 200), (401, 401), (403, 403), *((s, 500) for s in (302, 304, 400, 404, 429, 500, 502, 100))],
)
async def test_only_2xx_lets_in(said: int, expected: int) -> None:
    assert await status(serve(host(external_auth=EXTERNAL), asks=Server(SubAnswer(said, [])))) == expected


async def test_who_does_not_answer_lets_nobody_in() -> None:
    assert await status(serve(host(external_auth=EXTERNAL), asks=Server(None))) == 500
    anyway = host(external_auth=EXTERNAL, access=Access(allow=FOREIGN, any_of=True))
    assert await status(serve(anyway, asks=Server(None))) == 500
    assert await status(serve(host(external_auth=EXTERNAL))) == 500


async def test_a_default_backend_gets_neither_password_nor_claims() -> None:
    external = replace(EXTERNAL, response_headers=("X-User",))
    guarded = host(external_auth=external, auth=BASIC, fallback=Beside("b2", "c2", "p2", "ns-default-80"))
    served = serve(guarded, users=USERS, asks=Server(), empty=("5p",))
    decision = await decide(served, request(b"/", ALICE, (b"X-User", b"spoofed")))
    assert isinstance(decision, Forward)
    assert {b"authorization", b"x-user", b"x-code"} <= decision.drop
    served.auth.close()


async def test_the_log_has_the_id_that_the_server_was_told() -> None:
    server = Server(SubAnswer(403, []))
    decision = await decide(serve(host(external_auth=EXTERNAL), asks=server))
    assert isinstance(decision, Answer)
    assert decision.log is not None
    assert decision.log.request_id.encode() == server.asked[0][3][b"x-request-id"]


async def test_the_challenge_is_passed_on() -> None:
    said = [(b"WWW-Authenticate", b"Bearer"), (b"Location", b"/login"), (b"Set-Cookie", b"a=b")]
    decision = await decide(serve(host(external_auth=EXTERNAL), asks=Server(SubAnswer(401, said))))
    assert isinstance(decision, Answer)
    assert decision.headers == [(b"WWW-Authenticate", b"Bearer")]


async def test_cookies_of_its_answer() -> None:
    said = [(b"Set-Cookie", b"a=b"), (b"Set-Cookie", b"c=d")]
    both = b"Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n"
    server = Server(SubAnswer(200, said))
    usual = await decide(serve(host(external_auth=EXTERNAL), asks=server))
    assert isinstance(usual, Forward)
    assert (usual.fine_lines, usual.answer_prelude) == (both, b"")
    always = replace(EXTERNAL, always_set_cookie=True)
    decision = await decide(serve(host(external_auth=always), asks=server))
    assert isinstance(decision, Forward)
    assert (decision.fine_lines, decision.answer_prelude) == (b"", both)
    refused = await decide(serve(host(external_auth=always), asks=Server(SubAnswer(403, said))))
    assert isinstance(refused, Answer)
    assert refused.headers == [(b"Set-Cookie", b"a=b"), (b"Set-Cookie", b"c=d")]


@pytest.mark.parametrize(
    ("signin", "param", "location"),
    [
        ("https://login.example/start", "rd", b"https://login.example/start?rd=http://shop.example%2Fa%3Fb%3Dc"),
        ("https://login.example/?x=1", "back", b"https://login.example/?x=1&back=http://shop.example%2Fa%3Fb%3Dc"),
        ("https://login.example/?rd=/fixed", "rd", b"https://login.example/?rd=/fixed"),
        ("https://$host/in?rd=$escaped_request_uri", "rd", b"https://shop.example/in?rd=%2Fa%3Fb%3Dc"),
    ],
)
async def test_who_has_to_sign_in_is_sent_there(signin: str, param: str, location: bytes) -> None:
    external = replace(EXTERNAL, signin=signin, signin_param=param)
    said = SubAnswer(401, [(b"Set-Cookie", b"a=b"), (b"WWW-Authenticate", b"Bearer")])
    decision = await decide(serve(host(external_auth=external), asks=Server(said)), request(b"/a?b=c"))
    assert isinstance(decision, Answer)
    assert decision.status == 302
    challenge = (b"WWW-Authenticate", b"Bearer")  # nginx leaves it on the redirect
    assert decision.headers == [challenge, (b"Location", location), (b"Set-Cookie", b"a=b")]
    assert await status(serve(host(external_auth=external), asks=Server(SubAnswer(403, [])))) == 403


CACHED = replace(EXTERNAL, cache_key="$cookie_s", cache_times=(CacheTime((200, 401), 60),))


def of(session: bytes) -> RequestHead:
    return request(b"/", (b"Cookie", b"s=" + session))


async def test_answers_are_kept_by_their_key() -> None:
    server = Server(SubAnswer(200, [(b"X-User", b"u1")]))
    served = serve(host(external_auth=replace(CACHED, response_headers=("X-User",))), asks=server)
    for session in (b"1", b"1", b"2", b"1"):
        decision = await decide(served, of(session))
        assert isinstance(decision, Forward)
        assert b"X-User: u1\r\n" in decision.prelude
    assert len(server.asked) == 2
    server.answer = SubAnswer(401, [])
    assert [await status(served, of(s)) for s in (b"1", b"3", b"3")] == [200, 401, 401]
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "answer",
    [
        SubAnswer(403, []),
        SubAnswer(200, [(b"Set-Cookie", b"a=b")]),
        SubAnswer(200, [(b"Cache-Control", b"no-store")]),
        SubAnswer(200, [(b"Vary", b"Cookie")]),
        None,
    ],
)
async def test_what_is_never_kept(answer: SubAnswer | None) -> None:
    server = Server(answer)
    served = serve(host(external_auth=CACHED), asks=server)
    for _ in range(2):
        await decide(served, of(b"1"))
    assert len(server.asked) == 2


async def test_two_routes_do_not_share_what_is_kept() -> None:
    server = Server()
    one, two = host(external_auth=CACHED), host(external_auth=replace(CACHED, url="http://auth/other"))
    (first,), (second,) = one.routes, two.routes
    second = replace(second, match=PathMatch(PathKind.PREFIX, "/b"))
    served = serve(replace(one, routes=(second, first)), asks=server)
    await decide(served, request(b"/", (b"Cookie", b"s=1")))
    await decide(served, request(b"/b", (b"Cookie", b"s=1")))
    assert len(server.asked) == 2


async def test_two_rules_with_the_same_question_do_not_share_what_is_kept() -> None:
    """The server may answer otherwise for another path: it is told of it."""
    server, one = Server(), host(external_auth=CACHED)
    (first,) = one.routes
    rules = (replace(first.rule, path="/b"), first.rule)
    routes = tuple(replace(first, match=PathMatch(PathKind.PREFIX, rule.path), rule=rule) for rule in rules)
    served = serve(replace(one, routes=routes), asks=server)
    for path in (b"/", b"/b", b"/", b"/b"):
        assert isinstance(await decide(served, request(path, (b"Cookie", b"s=1"))), Forward)
    assert len(server.asked) == 2
