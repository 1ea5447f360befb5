"""The case runner's comparison finds what it is there to find."""

from typing import Any

import pytest
from harness.compare import differences
from harness.observe import describe, listed_headers
from harness.wire import Reply, request_of


def found(expected: dict[str, Any], seen: dict[str, Any], within: int | None = None, listed: bool = False) -> list[str]:
    return [line.partition(":")[0] for line in differences(expected, seen, within=within, listed=listed)]


@pytest.mark.parametrize(
    ("expected", "seen", "names"),
    [
        ({"status": 200}, {"status": 200}, []),
        ({"status": 200}, {"status": 404}, ["status"]),
        ({"status": 404}, {"status": 404, "backend": "main"}, ["backend"]),
        ({"status": 200, "backend": "main", "uri": "/"}, {"status": 200}, ["backend", "uri"]),
        ({"status": 200}, {"status": 200, "error": "reset"}, ["error"]),
        ({"status": 200}, {"status": 200, "backend_host": "other"}, ["backend_host"]),
        ({"status": 200, "same_backend": True}, {"status": 200, "same_backend": False}, ["same_backend"]),
        ({"status": 200, "headers": {"a": "1"}}, {"status": 200, "headers": {"a": "1", "b": "2"}}, ["headers.b"]),
        ({"status": 200, "headers": {"a": "1"}}, {"status": 200}, ["headers.a"]),
        ({"status": 200, "sent": {"x": None}}, {"status": 200, "sent": {"x": "1"}}, ["sent.x"]),
        ({"counts": {"200 main": 5}}, {"status": 200}, ["status", "counts of 200 main"]),
    ],
)
def test_what_differs_is_named(expected: dict[str, Any], seen: dict[str, Any], names: list[str]) -> None:
    assert found(expected, seen) == names


def test_only_listed_headers_count_where_a_file_says_so() -> None:
    expected, seen = {"headers": {"a": "1"}}, {"headers": {"a": "1", "b": "2"}}
    assert found(expected, seen, listed=True) == []
    assert found(expected, {"headers": {"a": "2"}}, listed=True) == ["headers.a"]


@pytest.mark.parametrize(
    ("expected", "seen", "fits"),
    [
        ({"200 main": 90, "200 canary": 10}, {"200 main": 88, "200 canary": 12}, True),
        ({"200 main": 90, "200 canary": 10}, {"200 main": 50, "200 canary": 50}, False),
        ({"200 main": 100}, {"200 main": 99, "502 -": 1}, False),
        ({"200 main": 100}, {"200 main": 70, "200 canary": 30}, False),
        ({"200 s2": 30}, {"200 s1": 30}, True),
        ({"200 s2": 30}, {"200 s1": 15, "200 s2": 15}, False),
        ({"200 s2": 30}, {"200 other": 30}, False),
        ({"200 main": 10}, {}, False),
    ],
)
def test_counts_are_samples(expected: dict[str, int], seen: dict[str, int], fits: bool) -> None:
    assert (found({"counts": expected}, {"counts": seen}) == []) is fits


def test_within_bounds_each_count() -> None:
    expected = {"counts": {"200 main": 90, "200 canary": 10}}
    assert found(expected, {"counts": {"200 main": 89, "200 canary": 11}}, within=1) == []
    assert len(found(expected, {"counts": {"200 main": 88, "200 canary": 12}}, within=1)) == 2
    assert len(found(expected, {"counts": {"200 main": 90, "200 canary": 9, "502 -": 2}}, within=1)) == 1


def test_random_values_have_placeholders() -> None:
    reply = Reply(200, (("x-request-id", "0" * 32), ("set-cookie", "a=b; Path=/; Expires=Thu, 01"), ("date", "now")))
    assert listed_headers(reply, echoed=False) == {
        "x-request-id": "{hex32}",
        "set-cookie": "a={value}; Path=/; Expires={date}",
    }


def test_a_lost_answer_is_an_error() -> None:
    assert describe({"host": "a"}, Reply(0, error="ConnectionResetError")) == {
        "status": 0,
        "error": "ConnectionResetError",
    }


def test_requests_are_sent_as_written() -> None:
    spec = {"host": "A.example", "path": "/{x*3}", "headers": [["x", "1"], ["x", "2"]], "cookies": {"a": "b"}}
    assert request_of(spec, method="POST", body="hi").encode() == (
        b"POST /xxx HTTP/1.1\r\nHost: A.example\r\nx: 1\r\nx: 2\r\nCookie: a=b\r\nContent-Length: 2\r\n\r\nhi"
    )
