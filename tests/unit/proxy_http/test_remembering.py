"""What is remembered of heads never changes what is read: with it and without it, the same."""

from collections.abc import Callable
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st
from unit.proxy_http.http_rig import free_page

from serin.dataplane.proxy.answers import AnswerReader
from serin.dataplane.proxy.connection_settings import ConnectionSettings
from serin.dataplane.proxy.heads import HeadReader, RefusedError, passed_lines
from serin.dataplane.proxy.intake import Intake
from serin.dataplane.proxy.parsers import BadHeadError
from serin.dataplane.proxy.upstream import endpoint_name

T = TypeVar("T")
SETTINGS = ConnectionSettings(page=free_page)
DROPS = [frozenset((b"x-a",)), frozenset((b"x-a", b"x-b")), frozenset[bytes]()]

request_lines = st.sampled_from(
    [
        b"GET / HTTP/1.1",
        b"POST /a?b HTTP/1.1",
        b"GET http://C.example/x HTTP/1.1",
        b"GET /old HTTP/1.0",
        b"TRACE / HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"PURGE /p HTTP/1.1",
    ]
)
request_fields = st.sampled_from(
    [
        b"Host: a.example",
        b"host: B.example:80",
        b"Host: a/b",
        b"X-A: 1",
        b"X-A: 2",
        b"x-b: 3",
        b"X_C: 4",
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Connection: x-a, keep-alive",
        b"Connection: upgrade",
        b"Upgrade: websocket",
        b"Expect: 100-continue",
        b"User-Agent: u",
        b"Referer: r",
        b"Bad : x",
    ]
)
answer_fields = st.sampled_from(
    [
        b"Content-Length: 5",
        b"Content-Length: 6",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Connection: x-b",
        b"X-A: 1",
        b"X-B: 2",
        b"Date: d",
        b"Upgrade: x",
        b"Bad : x",
        b"X: a\nb",
        b" folded",
        b"Set-Cookie: a",
    ]
)
heads = st.lists(st.tuples(request_lines, st.lists(request_fields, max_size=4), st.sampled_from(DROPS)), max_size=8)


def outcome(act: Callable[[], T]) -> T | str:
    try:
        return act()
    except RefusedError as refused:
        return f"refused {refused.status}"
    except BadHeadError:
        return "bad"


def read_request(intake: Intake, data: bytes, drop: frozenset[bytes]) -> tuple[object, ...]:
    head = intake.read(data, data.index(b"\r\n\r\n"))
    fields = intake.fields
    shown = (head.method, head.target, head.host, head.host_header, head.http10, tuple(head.headers), tuple(head.lower))
    framing = (head.content_length, head.upgrade, head.expect_continue, fields.persistent)
    return *shown, *framing, fields.referer, fields.user_agent, passed_lines(fields, drop)


@given(heads)
def test_requests(asked: list[tuple[bytes, list[bytes], frozenset[bytes]]]) -> None:
    kept = Intake(HeadReader(SETTINGS.header_line), SETTINGS)
    for line, fields, drop in asked:
        data = b"\r\n".join([line, *fields, b"", b""])
        fresh = Intake(HeadReader(SETTINGS.header_line), SETTINGS)
        expected = outcome(lambda d=data, n=drop, i=fresh: read_request(i, d, n))  # type: ignore[misc]
        assert outcome(lambda d=data, n=drop: read_request(kept, d, n)) == expected  # type: ignore[misc]
        assert kept.line == line


@given(
    st.lists(
        st.tuples(
            st.sampled_from((200, 204, 304, 101, 426)), st.lists(answer_fields, max_size=4), st.sampled_from(DROPS)
        )
    )
)
def test_answers(given_heads: list[tuple[int, list[bytes], frozenset[bytes]]]) -> None:
    def read(reader: AnswerReader, data: bytes, drop: frozenset[bytes]) -> tuple[object, ...]:
        answer = reader.read(data, drop)
        return answer.status, answer.lines, answer.length, answer.keep_alive, answer.dated

    kept = AnswerReader()
    for status, fields, drop in given_heads:
        data = b"\r\n".join([b"HTTP/1.1 %d X" % status, *fields, b"", b""])
        expected = outcome(lambda d=data, n=drop: read(AnswerReader(), d, n))  # type: ignore[misc]
        assert outcome(lambda d=data, n=drop: read(kept, d, n)) == expected  # type: ignore[misc]


def test_heads_that_never_repeat_are_kept_no_more() -> None:
    reader = AnswerReader()
    drop = DROPS[0]

    def read(number: int) -> bytes:
        return reader.read(b"HTTP/1.1 200 OK\r\nX: %d\r\n\r\n" % number, drop).lines

    for number in range(3000):
        assert read(number).endswith(b"X: %d\r\n" % number)
    assert reader.read(b"HTTP/1.1 200 OK\r\n\r\n", drop) is not reader.read(b"HTTP/1.1 200 OK\r\n\r\n", drop)
    for _ in range(20_000):
        read(1)
    assert reader.read(b"HTTP/1.1 200 OK\r\n\r\n", drop) is reader.read(b"HTTP/1.1 200 OK\r\n\r\n", drop)


def test_endpoints_are_named_as_nginx_names_them() -> None:
    assert endpoint_name("10.0.0.1", 80) == "10.0.0.1:80"
    assert endpoint_name("fd00::1", 8080) == "[fd00::1]:8080"
