"""Forwarding through nginx: the split is exact, changes count from the next request, failures are as in the proxy."""

import socket
from collections import Counter

from harness.behind_nginx import (
    Endpoints,
    MakeEndpoint,
    MakeNginx,
    garbage,
    hang_up,
    listed,
    once,
    passed,
    silent,
    with_status,
)
from harness.shared_memory import Rig, hex64, make_pool, make_split

from serin.native.hashing import hash64
from serin.native.names import ExternalNames
from serin.native.worker import KEYED
from serin.render.nginx.spec import Spec, SpecVersion
from serin.routing.plan import Algorithm, Endpoint, Pool, Split


def spec_of(split: Split, tries: int = 3) -> str:
    names = ("prod-main-80", "prod-canary-80", "prod-third-80")
    return Spec(
        split.id, tuple(SpecVersion(s.ident, n) for s, n in zip(split.shares, names, strict=False)), tries
    ).text()


def test_a_split_is_exact_and_changes_with_the_next_request(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    main, canary, other = endpoint("main"), endpoint("canary"), endpoint("other")
    pools = make_pool(1, listed([main])), make_pool(2, listed([canary]))
    split = rig.put(make_split(1, [(pools[0], 0), (pools[1], 10)]), *pools)
    server = nginx(passed(spec_of(split)))
    assert Counter(server.names("/", 300)) == {"main": 270, "canary": 30}
    rig.put(make_split(1, [(pools[0], 0), (pools[1], 100)]))
    assert set(server.names("/", 20)) == {"canary"}
    rig.put(make_split(1, [(pools[0], 0), (pools[1], 0)]), make_pool(1, listed([other])))
    assert set(server.names("/", 20)) == {"other"}


def one_pool(rig: Rig, *ends: Endpoints, algorithm: Algorithm = Algorithm.ROUND_ROBIN, affinity: int = 0) -> Split:
    pool = make_pool(1, listed(ends), algorithm, affinity=affinity)
    return rig.put(make_split(1, [(pool, 0)]), pool)


def test_endpoints_take_turns(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    ends = [endpoint(name) for name in "abc"]
    assert Counter(nginx(passed(spec_of(one_pool(rig, *ends)))).names("/", 30)) == {"a": 10, "b": 10, "c": 10}


def test_no_endpoint_is_503(rig: Rig, nginx: MakeNginx) -> None:
    server = nginx(passed(spec_of(one_pool(rig))) + passed("00000000000000ff v=00000000000000ee:x:1:", path="/gone"))
    for path in ("/", "/gone"):
        found = server.get(path)
        assert found.status == 503
        assert "503 Service Temporarily Unavailable" in found.text


def test_a_keyed_pool_keeps_a_client(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    ends = [endpoint(name) for name in "abcde"]
    server = nginx(passed(spec_of(one_pool(rig, *ends, affinity=60))))
    found = server.names("/", 10)
    assert len(set(found)) == 1
    choice = rig.worker(60).split(hex64(0xA000_0000_0000_0001), (hex64(1 << 48 | 1 << 8 | 1),))
    decided = choice.decide(key=hash64(b"127.0.0.1"), flags=KEYED)
    assert not isinstance(decided, int)
    assert decided.port == next(end.port for end in ends if end.name == found[0])


def test_a_key_variable(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    ends = [endpoint(name) for name in "abcde"]
    split = one_pool(rig, *ends, algorithm=Algorithm.HASH)
    spec = Spec(split.id, (SpecVersion(split.shares[0].ident, "n", key="key_of"),)).text()
    server = nginx(passed(spec, more="set $key_of $arg_k;"))
    handle = rig.worker(60).split(split.id, (split.shares[0].ident,))
    for key in ("", "x", "yy", "zzz"):
        decided = handle.decide(key=hash64(key.encode()), flags=KEYED)
        assert not isinstance(decided, int)
        wanted = next(end.name for end in ends if end.port == decided.port)
        assert server.names(f"/?k={key}", 3) == [wanted] * 3


def test_a_refused_connection_goes_elsewhere_at_once(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    down, up = endpoint("down"), endpoint("up")
    server = nginx(passed(spec_of(one_pool(rig, down, up))))
    down.refuse()
    assert set(server.names("/", 20)) == {"up"}


def test_three_failures_put_an_endpoint_out(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    bad, good = endpoint("bad", hang_up), endpoint("good")
    server = nginx(passed(spec_of(one_pool(rig, bad, good))))
    assert set(server.names("/", 40)) == {"good"}
    assert len(bad.heads) == 3


def test_a_dead_kept_connection_is_no_failure(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    """nginx finds out only by using it; the endpoint is asked again, and is never counted as failing."""
    only = endpoint("only", once)
    server = nginx(passed(spec_of(one_pool(rig, only))))
    assert server.names("/", 40) == ["only"] * 40
    assert len(only.heads) > 60
    other = endpoint("other", once)
    rig.put(make_split(1, [(make_pool(1, 0), 0)]), make_pool(1, listed([only, other])))
    assert Counter(server.names("/", 40)) == {"only": 20, "other": 20}


def test_an_answer_that_never_comes_is_504(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    a, b = endpoint("a", silent), endpoint("b", silent)
    server = nginx(passed(spec_of(one_pool(rig, a, b)), more="proxy_read_timeout 100ms;"))
    assert server.get("/").status == 504
    assert len(a.heads) == len(b.heads) == 1


def test_a_new_connection_that_is_hung_up_is_not_asked_twice(
    rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx
) -> None:
    a, b, c, d = (endpoint(name, hang_up) for name in "abcd")
    server = nginx(
        passed(spec_of(one_pool(rig, a, b, c, d))) + passed(spec_of(one_pool(rig, a, b, c, d), 0), path="/all")
    )
    assert server.get("/").status == 502
    assert sorted(len(end.heads) for end in (a, b, c, d)) == [0, 1, 1, 1]
    assert server.get("/all").status == 502
    assert sorted(len(end.heads) for end in (a, b, c, d)) == [1, 2, 2, 2]


def test_the_last_answer_is_passed_on(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    a, b = endpoint("a", with_status(503)), endpoint("b", with_status(503))
    server = nginx(passed(spec_of(one_pool(rig, a, b)), more="proxy_next_upstream http_503;"))
    found = server.get("/")
    assert (found.status, found.text in "ab") == (503, True)
    assert len(a.heads) == len(b.heads) == 1


def test_garbage_goes_elsewhere_where_asked_for(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    bad, good = endpoint("bad", garbage), endpoint("good")
    retried = passed(spec_of(one_pool(rig, bad, good)), path="/again", more="proxy_next_upstream invalid_header;")
    server = nginx(retried + passed(spec_of(one_pool(rig, bad, good))))
    assert server.names("/again", 2) == ["good", "good"]
    assert sorted(server.names("/", 2)) == ["502", "good"]


def test_a_sent_post_is_not_repeated(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    bad, good = endpoint("bad", hang_up), endpoint("good")
    spec = spec_of(one_pool(rig, bad, good))
    more = "proxy_next_upstream error timeout non_idempotent;"
    server = nginx(passed(spec) + passed(spec, path="/twice", more=more))
    found = sorted(server.get("/", method="POST", body=b"x").status for _ in range(2))
    assert found == [200, 502]
    found = sorted(server.get("/twice", method="POST", body=b"x").status for _ in range(2))
    assert found == [200, 200]
    bad.refuse()
    assert {server.get("/", method="POST", body=b"x").status for _ in range(4)} == {200}


def test_a_forced_version_stays_over_retries(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    main, bad, good = endpoint("main"), endpoint("bad", hang_up), endpoint("good")
    pools = make_pool(1, listed([main])), make_pool(2, listed([bad, good]))
    split = rig.put(make_split(1, [(pools[0], 0), (pools[1], 0)]), *pools)
    spec = spec_of(split) + " r=letters"
    server = nginx(
        passed(spec, more='set $letters $http_x_letters; add_header X-To "$proxy_alternative_upstream_name";')
    )
    found = [server.get("/", X_Letters="TP") for _ in range(4)]
    assert [f.text for f in found] == ["good"] * 4
    assert {f.headers.get("x-to") for f in found} == {"prod-canary-80"}
    assert server.get("/", X_Letters="PP").text == "main"
    rig.put(make_split(1, [(pools[0], 0), (pools[1], 0)]), make_pool(2, 0))
    assert server.get("/", X_Letters="TP").text == "main"


def test_one_try_only(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    bad, good = endpoint("bad", hang_up), endpoint("good", once)
    server = nginx(passed(spec_of(one_pool(rig, bad, good), 1)))
    assert Counter(server.names("/", 6)) == {"502": 3, "good": 3}


def test_a_kept_connection_that_died_costs_no_try(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    """After it the endpoint answers 503, which is tried elsewhere, and the last answer is the endpoint's own."""
    behave = with_status(503)

    def once_then_503(end: Endpoints, link: socket.socket, head: bytes, nth: int) -> bool:
        return nth == 1 and behave(end, link, head, nth)

    a, b = endpoint("a", once_then_503), endpoint("b", once_then_503)
    server = nginx(passed(spec_of(one_pool(rig, a, b), 2), more="proxy_next_upstream error http_503;"))
    for _ in range(6):
        found = server.get("/")
        assert (found.status, found.text in "ab") == (503, True)


def test_a_spec_that_is_none_is_500(rig: Rig, nginx: MakeNginx) -> None:
    server = nginx(passed("nonsense"))
    assert server.get("/").status == 500
    assert server.get("/alive").status == 204


def test_names_for_the_json_log(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    main, canary = endpoint("main"), endpoint("canary")
    pools = make_pool(1, listed([main])), make_pool(2, listed([canary]))
    split = rig.put(make_split(1, [(pools[0], 0), (pools[1], 50)]), *pools)
    ruled = passed(
        spec_of(split) + " r=letters", path="/ruled", more='set $letters $http_x_letters; add_header X-Said "$said";'
    )
    server = nginx(
        passed(spec_of(split), more='add_header X-Said "$said";') + ruled,
        http='map $host $serin_version { default ""; } map $host $serin_reason { default ""; } '
        'map $host $said { volatile; default "$serin_version $serin_reason $proxy_alternative_upstream_name"; }',
    )
    found = {server.get("/").headers["x-said"] for _ in range(20)}
    assert found == {"prod-main-80 weight ", "prod-canary-80 weight prod-canary-80"}
    for letters, said in (
        ("TP", "prod-canary-80 header prod-canary-80"),
        ("PT", "prod-canary-80 cookie prod-canary-80"),
        ("OP", "prod-main-80 header "),
    ):
        assert server.get("/ruled", X_Letters=letters).headers["x-said"] == said
    rig.put(make_split(1, [(pools[0], 0), (pools[1], 0)]))
    assert server.get("/").headers["x-said"] == "prod-main-80 default "


def test_an_external_name(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    """Its addresses come from state.bin; until there are any it has no endpoint."""
    end = endpoint("outside")
    spec = make_pool(1, 0).spec
    pool = Pool(spec, (), external="example.test", external_port=end.port)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    server = nginx(passed(spec_of(split)))
    assert server.get("/").status == 503
    ((name, cell),) = ExternalNames(rig.path).current().items()
    rig.state.put_name(cell, name, ["127.0.0.1"])
    assert server.get("/").text == "outside"


def test_an_ipv6_endpoint(rig: Rig, nginx: MakeNginx) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        pool = make_pool(1, [Endpoint("::1", listener.getsockname()[1])])
        server = nginx(passed(spec_of(rig.put(make_split(1, [(pool, 0)]), pool))))
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            link, _ = listener.accept()
            with link:
                assert link.recv(100).startswith(b"GET / HTTP/1.1\r\n")


def test_more_versions_than_there_is_room_for_are_left_out(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    split = one_pool(rig, endpoint("a"))
    more = (SpecVersion(f"{number:016x}", "n") for number in range(1, 400))
    spec = Spec(split.id, (SpecVersion(split.shares[0].ident, "n"), *more)).text()
    halves = spec[:3000], spec[3000:6000], spec[6000:]
    sets = "".join(f'set $serin "${{serin}}{half}";' for half in halves[1:])
    server = nginx(passed(halves[0], more=sets))
    assert set(server.names("/", 20)) == {"a"}


COUNTED = """upstream counted { server 0.0.0.1; balancer_by_lua_block {
    serin.entered = (serin.entered or 0) + 1
    serin.balance()
} }"""


def counted(spec: str) -> str:
    """A location whose requests are counted where they get as far as Lua, and one that says how many did."""
    told = "location /entered { content_by_lua_block { ngx.print(serin.entered or 0) } }"
    return passed(spec).replace("http://serin_http", "http://counted") + told


def test_plain_requests_do_not_get_as_far_as_lua(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    """But the first two: Lua reads what the location says, and learns that the log wants no names of versions."""
    server = nginx(counted(spec_of(one_pool(rig, endpoint("a"), endpoint("b")))), http=COUNTED)
    assert Counter(server.names("/", 40)) == {"a": 20, "b": 20}
    assert server.get("/entered").text == "2"


def test_a_failed_attempt_gets_as_far_as_lua(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    down, up = endpoint("down"), endpoint("up")
    server = nginx(counted(spec_of(one_pool(rig, down, up))), http=COUNTED)
    server.names("/", 3)
    before = int(server.get("/entered").text)
    down.refuse()
    down.close()
    assert set(server.names("/", 20)) == {"up"}
    assert 1 <= int(server.get("/entered").text) - before <= 3, "once for each failure, which put it out"


def test_a_log_with_the_version_asks_lua(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    spec = spec_of(one_pool(rig, endpoint("a")))
    server = nginx(
        counted(spec).replace("{ set", '{ set $serin_version ""; set $serin_reason ""; set', 1), http=COUNTED
    )
    assert server.names("/", 10) == ["a"] * 10
    assert server.get("/entered").text == "10"
