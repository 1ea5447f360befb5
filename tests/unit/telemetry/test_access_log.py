"""The access log's lines are nginx's, byte for byte."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.dataplane.proxy.completed import Attempt, Completed
from serin.dataplane.proxy.exchange import LogContext
from serin.telemetry.access_log import AccessLog, LogFormat, iso_time, json_line, local_time, quote, upstreaminfo

STAMP = "21/Nov/2026:08:21:24 +0000"


def context(**changes: str) -> LogContext:
    given_by_route: dict[str, Any] = {
        "namespace": "prod",
        "ingress": "shop",
        "service": "web",
        "port": "80",
        "upstream": "prod-web-80",
        "version": "web",
        "reason": "weight",
        "request_id": "af3",
    }
    return LogContext(**{**given_by_route, **changes})


def completed(**changes: Any) -> Completed:
    usual: dict[str, Any] = {
        "remote_addr": "192.0.2.1",
        "request": b"GET /a?b=c HTTP/1.1",
        "status": 200,
        "body_bytes": 12,
        "request_length": 80,
        "request_time": 0.0129,
        "log": context(),
        "user_agent": b"curl/8",
        "upstream_addr": "10.0.0.1:8080",
        "upstream_length": 13,
        "upstream_time": 0.011,
        "upstream_status": 200,
    }
    return Completed(**{**usual, **changes})


def test_line_of_a_proxied_request() -> None:
    assert upstreaminfo(completed(), STAMP) == (
        '192.0.2.1 - - [21/Nov/2026:08:21:24 +0000] "GET /a?b=c HTTP/1.1" 200 12 "-" "curl/8" 80 0.012 '
        "[prod-web-80] [] 10.0.0.1:8080 13 0.011 200 af3\n"
    )


def test_line_of_a_canary_with_user_and_referer() -> None:
    log = context(alternative="prod-web-v2-80", remote_user="ann")
    line = upstreaminfo(completed(log=log, referer=b"http://x/"), STAMP)
    assert line == (
        '192.0.2.1 - ann [21/Nov/2026:08:21:24 +0000] "GET /a?b=c HTTP/1.1" 200 12 "http://x/" "curl/8" 80 0.012 '
        "[prod-web-80] [prod-web-v2-80] 10.0.0.1:8080 13 0.011 200 af3\n"
    )


def test_line_without_an_upstream_or_a_request_line() -> None:
    bare = completed(request=b"", status=400, log=LogContext(), user_agent=None, upstream_addr="", request_time=0.0)
    assert upstreaminfo(bare, STAMP).endswith('] "-" 400 12 "-" "-" 80 0.000 [] [] - - - - -\n')


def test_attempts_are_joined_as_nginx_joins_them() -> None:
    tried = (Attempt("10.0.0.9:80", 0, 0.001, 502), Attempt("10.0.0.8:80", 0, 5.0001, 504))
    line = upstreaminfo(completed(earlier=tried), STAMP)
    assert " 10.0.0.9:80, 10.0.0.8:80, 10.0.0.1:8080 0, 0, 13 0.001, 5.000, 0.011 502, 504, 200 af3\n" in line


def test_all_attempts_failed_and_no_status_is_known() -> None:
    line = upstreaminfo(completed(status=502, upstream_status=0, upstream_length=0), STAMP)
    assert line.endswith(" 10.0.0.1:8080 0 0.011 - af3\n")


def test_header_that_is_there_but_empty_is_empty() -> None:
    assert '200 12 "" "" 80' in upstreaminfo(completed(referer=b"", user_agent=b""), STAMP)


@pytest.mark.parametrize(
    ("raw", "quoted"),
    [
        (b'a"b', r"a\x22b"),
        (b"a\\b", r"a\x5Cb"),
        (b"\x00\x1f \x7e\x7f", r"\x00\x1F ~\x7F"),
        ("ü".encode(), r"\xC3\xBC"),
        (b"\x16\x03\x01", r"\x16\x03\x01"),
    ],
)
def test_quoting_is_nginx_default(raw: bytes, quoted: str) -> None:
    assert quote(raw) == quoted
    assert f'"{quoted}"' in upstreaminfo(completed(request=raw), STAMP)
    assert f'"{quoted}"' in upstreaminfo(completed(user_agent=raw), STAMP)


@given(request=st.binary(), agent=st.none() | st.binary(), referer=st.none() | st.binary(), user=st.text())
def test_no_input_breaks_a_line(request: bytes, agent: bytes | None, referer: bytes | None, user: str) -> None:
    e = completed(request=request, user_agent=agent, referer=referer, log=context(remote_user=user))
    line = upstreaminfo(e, STAMP)
    assert line.isascii()
    assert line.count("\n") == 1
    assert line.count('"') == 6
    assert json.loads(json_line(e, "t"))["remote_user"] == user


def test_json_names_version_and_reason() -> None:
    line = json.loads(json_line(completed(request=b'GET /"\xff HTTP/1.1', host="shop.example"), "2026-11-21T08:21:24Z"))
    assert line == {
        "time": "2026-11-21T08:21:24Z",
        "remote_addr": "192.0.2.1",
        "remote_user": "",
        "host": "shop.example",
        "request": 'GET /"\\xff HTTP/1.1',
        "status": 200,
        "body_bytes_sent": 12,
        "referer": "",
        "user_agent": "curl/8",
        "request_length": 80,
        "request_time": 0.012,
        "namespace": "prod",
        "ingress": "shop",
        "service": "web",
        "service_port": "80",
        "version": "web",
        "reason": "weight",
        "upstream_addr": "10.0.0.1:8080",
        "upstream_response_length": 13,
        "upstream_response_time": 0.011,
        "upstream_status": 200,
        "request_id": "af3",
    }


def test_json_lists_earlier_attempts() -> None:
    line = json.loads(json_line(completed(earlier=(Attempt("10.0.0.9:80", 0, 0.0015, 502),)), "t"))
    assert line["attempts"] == [{"addr": "10.0.0.9:80", "length": 0, "time": 0.001, "status": 502}]


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("UTC", "21/Nov/2026:08:21:24 +0000"),
        ("EST+5", "21/Nov/2026:03:21:24 -0500"),
        ("NPT-5:45", "21/Nov/2026:14:06:24 +0545"),
    ],
)
def test_local_time_carries_the_zone(zone: pytest.MonkeyPatch, name: str, text: str) -> None:
    zone.setenv("TZ", name)
    time.tzset()
    assert local_time(1795249284) == text
    assert iso_time(1795249284) == "2026-11-21T08:21:24Z"


class Gathered:
    """Stands in for the event loop and the sink."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.timers: list[Any] = []
        self.now = 1795249284.5

    def later(self, seconds: float, call: Any) -> None:
        assert seconds == 1.0
        self.timers.append(call)

    def log(self, log_format: LogFormat = LogFormat.UPSTREAMINFO) -> AccessLog:
        return AccessLog(self.blocks.append, self.later, log_format=log_format, clock=lambda: self.now)


def test_lines_are_gathered_until_the_timer() -> None:
    g = Gathered()
    log = g.log()
    log.add(completed())
    log.add(completed())
    assert g.blocks == []
    assert len(g.timers) == 1
    g.timers.pop()()
    assert len(g.blocks) == 1
    assert g.blocks[0].count(b"\n") == 2
    log.flush()
    assert len(g.blocks) == 1


def test_a_full_block_does_not_wait() -> None:
    g = Gathered()
    log = g.log()
    for _ in range(400):
        log.add(completed(request=b"GET /" + b"x" * 400))
    assert g.blocks
    assert 65536 <= len(g.blocks[0]) < 65536 + 1000


def test_stamp_moves_with_the_clock() -> None:
    g = Gathered()
    log = g.log(LogFormat.JSON)
    log.add(completed())
    g.now += 1
    log.add(completed())
    log.flush()
    times = [json.loads(line)["time"] for line in g.blocks[0].splitlines()]
    assert times == ["2026-11-21T08:21:24Z", "2026-11-21T08:21:25Z"]
