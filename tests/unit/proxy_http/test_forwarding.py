"""What the endpoint gets of a request and the client of an answer."""

import pytest
from unit.proxy_http.http_rig import ANSWER, HOST, Rig, always, answering, until


def lines(head: bytes) -> list[str]:
    return head.decode("latin-1").split("\r\n")[:-2]


async def test_headers_keep_their_order_and_case(rig: Rig) -> None:
    reply = await rig.ask(f"GET /a?b=%20c HTTP/1.1\r\nx-One: 1\r\n{HOST}X-TWO:  2 \r\nx-one: 3\r\n\r\n")
    assert reply.status == 200
    assert reply.body == b"ok"
    assert lines(rig.endpoint.requests[0]) == [
        "GET /a?b=%20c HTTP/1.1",
        "Host: a.example",
        "x-One: 1",
        "X-TWO: 2",
        "x-one: 3",
        "X-Real-IP: 127.0.0.1",
    ]


async def test_hop_by_hop_and_dropped_headers_stay_behind(rig: Rig) -> None:
    await rig.ask(
        f"GET / HTTP/1.1\r\n{HOST}Connection: keep-alive, X-Mine\r\nKeep-Alive: 5\r\nX-Mine: 1\r\nTE: trailers\r\n"
        "Trailer: x\r\nProxy-Connection: close\r\nProxy-Authorization: p\r\nX-Real-IP: 9.9.9.9\r\nbad_name: 1\r\n"
        "Upgrade: h2c\r\nHTTP2-Settings: a\r\nX-Kept: 1\r\n\r\n"
    )
    assert lines(rig.endpoint.requests[0])[2:] == ["HTTP2-Settings: a", "X-Kept: 1", "X-Real-IP: 127.0.0.1"]


async def test_connection_cannot_take_the_length_away(rig: Rig) -> None:
    async def script(visit):  # type: ignore[no-untyped-def]
        await visit.request()
        assert await visit.read(5) == b"hello"
        await visit.send(ANSWER)

    rig.endpoint.script = script
    reply = await rig.ask(
        f"POST / HTTP/1.1\r\n{HOST}Connection: Content-Length, Host\r\nContent-Length: 5\r\n\r\nhello"
    )
    assert reply.status == 200
    assert "Content-Length: 5" in lines(rig.endpoint.requests[0])


@pytest.mark.parametrize("method", ["PURGE", "PROPFIND", "M-SEARCH", "DELETE"])
async def test_any_method_is_passed_on(rig: Rig, method: str) -> None:
    assert (await rig.ask(f"{method} /p HTTP/1.1\r\n{HOST}\r\n")).status == 200
    assert rig.endpoint.requests[0].startswith(method.encode() + b" /p HTTP/1.1\r\n")
    assert rig.heads[0].method == method


async def test_targets_beyond_ascii_are_passed_on(rig: Rig) -> None:
    target = "/k\xc3\xa4se?\xff"
    assert (await rig.ask(f"GET {target} HTTP/1.1\r\n{HOST}\r\n")).status == 200
    assert (await rig.ask(f"GET http://a.example{target} HTTP/1.1\r\n{HOST}\r\n")).status == 200
    sent = [lines(request)[0].split(" ")[1] for request in rig.endpoint.requests]
    assert sent == [target, target]


async def test_headers_with_odd_names_stay_behind(rig: Rig) -> None:
    await rig.ask(f"GET / HTTP/1.1\r\n{HOST}X_Under: 1\r\nX.Dot: 1\r\nX-Dash-1: 1\r\nX+: 1\r\n\r\n")
    names = [line.partition(":")[0] for line in lines(rig.endpoint.requests[0])]
    assert [name for name in names if name.startswith("X")] == ["X-Dash-1", "X-Real-IP"]


async def test_absolute_target_decides_the_host(rig: Rig) -> None:
    await rig.ask("GET http://Path-Raw.example:81/abs?x=1 HTTP/1.1\r\nHost: other.example\r\n\r\n")
    assert rig.heads[0].host == "path-raw.example"
    assert rig.heads[0].host_header == b"other.example"
    assert lines(rig.endpoint.requests[0])[:2] == ["GET /abs?x=1 HTTP/1.1", "Host: other.example"]
    await rig.ask("GET http://b.example?y HTTP/1.1\r\nHost: b.example\r\n\r\n")
    assert rig.heads[1].target == b"/?y"


async def test_http10(rig: Rig) -> None:
    caller = await rig.call("GET /old HTTP/1.0\r\n\r\n")
    reply = await caller.answer()
    assert reply.headers["connection"] == "close"
    assert await caller.read_to_end() == b""
    assert rig.heads[0].host == ""
    assert rig.heads[0].http10
    assert rig.endpoint.requests[0].startswith(b"GET /old HTTP/1.1\r\n")
    caller = await rig.call()
    for _ in range(2):
        reply = await caller.ask(f"GET / HTTP/1.0\r\n{HOST}Connection: Keep-Alive\r\n\r\n")
        assert reply.headers["connection"] == "keep-alive"


async def test_host_is_reduced_to_its_name(rig: Rig) -> None:
    caller = await rig.call()
    for sent, host in (("A.Example.:8080", "a.example"), ("[::1]:80", "[::1]"), ("a.example:text", "a.example")):
        await caller.ask(f"GET / HTTP/1.1\r\nHost: {sent}\r\n\r\n")
        assert rig.heads[-1].host == host
        assert rig.heads[-1].host_header == sent.encode()


async def test_answer_headers(rig: Rig) -> None:
    rig.endpoint.script = always(
        b"HTTP/1.1 201 Made It\r\nServer: x\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nX-Accel-Redirect: /x\r\n"
        b"Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    rig.forward_options = {"answer_prelude": b"X-Own: 1\r\n", "on_choice": lambda choice: b"Set-Cookie: c=3\r\n"}
    reply = await rig.ask(f"GET / HTTP/1.1\r\n{HOST}\r\n")
    assert reply.head.startswith(b"HTTP/1.1 201 Made It\r\n")
    assert reply.headers == {
        "date": "Thu, 01 Jan 1970 00:00:00 GMT",
        "set-cookie": "a=1, b=2, c=3",
        "content-length": "0",
        "connection": "keep-alive",
        "x-own": "1",
    }


async def test_answers_without_date_get_one(rig: Rig) -> None:
    assert (await rig.ask(f"GET / HTTP/1.1\r\n{HOST}\r\n")).headers["date"].endswith(" GMT")


async def test_gate_answers_itself(rig: Rig) -> None:
    rig.gate = answering(302, headers=[(b"Location", b"/x")])
    caller = await rig.call()
    reply = await caller.ask(f"GET / HTTP/1.1\r\n{HOST}\r\n")
    assert reply.head.startswith(b"HTTP/1.1 302 Moved Temporarily\r\n")
    assert (reply.headers["location"], reply.headers["content-type"], reply.body) == ("/x", "text/html", b"own")
    reply = await caller.ask(f"HEAD / HTTP/1.1\r\n{HOST}\r\n", "HEAD")
    assert reply.headers["content-length"] == "3"
    assert not rig.endpoint.visits
    assert [(r.status, r.body_bytes) for r in rig.records] == [(302, 3), (302, 0)]


async def test_gate_may_wait_and_may_fail(rig: Rig) -> None:
    async def later(head, client):  # type: ignore[no-untyped-def]
        if head.target == b"/bad":
            raise ValueError(head.target)
        return rig.forward(head, client)

    rig.gate = later
    caller = await rig.call(f"GET / HTTP/1.1\r\n{HOST}\r\nGET /bad HTTP/1.1\r\n{HOST}\r\n")
    assert (await caller.answer()).body == b"ok"
    assert (await caller.answer()).status == 500

    def broken(head, client):  # type: ignore[no-untyped-def]
        raise ValueError(head)

    rig.gate = broken
    assert (await rig.ask(f"GET / HTTP/1.1\r\n{HOST}\r\n")).status == 500


async def test_record(rig: Rig) -> None:
    caller = await rig.call()
    request = f"GET /r HTTP/1.1\r\n{HOST}User-Agent: t/1\r\nReferer: here\r\n\r\n"
    await caller.ask(request)
    await until(lambda: rig.records, "the record")
    record = rig.records[0]
    assert (record.remote_addr, record.request, record.status, record.body_bytes) == (
        "127.0.0.1",
        b"GET /r HTTP/1.1",
        200,
        2,
    )
    assert (record.request_length, record.referer, record.user_agent) == (len(request), b"here", b"t/1")
    assert (record.upstream_addr, record.upstream_length, record.upstream_status) == (
        f"127.0.0.1:{rig.endpoint.port}",
        2,
        200,
    )
    assert 0 < record.upstream_time <= record.request_time
    assert rig.choices[0].finished == [(200, False)]


async def test_kept_blocks_are_read_anew_when_they_change(rig: Rig) -> None:
    """The header block is remembered: method, target and host of each request must still be its own."""
    caller = await rig.call()
    asked = [
        ("GET /1", "a.example", "x"),
        ("POST /2", "a.example", "x"),
        ("GET /3", "b.example", "x"),
        ("GET /4", "b.example", "y"),
        ("HEAD /5", "b.example", "y"),
        ("GET http://c.example/6", "b.example", "y"),
        ("GET /7", "b.example", "y"),
    ]
    for start, host, value in asked:
        await caller.ask(f"{start} HTTP/1.1\r\nHost: {host}\r\nX-V: {value}\r\n\r\n", start.split(" ")[0])
    assert [(h.method, h.target, h.host, h.get(b"x-v")) for h in rig.heads] == [
        ("GET", b"/1", "a.example", b"x"),
        ("POST", b"/2", "a.example", b"x"),
        ("GET", b"/3", "b.example", b"x"),
        ("GET", b"/4", "b.example", b"y"),
        ("HEAD", b"/5", "b.example", b"y"),
        ("GET", b"/6", "c.example", b"y"),
        ("GET", b"/7", "b.example", b"y"),
    ]
    rig.forward_options = {"drop": frozenset((b"x-v",))}
    await caller.ask("GET /8 HTTP/1.1\r\nHost: b.example\r\nX-V: y\r\n\r\n")
    assert b"X-V" in rig.endpoint.requests[-2]
    assert b"X-V" not in rig.endpoint.requests[-1]


async def test_kept_answers_are_read_anew_for_other_names(rig: Rig) -> None:
    rig.endpoint.script = always(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nX-B: 2\r\nContent-Length: 0\r\n\r\n")
    caller = await rig.call()
    for dropped in ("x-a", "x-b", "x-b", "x-a"):
        rig.forward_options = {"answer_drop": frozenset((dropped.encode(),))}
        reply = await caller.ask(f"GET / HTTP/1.1\r\n{HOST}\r\n")
        assert {"x-a", "x-b"} - reply.names == {dropped}
