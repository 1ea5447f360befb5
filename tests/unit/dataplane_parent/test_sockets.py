"""Ports are opened once for each worker, and a port that cannot be had is named."""

import socket

import pytest

from serin.dataplane.sockets import bind_socket, listen_addresses, open_listeners
from serin.errors import UsageError


def test_workers_share_the_ports() -> None:
    listeners = open_listeners("127.0.0.1", 0, 0, workers=3)
    try:
        assert len(listeners.workers) == 3
        http = {sock.getsockname() for worker in listeners.workers for sock in worker.http}
        https = {sock.getsockname() for worker in listeners.workers for sock in worker.https}
        assert http == {("127.0.0.1", listeners.http_port)}
        assert https == {("127.0.0.1", listeners.https_port)}
        assert listeners.http_port != listeners.https_port
    finally:
        listeners.close()


def test_nobody_gets_in_before_listen() -> None:
    listeners = open_listeners("127.0.0.1", 0, 0, workers=2)
    try:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", listeners.http_port))
        listeners.listen()
        socket.create_connection(("127.0.0.1", listeners.http_port)).close()
    finally:
        listeners.close()


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_in_use_is_named_even_if_its_user_shares(*, shared: bool) -> None:
    with socket.socket() as other:
        if shared:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        text = f"port {port} on 127.0.0.1 is in use by another process; choose another with --https-port"
        with pytest.raises(UsageError, match=text):
            open_listeners("127.0.0.1", 0, port, workers=2)


@pytest.mark.parametrize(
    ("bind", "text"),
    [
        ("example.com", "--bind example.com: expected IP addresses separated by commas"),
        ("192.0.2.77", "--bind 192.0.2.77: this machine has no such address"),
    ],
)
def test_addresses_that_cannot_be_had(bind: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        open_listeners(bind, 0, 0, workers=1)


def test_a_failure_leaves_nothing_open() -> None:
    probe = bind_socket("127.0.0.1", 0, option="--http-port", shared=False)
    port = probe.getsockname()[1]
    probe.close()
    with pytest.raises(UsageError):
        open_listeners("127.0.0.1,192.0.2.77", port, 0, workers=2)
    bind_socket("127.0.0.1", port, option="--http-port", shared=False).close()


def test_several_addresses_share_a_free_port() -> None:
    listeners = open_listeners("127.0.0.1, 127.0.0.2", 0, 0, workers=1)
    try:
        names = [sock.getsockname() for sock in listeners.workers[0].http]
        assert names == [("127.0.0.1", listeners.http_port), ("127.0.0.2", listeners.http_port)]
    finally:
        listeners.close()


def test_addresses() -> None:
    assert listen_addresses("127.0.0.1,[::1]") == ("127.0.0.1", "::1")
    assert listen_addresses("")[0] == "0.0.0.0"
