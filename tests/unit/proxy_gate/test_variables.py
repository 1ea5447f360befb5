"""nginx variables of hash keys and virtual hosts."""

import re
import time

import pytest

from serin.dataplane.proxy.exchange import Client, RequestHead
from serin.dataplane.proxy.variables import compile_parts
from serin.routing.variables import split_variables

CLIENT = Client("192.0.2.7", 40000, True, 443)
HEADERS = [
    (b"Host", b"Shop.Example:8443"),
    (b"X-User", b"ann"),
    (b"Cookie", b"a=1; Session=s 1 ; session=s2"),
    (b"X-Twice", b"one"),
    (b"x-twice", b"two"),
]
HEAD = RequestHead(
    method="GET",
    target=b"/p%41/x?id=7&Lang=de&id=8&flag",
    host="shop.example",
    host_header=b"Shop.Example:8443",
    http10=False,
    headers=HEADERS,
    lower=[name.lower() for name, _ in HEADERS],
    content_length=0,
    upgrade=b"",
    expect_continue=False,
)


def evaluate(text: str) -> bytes:
    return compile_parts(split_variables(text), {"namespace": b"ns1"})(HEAD, CLIENT, b"/pA/x")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$request_uri", b"/p%41/x?id=7&Lang=de&id=8&flag"),
        ("$uri", b"/pA/x"),
        ("$args", b"id=7&Lang=de&id=8&flag"),
        ("$query_string", b"id=7&Lang=de&id=8&flag"),
        ("$is_args", b"?"),
        ("$host", b"shop.example"),
        ("$http_host", b"Shop.Example:8443"),
        ("$remote_addr", b"192.0.2.7"),
        ("$remote_port", b"40000"),
        ("$server_port", b"443"),
        ("$scheme", b"https"),
        ("$https", b"on"),
        ("$request_method", b"GET"),
        ("$server_protocol", b"HTTP/1.1"),
        ("$http_x_user", b"ann"),
        ("$http_x_twice", b"one, two"),
        ("$http_absent", b""),
        ("$cookie_a", b"1"),
        ("$cookie_session", b"s 1 "),
        ("$cookie_absent", b""),
        ("$arg_id", b"7"),
        ("$arg_lang", b"de"),
        ("$arg_flag", b""),
        ("$namespace", b"ns1"),
        ("$no_such_thing", b""),
        ("plain text", b"plain text"),
        ("$namespace.$host/svc", b"ns1.shop.example/svc"),
        ("${namespace}x$scheme", b"ns1xhttps"),
        ("a$", b"a$"),
        ("", b""),
    ],
)
def test_variables_mean_what_nginx_means(text: str, value: bytes) -> None:
    assert evaluate(text) == value


def test_the_time_has_three_digits_behind_the_point() -> None:
    before = time.time()
    told = evaluate("t=${msec}").decode()
    assert re.fullmatch(r"t=[0-9]+\.[0-9]{3}", told)
    assert before - 0.001 <= float(told[2:]) <= time.time()
