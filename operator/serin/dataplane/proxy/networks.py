"""Whether an address is in a list of networks. Looked up by prefix, so that long lists cost no more than short ones.

IPv4 inside of IPv6 (::ffff:…) counts as IPv4; what is no address is in no network.
"""

import ipaddress
import socket
from collections.abc import Iterable
from functools import lru_cache

Parsed = tuple[int, int]
"""Bits of the family (32 or 128), and the address as a number."""

_MAPPED = 0xFFFF << 32


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Parsed | None:
    """None when the text is no IPv4 or IPv6 address; a zone (`%eth0`) is none."""
    family, bits = (socket.AF_INET6, 128) if ":" in text else (socket.AF_INET, 32)
    try:
        number = int.from_bytes(socket.inet_pton(family, text), "big")
    except (OSError, ValueError):
        return None
    if bits == 128 and number & ~0xFFFFFFFF == _MAPPED:
        return 32, number & 0xFFFFFFFF
    return bits, number


class Networks:
    """CIDR texts as a plan has them. ValueError when one is none."""

    __slots__ = ("_by_prefix",)

    def __init__(self, cidrs: Iterable[str]) -> None:
        by_prefix: dict[tuple[int, int], set[int]] = {}
        for text in cidrs:
            network = ipaddress.ip_network(text, strict=False)
            shift = network.max_prefixlen - network.prefixlen
            by_prefix.setdefault((network.max_prefixlen, shift), set()).add(int(network.network_address) >> shift)
        self._by_prefix = tuple((bits, shift, frozenset(found)) for (bits, shift), found in by_prefix.items())

    def __contains__(self, address: str) -> bool:
        parsed = parse_address(address)
        if parsed is None:
            return False
        own, number = parsed
        return any(bits == own and number >> shift in found for bits, shift, found in self._by_prefix)
