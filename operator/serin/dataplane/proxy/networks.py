"""Whether an address is in a list of networks. Looked up by prefix, so that long lists cost no more than short ones.

IPv4 inside of IPv6 (::ffff:…) counts as IPv4; what is no address is in no network.
"""

import socket
from collections.abc import Iterable
from functools import lru_cache
from weakref import WeakValueDictionary

Parsed = tuple[int, int]
"""Bits of the family (32 or 128), and the address as a number."""

_MAPPED = 0xFFFF << 32


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Parsed | None:
    """None when the text is no IPv4 or IPv6 address; a zone (`%eth0`) is none."""
    found = _read(text)
    if found is not None and found[0] == 128 and found[1] & ~0xFFFFFFFF == _MAPPED:
        return 32, found[1] & 0xFFFFFFFF
    return found


def _read(text: str) -> Parsed | None:
    """As it is written."""
    family, bits = (socket.AF_INET6, 128) if ":" in text else (socket.AF_INET, 32)
    try:
        return bits, int.from_bytes(socket.inet_pton(family, text), "big")
    except (OSError, ValueError):
        return None


class Networks:
    """CIDR texts as a plan has them. ValueError when one is none."""

    __slots__ = ("__weakref__", "_by_prefix")

    def __init__(self, cidrs: Iterable[str]) -> None:
        by_prefix: dict[tuple[int, int], set[int]] = {}
        for text in cidrs:
            bits, shift, number = _network(text)
            by_prefix.setdefault((bits, shift), set()).add(number)
        self._by_prefix = tuple((bits, shift, frozenset(found)) for (bits, shift), found in by_prefix.items())

    def __contains__(self, address: str) -> bool:
        parsed = parse_address(address)
        if parsed is None:
            return False
        own, number = parsed
        return any(bits == own and number >> shift in found for bits, shift, found in self._by_prefix)


_known: WeakValueDictionary[tuple[str, ...], Networks] = WeakValueDictionary()


def networks(cidrs: tuple[str, ...]) -> Networks:
    """One object for equal lists: each path of an Ingress has its own, and a list may have thousands of entries."""
    found = _known.get(cidrs)
    if found is None:
        found = _known[cidrs] = Networks(cidrs)
    return found


def _network(text: str) -> tuple[int, int, int]:
    """Bits of the family, bits of the host, and the network as a number without these."""
    address, slash, length = text.partition("/")
    read = _read(address)
    if read is None or (slash and not (length.isascii() and length.isdigit() and int(length) <= read[0])):
        raise ValueError(f"expected a network, found {text!r}")
    bits, number = read
    host = bits - int(length) if slash else 0
    return bits, host, number >> host
