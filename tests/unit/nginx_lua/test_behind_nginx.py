"""Rules, affinity cookies, dispatch and rewrites where nginx has its part in them."""

import http.client
import re
import socket
from collections import Counter

import pytest
from harness.behind_nginx import Endpoints, MakeEndpoint, MakeNginx, Nginx, hang_up, listed, passed
from harness.shared_memory import Rig, make_pool, make_split

from serin.native.hashing import endpoint_ident
from serin.render.nginx.spec import Spec, SpecVersion, encode
from serin.routing.paths import escape
from serin.routing.plan import Affinity, Split

COOKIE = re.compile(r"route=(\S+)\.([0-9a-f]{16}); Path=/; HttpOnly").fullmatch


def spec_of(split: Split, affinity: Affinity | None = None, more: str = "") -> str:
    names = ("prod-main-80", "prod-canary-80")
    versions = tuple(SpecVersion(s.ident, n) for s, n in zip(split.shares, names, strict=False))
    return Spec(split.id, versions, affinity=affinity).text() + more


def two_versions(rig: Rig, main: list[Endpoints], canary: list[Endpoints], weight: int = 0) -> Split:
    pools = make_pool(1, listed(main)), make_pool(2, listed(canary))
    return rig.put(make_split(1, [(pools[0], 0), (pools[1], weight)]), *pools)


def raw(server: Nginx, *lines: str) -> str:
    """Who answers a request with these lines, as they are."""
    with socket.create_connection(("127.0.0.1", server.port), 20) as link:
        link.sendall("\r\n".join((*lines, "Host: x", "Connection: close", "", "")).encode("latin-1"))
        data = b""
        while more := link.recv(65536):
            data += more
    head, _, body = data.partition(b"\r\n\r\n")
    return body.decode() if head.split()[1] == b"200" else head.split()[1].decode()


HEADER_ROWS = [
    ("v:blue%2C%20green", ["X-Try: blue", "X-Try: green"], "canary"),
    ("v:blue", ["X-Try: blue", "X-Try: green"], "main"),
    ("v:blue", ["X-Try: blue"], "canary"),
    ("v:", ["X-Try:"], "canary"),
    ("v:", ["X-Other: 1"], "main"),
    ("x:^$", ["X-Try:"], "canary"),
    ("x:^$", [], "main"),
    ("x:e%2C%20g", ["X-TRY: blue", "x-try: green"], "canary"),
    ("x:%5E%28a%2B%29%2B%24", ["X-Try: " + "a" * 60 + "!"], "out"),
    ("b:", ["X-Try:"], "out"),
    ("b:", [], "main"),
    ("a:", ["X-Try: always"], "canary"),
    ("a:", ["X-Try: always", "X-Try: always"], "main"),
]


@pytest.mark.parametrize(("row", "lines", "who"), HEADER_ROWS)
def test_header_rules_left_to_lua(
    rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx, row: str, lines: list[str], who: str
) -> None:
    """Absent, empty and repeated headers. `out`: with weight 100 the canary would have had it, but was taken out."""
    split = two_versions(rig, [endpoint("main")], [endpoint("canary")], 100 if who == "out" else 0)
    letters = f" r=letters h=1:x-try:{row.replace('^', '%5E').replace('$', '%24')}"
    server = nginx(passed(spec_of(split, more=letters), more='set $letters "LP";'))
    assert raw(server, "GET / HTTP/1.1", *lines) == ("main" if who == "out" else who)


def test_letters_of_repeated_headers_are_not_believed(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    """A map sees the first of them alone in nginx before 1.23."""
    split = two_versions(rig, [endpoint("main")], [endpoint("canary")])
    maps = 'map $http_x_try $letters { default PP; blue TP; "blue, green" PP; }'
    spec = spec_of(split, more=" r=letters h=1:x-try:v:blue")
    server = nginx(passed(spec), http=maps)
    assert raw(server, "GET / HTTP/1.1", "X-Try: blue") == "canary"
    assert raw(server, "GET / HTTP/1.1", "X-Try: blue", "X-Try: green") == "main"
    assert raw(server, "GET / HTTP/1.1", *[f"X-{n}: 1" for n in range(90)], "X-Try: blue", "X-Try: a") == "main"
    assert raw(server, "GET / HTTP/1.1", *[f"X-{n}: 1" for n in range(90)], "X-Try: blue") == "canary"


def test_rows_read_headers_cookies_and_parameters(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    split = two_versions(rig, [endpoint("main")], [endpoint("canary")])
    rows = "1:h:e.H.x-try.a%2C%20b+s.C.who,1:r:x.Q.q.1%7C2,1:r:v.is_post"
    http = 'map $request_method $is_post { POST 1; default ""; }'
    server = nginx(passed(spec_of(split, more=" m=" + rows)), http=http)
    for lines, who in [
        (["GET / HTTP/1.1", "X-Try: a", "X-Try: b", "Cookie: x=1", "Cookie: who="], "canary"),
        (["GET / HTTP/1.1", "X-Try: a", "X-Try: b", "Cookie: Who=1"], "main"),
        (["GET / HTTP/1.1", "X-Try: a", "Cookie: who=1"], "main"),
        (["GET /?q=2#q=3 HTTP/1.1"], "canary"),
        (["GET /?q=12 HTTP/1.1"], "main"),
        (["POST / HTTP/1.1", "Content-Length: 0"], "canary"),
    ]:
        assert raw(server, *lines) == who, lines


# --- cookies ---

HEADER = "header_filter_by_lua_block { serin.header() }"


def test_a_cookie_keeps_its_user(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    ends = [[endpoint(f"{name}{i}") for i in range(3)] for name in ("main", "canary")]
    split = two_versions(rig, ends[0], ends[1], weight=50)
    server = nginx(passed(spec_of(split, Affinity("route", "/")), more=HEADER))
    seen = set()
    for _ in range(8):
        first = server.get("/")
        found = COOKIE(first.headers["set-cookie"])
        assert found is not None
        assert re.fullmatch("[0-9a-f]{32}", found[1])
        assert found[2] == split.shares[0 if first.text.startswith("main") else 1].ident
        seen.add(found[1])
        again = [server.get("/", Cookie=f"route={found[1]}.{found[2]}") for _ in range(3)]
        assert {(one.text, one.headers.get("set-cookie")) for one in again} == {(first.text, None)}
    assert len(seen) == 8


def test_a_persistent_cookie_follows_its_endpoint(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    ends = [endpoint(name) for name in "abc"]
    split = two_versions(rig, ends, [])
    server = nginx(passed(spec_of(split, Affinity("route", "/", persistent=True)), more=HEADER))
    first = server.get("/")
    found = COOKIE(first.headers["set-cookie"])
    assert found is not None
    asked = next(end for end in ends if end.name == first.text)
    ident = endpoint_ident(4, bytes((127, 0, 0, 1)).ljust(16, b"\0"), asked.port)
    assert found[1] == f"{ident:016x}"
    cookie = f"route={found[1]}.{found[2]}"
    assert {server.get("/", Cookie=cookie).text for _ in range(6)} == {first.text}
    asked.behave = hang_up
    moved = server.get("/", Cookie=cookie)
    assert moved.text in {end.name for end in ends} - {first.text}  # this once: the endpoint is still there
    assert "set-cookie" not in moved.headers
    left = make_pool(1, listed([end for end in ends if end is not asked]))
    rig.put(make_split(1, [(left, 0), (make_pool(2, ()), 0)]), left)
    moved = server.get("/", Cookie=cookie)
    assert moved.text in {end.name for end in ends} - {first.text}
    told = COOKIE(moved.headers["set-cookie"])
    assert told is not None
    assert told[1] != found[1]


def test_a_cookie_changes_with_a_failure_where_asked(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    ends = [endpoint(name) for name in "ab"]
    split = two_versions(rig, ends, [])
    affinity = Affinity("route", "/", change_on_failure=True)
    server = nginx(
        passed(spec_of(split, affinity), more=HEADER)
        + passed(spec_of(split, Affinity("route", "/")), path="/keep", more=HEADER)
    )
    first = server.get("/")
    found = COOKIE(first.headers["set-cookie"])
    assert found is not None
    cookie = f"route={found[1]}.{found[2]}"
    next(end for end in ends if end.name == first.text).behave = hang_up
    moved = server.get("/", Cookie=cookie)
    assert moved.text != first.text
    told = COOKIE(moved.headers["set-cookie"])
    assert told is not None
    assert told[1] != found[1]
    assert "set-cookie" not in server.get("/keep", Cookie=cookie).headers


def test_an_endpoints_own_cookies_stay(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    def baker(end: Endpoints, link: socket.socket, head: bytes, nth: int) -> bool:
        link.sendall(b"HTTP/1.1 200 OK\r\nSet-Cookie: own=1\r\nContent-Length: 0\r\n\r\n")
        return True

    split = two_versions(rig, [endpoint("main", baker)], [])
    server = nginx(passed(spec_of(split, Affinity("route", "/")), more=HEADER))
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    link.request("GET", "/")
    found = link.getresponse().headers.get_all("set-cookie") or []
    link.close()
    assert found[0] == "own=1"
    assert COOKIE(found[1])


def test_no_cookie_without_an_endpoint(rig: Rig, nginx: MakeNginx) -> None:
    split = two_versions(rig, [], [])
    found = nginx(passed(spec_of(split, Affinity("route", "/")), more=HEADER)).get("/")
    assert found.status == 503
    assert "set-cookie" not in found.headers


# --- dispatch and rewrite ---


def target_of(end: Endpoints) -> str:
    return end.heads[-1].split(b" ")[1].decode("latin-1")


def dispatching(spec: str, rows: list[tuple[str, str, int]], more: str = "") -> str:
    table = ",".join(f"{i}:{kind}:{encode(path)}:{limit}" for i, (kind, path, limit) in enumerate(rows))
    named = "".join(
        f'location @r{i} {{ client_max_body_size {limit}; set $serin "{spec}"; proxy_set_header X-Route {i}; {more}'
        " proxy_pass http://serin_http; }\n"
        for i, (_, _, limit) in enumerate(rows)
    )
    return (
        f'location / {{ client_max_body_size 0; set $serin_table "{table}";'
        f" content_by_lua_block {{ serin.dispatch() }} }}\n{named}"
    )


ROWS = [("e", "/a", 0), ("r", "/(x+)+$", 10), ("p", "/p", 0), ("r", "/[^/]+/end", 0)]


def test_dispatch(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    main = endpoint("main")
    spec = spec_of(two_versions(rig, [main], []))
    server = nginx(dispatching(spec, ROWS))
    for target, number in [
        ("/a", 0),
        ("/%61?q=%20", 0),
        ("/XXX", 1),
        ("/p%2Fb//c/../d?x#f", 2),
        ("/other/END/x", 3),
    ]:
        assert raw(server, f"GET {target} HTTP/1.1") == "main", target
        assert target_of(main) == target
        assert b"X-Route: %d" % number in main.heads[-1]
    assert raw(server, "GET /nothing HTTP/1.1") == "404"
    assert raw(server, "GET /" + "x" * 60 + "! HTTP/1.1") == "500"
    assert len(main.heads) == 5


def test_dispatch_keeps_bodies_and_their_limits(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    main = endpoint("main")
    server = nginx(dispatching(spec_of(two_versions(rig, [main], [])), ROWS))
    assert server.get("/xx", method="POST", body=b"0123456789").text == "main"
    assert b"content-length: 10" in main.heads[-1].lower()
    assert server.get("/xx", method="POST", body=b"0123456789a").status == 413
    chunked = ("POST /xx HTTP/1.1", "Transfer-Encoding: chunked")
    assert server.get("/a", method="POST", body=b"x" * 100_000).text == "main"
    with socket.create_connection(("127.0.0.1", server.port), 20) as link:
        link.sendall("\r\n".join((*chunked, "Host: x", "", "b\r\n0123456789a\r\n0\r\n\r\n")).encode())
        assert link.recv(65536).startswith(b"HTTP/1.1 413 ")


def rewriting(spec: str, rewrite: str, then: str = "", path: str = "/") -> str:
    return passed(
        spec, path=path, more=f'set $serin_rewrite "{rewrite}"; {then} rewrite_by_lua_block {{ serin.rewrite() }}'
    )


def rule(pattern: str, target: str, absolute: bool = False) -> str:
    return f"{encode(pattern)}:{encode(target)}:{int(absolute)}"


def test_rewrite(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    main = endpoint("main")
    server = nginx(rewriting(spec_of(two_versions(rig, [main], [])), rule("/(a+)+(/|$)(.*)", "/n w?/$3")))
    for target, sent in [
        ("/aaa/b?x=%20", "/n%20w%3F/b?x=%20"),
        ("/a/%25%2Fc", "/n%20w%3F/%25/c"),
        ("/a/%C3%BC", "/n%20w%3F/%C3%BC"),
        ("/z%2Fb//?q", "/z%2Fb//?q"),
    ]:
        assert raw(server, f"GET {target} HTTP/1.1") == "main"
        assert target_of(main) == sent
    slow = nginx(rewriting(spec_of(two_versions(rig, [main], [])), rule("(a+)+$", "/")))
    assert raw(slow, "GET /" + "a" * 60 + "! HTTP/1.1") == "500"


def test_every_byte_of_a_rewritten_path(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    main = endpoint("main")
    server = nginx(rewriting(spec_of(two_versions(rig, [main], [])), rule("/a/(.*)", "$1")))
    every = bytes(n for n in range(1, 256) if n not in b"/.")
    target = "".join(f"%{n:02X}" for n in every)
    assert raw(server, f"GET /a/{target} HTTP/1.1") in ("main", "404")
    assert target_of(main) == "/" + escape(every.split(b"\n")[0]).decode("latin-1")


def test_what_comes_after_a_rewrite(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    spec = spec_of(two_versions(rig, [endpoint("main")], []))
    https = 'set $serin_then ""; if ($http_x_tls = "") { set $serin_then "308:https://x$request_uri"; }'
    away = rule("/b/(.*)", "https://other.example/$1", absolute=True)
    server = nginx(
        rewriting(spec, rule("/a/(.*)", "/$1"), https, "/a")
        + rewriting(spec, away, https, "/b")
        + rewriting(spec, rule("/c", "/"), 'set $serin_then "404:";', "/c")
    )
    found = server.get("/a/x?y")
    assert (found.status, found.headers["location"]) == (308, "https://x/a/x?y")
    assert server.get("/a/x", X_Tls="1").text == "main"
    found = server.get("/b/x%20y?q=1")
    assert (found.status, found.headers["location"]) == (302, "https://other.example/x%20y?q=1")
    assert server.get("/c").status == 404


def test_dispatched_routes_are_rewritten_too(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    main = endpoint("main")
    more = f'set $serin_rewrite "{rule("/(x+)+", "/y$1 z")}"; rewrite_by_lua_block {{ serin.rewrite() }}'
    server = nginx(dispatching(spec_of(two_versions(rig, [main], [])), ROWS, more))
    assert Counter(server.names("/xx", 3)) == {"main": 3}
    assert target_of(main) == "/yxx%20z"
