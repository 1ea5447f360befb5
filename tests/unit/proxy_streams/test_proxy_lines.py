"""PROXY lines of both versions: what they say, when more is awaited, and what is none."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.dataplane.proxy.proxy_protocol import MOST, BadLineError, ProxyLine, read_line, write_line

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V4 = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"


def v2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + bytes((command, family)) + struct.pack("!H", len(body)) + body


BODY4 = bytes((203, 0, 113, 7, 192, 0, 2, 1)) + struct.pack("!HH", 4711, 443)
BODY6 = bytes(15) + b"\1" + bytes(15) + b"\2" + struct.pack("!HH", 1, 65535)
MAPPED = bytes(10) + b"\xff\xff\x01\x02\x03\x04" + bytes(10) + b"\xff\xff\x05\x06\x07\x08" + struct.pack("!HH", 1, 2)


@pytest.mark.parametrize(
    ("line", "source", "destination"),
    [
        (V4, ("203.0.113.7", 4711), ("192.0.2.1", 443)),
        (b"PROXY TCP6 2001:DB8::1 ::2 0 65535\r\n", ("2001:db8::1", 0), ("::2", 65535)),
        (b"PROXY TCP6 ::ffff:1.2.3.4 ::2 1 2\r\n", ("1.2.3.4", 1), ("::2", 2)),
        (b"PROXY UNKNOWN\r\n", None, None),
        (b"PROXY UNKNOWN ff::1 whatever 1\r\n", None, None),
        (v2(0x21, 0x11, BODY4), ("203.0.113.7", 4711), ("192.0.2.1", 443)),
        (v2(0x21, 0x11, BODY4 + b"\x04\0\3abc"), ("203.0.113.7", 4711), ("192.0.2.1", 443)),
        (v2(0x21, 0x21, BODY6), ("::1", 1), ("::2", 65535)),
        (v2(0x21, 0x21, MAPPED), ("1.2.3.4", 1), ("5.6.7.8", 2)),
        (v2(0x20, 0x11, BODY4), None, None),
        (v2(0x20, 0x00, b""), None, None),
        (v2(0x21, 0x31, bytes(216)), None, None),
    ],
)
def test_a_line_is_read_whole_and_no_further(
    line: bytes, source: tuple[str, int] | None, destination: tuple[str, int] | None
) -> None:
    expected = ProxyLine(len(line), source, destination)
    assert read_line(line) == expected
    assert read_line(line + b"GET / HTTP/1.1\r\n") == expected
    assert [read_line(line[:length]) for length in range(len(line))] == [None] * len(line)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01",
        b"PROXX",
        b"PROXY \r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
        b"PROXY TCP4 ::1 ::2 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 +2\r\n",
        b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY UNKNOWN" + b"x" * 107,
        v2(0x11, 0x11, BODY4),
        v2(0x22, 0x11, BODY4),
        v2(0x21, 0x11, BODY4[:-1]),
        v2(0x21, 0x21, BODY4),
        v2(0x21, 0x11, BODY4 + bytes(MOST)),
    ],
)
def test_what_is_no_line_is_refused(data: bytes) -> None:
    with pytest.raises(BadLineError):
        read_line(data)


@given(st.binary(max_size=200), st.sampled_from((b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11")))
def test_any_bytes_are_a_line_or_none_or_awaited(tail: bytes, head: bytes) -> None:
    try:
        found = read_line(head + tail)
    except BadLineError:
        return
    assert found is None or 0 < found.length <= len(head + tail)


addresses = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)
ports = st.integers(0, 65535)


@given(st.tuples(addresses, ports), st.tuples(addresses, ports))
def test_what_is_written_reads_the_same(source: tuple[str, int], destination: tuple[str, int]) -> None:
    found = read_line(write_line(source, destination))
    assert found is not None
    if (":" in source[0]) != (":" in destination[0]):
        assert found.source is None
    elif "." in source[0] or not source[0].startswith("::ffff:"):
        assert found.source is not None
        assert found.source[1] == source[1]
