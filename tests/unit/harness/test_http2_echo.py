"""The HTTP/2 backend and client of the tests, one against the other."""

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator

import pytest
from harness.backends import PLAIN_PORTS, TLS_PORT, Backends
from harness.http2 import STREAM_PATH, Client, grpc_message
from harness.wire import Door, Request


@pytest.fixture
def backends() -> Iterator[Backends]:
    made = Backends({"10.99.0.11": "main"})
    yield made
    made.close()


def door(backends: Backends) -> Door:
    address = backends.network.loopback("10.99.0.11")
    return Door((address, PLAIN_PORTS[0]), (address, TLS_PORT))


def test_answers_over_tls_like_over_http1(backends: Backends) -> None:
    by_2, by_1 = (
        door(backends).send(Request(host="a.example", path="/p?q=1", tls=True, http2=h)) for h in (True, False)
    )
    assert by_2.status == by_1.status == 200
    assert by_2.first("x-echo-backend") == "main"
    told = [json.loads(reply.body) for reply in (by_2, by_1)]
    assert [t["proto"] for t in told] == ["HTTP/2.0", "HTTP/1.1"]
    assert told[0]["uri"] == told[1]["uri"] == "/p?q=1"
    assert told[0]["host"] == told[1]["host"] == "a.example"


@pytest.mark.parametrize("tls", [True, False])
def test_call_that_streams_both_ways(backends: Backends, tls: bool) -> None:
    with contextlib.closing(Client(connected(door(backends), tls=tls))) as client:
        stream = client.open("a.example", STREAM_PATH, headers=[("content-type", "application/grpc")])
        for word in (b"one", b"two"):
            client.send(stream, grpc_message(word))
            assert client.read(stream, 8) == grpc_message(word)
        client.send(stream, end=True)
        assert client.finish(stream) == b""
        assert dict(client.trailers[stream])["grpc-status"] == "0"


def connected(at: Door, *, tls: bool) -> socket.socket:
    connection = at.connect(tls=tls, server_name="a.example", alpn="h2")
    if isinstance(connection, ssl.SSLSocket):
        assert connection.selected_alpn_protocol() == "h2"
    return connection
