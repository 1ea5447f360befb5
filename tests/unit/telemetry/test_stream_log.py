"""Lines of TCP and UDP in the proxy's access log: nginx's variables of a session that is over."""

import re

import pytest

from serin.compile.annotations.log_formats import STREAM_VARIABLES
from serin.dataplane.proxy.stream_session import EndpointTry, StreamSession
from serin.routing.stream_log import DEFAULT, JSON
from serin.telemetry.log_format import compile_format
from serin.telemetry.stream_variables import stream_reader

TIMES = {"time_local", "time_iso8601"}
NOT_HERE = {"connection", "nginx_version"}


def session() -> StreamSession:
    failed = EndpointTry("10.0.0.1:80", ended=0.25)
    served = EndpointTry("[fd00::1]:80", connected=0.001, first_byte=0.5, ended=2.0, sent=10, received=20)
    made = StreamSession("TCP", ("203.0.113.7", 4711), ("192.0.2.1", 5432), "tcp-shop-db-80")
    made.sent, made.received, made.seconds, made.tries = 20, 10, 2.3456, [failed, served]
    return made


def line(text: str, of: StreamSession, *, escape_json: bool = False) -> str:
    return compile_format(text, escape_json=escape_json, readers=stream_reader)(of, 0)


def test_the_usual_line() -> None:
    assert re.fullmatch(
        r"\[203\.0\.113\.7\] \[\d\d/\w{3}/19\d\d:[\d:]{8} [+-]\d{4}\] TCP 200 20 10 2\.345\n", line(DEFAULT, session())
    )


def test_endpoints_have_a_value_each() -> None:
    text = "$upstream_addr $upstream_connect_time $upstream_first_byte_time $upstream_session_time"
    text += " $upstream_bytes_sent $upstream_bytes_received"
    expected = "10.0.0.1:80, [fd00::1]:80 -, 0.001 -, 0.500 0.250, 2.000 0, 10 0, 20\n"
    assert line(text, session()) == expected
    nobody = StreamSession("UDP", ("203.0.113.7", 1), ("192.0.2.1", 53), "udp-shop-dns-53")
    assert line("$upstream_addr $ssl_preread_server_name $proxy_protocol_addr", nobody) == "- - -\n"


def test_json_has_values_that_json_can_read() -> None:
    assert '"upstream":"tcp-shop-db-80","upstream_addr":"10.0.0.1:80, [fd00::1]:80"}' in line(
        JSON, session(), escape_json=True
    )


@pytest.mark.parametrize("name", sorted(STREAM_VARIABLES - TIMES - NOT_HERE))
def test_every_variable_that_a_format_may_name_is_known(name: str) -> None:
    found = session()
    found.told, found.server_name = True, "db.example"
    assert stream_reader(name)(found) is not None
