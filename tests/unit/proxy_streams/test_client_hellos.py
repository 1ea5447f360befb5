"""The name in a ClientHello: of a real TLS library, cut anywhere, spread over records, and of any bytes."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.dataplane.proxy.client_hello import MOST, server_name

NAME = "shop.example.com"


def hello(name: str | None = NAME, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    sent = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


def in_records(message: bytes, size: int) -> bytes:
    """The same handshake message, in records of so many bytes."""
    body = message[5:]
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_name_is_found_as_soon_as_all_is_there(version: ssl.TLSVersion) -> None:
    data = hello(version=version)
    assert server_name(data) == NAME
    assert server_name(data + b"more") == NAME
    assert all(server_name(data[:length]) is None for length in range(len(data)))


@pytest.mark.parametrize("size", [1, 3, 4, 50, 200])
def test_a_message_may_come_in_many_records(size: int) -> None:
    data = in_records(hello(), size)
    assert server_name(data) == NAME
    assert server_name(data[:-1]) is None


def test_no_name_and_capital_letters_and_a_dot() -> None:
    assert server_name(hello(None)) == ""
    asked = hello().replace(NAME.encode(), b"SHOP.example.COM")
    assert server_name(asked) == NAME
    dotted = hello("shop.example.comx").replace(b"shop.example.comx", b"shop.example.com.")
    assert server_name(dotted) == NAME


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x16\x02\x01\x00\x05",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x00\x01\x02",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
        b"\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x03\x00\x00",
        b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc" + bytes(MOST),
    ],
)
def test_what_is_no_client_hello_has_no_name(data: bytes) -> None:
    assert server_name(data) == ""


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    assert server_name(data) in (None, "")


@given(st.data())
def test_any_change_of_a_hello_does_no_harm(data: st.DataObject) -> None:
    changed = bytearray(hello())
    for at in data.draw(st.lists(st.integers(0, len(changed) - 1), max_size=4)):
        changed[at] = data.draw(st.integers(0, 255))
    found = server_name(bytes(changed))
    assert found is None or isinstance(found, str)


def test_a_hello_without_end_is_given_up() -> None:
    assert server_name(in_records(hello()[:5] + b"\x01\x00\x40\x00" + bytes(16384), 100)[:MOST]) == ""
