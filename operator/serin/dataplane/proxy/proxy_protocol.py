"""The PROXY protocol, versions 1 and 2: the line before a connection's bytes that says whose connection it is.

Texts and bytes only; the format is HAProxy's proxy-protocol.txt. What of it is believed is not decided here.
"""

import ipaddress
import struct
from dataclasses import dataclass

MOST = 4096
"""Bytes of the longest line that is taken; one of version 1 has 107 at most."""
_V1_MOST = 107
_V1 = b"PROXY "
_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_V2_HEAD = struct.Struct("!12sBBH")
_V4, _V6 = struct.Struct("!4s4sHH"), struct.Struct("!16s16sHH")
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21

Address = tuple[str, int]
"""IPv4 or IPv6 text without brackets, and port."""


class BadLineError(ValueError):
    """What a connection begins with is no PROXY line."""


@dataclass(frozen=True, slots=True)
class ProxyLine:
    """`length` in bytes. `source` and `destination` are None where the line tells none: a health check of the sender's
    own (LOCAL), or a connection that it cannot describe (UNKNOWN)."""

    length: int
    source: Address | None = None
    destination: Address | None = None


def read_line(data: bytes) -> ProxyLine | None:
    """The line that `data` begins with; None while more of it has to come. BadLineError when it is none."""
    if data.startswith(_V2):
        return _read_v2(data)
    if data.startswith(_V1):
        return _read_v1(data)
    if _V1.startswith(data) or _V2.startswith(data):
        return None
    raise BadLineError("the connection does not begin with a PROXY line")


def write_line(source: Address, destination: Address) -> bytes:
    """A line of version 1, which is what nginx sends."""
    versions = {":" in source[0], ":" in destination[0]}
    if len(versions) == 2:
        return b"PROXY UNKNOWN\r\n"
    family = "TCP6" if versions == {True} else "TCP4"
    return f"PROXY {family} {source[0]} {destination[0]} {source[1]} {destination[1]}\r\n".encode("ascii")


def plain_address(text: str) -> str:
    """The same of an address as the kernel tells it."""
    return text.removeprefix("::ffff:") if "." in text else text


def _read_v1(data: bytes) -> ProxyLine | None:
    end = data.find(b"\r\n", 0, _V1_MOST)
    if end < 0:
        if len(data) >= _V1_MOST:
            raise BadLineError("a PROXY line of version 1 has at most 107 bytes")
        return None
    words = data[:end].decode("ascii", "replace").split(" ")
    if words[1] == "UNKNOWN":
        return ProxyLine(end + 2)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise BadLineError("expected PROXY, TCP4 or TCP6, two addresses and two ports")
    version = 4 if words[1] == "TCP4" else 6
    source = (_address(words[2], version), _port(words[4]))
    return ProxyLine(end + 2, source, (_address(words[3], version), _port(words[5])))


def _address(text: str, version: int) -> str:
    try:
        found = ipaddress.ip_address(text)
    except ValueError as error:
        raise BadLineError("expected an address") from error
    if found.version != version or "%" in text:
        raise BadLineError(f"expected an address of IPv{version}")
    return _shown(found)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > 65535:
        raise BadLineError("expected a port")
    return int(text)


def _read_v2(data: bytes) -> ProxyLine | None:
    if len(data) < _V2_HEAD.size:
        return None
    _, command, family, length = _V2_HEAD.unpack_from(data)
    whole = _V2_HEAD.size + length
    if command not in (_LOCAL, _PROXY):
        raise BadLineError("expected version 2 and the command LOCAL or PROXY")
    if whole > MOST:
        raise BadLineError(f"expected a PROXY line of at most {MOST} bytes")
    if len(data) < whole:
        return None
    shape = {_TCP4: _V4, _TCP6: _V6}.get(family)
    if command == _LOCAL or shape is None:
        return ProxyLine(whole)
    if length < shape.size:
        raise BadLineError("the PROXY line is too short for its addresses")
    source, destination, source_port, destination_port = shape.unpack_from(data, _V2_HEAD.size)
    return ProxyLine(whole, (_text(source), source_port), (_text(destination), destination_port))


def _text(packed: bytes) -> str:
    return _shown(ipaddress.ip_address(packed))


def _shown(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """An IPv4 address that comes as an IPv6 one is the IPv4 one."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
