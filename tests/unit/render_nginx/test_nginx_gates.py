"""Who may come in by lists, limits and external authentication, and whose word about a client is taken: real nginx."""

import base64
import hashlib
import json
import socket
from collections.abc import Iterator

import pytest
from harness.waiting import until
from unit.render_nginx.nginx_text import NGINX
from unit.render_nginx.stock_nginx import POOL, SOURCE, Echo, Running, one, serving

from serin.render.nginx.refusals import refusals
from serin.render.nginx.stock import losses
from serin.routing.access import Access, CacheTime, ExternalAuth, Limits
from serin.routing.beside import Beside
from serin.routing.lines import HeaderLine
from serin.routing.plan import BasicAuth, Globals, Host, Policy, TlsRedirect
from serin.routing.wide import Blocks, Forwarding

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not here")
USERS = "e" * 32
BASIC = BasicAuth("r", USERS, SOURCE)
HERE, ELSEWHERE = "127.0.0.0/8", "203.0.113.0/24"
ENDLESS = "~^(x|xx)+$"
PASSWORD = "Authorization: Basic " + base64.b64encode(b"ann:secret").decode() + "\r\n"


def asks(target: str, **more: object) -> ExternalAuth:
    beside = Beside("b" * 16, "1" * 16, POOL, "shop-auth-80")
    return ExternalAuth(beside, f"http://auth.example{target}", "auth.example", target, SOURCE, **more)  # type: ignore[arg-type]


def limited(letter: str, **more: object) -> Policy:
    return Policy(limits=Limits(letter * 16, **more))  # type: ignore[arg-type]


KEPT = {"cache_key": "$http_x_key", "cache_times": (CacheTime((200,), 60),)}
ROUTES = {
    "/denied": Policy(access=Access((), (HERE,))),
    "/allowed": Policy(access=Access((HERE,))),
    "/others": Policy(access=Access((ELSEWHERE,))),
    "/both": Policy(access=Access((HERE,), (HERE,))),
    "/any-password": Policy(access=Access((ELSEWHERE,), (), True), auth=BASIC),
    "/any-address": Policy(access=Access((HERE,), (), True), auth=BASIC),
    "/any-deny": Policy(access=Access((), (ELSEWHERE,), True), auth=BASIC),
    "//serin/a/0": Policy(),  # nginx would refuse a second location of this name
    "/asked": Policy(
        external_auth=asks(
            "/check?set=X-User:u1&set=X-Hidden:h",
            response_headers=("X-User", "Content-Length"),
            set_headers=(HeaderLine("X-Asked", "$uri|$args|$arg_a|$scheme"), HeaderLine("Host", "other")),
        )
    ),
    "/target": Policy(external_auth=asks("/check$uri?set=X-User:$arg_a", response_headers=("X-User",))),
    "/kept": Policy(external_auth=asks("/?set=X-User:$arg_a", response_headers=("X-User",), **KEPT)),
    "/kept-too": Policy(external_auth=asks("/?set=X-User:$arg_a", response_headers=("X-User",), **KEPT)),
    "/401": Policy(external_auth=asks("/?status=401&set=WWW-Authenticate:Foo")),
    "/403": Policy(external_auth=asks("/?status=403", signin="https://login.example/")),
    "/404": Policy(external_auth=asks("/?status=404")),
    "/302": Policy(external_auth=asks("/?status=302")),
    "/signin": Policy(external_auth=asks("/?status=401", signin="https://login.example/start")),
    "/other-param": Policy(external_auth=asks("/?status=401", signin="https://l.example/?x=1", signin_param="back")),
    "/own-rd": Policy(external_auth=asks("/?status=401", signin="https://l.example/?rd=$host")),
    "/any-asked": Policy(access=Access((ELSEWHERE,), (), True), external_auth=asks("/")),
    "/cookie": Policy(external_auth=asks("/?set=Set-Cookie:a=b")),
    "/always-cookie": Policy(external_auth=asks("/?set=Set-Cookie:a=b", always_set_cookie=True)),
    "/cookie-signin": Policy(external_auth=asks("/?status=401&set=Set-Cookie:a=b", signin="https://l.example/")),
    "/crowded": limited("5", connections=2),
    "/slow": limited("1", rps=1, burst=2),
    "/spared": limited("2", rps=1, burst=1, spared=(HERE,)),
    "/minute": limited("3", rpm=1, burst=1),
    "/twice": limited("4", rps=1, rpm=1, burst=0),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    prefix = tmp_path_factory.mktemp("gates")
    (prefix / "plan" / "users").mkdir(parents=True)
    hashed = base64.b64encode(hashlib.sha1(b"secret").digest()).decode()
    (prefix / "plan" / "users" / USERS).write_text(f"ann:{{SHA}}{hashed}\n")
    routes = [one(number, path, policy) for number, (path, policy) in enumerate(ROUTES.items())]
    same = one(100, "/same", ROUTES["/slow"])
    empty = one(101, "/nothing", Policy(external_auth=asks("/?status=401")), proxied=False)
    with serving(prefix, [Host("g.example", (*routes, same, empty))]) as found:
        yield found


def test_lists(running: Running) -> None:
    found = {path: running.ask("g.example", path)[0].status for path in ("/denied", "/allowed", "/others", "/both")}
    assert found == {"/denied": 403, "/allowed": 200, "/others": 403, "/both": 403}


def test_any_of_lists_and_password(running: Running) -> None:
    assert running.ask("g.example", "/any-password")[0].status == 401
    assert running.ask("g.example", "/any-password", more=PASSWORD)[0].status == 200
    assert running.ask("g.example", "/any-address")[0].status == 200
    assert running.ask("g.example", "/any-asked")[0].status == 200


def test_who_is_not_denied_has_not_passed_by_that(running: Running) -> None:
    assert running.ask("g.example", "/any-deny")[0].status == 401
    assert running.ask("g.example", "/any-deny", more=PASSWORD)[0].status == 200


def test_headers_of_the_authentication_server_replace_those_of_clients(running: Running) -> None:
    answer, body = running.ask("g.example", "/asked/x?a=1", more="X-User: spoof\r\nX-Hidden: spoof\r\n")
    sent = json.loads(body)["headers"]
    assert answer.status == 200
    assert (sent["x-user"], sent["x-hidden"]) == ("u1", "spoof")


def test_targets_are_of_the_request_itself(running: Running) -> None:
    _, body = running.ask("g.example", "/target/x?a=ann")
    assert json.loads(body)["headers"]["x-user"] == "ann"


@pytest.mark.parametrize(
    ("sent", "told"),
    [("g.example:80", "g.example:80"), ("G.example", "G.example"), ("other.example", "g.example")],
)
def test_the_server_is_told_of_the_host_that_is_served(
    running: Running, monkeypatch: pytest.MonkeyPatch, sent: str, told: str
) -> None:
    """An absolute target may name another host than Host does, and it is the target's whose route serves."""
    seen: list[str | None] = []
    answer = Echo.do_GET

    def note(echo: Echo) -> None:
        seen.append(echo.headers["X-Original-URL"])
        answer(echo)

    monkeypatch.setattr(Echo, "do_GET", note)
    assert running.ask(sent, "http://g.example/401")[0].status == 401
    assert seen == [f"http://{told}/401"]


def test_kept_answers_are_of_their_path(running: Running) -> None:
    """The server is told which address is asked for: what it says of one path is not its word on another."""

    def user(target: str) -> str:
        return str(json.loads(running.ask("g.example", target, more="X-Key: k\r\n")[1])["headers"].get("x-user"))

    assert user("/kept?a=ann") == "ann"
    assert user("/kept?a=bob") == "ann"
    assert user("/kept-too?a=bob") == "bob"


@pytest.mark.parametrize(("path", "status"), [("/401", 401), ("/403", 403), ("/404", 500), ("/302", 500)])
def test_refusals(running: Running, path: str, status: int) -> None:
    answer, _ = running.ask("g.example", path)
    assert answer.status == status
    assert answer.headers["WWW-Authenticate"] == ("Foo" if path == "/401" else None)


def test_signing_in(running: Running) -> None:
    answer, _ = running.ask("g.example", "/signin/b?c=d&e=f&&", method="POST", body="x")
    assert answer.status == 302
    # without Lua only what would end the parameter is escaped
    assert answer.headers["Location"] == "https://login.example/start?rd=http://g.example/signin/b?c=d%26e=f%26%26"
    answer, _ = running.ask("g.example", "/other-param")
    assert answer.headers["Location"] == "https://l.example/?x=1&back=http://g.example/other-param"
    answer, _ = running.ask("g.example", "/own-rd")
    assert answer.headers["Location"] == "https://l.example/?rd=g.example"


def test_many_ampersands_are_cut_off(running: Running) -> None:
    answer, _ = running.ask("g.example", "/signin?" + "&".join("abcdefghijk"))
    assert answer.headers["Location"].endswith("?a" + "".join(f"%26{c}" for c in "bcdefghi"))


@pytest.mark.parametrize(
    ("target", "status", "cookie"),
    [
        ("/cookie", 200, "a=b"),
        ("/cookie?status=500", 500, None),
        ("/always-cookie?status=500", 500, "a=b"),
        ("/cookie-signin", 302, "a=b"),
    ],
)
def test_cookies_of_the_authentication_server(running: Running, target: str, status: int, cookie: str | None) -> None:
    answer, _ = running.ask("g.example", target, tls=True)
    assert (answer.status, answer.headers["Set-Cookie"]) == (status, cookie)
    assert len(answer.headers.get_all("Strict-Transport-Security")) == 1


def test_requests_at_a_time(running: Running) -> None:
    """Two that wait for their bodies; a third is too many until one of them is over."""
    waiting = [socket.create_connection(("127.0.0.1", running.plain), 10) for _ in range(2)]
    for link in waiting:
        link.sendall(b"POST /crowded HTTP/1.1\r\nHost: g.example\r\nContent-Length: 1\r\nConnection: close\r\n\r\n")

    def third() -> int:
        return int(running.ask("g.example", "/crowded")[0].status)

    until(lambda: third() == 503, "both are counted")
    waiting[0].sendall(b"x")
    assert waiting[0].recv(12) == b"HTTP/1.1 200"
    waiting[0].close()
    until(lambda: third() == 200, "one is over")
    waiting[1].close()


def test_nothing_behind_is_not_told_to_strangers(running: Running) -> None:
    assert running.ask("g.example", "/nothing")[0].status == 401


def test_internal_locations_are_not_reached(running: Running) -> None:
    for target in ("//serin/a/0", "/%2fserin/a/0", "/x/..//serin/a/0", "/serin/a/0"):
        assert running.ask("g.example", target)[0].status == 404


def test_rates_are_of_the_ingress(running: Running) -> None:
    """One request and two more at once; the other route counts as the same."""
    statuses = [running.ask("g.example", path)[0].status for path in ("/slow", "/same", "/slow", "/same", "/slow")]
    assert statuses[:3] == [200] * 3
    assert 503 in statuses[3:]


def test_spared_clients(running: Running) -> None:
    assert {running.ask("g.example", "/spared")[0].status for _ in range(6)} == {200}


def test_by_the_minute(running: Running) -> None:
    assert [running.ask("g.example", "/minute")[0].status for _ in range(3)] == [200, 200, 503]
    assert [running.ask("g.example", "/twice")[0].status for _ in range(2)] == [200, 503]


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Something stands before us, and some get nothing at all."""
    prefix = tmp_path_factory.mktemp("behind")
    routes = (
        one(
            1,
            "/own",
            Policy(
                access=Access(
                    (ELSEWHERE, "198.51.100.0/24"),
                )
            ),
        ),
        one(2, "/any", Policy(access=Access((ELSEWHERE,), (), True), external_auth=asks("/"))),
        one(3, "/secure", Policy(tls_redirect=TlsRedirect(308, False, SOURCE))),
        one(4, "/", Policy()),
    )
    globals_ = Globals(
        https_port=0,
        forwarding=Forwarding(trust=True, full=True, proxies=(HERE, "10.0.0.0/8")),
        blocks=Blocks(("203.0.113.9/32",), ("Evil", "~^Old/", "~*sPy", ENDLESS, "~^$"), ("~bad\\.example",)),
        limit_req_status=429,
    )
    with serving(prefix, [Host("f.example", routes), Host("n.example")], globals_) as found:
        yield found


@pytest.mark.parametrize(
    ("agent", "status"), [("evil", 403), ("Evil/1", 200), ("Old/1", 403), ("old/1", 200), ("A Spy", 403), ("", 200)]
)
def test_user_agents(behind: Running, agent: str, status: int) -> None:
    assert behind.ask("f.example", "/", more=f"User-Agent: {agent}\r\n")[0].status == status


def test_a_pattern_that_does_not_come_to_an_end_blocks(behind: Running) -> None:
    """As in the proxy: nobody knows what it would have said."""
    assert behind.ask("f.example", "/", more=f"User-Agent: {'x' * 40}!\r\n")[0].status == 403


def test_referers_everywhere(behind: Running) -> None:
    for host in ("f.example", "n.example", "nobody.example"):
        assert behind.ask(host, "/", more="Referer: http://bad.example/\r\n")[0].status == 403


@pytest.mark.parametrize(
    ("forwarded", "path", "status"),
    [
        ("203.0.113.9", "/", 403),
        ("203.0.113.9", "/own", 403),
        ("203.0.113.9", "/any", 403),
        ("203.0.113.8", "/", 200),
        ("203.0.113.8", "/own", 200),
        ("9.9.9.9", "/own", 403),
        ("9.9.9.9", "/any", 200),
        ("203.0.113.8, 10.0.0.1", "/own", 200),
        ("203.0.113.8, 9.9.9.9", "/own", 403),
    ],
)
def test_addresses_are_those_that_were_forwarded_for(behind: Running, forwarded: str, path: str, status: int) -> None:
    assert behind.ask("f.example", path, forwarded=forwarded)[0].status == status


def test_addresses_blocked_where_nobody_is(behind: Running) -> None:
    for host in ("n.example", "nobody.example"):
        assert behind.ask(host, "/", forwarded="203.0.113.9")[0].status == 403
        assert behind.ask(host, "/")[0].status == 404


def test_what_was_forwarded_is_sent_on(behind: Running) -> None:
    more = "X-Forwarded-Proto: https\r\nX-Forwarded-Host: shown.example, b\r\nX-Forwarded-Port: 8443\r\n"
    _, body = behind.ask("f.example", "/", more=more, forwarded="203.0.113.8, 10.0.0.1")
    sent = json.loads(body)["headers"]
    assert sent["x-forwarded-for"] == "203.0.113.8, 10.0.0.1, 127.0.0.1"
    assert sent["x-real-ip"] == "203.0.113.8"
    assert (sent["x-forwarded-proto"], sent["x-scheme"], sent["x-forwarded-port"]) == ("https", "https", "8443")
    assert (sent["host"], sent["x-forwarded-host"]) == ("shown.example", "shown.example")


def test_patterns_of_blocks_name_no_variables() -> None:
    """nginx would refuse all of its configuration for a variable that it has."""
    given = ("evil $x", "~(?<host>a)b", "~*(?P<scheme>x)\\(?<y", "~(?'uri'a)\\k<uri>", "~(?<!a)b", "x" * 4000)
    agents, _ = refusals(Blocks(user_agents=given))
    found = [pattern.prefix + pattern.value for pattern in agents.patterns]
    assert found == ["~*^evil \\x24x\\z", "~(a)b", "~*(x)\\(?<y", "~(?<!a)b"]


def test_who_came_over_tls_to_the_proxy_in_front_is_not_redirected(behind: Running) -> None:
    assert behind.ask("f.example", "/secure")[0].status == 308
    assert behind.ask("f.example", "/secure", more="X-Forwarded-Proto: https\r\n")[0].status == 200


def test_what_is_lost_without_lua_is_told() -> None:
    auth = asks("/", signin="https://login.example/", cache_key="$http_x")
    told = losses(Host("l.example", (one(1, "/", Policy(external_auth=auth)),)))
    assert sum("signing in" in text or "on disk" in text for text in told) == 2
    assert not losses(Host("l.example", (one(1, "/", Policy(external_auth=asks("/"))),)))
