"""Lines of a user's log format, byte for byte as nginx writes them."""

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.compile.annotations.log_formats import VARIABLES
from serin.telemetry.access_log import AccessLog, local_time, upstreaminfo
from serin.telemetry.log_format import compile_format, iso_with_offset
from serin.telemetry.log_variables import _VARIABLES, UNKNOWN

UPSTREAMINFO = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    "$request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr "
    "$upstream_response_length $upstream_response_time $upstream_status $req_id"
)
SECOND = 1_795_288_000


@dataclass
class Fields:
    headers: list[tuple[bytes, bytes]]

    @property
    def lower(self) -> list[bytes]:
        return [name.lower() for name, _ in self.headers]


@dataclass
class Client:
    address: str = "192.0.2.1"
    port: int = 4711
    tls: bool = True
    server_port: int = 443


@dataclass
class Context:
    namespace: str = "prod"
    ingress: str = "shop"
    service: str = "web"
    port: str = "80"
    upstream: str = "prod-web-80"
    alternative: str = ""
    version: str = "web"
    reason: str = "default"
    remote_user: str = ""
    request_id: str = "0b5a"


@dataclass
class Attempt:
    address: str = "10.0.0.9:80"
    length: int = 0
    seconds: float = 0.5
    status: int = 502


@dataclass
class Exchange:
    remote_addr: str = "192.0.2.1"
    request: bytes = b"GET /a%20b?x=1&Y=2 HTTP/1.1"
    status: int = 200
    body_bytes: int = 12
    request_length: int = 80
    request_time: float = 1.2345
    referer: bytes | None = None
    user_agent: bytes | None = b"curl/8"
    host: str = "shop.example.com"
    upstream_addr: str = "10.0.0.1:8080"
    upstream_length: int = 13
    upstream_time: float = 0.0119
    upstream_status: int = 200
    log: Context = field(default_factory=Context)
    earlier: tuple[Attempt, ...] = ()
    fields: Fields | None = None
    client: Client | None = field(default_factory=Client)


def made(text: str, exchange: Exchange | None = None, *, escape_json: bool = False) -> str:
    return compile_format(text, escape_json=escape_json)(exchange or Exchange(), SECOND).removesuffix("\n")


def with_headers(*headers: tuple[bytes, bytes]) -> Exchange:
    return Exchange(fields=Fields(list(headers)))


agents = st.none() | st.binary(max_size=40)


@given(
    referer=agents,
    agent=agents,
    user=st.text(max_size=9),
    retried=st.booleans(),
    asked=st.booleans(),
    seconds=st.floats(0, 900),
    status=st.integers(100, 599),
)
def test_ingress_nginx_s_own_format_as_the_log_has_it(
    referer: bytes | None,
    agent: bytes | None,
    user: str,
    retried: bool,
    asked: bool,
    seconds: float,
    status: int,
) -> None:
    headers = [(name, value) for name, value in ((b"Referer", referer), (b"user-agent", agent)) if value is not None]
    exchange = Exchange(
        referer=referer,
        user_agent=agent,
        request_time=seconds,
        status=status,
        upstream_addr="10.0.0.1:8080" if asked else "",
        log=Context(remote_user=user, alternative="prod-web-v2-80"),
        earlier=(Attempt(),) if retried and asked else (),
        fields=Fields(headers),
    )
    assert made(UPSTREAMINFO, exchange) + "\n" == upstreaminfo(exchange, local_time(SECOND))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("$namespace/$ingress_name $service_name:$service_port", "prod/shop web:80"),
        ("${the_real_ip}x", "192.0.2.1x"),
        (
            "$request_method|$request_uri|$uri|$args|$is_args|$server_protocol",
            "GET|/a%20b?x=1&Y=2|/a%20b|x=1&Y=2|?|HTTP/1.1",
        ),
        ("$arg_x $arg_y $arg_z", "1 2 -"),
        ("$scheme $https $remote_port $server_port $pass_server_port", "https on 4711 443 443"),
        ("$host $HOST $request_time $upstream_response_time", "shop.example.com shop.example.com 1.234 0.011"),
        ("[$proxy_alternative_upstream_name] $remote_user", "[] -"),
        ("$ssl_cipher $upstream_header_time", "- -"),
        ("100%", "100%"),
    ],
)
def test_values(text: str, line: str) -> None:
    assert made(text) == line


def test_attempts_are_joined_as_nginx_joins_them() -> None:
    exchange = Exchange(earlier=(Attempt(), Attempt("10.0.0.8:80", 0, 0.2, 0)))
    assert made("$upstream_addr|$upstream_status|$upstream_response_time", exchange) == (
        "10.0.0.9:80, 10.0.0.8:80, 10.0.0.1:8080|502, -, 200|0.500, 0.200, 0.011"
    )


def test_headers_and_cookies() -> None:
    exchange = with_headers(
        (b"X-Tag", b"a"), (b"x-tag", b"b"), (b"Cookie", b"one=1; TWO=2"), (b"X-Forwarded-For", b"198.51.100.7")
    )
    assert made("$http_x_tag|$http_none|$cookie_two|$cookie_three", exchange) == "a, b|-|2|-"
    assert made("$proxy_add_x_forwarded_for", exchange) == "198.51.100.7, 192.0.2.1"


def test_an_absolute_target() -> None:
    assert made("$request_uri", Exchange(request=b"GET http://h/a?b HTTP/1.1")) == "/a?b"


def test_a_request_that_was_none() -> None:
    exchange = Exchange(request=b"", client=None, upstream_addr="", host="")
    assert made("$request|$request_method|$scheme|$upstream_addr|$host", exchange) == "-|-|-|-|-"
    assert made('{"a":"$request","b":"$host"}', exchange, escape_json=True) == '{"a":"","b":""}'


def test_the_usual_escapes() -> None:
    exchange = with_headers((b"X-A", b'"\\\x01\x7f\xe4 ~'))
    assert made("$http_x_a", exchange) == r"\x22\x5C\x01\x7F\xE4 ~"


def test_escapes_of_json() -> None:
    exchange = with_headers((b"X-A", b'"\\\b\f\n\r\t\x01\x1f\x7f\xe4/'))
    assert made("$http_x_a", exchange, escape_json=True) == '\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001F\x7f\xe4/'


@given(st.binary(max_size=60))
def test_no_value_breaks_a_line_of_json(value: bytes) -> None:
    line = made('{"a":"$http_x_a"}', with_headers((b"X-A", value)), escape_json=True)
    assert "\n" not in line
    assert json.loads(line)["a"] == value.decode("latin-1")


def test_time_as_nginx_writes_it() -> None:
    assert made("$time_iso8601") == iso_with_offset(SECOND)
    assert made("$time_local") == local_time(SECOND)


def test_every_variable_that_is_taken_is_known_here() -> None:
    times = {"time_local", "time_iso8601", "date_local", "date_gmt"}
    assert VARIABLES - times - set(_VARIABLES) == UNKNOWN


def test_lines_reach_the_log_as_bytes() -> None:
    blocks: list[bytes] = []
    log = AccessLog(blocks.append, lambda seconds, act: None, clock=lambda: SECOND)
    log.use(compile_format("$http_x_a", escape_json=True))
    log.add(with_headers((b"X-A", "ä".encode())))
    log.use(None)
    log.add(Exchange())
    log.flush()
    first, second, _ = blocks[0].split(b"\n")
    assert first == "ä".encode()
    assert second.startswith(b"192.0.2.1 - - [")
