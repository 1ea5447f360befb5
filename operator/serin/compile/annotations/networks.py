"""Lists of networks as users write them, made canonical: one form in the plan, whatever was written."""

import ipaddress

from serin.compile.annotations.grammar import Grammar
from serin.objects.fields import shorten

NOBODY = ("0.0.0.0/32",)
"""An allow list that no client is in."""
_BROADCAST = "255.255.255.255/32"
"""Nobody's address. nginx takes it for a fault of its own, and refuses a configuration that has it."""
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def canonical(text: str) -> str | None:
    """A network or a single address as a CIDR, bits of the host cut off; IPv4 inside IPv6 comes out as IPv4."""
    found = _read(text)
    return None if found == _BROADCAST else found


def _read(text: str) -> str | None:
    if "%" in text or ("/" in text and not text.rpartition("/")[2].isdigit()):
        return None
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96 and network.subnet_of(_MAPPED):
        inner = ipaddress.IPv4Address(int(network.network_address) & 0xFFFFFFFF)
        return f"{inner}/{network.prefixlen - 96}"
    return str(network)


def _networks(text: str) -> tuple[str, ...] | None:
    found = tuple(canonical(part.strip(" ")) for part in text.split(","))
    kept = tuple(dict.fromkeys(network for network in found if network is not None))
    return kept if len(found) == sum(network is not None for network in found) else None


NETWORKS = Grammar(_networks, "addresses and CIDRs separated by commas, like 10.0.0.0/8,192.0.2.1,2001:db8::/32")


def usable(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of a list that cannot be read as a whole: its networks, and its other entries as they may be shown."""
    good: dict[str, None] = {}
    bad: dict[str, None] = {}
    for part in (part.strip() for part in text.split(",")):
        network = canonical(part)
        if network is not None:
            good[network] = None
        elif part:
            bad[repr(shorten(part))] = None
    return tuple(good), tuple(bad)
